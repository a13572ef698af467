package port

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

func TestQoSRows(t *testing.T) {
	ids := map[string]string{"iface-id": "web.default", "pod": "default/web"}
	for name, c := range map[string]struct {
		annotations map[string]string
		want        ovs.VSwitchPort
	}{
		"nothing":         {nil, ovs.VSwitchPort{}},
		"zero is nothing": {map[string]string{"ingress_rate": "0", "egress_rate": "0"}, ovs.VSwitchPort{}},
		"egress, with the default burst": {
			map[string]string{"egress_rate": "10"}, ovs.VSwitchPort{PolicingRate: 10_000, PolicingBurst: 8_000},
		},
		"egress with a burst": {
			map[string]string{"egress_rate": "10", "egress_burst": "3"}, ovs.VSwitchPort{PolicingRate: 10_000, PolicingBurst: 3_000},
		},
		"a burst alone is nothing": {map[string]string{"egress_burst": "3", "ingress_burst": "3"}, ovs.VSwitchPort{}},
		"ingress, with the default burst": {
			map[string]string{"ingress_rate": "3"},
			ovs.VSwitchPort{QoS: &ovs.QoS{Type: "linux-htb", Queue: map[string]string{"max-rate": "3000000", "burst": "37500"}, ExternalIDs: ids}},
		},
		"ingress with a burst": {
			map[string]string{"ingress_rate": "3", "ingress_burst": "2"},
			ovs.VSwitchPort{QoS: &ovs.QoS{Type: "linux-htb", Queue: map[string]string{"max-rate": "3000000", "burst": "250000"}, ExternalIDs: ids}},
		},
		"netem": {
			map[string]string{"latency": "600", "jitter": "400", "limit": "2000", "loss": "10.5"},
			ovs.VSwitchPort{QoS: &ovs.QoS{Type: "linux-netem", OtherConfig: map[string]string{
				"latency": "600000", "jitter": "400000", "limit": "2000", "loss": "10.5",
			}, ExternalIDs: ids}},
		},
		"a rate wins over netem": {
			map[string]string{"ingress_rate": "1", "latency": "600"},
			ovs.VSwitchPort{QoS: &ovs.QoS{Type: "linux-htb", Queue: map[string]string{"max-rate": "1000000", "burst": "12500"}, ExternalIDs: ids}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{}
			for suffix, value := range c.annotations {
				annotations["net.ns.ovn.kubernetes.io/"+suffix] = value
			}
			q, err := parseQoS("net.ns.ovn", annotations)
			if err != nil {
				t.Fatal(err)
			}
			external := map[string]string{"iface-id": "web.default", "pod_namespace": "default", "pod_name": "web"}
			c.want.Bridge, c.want.Name, c.want.ExternalIDs = "br-int", "x_h", external
			if diff := cmp.Diff(c.want, portRow("x_h", external, q)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The kernel takes the bucket as the time to fill it, in ticks of 64 ns.
func TestTbfBuffer(t *testing.T) {
	for _, c := range []struct{ rate, bucket uint64 }{{1_250_000, 12_500}, {125_000, 2_800}, {125_000_000, 1_250_000}} {
		ticks := tbfBuffer(c.rate, c.bucket)
		seconds := float64(ticks) * 64e-9
		if bytes := seconds * float64(c.rate); bytes < 0.99*float64(c.bucket) || bytes > 1.01*float64(c.bucket) {
			t.Errorf("rate %d, bucket %d: %d ticks hold %.0f bytes", c.rate, c.bucket, ticks, bytes)
		}
	}
	if got := tbfBuffer(1, 1<<40); got > 1<<31 {
		t.Errorf("a bucket without end: %d ticks", got)
	}
}
