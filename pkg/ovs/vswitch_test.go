package ovs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

func hostPort() ovs.VSwitchPort {
	return ovs.VSwitchPort{Bridge: "br-int", Name: "veth1", Tag: 7, Trunks: []int{0, 100}, MTURequest: 1400, PolicingRate: 1000,
		ExternalIDs: map[string]string{"iface-id": "a.default", "ip": "10.0.1.10"}}
}

const bridgeDump = `Bridge br-int: external_ids={owner=node/self} fail_mode=secure name=br-int ports=Port:br-int
Interface br-int: external_ids={owner=node/self} name=br-int type=internal
`

const portDump = `Bridge br-int: external_ids={owner=node/self} fail_mode=secure name=br-int ports=[Port:br-int Port:veth1]
Interface br-int: external_ids={owner=node/self} name=br-int type=internal
Interface veth1: external_ids={iface-id=a.default, ip=10.0.1.10, owner=port/a} ingress_policing_rate=1000 mtu_request=1400 name=veth1
Open_vSwitch : bridges=Bridge:br-int external_ids={system-id=c1} other_config={vlan-limit=0}
Port br-int: external_ids={bridge=br-int, owner=node/self} interfaces=Interface:br-int name=br-int
Port veth1: external_ids={bridge=br-int, owner=port/a} interfaces=Interface:veth1 name=veth1 tag=7 trunks=[0 100]
`

func startVSwitch(t *testing.T) (*ovstest.Server, *ovs.Client) {
	t.Helper()
	s := ovstest.Start(t, ovs.OpenVSwitchDB)
	s.Transact(t, `{"op":"insert","table":"Open_vSwitch","row":{"other_config":["map",[["vlan-limit","0"]]]}}`)
	c := s.Connect(t)
	apply(t, c, "node/self", ovs.OpenVSwitch{ExternalIDs: map[string]string{"system-id": "c1", "ovn-remote": ""}},
		ovs.Bridge{Name: "br-int", FailMode: "secure"})
	return s, c
}

func TestVSwitch(t *testing.T) {
	s, c := startVSwitch(t)
	apply(t, c, "port/a", hostPort())
	same(t, s, portDump)
	if n := apply(t, c, "port/a", hostPort()); n != 0 {
		t.Errorf("%d operations for an equal port", n)
	}

	limited := hostPort()
	limited.QoS = &ovs.QoS{Type: "linux-htb", OtherConfig: map[string]string{"max-rate": "1000"}, Queue: map[string]string{"max-rate": "1000"},
		ExternalIDs: map[string]string{"pod": "default/a", "iface-id": "a.default"}}
	mirror := ovs.Mirror{Bridge: "br-int", Name: "m0", SelectDstPorts: []string{"veth1"}, OutputPort: "br-int"}
	apply(t, c, "port/a", limited)
	apply(t, c, "node/mirror", mirror)
	dump := s.Dump(t)
	for _, want := range []string{"Mirror m0: external_ids={bridge=br-int, owner=node/mirror} name=m0 output_port=Port:br-int select_dst_port=Port:veth1",
		"QoS veth1: external_ids={iface-id=a.default, owner=port/a, pod=default/a, port=veth1} other_config={max-rate=1000} queues={0=Queue:veth1} type=linux-htb",
		"Queue veth1: external_ids={iface-id=a.default, owner=port/a, pod=default/a, port=veth1} other_config={max-rate=1000}",
		"qos=QoS:veth1", "mirrors=Mirror:m0"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q in\n%s", want, dump)
		}
	}
	limited.QoS.Queue = nil
	apply(t, c, "port/a", limited)
	if dump := s.Dump(t); strings.Contains(dump, "Queue ") || !strings.Contains(dump, "QoS veth1") {
		t.Errorf("the queue did not go alone:\n%s", dump)
	}
	apply(t, c, "node/mirror")
	apply(t, c, "port/a", hostPort())
	same(t, s, portDump)
	apply(t, c, "port/a")
	if dump := s.Dump(t); !strings.HasPrefix(dump, bridgeDump) {
		t.Errorf("the port did not go:\n%s", dump)
	}
	whole := []ovs.Row{ovs.Bridge{Name: "br-ext"}, limited}
	limited.Bridge, limited.QoS.Queue = "br-ext", map[string]string{"max-rate": "1"}
	whole[1] = limited
	apply(t, c, "port/whole", whole...)
	apply(t, c, "port/whole") // bridge, port, QoS and queue at once
	apply(t, c, "node/self")
	same(t, s, "Open_vSwitch : external_ids={system-id=c1} other_config={vlan-limit=0}\n")
}

// TestInterfaceKeysOfOVN: what ovn-controller writes on our interface is not ours.
func TestInterfaceKeysOfOVN(t *testing.T) {
	s, c := startVSwitch(t)
	apply(t, c, "port/a", hostPort())
	s.Transact(t, `{"op":"mutate","table":"Interface","where":[["name","==","veth1"]],"mutations":[["external_ids","insert",["map",[["ovn-installed","true"],["other","x"]]]]]}`)
	row := hostPort()
	row.ExternalIDs["ip"] = "10.0.1.11"
	installed := func(o ovs.Observation) bool { return o.ExternalIDs["ovn-installed"] == "true" }
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := c.WaitFor(ctx, "Interface", "veth1", installed); err != nil {
		t.Fatal(err)
	}
	apply(t, c, "port/a", row)
	if dump := s.Dump(t); !strings.Contains(dump, "external_ids={iface-id=a.default, ip=10.0.1.11, ovn-installed=true, owner=port/a}") {
		t.Errorf("external_ids of the interface in\n%s", dump)
	}
}

// TestVSwitchd: a real ovs-vswitchd acts on our rows and its answer is observed.
func TestVSwitchd(t *testing.T) {
	s, c := startVSwitch(t)
	s.StartVSwitchd(t)
	apply(t, c, "port/a", ovs.VSwitchPort{Bridge: "br-int", Name: "p1", Type: "internal"})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	ready := func(o ovs.Observation) bool { n, ok := o.Columns["ofport"].(int); return ok && n > 0 }
	if err := c.WaitFor(ctx, "Interface", "p1", ready); err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if err := c.WaitFor(short, "Interface", "p2", ready); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("waiting for a port that never comes: %v", err)
	}
}

func TestChassis(t *testing.T) {
	s := ovstest.Start(t, ovs.Southbound)
	insert := func(name string) string {
		return `{"op":"insert","table":"Encap","uuid-name":"e","row":{"type":"geneve","ip":"1.1.1.1","chassis_name":"` + name + `"}},` +
			`{"op":"insert","table":"Chassis","row":{"name":"` + name + `","hostname":"node1","encaps":["named-uuid","e"],"external_ids":["map",[["theirs","1"]]]}},` +
			`{"op":"insert","table":"Chassis_Private","row":{"name":"` + name + `"}}`
	}
	s.Transact(t, insert("c1"))
	c := s.Connect(t)
	seen := make(chan ovs.Observation, 10)
	c.Observe("Chassis", func(o ovs.Observation) { seen <- o })
	if o := <-seen; o.Name != "c1" || o.Columns["hostname"] != "node1" {
		t.Errorf("observed %+v", o)
	}
	apply(t, c, "node/node1", ovs.Chassis{Name: "c1"})
	if n := apply(t, c, "node/node1", ovs.Chassis{Name: "c1"}); n != 0 {
		t.Errorf("%d operations for an equal chassis", n)
	}
	if dump := s.Dump(t); !strings.Contains(dump, "external_ids={owner=node/node1, theirs=1} hostname=node1") {
		t.Errorf("chassis is not marked:\n%s", dump)
	}
	var missing *ovs.MissingError
	if _, err := tryApply(t, c, "node/node2", ovs.Chassis{Name: "c2"}); !errors.As(err, &missing) {
		t.Errorf("a chassis was inserted: %v", err)
	}
	apply(t, c, "node/node1")
	same(t, s, "\n")
}
