package util

import (
	"net"
	"regexp"
	"testing"
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
