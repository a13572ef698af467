package testbed

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const page = `# HELP apiserver_request_total Counter of apiserver requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="kubeovn.io",resource="ips",scope="resource",subresource="",verb="POST",version="v1"} 300
apiserver_request_total{code="409",component="apiserver",dry_run="",group="kubeovn.io",resource="ips",scope="resource",subresource="",verb="POST",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="kubeovn.io",resource="subnets",scope="resource",subresource="status",verb="PATCH",version="v1"} 7
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1"} 9
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="PUT",version="v1"} 50
go_goroutines 41
ovs_client_request_latency_milliseconds_count{code="0",db="OVN_Northbound",method="transact"} 1.5e+02
`

func TestWritesOf(t *testing.T) {
	earlier := writesOf(parseMetrics(page, requests))
	if diff := cmp.Diff(Writes{"POST ips": 302, "PATCH subnets/status": 7}, earlier); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	later := Writes{"POST ips": 302, "PATCH subnets/status": 9, "POST events": 1}
	added := later.Since(earlier)
	if diff := cmp.Diff(Writes{"PATCH subnets/status": 2, "POST events": 1}, added); diff != "" || added.Total() != 3 {
		t.Errorf("total %d (-want +got)\n%s", added.Total(), diff)
	}
}

func TestParseMetrics(t *testing.T) {
	samples := parseMetrics(page, "")
	got := samples[len(samples)-2:]
	want := []Sample{
		{Name: "go_goroutines", Labels: map[string]string{}, Value: 41},
		{
			Name: "ovs_client_request_latency_milliseconds_count", Value: 150,
			Labels: map[string]string{"code": "0", "db": "OVN_Northbound", "method": "transact"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if chosen := parseMetrics(page, "go_"); len(chosen) != 1 || chosen[0].Name != "go_goroutines" {
		t.Errorf("with a prefix: %+v", chosen)
	}
}

func TestUsage(t *testing.T) {
	before, _, err := usage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; {
		after, rss, err := usage(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after-before >= 50*time.Millisecond && rss > 1<<20 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("busy for five seconds, the kernel counted %s and %d bytes", after-before, rss)
		}
	}
}
