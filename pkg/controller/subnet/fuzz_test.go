package subnet

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
)

// Whatever a spec says, it is refused as the user's mistake, or it has one normal form that renders and that IPAM takes.
func FuzzSubnet(f *testing.F) {
	f.Add("10.0.1.5/24", "", "10.0.1.9,10.0.1.2..10.0.1.4", "", "10.0.2.0/24")
	f.Add("fd00::/64,10.0.1.0/24", "10.0.1.9", "fd00::9..fd00::ff", "lease_time=60,dns_server=1.1.1.1;8.8.8.8", "")
	f.Add("FD00::/64", "fd00::1", "", "=", "x")
	f.Add("10.0.1.0/31", "10.0.1.1", "10.0.1.0..10.0.1.1", "", "0.0.0.0/0")
	f.Add("::/0", "::", "", "", "")
	f.Fuzz(func(t *testing.T, cidr, gateway, excludes, options, allow string) {
		subnet := controllertest.Subnet("s", "v", cidr, func(s *v1.SubnetSpec) {
			s.Gateway, s.EnableDHCP, s.DHCPv4Options, s.EnableIPv6RA, s.Private = gateway, true, options, true, true
			for _, text := range strings.Split(excludes, ",") {
				if text != "" {
					s.ExcludeIps = append(s.ExcludeIps, text)
				}
			}
			if allow != "" {
				s.AllowSubnets = []string{allow}
			}
		})
		refused := func(err error) bool {
			if err == nil {
				return false
			}
			if _, ok := reconcile.AsInvalid(err); !ok {
				t.Errorf("not the user's mistake: %v", err)
			}
			return true
		}
		normal, err := normalized(subnet, config)
		if refused(err) || refused(validate(normal, config)) {
			return
		}
		again, err := normalized(normal, config)
		if err != nil {
			t.Fatalf("the normal form is refused: %v", err)
		}
		if diff := cmp.Diff(normal.Spec, again.Spec); diff != "" {
			t.Errorf("not normal\n%s", diff)
		}
		in := inputs{config: config, subnet: normal}
		want, err := rows(in)
		if refused(err) {
			return
		}
		if len(want) == 0 {
			t.Error("no rows")
		}
		if err := ipam.New().SetSubnet(addresses(in)); err != nil {
			t.Errorf("IPAM refuses what was accepted: %v", err)
		}
	})
}
