package subnet

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// formerMAC is what another installation drew for its router port.
const formerMAC = "d6:1f:4a:0b:9c:02"

// adopted is a world on a database in which another installation made the network of net1 in vpc1.
func adopted(t *testing.T, s *v1.Subnet, more ...*v1.Vlan) (*world, map[string]string) {
	t.Helper()
	f := controllertest.New(t, append(standby(), s, provider("net1", "vlan10"))...)
	for _, vlan := range more {
		f.Create(vlan)
	}
	vendor := `"external_ids":["map",[["vendor","kube-ovn"]]]`
	f.Server.Transact(t,
		fmt.Sprintf(`{"op":"insert","table":"Logical_Router_Port","uuid-name":"lrp","row":{"name":"vpc1-net1","mac":%q,"networks":"10.0.1.1/24",%s}}`, formerMAC, vendor),
		`{"op":"insert","table":"Logical_Router","row":{"name":"vpc1",`+vendor+`,"ports":["named-uuid","lrp"]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"lsp","row":{"name":"net1-vpc1","type":"router","addresses":"router","options":["map",[["router-port","vpc1-net1"]]],`+vendor+`}}`,
		`{"op":"insert","table":"Logical_Switch","row":{"name":"net1",`+vendor+`,"ports":["named-uuid","lsp"]}}`)
	uuids := f.Server.UUIDs(t)
	f.Reconnect()
	w := &world{}
	f.Run(w.build)
	f.Settle()
	return w, uuids
}

// serves says what is wrong when the gateway's MAC is not mac everywhere: at the router, in DHCP and in the address book.
func (w *world) serves(t *testing.T, mac string) {
	t.Helper()
	dump := w.Dump()
	for _, part := range []string{"mac=" + mac + " name=vpc1-net1 ", "server_mac=" + mac, "server_id=" + mac + "}"} {
		if !strings.Contains(dump, part) {
			t.Errorf("no %s in\n%s", part, dump)
		}
	}
	if _, err := w.book.Claim("net1", ipam.Request{Owner: "ns/pod", NIC: "pod.ns", MAC: strings.ToUpper(mac)}); err == nil {
		t.Errorf("a pod got the gateway's MAC %s", mac)
	}
}

// The port of another installation keeps its UUID and its MAC, which pods have in their neighbour tables, across restarts; a
// port that is made anew has the hash.
func TestAdoptionKeepsTheMAC(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24,fd00:1::/64", dhcp)
	w, uuids := adopted(t, s)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
	if after, ok := w.NB.UUID(ovs.LogicalRouterPort{Name: "vpc1-net1"}); !ok || !strings.Contains(uuids[after], "vpc1-net1") {
		t.Errorf("UUID %s was not there before", after)
	}
	w.serves(t, formerMAC)

	n := w.Transactions()
	w.Forget()
	w.Resync("net1")
	w.Settle()
	if got, writes := w.Transactions()-n, w.Writes(); got != 0 || len(writes) > 0 {
		t.Errorf("a second sync: %d transactions, API writes %v", got, writes)
	}
	w.Restart(w.build)
	w.Settle()
	if got := w.Transactions(); got != 0 {
		t.Errorf("a restart: %d transactions", got)
	}
	w.serves(t, formerMAC)

	w.Empty()
	hash := util.HashMAC("vpc1-net1", 0)
	w.Eventually("the rows are restored", func() bool {
		return strings.Contains(w.Dump(), "mac="+hash+" name=vpc1-net1 ") && strings.Contains(w.Dump(), "server_mac="+hash)
	})
	w.Settle()
	w.serves(t, hash)
}

// A MAC that somebody else writes is followed.
func TestMACOfAnotherHandIsFollowed(t *testing.T) {
	w := started(t, controllertest.Subnet("net1", "vpc1", "10.0.1.0/24,fd00:1::/64", dhcp))
	w.serves(t, util.HashMAC("vpc1-net1", 0))
	w.Server.Transact(t, fmt.Sprintf(`{"op":"update","table":"Logical_Router_Port","where":[["name","==","vpc1-net1"]],"row":{"mac":%q}}`, formerMAC))
	w.Eventually("DHCP follows", func() bool { return strings.Contains(w.Dump(), "server_mac="+formerMAC) })
	w.Settle()
	w.serves(t, formerMAC)
}

// The status and the IP object of an interconnection tell the MAC of the port that was there.
func TestAdoptionOfAnInterconnection(t *testing.T) {
	s := underlay("net1", "vpc1", "10.0.1.0/24", u2o)
	w, _ := adopted(t, s, vlan("vlan10", "net1", 10))
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
	ip := controllertest.Stored(w.Fixture, &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: util.U2OIPName("vpc1", "net1")}})
	if got := controllertest.Stored(w.Fixture, s).Status; got.U2OInterconnectionMAC != formerMAC || ip.Spec.MacAddress != formerMAC {
		t.Errorf("status %s, IP object %s", got.U2OInterconnectionMAC, ip.Spec.MacAddress)
	}
	if !strings.Contains(w.Dump(), "mac="+formerMAC+" name=vpc1-net1 ") {
		t.Errorf("rows\n%s", w.Dump())
	}
	w.Empty()
	w.Eventually("the MAC of the status is restored", func() bool { return strings.Contains(w.Dump(), "mac="+formerMAC+" name=vpc1-net1 ") })
}

// At start, before any sync, the book knows the MAC of a port that is there. In an external network the port of that name
// belongs to the VPC, and its MAC to the OvnEip.
func TestBook(t *testing.T) {
	w, _ := adopted(t, controllertest.Subnet("net1", "vpc1", "10.0.1.0/24"))
	routed := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24")
	routed.Spec.Provider = util.OvnProvider
	external := underlay("net1", "vpc1", "10.0.1.0/24")
	external.Spec.Provider = util.OvnProvider
	if got := Book(routed, w.NB); got.GatewayMAC != formerMAC || got.CIDRBlock != "10.0.1.0/24" {
		t.Errorf("routed: %+v", got)
	}
	if got := Book(external, w.NB); got.GatewayMAC != "" {
		t.Errorf("external: %+v", got)
	}
}
