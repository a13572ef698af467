package util

import (
	"net"
	"regexp"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

func TestHashMAC(t *testing.T) {
	form := regexp.MustCompile(`^00:00:00(:[0-9A-F]{2}){3}$`)
	seen := map[string]string{}
	for _, name := range []string{"ovn-cluster-join", "ovn-cluster-ovn-default", "vpc1-net1", ""} {
		for variant := range 3 {
			mac := HashMAC(name, variant)
			if !form.MatchString(mac) {
				t.Errorf("%s is not of the form %s", mac, form)
			}
			if _, err := net.ParseMAC(mac); err != nil {
				t.Error(err)
			}
			if mac != HashMAC(name, variant) {
				t.Errorf("%s variant %d: not stable", name, variant)
			}
			if other, ok := seen[mac]; ok {
				t.Errorf("%s variant %d has the address of %s", name, variant, other)
			}
			seen[mac] = name
		}
	}
}

// In an outside network, which another cluster may use, equal names lead to different MACs; elsewhere the name decides alone.
func TestNewRouterPortMAC(t *testing.T) {
	mac := func(vlan string, uid types.UID) string {
		s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "net1", UID: uid}, Spec: v1.SubnetSpec{Vlan: vlan}}
		return NewRouterPortMAC("vpc1", s)
	}
	if mac("", "a") != mac("", "b") || mac("", "a") != HashMAC("vpc1-net1", 0) {
		t.Errorf("overlay: %s and %s, want the hash of the name", mac("", "a"), mac("", "b"))
	}
	if mac("vlan10", "a") == mac("vlan10", "b") {
		t.Errorf("underlay: %s and %s", mac("vlan10", "a"), mac("vlan10", "b"))
	}
}
