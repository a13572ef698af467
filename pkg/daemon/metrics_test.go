package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestGatewayRule(t *testing.T) {
	for rule, want := range map[string][3]string{
		`-s 10.16.0.0/16 -m comment --comment "ovn-subnet-gateway,ovn-default"`: {"ovn-default", "10.16.0.0/16", "egress"},
		`-d fd00::/64 -m comment --comment "ovn-subnet-gateway,net.1"`:          {"net.1", "fd00::/64", "ingress"},
		`-i eth0 -m comment --comment "ovn-subnet-gateway,net1"`:                {},
		`-s 10.0.0.0/8 -j ACCEPT`: {},
		``:                        {},
	} {
		subnet, cidr, direction, ok := gatewayRule(rule)
		if got := [3]string{subnet, cidr, direction}; got != want || ok != (want[0] != "") {
			t.Errorf("%q: got %v, %v; want %v", rule, got, ok, want)
		}
	}
}

func TestSystemCollector(t *testing.T) {
	root := t.TempDir() + "/"
	for file, content := range map[string]string{
		"proc/sys/net/ipv4/ip_local_port_range":              "32768\t60999\n",
		"proc/sys/net/ipv4/tcp_mem":                          "1 2 3\n",
		"proc/sys/net/ipv4/tcp_mtu_probing":                  "1\n",
		"proc/sys/net/bridge/bridge-nf-call-iptables":        "0\n",
		"proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal": "what\n",
		"etc/resolv.conf":                                    "nameserver 1.1.1.1\nsearch a.b c.d\n",
		"proc/net/snmp":                                      "Ip: Forwarding\nIp: 1\nTcp: InErrs InCsumErrors\nTcp: 3 4\nUdp: InCsumErrors IgnoredMulti\nUdp: 5 6\n",
	} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`bridge_nf_call_iptables{hostname="n"} 0`,
		`checksum_err_count{hostname="n"} 9`,
		`dns_search_domain{additional="a.b c.d",hostname="n"} 1`,
		`ip_local_port_range{end="60999",hostname="n",start="32768"} 1`,
		`tcp_mem{hostname="n",maximum="3",minimum="1",pressure="2"} 1`,
		`tcp_mtu_probing{hostname="n"} 1`,
	}
	if d := cmp.Diff(want, scrape(t, systemCollector{"n", root})); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	if got := scrape(t, systemCollector{"n", t.TempDir() + "/"}); got != nil {
		t.Errorf("metrics without a single file: %v", got)
	}
}

// scrape prints the gauges of a collector as a scraper sees them.
func scrape(t *testing.T, c prometheus.Collector) []string {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			out = append(out, fmt.Sprintf("%s{%s} %g", f.GetName(), strings.Join(labels, ","), m.GetGauge().GetValue()))
		}
	}
	return out
}
