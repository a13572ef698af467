package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cni.sock")
	for range 2 {
		// The second time over the socket of a daemon that died.
		l, err := Listen(t.Context(), path)
		must(t, err)
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %s, want 0600", info.Mode())
		}
		l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
		must(t, l.Close())
	}
	file := filepath.Join(t.TempDir(), "precious")
	must(t, os.WriteFile(file, []byte("x"), 0o600))
	if _, err := Listen(t.Context(), file); err == nil {
		t.Error("took the place of a file that is no socket")
	}
}

// TestMalformed: whatever comes in, JSON with a reason goes out.
func TestMalformed(t *testing.T) {
	f := newFixture(t, nil, nil)
	body := func(change func(*api.Request)) string {
		req := request(1)
		change(&req)
		data, err := json.Marshal(req)
		must(t, err)
		return string(data)
	}
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		text               string
	}{
		"no JSON":                 {"POST", api.PathAdd, "{", 400, "parse the request"},
		"another shape":           {"POST", api.PathAdd, `{"pod_name":1}`, 400, "parse the request"},
		"a list":                  {"POST", api.PathDel, `[]`, 400, "parse the request"},
		"two values":              {"POST", api.PathDel, `{}{}`, 400, "parse the request"},
		"nothing":                 {"POST", api.PathAdd, "", 400, "parse the request"},
		"far too long":            {"POST", api.PathAdd, strings.Repeat(" ", maxBody+1), 413, "longer than"},
		"another method":          {"GET", api.PathAdd, "", 405, `"GET" is not POST`},
		"another path":            {"POST", "/api/v2/add", "", 404, "no such call"},
		"the root":                {"GET", "/", "", 404, "no such call"},
		"no container":            {"POST", api.PathDel, `{"if_name":"eth0"}`, 400, `container_id "" is not valid`},
		"a path as container":     {"POST", api.PathDel, `{"container_id":"../x","if_name":"eth0"}`, 400, "container_id"},
		"no interface":            {"POST", api.PathDel, `{"container_id":"x"}`, 400, `if_name "" is not valid`},
		"an interface too long":   {"POST", api.PathDel, `{"container_id":"x","if_name":"abcdefghijklmnop"}`, 400, "if_name"},
		"a path as interface":     {"POST", api.PathDel, `{"container_id":"x","if_name":"a/b"}`, 400, "if_name"},
		"dots as interface":       {"POST", api.PathDel, `{"container_id":"x","if_name":".."}`, 400, "if_name"},
		"no pod":                  {"POST", api.PathAdd, body(func(r *api.Request) { r.PodName = "" }), 400, `pod_name "" is not valid`},
		"a pod that cannot be":    {"POST", api.PathAdd, body(func(r *api.Request) { r.PodName = "A B" }), 400, `pod_name "A B"`},
		"no namespace":            {"POST", api.PathAdd, body(func(r *api.Request) { r.PodNamespace = "a.b" }), 400, "pod_namespace"},
		"no network namespace":    {"POST", api.PathAdd, body(func(r *api.Request) { r.NetNS = "" }), 400, "net_ns"},
		"a relative one":          {"POST", api.PathCheck, body(func(r *api.Request) { r.NetNS = "netns/x" }), 400, "net_ns"},
		"a provider":              {"POST", api.PathAdd, body(func(r *api.Request) { r.Provider = "a/b" }), 400, "provider"},
		"a network":               {"POST", api.PathAdd, body(func(r *api.Request) { r.Network = "a b" }), 400, "network"},
		"GC without a network":    {"POST", api.PathGC, `{"valid_attachments":[]}`, 400, "network"},
		"GC without a list":       {"POST", api.PathGC, `{"network":"n"}`, 400, "valid_attachments is missing"},
		"a provider, as upstream": {"POST", api.PathAdd, body(func(r *api.Request) { r.Provider = "x.y.ovn" }), 400, "provider x.y.ovn is not bound to any subnet"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			f.server.Handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
			var res api.Response
			if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil {
				t.Fatalf("%d with no JSON: %q", w.Code, w.Body)
			}
			if w.Code != c.status || !strings.Contains(res.Error, c.text) || res.Code != api.CodeInvalidConfig {
				t.Errorf("got %d, code %d, %q; want %d, 7, %q", w.Code, res.Code, res.Error, c.status, c.text)
			}
			if w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
		})
	}
}

// A defect of ours ends one request, with an answer.
func TestPanic(t *testing.T) {
	f := newFixture(t, nil, nil) // no manager of ports: removing panics
	err := f.client.Del(t.Context(), request(1))
	assertFailure(t, err, api.CodeTryAgainLater, "internal error")
	if err := f.client.Status(t.Context()); err != nil {
		t.Errorf("the server does not answer any more: %v", err)
	}
	if n := f.busyWith("cid1"); n != 0 {
		t.Errorf("the container is still busy with %d requests", n)
	}
}

func TestLatencyIsMeasured(t *testing.T) {
	f := newFixture(t, nil, func(c *Config) { c.NodeName = "measured"; c.WaitTimeout = 50 * time.Millisecond })
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collectors()...)
	must(t, f.client.Status(t.Context()))
	_, err := f.client.Add(t.Context(), request(2))
	assertFailure(t, err, api.CodeUnknownContainer, "is gone")
	if waited := sample(t, registry, "cni_wait_address_seconds_total"); waited != 0 {
		t.Errorf("counted %f s of waiting for a pod that is gone", waited)
	}
	for suffix, metric := range map[string]string{"allocated": "cni_wait_address_seconds_total", "routed": "cni_wait_route_seconds_total"} {
		waiting := pod(3)
		delete(waiting.Annotations, "ovn.kubernetes.io/"+suffix)
		f.create(waiting)
		f.seen("p3")
		_, err = f.client.Add(t.Context(), request(3))
		assertFailure(t, err, api.CodeTryAgainLater, "p3")
		if waited := sample(t, registry, metric); waited < 0.04 || waited > 5 {
			t.Errorf("%s counted %f s, want about 0.05", metric, waited)
		}
		f.remove(waiting)
		eventually(t, "the informer loses the pod", func() bool {
			_, err := f.server.cfg.Pods.Lister().Pods("default").Get("p3")
			return err != nil
		})
	}
	if n := sample(t, registry, "cni_op_latency_seconds"); n != 4 {
		t.Errorf("measured %v requests, want 4", n)
	}
}

// sample sums the values of a counter, or the number of observations of a histogram, of node "measured".
func sample(t *testing.T, registry *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "node_name" && label.GetValue() == "measured" {
					sum += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return sum
}

// FuzzRequest throws bodies at every call that reads one. None reaches a port: no pod exists, and Del, Check and GC are
// looked at behind their decoding.
func FuzzRequest(f *testing.F) {
	add, err := json.Marshal(request(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(add)
	f.Add([]byte(`{"container_id":"x","if_name":"eth0","routes":[{"dst":"0.0.0.0/0"}],"expected":{"addresses":["x"]}}`))
	f.Add([]byte(`{"network":"n","valid_attachments":[{}]}`))
	f.Add([]byte("\x00"))
	fix := newFixture(f, nil, func(c *Config) { c.WaitTimeout = time.Nanosecond; c.Recorder = nil })
	handler := fix.server.Handler()
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, api.PathAdd, bytes.NewReader(body)))
		var res api.Response
		if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil || res.Error == "" || strings.Contains(res.Error, "internal error") {
			t.Errorf("%d %q: %v", w.Code, w.Body, err)
		}
		req, err := decode[api.Request](httptest.NewRequest(http.MethodPost, api.PathDel, io.NopCloser(bytes.NewReader(body))))
		if err == nil && validateInterface(req) == nil && strings.ContainsAny(req.ContainerID+req.IfName, "/ \x00") {
			t.Errorf("accepted %+v", req)
		}
	})
}
