package ovs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

const (
	generatedMAC = "00:00:00:AA:BB:CC"
	givenMAC     = "16:52:f3:13:6a:25"
)

func routerPort(mac, def string) ovs.LogicalRouterPort {
	return ovs.LogicalRouterPort{Router: "vpc1", Name: "vpc1-net1", MAC: mac, DefaultMAC: def, Networks: []string{"10.0.1.1/24"}}
}

// TestDefaultMAC: a default fills what is not usable and gives way to what is, whoever wrote it; a given MAC is written.
func TestDefaultMAC(t *testing.T) {
	for _, test := range []struct {
		name, have, given, want string
	}{
		{"of another installation", "d6:1f:4a:0b:9c:02", "", "d6:1f:4a:0b:9c:02"},
		{"upper case", "00:00:00:11:22:FF", "", "00:00:00:11:22:FF"},
		{"given", "d6:1f:4a:0b:9c:02", givenMAC, givenMAC},
		{"empty", "", "", generatedMAC},
		{"no MAC", "dynamic", "", generatedMAC},
		{"zero", "00:00:00:00:00:00", "", generatedMAC},
		{"multicast", "01:00:5e:00:00:01", "", generatedMAC},
		{"with dashes", "d6-1f-4a-0b-9c-02", "", generatedMAC},
		{"too long", "02:00:5e:10:00:00:00:01", "", generatedMAC},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := ovstest.Start(t, ovs.Northbound)
			s.Transact(t, fmt.Sprintf(`{"op":"insert","table":"Logical_Router_Port","uuid-name":"p","row":{"name":"vpc1-net1","networks":"10.0.1.1/16","mac":%q}}`, test.have),
				`{"op":"insert","table":"Logical_Router","row":{"name":"vpc1","ports":["named-uuid","p"]}}`)
			c := s.Connect(t)
			if got, ok := c.RouterPortMAC("vpc1-net1"); ok != (test.want != generatedMAC) || ok && got != test.have {
				t.Errorf("before adoption the MAC is %q, %v", got, ok)
			}
			before, _ := c.UUID(routerPort("", ""))
			apply(t, c, "vpc/vpc1", ovs.LogicalRouter{Name: "vpc1"})
			apply(t, c, "subnet/net1", routerPort(test.given, generatedMAC))
			if dump := s.Dump(t); !strings.Contains(dump, "mac="+test.want+" ") || !strings.Contains(dump, "owner=subnet/net1") || !strings.Contains(dump, "networks=10.0.1.1/24") {
				t.Errorf("the port is not adopted with MAC %s:\n%s", test.want, dump)
			}
			if after, ok := c.UUID(routerPort("", "")); !ok || after != before {
				t.Errorf("UUID %s became %s", before, after)
			}
			if n := apply(t, c, "subnet/net1", routerPort(test.given, generatedMAC)); n != 0 {
				t.Errorf("%d operations for equal rows", n)
			}
			if got, ok := c.RouterPortMAC("vpc1-net1"); !ok || got != test.want {
				t.Errorf("after adoption the MAC is %q, %v", got, ok)
			}
		})
	}
}

// TestDefaultMACOfANewPort: a port that was not there has the default, also one that was made again; what a hand or an
// earlier wish gave it stays, and its owner is told.
func TestDefaultMACOfANewPort(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	told := make(chan string, 10)
	c.OnDrift("subnet", func(key string) { told <- key })
	apply(t, c, "vpc/vpc1", ovs.LogicalRouter{Name: "vpc1"})
	if got, ok := c.RouterPortMAC("vpc1-net1"); ok {
		t.Errorf("a port that is not there has MAC %s", got)
	}
	has := func(want string) {
		t.Helper()
		apply(t, c, "subnet/net1", routerPort("", generatedMAC))
		if got, ok := c.RouterPortMAC("vpc1-net1"); !ok || got != want {
			t.Errorf("MAC %q, %v, want %s", got, ok, want)
		}
	}
	has(generatedMAC)
	s.Transact(t, `{"op":"update","table":"Logical_Router_Port","where":[],"row":{"mac":"d6:1f:4a:0b:9c:02"}}`)
	if key := <-told; key != "net1" {
		t.Errorf("told %s", key)
	}
	has("d6:1f:4a:0b:9c:02")
	apply(t, c, "subnet/net1", routerPort(givenMAC, generatedMAC))
	has(givenMAC)
	apply(t, c, "subnet/net1")
	has(generatedMAC)
}

// TestDefaultMACContradiction: a given MAC and a default of the same text are two wishes.
func TestDefaultMACContradiction(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	apply(t, c, "vpc/vpc1", ovs.LogicalRouter{Name: "vpc1"})
	_, err := tryApply(t, c, "subnet/net1", routerPort(generatedMAC, ""), routerPort("", generatedMAC))
	if err == nil || !strings.Contains(err.Error(), "is wanted twice: defaults=[]") {
		t.Errorf("error %v", err)
	}
}
