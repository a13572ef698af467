package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// TestProcess makes requests by client-go and a line of log: there is one series per verb and server, whatever the path.
func TestProcess(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(Process()...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1"}`)
	}))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := client.CoreV1().Pods("ns").Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	klog.Warning("a line")
	klog.Flush()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range families {
		found[f.GetName()] = f.String()
		if f.GetName() != "rest_client_request_latency_seconds" {
			continue
		}
		if m := f.GetMetric(); len(m) != 1 || m[0].GetHistogram().GetSampleCount() != 2 {
			t.Errorf("series of requests: %v", m)
		}
	}
	if !strings.Contains(found["rest_client_request_latency_seconds"], `value:"GET"`) {
		t.Errorf("requests: %s", found["rest_client_request_latency_seconds"])
	}
	for _, name := range []string{"klog_lines_total", "klog_bytes_total", "go_goroutines", "process_open_fds"} {
		if found[name] == "" {
			t.Errorf("no metric %s", name)
		}
	}
}
