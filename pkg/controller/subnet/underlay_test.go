package subnet

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// vlan is a Vlan as its controller leaves it.
func vlan(name, provider string, id int) *v1.Vlan {
	return &v1.Vlan{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}, Spec: v1.VlanSpec{ID: id, Provider: provider},
		Status: v1.VlanStatus{Conditions: []v1.Condition{{Type: v1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}}},
	}
}

func provider(name string, vlans ...string) *v1.ProviderNetwork {
	return &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1.ProviderNetworkStatus{Vlans: vlans}}
}

func underlay(name, vpc, cidr string, edits ...func(*v1.SubnetSpec)) *v1.Subnet {
	s := controllertest.Subnet(name, vpc, cidr, edits...)
	s.Spec.Vlan = "vlan10"
	return s
}

func u2o(s *v1.SubnetSpec)         { s.U2OInterconnection = true }
func overlayOnly(s *v1.SubnetSpec) { s.U2OFeatures = &v1.U2OFeatures{OverlayOnlyRouting: true} }
func logical(s *v1.SubnetSpec)     { s.LogicalGateway = true }
func dhcp(s *v1.SubnetSpec)        { s.EnableDHCP = true }

const dual = "192.168.10.0/24,fd00:10::/64"

func TestUnderlayRows(t *testing.T) {
	for _, test := range []struct {
		name   string
		subnet *v1.Subnet
		id     int
	}{
		{"underlay with physical gateway", underlay("vlan10", "", "192.168.10.0/24", dhcp), 10},
		{"underlay with logical gateway", underlay("vlan10", "", "192.168.10.0/24", logical), 10},
		{"underlay without addresses", underlay("vlan10", "", ""), 10},
		{"underlay untagged", underlay("extra", "", "10.10.204.0/24"), 0}, // S-014
		{"u2o", underlay("vlan10", "", dual, u2o, dhcp), 10},
		{"u2o overlay only", underlay("vlan10", "", dual, u2o, overlayOnly), 10},
		{"u2o in custom vpc", underlay("vlan10", "vpc1", "192.168.10.0/24", u2o), 10},
		{"u2o overlay only in custom vpc", underlay("vlan10", "vpc1", "192.168.10.0/24", u2o, overlayOnly), 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := rows(inputs{
				config: config, subnet: normal(t, test.subnet), uplink: uplink{vlan: vlan("vlan10", "net1", test.id)},
				nodes: []*corev1.Node{controllertest.Node("n2", "172.18.0.3", "fd00:18::3"), controllertest.Node("n1", "172.18.0.2")},
				u2o:   ipam.Lease{V4: netip.MustParseAddr("192.168.10.2"), V6: netip.MustParseAddr("fd00:10::2")},
			})
			if err != nil {
				t.Fatal(err)
			}
			controllertest.Golden(t, test.name, controllertest.Rows(got))
		})
	}
}

func TestUnderlayLaws(t *testing.T) {
	plain := underlay("plain", "", "192.168.10.0/24")
	linked := controllertest.Subnet("linked", "", "192.168.11.0/24,fd00:11::/64", u2o, func(s *v1.SubnetSpec) { s.Vlan = "vlan11" })
	only := controllertest.Subnet("only", "vpc1", "192.168.12.0/24", u2o, overlayOnly, func(s *v1.SubnetSpec) { s.Vlan = "vlan12" })
	gateway := controllertest.Subnet("gateway", "vpc2", "192.168.13.0/24", logical, func(s *v1.SubnetSpec) { s.Vlan = "vlan12" })
	node := controllertest.Node("n1", "172.18.0.2", "fd00:18::2")
	controllertest.Laws(t, controllertest.Scenario{
		Build: new(world).build,
		Objects: append(standby(), vlan("vlan10", "net1", 10), vlan("vlan11", "net1", 11), vlan("vlan12", "net1", 12),
			provider("net1", "vlan10", "vlan11", "vlan12"), plain, linked, only, gateway, node),
		Removed: []runtime.Object{plain, linked, only, gateway},
	})
}

// Whatever is missing is told, and the subnet comes up with it.
func TestUnderlayWaitsForItsVlan(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24")
	w := started(t, s)
	told := func(part string) {
		t.Helper()
		w.Eventually("the condition tells "+part, func() bool {
			c := w.ready(s)
			return c != nil && c.Reason == util.ReasonSubnetVlanInvalid && strings.Contains(c.Message, part)
		})
		if strings.Contains(w.Dump(), "Logical_Switch net1:") {
			t.Error("there is a switch already")
		}
	}
	told("vlan vlan10, which does not exist")
	got := controllertest.Stored(w.Fixture, s)
	if !v1.IsConditionTrue(got.Status.Conditions, v1.ConditionValidated) || got.Status.V4AvailableIPs.String() != "253" {
		t.Errorf("status %+v", got.Status)
	}
	conflict := vlan("vlan10", "pn1", 10)
	conflict.Status.Conflict, conflict.Status.Conditions[0].Status = true, metav1.ConditionFalse
	w.Create(conflict)
	told("vlan vlan10, which is in conflict")
	w.Update(vlan("vlan10", "pn1", 10))
	told("provider network pn1 of vlan vlan10, which does not exist")
	w.Create(provider("pn1"))
	w.Settle()
	if strings.Contains(w.Dump(), "Logical_Switch net1:") {
		t.Error("there is a switch before the provider network lists the vlan")
	}
	w.Update(provider("pn1", "vlan10"))
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
}

// S-004: the external subnet of the NAT document.
func TestS004(t *testing.T) {
	s := controllertest.Subnet("external204", "", "10.5.204.0/24", func(s *v1.SubnetSpec) {
		s.Vlan, s.Gateway, s.ExcludeIps, s.Protocol = "vlan204", "10.5.204.254", []string{"10.5.204.1..10.5.204.100"}, "IPv4"
	})
	w := started(t, vlan("vlan204", "external204", 204), provider("external204", "vlan204"), s)
	got := controllertest.Stored(w.Fixture, s)
	if strings.Join(got.Spec.ExcludeIps, ",") != "10.5.204.1..10.5.204.100,10.5.204.254" || got.Status.V4AvailableIPs.String() != "153" {
		t.Errorf("excludes %v, available %s", got.Spec.ExcludeIps, got.Status.V4AvailableIPs)
	}
	controllertest.Golden(t, "S-004", w.Dump())
}

// S-016, S-047: an OvnEip counts, holds the subnet by its name, and counts no more when it is gone.
func TestOvnEipsCount(t *testing.T) {
	s := underlay("ext", "", "10.5.204.0/24")
	w := started(t, vlan("vlan10", "net1", 10), provider("net1", "vlan10"), s)
	used := func(want string) func() bool {
		return func() bool { return controllertest.Stored(w.Fixture, s).Status.V4UsingIPs.String() == want }
	}
	if _, err := w.book.Claim("ext", ipam.Request{Owner: "OvnEip eip1", NIC: "eip1"}); err != nil {
		t.Fatal(err)
	}
	eip := &v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: "eip1"}, Spec: v1.OvnEipSpec{ExternalSubnet: "ext"}}
	w.Create(eip)
	w.Eventually("the address counts", used("1"))
	if _, err := w.book.Claim("ext", ipam.Request{Owner: "Vip vip1", NIC: "vip1"}); err != nil {
		t.Fatal(err)
	}
	vip := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "vip1"}, Spec: v1.VipSpec{Subnet: "ext"}}
	w.Create(vip)
	w.Eventually("the vip counts", used("2"))
	w.Delete(s)
	w.Eventually("the users are named", func() bool {
		c := w.ready(s)
		return c.Reason == util.ReasonSubnetInUse && strings.Contains(c.Message, "2 addresses: OvnEip eip1, Vip vip1")
	})
	w.book.ReleaseOwner("Vip vip1")
	w.Delete(vip)
	w.Eventually("the vip counts no more", used("1"))
	w.book.ReleaseOwner("OvnEip eip1")
	w.Delete(eip)
	w.Eventually("the subnet goes", func() bool { return !w.Exists(s) })
}

func TestTagAndNetworkFollowTheVlan(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24")
	w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), provider("pn2"), s)
	change := func(id int, to string) {
		t.Helper()
		v := controllertest.Stored(w.Fixture, vlan("vlan10", "", 0))
		v.Spec.ID, v.Spec.Provider = id, to
		w.Update(v)
		w.Update(provider("pn2", "vlan10"))
		w.Settle()
		v = controllertest.Stored(w.Fixture, v) // checked now
		v.Status.Conditions[0].ObservedGeneration = v.Generation
		w.Update(v)
	}
	change(20, "pn2")
	w.Eventually("tag and network", func() bool {
		return strings.Contains(w.Dump(), "network_name=pn2") && strings.Contains(w.Dump(), "tag=20")
	})
	change(0, "pn2")
	w.Eventually("no tag", func() bool { return !strings.Contains(w.Dump(), "tag=") })
	if !strings.Contains(w.Dump(), "localnet.net1") {
		t.Errorf("the port is gone:\n%s", w.Dump())
	}
}

func (w *world) u2oIP(vpc, subnet string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: util.U2OIPName(vpc, subnet)}}
}

// releaseIPs does what the ip controller does: it lets deleted objects go.
func (w *world) releaseIPs(t *testing.T, ip *v1.IP) {
	t.Helper()
	w.Eventually("the ip object is deleted", func() bool { return !w.Exists(ip) || controllertest.Stored(w.Fixture, ip).DeletionTimestamp != nil })
	if w.Exists(ip) {
		gone := controllertest.Stored(w.Fixture, ip)
		gone.Finalizers = nil
		_, err := w.KubeOVN.KubeovnV1().IPs().Update(w.Context(), gone, metav1.UpdateOptions{})
		if err != nil && !apierrors.IsNotFound(err) { // the fake API looks for what it has just removed
			t.Fatal(err)
		}
	}
}

func TestU2OOnOffAndMove(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24", u2o)
	w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), controllertest.Node("n1", "172.18.0.2"), s)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
	ip := w.u2oIP(util.DefaultVpc, "net1")
	status := controllertest.Stored(w.Fixture, s).Status
	record := controllertest.Stored(w.Fixture, ip)
	if status.U2OInterconnectionIP != "192.168.10.2" || status.U2OInterconnectionVPC != util.DefaultVpc || status.U2OInterconnectionMAC == "" ||
		record.Spec.V4IPAddress != status.U2OInterconnectionIP || record.Spec.MacAddress != status.U2OInterconnectionMAC {
		t.Errorf("status %+v, record %+v", status, record.Spec)
	}
	if len(record.OwnerReferences) != 1 || record.OwnerReferences[0].UID != controllertest.Stored(w.Fixture, s).UID || status.V4UsingIPs.String() != "1" {
		t.Errorf("owners %+v, %s used", record.OwnerReferences, status.V4UsingIPs)
	}
	if _, err := w.book.Claim("net1", ipam.Request{Owner: "ns/pod", NIC: "pod.ns", MAC: status.U2OInterconnectionMAC}); err == nil {
		t.Error("a pod got the router's MAC")
	}
	// A new node is in the set.
	w.Create(controllertest.Node("n2", "172.18.0.3"))
	w.Eventually("the new node is excluded", func() bool { return strings.Contains(w.Dump(), "addresses=[172.18.0.2 172.18.0.3]") })
	// Another address.
	moved := controllertest.Stored(w.Fixture, s)
	moved.Spec.U2OInterconnectionIP = "192.168.10.77"
	w.Update(moved)
	w.releaseIPs(t, ip)
	w.Eventually("the port moved", func() bool {
		return strings.Contains(w.Dump(), "192.168.10.77/24") && w.Exists(ip) && controllertest.Stored(w.Fixture, ip).Spec.IPAddress == "192.168.10.77" &&
			controllertest.Stored(w.Fixture, s).Status.U2OInterconnectionIP == "192.168.10.77"
	})
	// Off.
	off := controllertest.Stored(w.Fixture, s)
	off.Spec.U2OInterconnection = false
	w.Update(off)
	w.releaseIPs(t, ip)
	w.Eventually("the interconnection is off", func() bool {
		st := controllertest.Stored(w.Fixture, s).Status
		return st.U2OInterconnectionIP == "" && st.U2OInterconnectionMAC == "" && st.U2OInterconnectionVPC == "" && st.V4UsingIPs.String() == "0"
	})
	for _, part := range []string{"Logical_Router_Port", "Logical_Router_Policy", "Address_Set", "net1-" + util.DefaultVpc} {
		if strings.Contains(w.Dump(), part) {
			t.Errorf("%s is left:\n%s", part, w.Dump())
		}
	}
	if w.Exists(ip) {
		t.Error("the ip object is left")
	}
	// The router as gateway instead, with the same MAC.
	on := controllertest.Stored(w.Fixture, s)
	on.Spec.LogicalGateway = true
	w.Update(on)
	w.Eventually("the router is the gateway", func() bool { return strings.Contains(w.Dump(), "192.168.10.1/24") })
}

// From U2O to logical gateway in one edit, and back.
func TestU2OToLogicalGateway(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24", u2o)
	w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), s)
	edit := settled(w, s)
	edit.Spec.U2OInterconnection, edit.Spec.LogicalGateway = false, true
	w.Update(edit)
	w.releaseIPs(t, w.u2oIP(util.DefaultVpc, "net1"))
	w.Eventually("the router is the gateway", func() bool {
		return strings.Contains(w.Dump(), "192.168.10.1/24") && !strings.Contains(w.Dump(), util.ExtU2OPolicy)
	})
	edit = settled(w, s)
	edit.Spec.U2OInterconnection, edit.Spec.LogicalGateway = true, false
	w.Update(edit)
	w.Eventually("the physical one is again", func() bool { return strings.Contains(w.Dump(), util.ExtU2OPolicy) })
}

func TestU2OAddressInUseHeals(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24")
	w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), s)
	holder := w.use(t, "net1", "a.ns", "192.168.10.9")
	edit := settled(w, s)
	edit.Spec.U2OInterconnection, edit.Spec.U2OInterconnectionIP = true, "192.168.10.9"
	w.Update(edit)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonSubnetU2OFailed)
	if c := w.ready(s); !strings.Contains(c.Message, "held by port a.ns") {
		t.Errorf("message %q", c.Message)
	}
	w.book.ReleaseOwner("a.ns")
	w.Delete(holder)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
}

func TestU2ORefusalsHeal(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*v1.SubnetSpec)
		part string
	}{
		"address outside":   {func(s *v1.SubnetSpec) { s.U2OInterconnectionIP = "10.0.0.1" }, "10.0.0.1 is not in cidr"},
		"address of gw":     {func(s *v1.SubnetSpec) { s.U2OInterconnectionIP = "192.168.10.1" }, "192.168.10.1 is the gateway"},
		"two gateways":      {logical, "exclude each other"},
		"broadcast address": {func(s *v1.SubnetSpec) { s.U2OInterconnectionIP = "192.168.10.255" }, "192.168.10.255"},
	} {
		t.Run(name, func(t *testing.T) {
			s := underlay("net1", "", "192.168.10.0/24", u2o, test.edit)
			w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), s)
			w.Eventually("the refusal is told", func() bool {
				c := w.ready(s)
				return c != nil && c.Status == metav1.ConditionFalse && strings.Contains(c.Message, test.part)
			})
			fixed := controllertest.Stored(w.Fixture, s)
			fixed.Spec.U2OInterconnectionIP, fixed.Spec.LogicalGateway = "", false
			w.Update(fixed)
			w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
		})
	}
}

func TestU2OKeepsWhatAnotherReleaseMade(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24", u2o)
	s.Status = v1.SubnetStatus{U2OInterconnectionIP: "192.168.10.50", U2OInterconnectionMAC: "0A:58:00:00:00:50", U2OInterconnectionVPC: util.DefaultVpc}
	w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), s)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
	if dump := w.Dump(); !strings.Contains(dump, "0A:58:00:00:00:50") || !strings.Contains(dump, "192.168.10.50/24") {
		t.Errorf("rows\n%s", dump)
	}
}

func TestU2ODeletion(t *testing.T) {
	s := underlay("net1", "", "192.168.10.0/24", u2o)
	w := started(t, vlan("vlan10", "pn1", 10), provider("pn1", "vlan10"), s)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
	w.Delete(s)
	w.Eventually("its own address does not hold the subnet", func() bool { return !w.Exists(s) })
	if strings.Contains(w.Dump(), "net1") {
		t.Errorf("rows are left:\n%s", w.Dump())
	}
	w.releaseIPs(t, w.u2oIP(util.DefaultVpc, "net1"))
}

// settled reads an object to be changed when nobody else is about to write it.
func settled(w *world, s *v1.Subnet) *v1.Subnet {
	w.Settle()
	return controllertest.Stored(w.Fixture, s)
}
