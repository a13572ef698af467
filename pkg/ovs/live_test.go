package ovs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// TestLiveNATs: NAT rows are listed with their routers and owners, also by a client that did not write them.
func TestLiveNATs(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	apply(t, c, "vpc/r", ovs.LogicalRouter{Name: "r"})
	apply(t, c, "pod/ns/a", ovs.NAT{Router: "r", Type: "snat", ExternalIP: "172.56.0.9", LogicalIP: "10.16.0.3"},
		ovs.NAT{Router: "r", Type: "dnat_and_snat", ExternalIP: "172.56.0.8", LogicalIP: "10.16.0.2"})
	for _, client := range []*ovs.Client{c, s.Connect(t)} {
		nats := client.LiveNATs()
		for i := range nats {
			if owner := nats[i].ExternalIDs[util.ExtOwner]; owner != "pod/ns/a" {
				t.Errorf("%+v is of %q", nats[i], owner)
			}
			nats[i].ExternalIDs = nil
		}
		want := []ovs.LiveNAT{
			{Router: "r", Type: "dnat_and_snat", ExternalIP: "172.56.0.8", LogicalIP: "10.16.0.2"},
			{Router: "r", Type: "snat", ExternalIP: "172.56.0.9", LogicalIP: "10.16.0.3"},
		}
		if d := cmp.Diff(want, nats); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
}
