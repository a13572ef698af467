package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// newUnderlay is a machine whose daemon has a pod, in a cluster with the VLANs of the user's documents.
func newUnderlay(t *testing.T, nics ...string) *machine {
	t.Helper()
	t.Cleanup(func() {
		for _, l := range append(slices.Clone(nics), "br-external204", "br-extra", "br-external", "br-p", "br-q", "br-ex", "under1", "under2", "br-loop") {
			_ = exec.Command("ip", "link", "del", l).Run()
		}
	})
	m := newMachine(t)
	m.cfg.Pod = types.NamespacedName{Namespace: "kube-system", Name: "kube-ovn-cni-x"}
	m.cfg.Node.GatewaySwitch = "external"
	for _, nic := range nics {
		m.nic(nic)
	}
	ctx := m.background()
	_, err := m.kube.CoreV1().Pods("kube-system").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: m.cfg.Pod.Name}, Spec: corev1.PodSpec{NodeName: "node3", HostNetwork: true},
	}, metav1.CreateOptions{})
	m.must(err)
	for name, id := range map[string]int{"vlan204": 204, "vlan0": 0} {
		_, err := m.ovn.KubeovnV1().Vlans().Create(ctx, &kubeovnv1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.VlanSpec{ID: id}}, metav1.CreateOptions{})
		m.must(err)
	}
	m.allocate()
	return m
}

func (m *machine) background() context.Context { return context.WithoutCancel(m.t.Context()) }

// nic makes a NIC whose other end is outside.
func (m *machine) nic(name string, addresses ...string) {
	m.t.Helper()
	m.run("ip", "link", "add", name, "type", "veth", "peer", "name", "far-"+name)
	m.run("ip", "link", "set", "far-"+name, "netns", filepath.Base(m.far))
	m.outside("ip", "link", "set", "far-"+name, "up")
	m.outside("ethtool", "-K", "far-"+name, "tx", "off")
	m.run("ip", "link", "set", name, "up")
	for _, a := range addresses {
		m.run("ip", "addr", "add", a, "dev", name)
	}
}

func (m *machine) createProvider(name, nic string, vlans ...string) {
	m.t.Helper()
	_, err := m.ovn.KubeovnV1().ProviderNetworks().Create(m.background(), &kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.ProviderNetworkSpec{DefaultInterface: nic},
		Status: kubeovnv1.ProviderNetworkStatus{Vlans: vlans},
	}, metav1.CreateOptions{})
	m.must(err)
}

func (m *machine) editProvider(name string, edit func(*kubeovnv1.ProviderNetwork)) {
	m.t.Helper()
	api := m.ovn.KubeovnV1().ProviderNetworks()
	pn, err := api.Get(m.background(), name, metav1.GetOptions{})
	m.must(err)
	edit(pn)
	_, err = api.Update(m.background(), pn, metav1.UpdateOptions{})
	m.must(err)
}

func (m *machine) deleteProvider(name string) {
	m.t.Helper()
	m.must(m.ovn.KubeovnV1().ProviderNetworks().Delete(m.background(), name, metav1.DeleteOptions{}))
}

// gateway is what the controller does with the ConfigMap of the external gateway. nic "" is a ConfigMap without one.
func (m *machine) gateway(enable, nic string) {
	m.t.Helper()
	vpc := &kubeovnv1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: m.cfg.Node.ClusterRouter}}
	if enable == "true" {
		vpc.Spec.EnableExternal = true
		vpc.Annotations = map[string]string{
			util.ExternalGatewayInEffect: util.EncodeExternalGateway(map[string]string{"enable-external-gw": enable, "external-gw-nic": nic}),
		}
	}
	m.vpc(vpc)
}

// vpc writes the default VPC.
func (m *machine) vpc(vpc *kubeovnv1.Vpc) {
	m.t.Helper()
	api := m.ovn.KubeovnV1().Vpcs()
	if _, err := api.Update(m.background(), vpc, metav1.UpdateOptions{}); err != nil {
		_, err = api.Create(m.background(), vpc, metav1.CreateOptions{})
		m.must(err)
	}
}

// labels waits until the node's labels of provider networks are these, "name/suffix=value" each.
func (m *machine) labels(want ...string) {
	m.t.Helper()
	slices.Sort(want)
	porttest.Eventually(m.t, "labels", func() error {
		var got []string
		for key, value := range m.getNode().Labels {
			if name, suffix, ok := strings.Cut(key, ".provider-network.kubernetes.io/"); ok {
				got = append(got, name+"/"+suffix+"="+value)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("labels are %v, want %v", got, want)
		}
		return nil
	})
}

func ready(name, nic string) []string {
	return []string{name + "/ready=true", name + "/interface=" + nic, name + "/mtu=1500"}
}

// mappings waits until ovn-controller is told this.
func (m *machine) mappings(want string) {
	m.t.Helper()
	porttest.Eventually(m.t, "mappings", func() error {
		o, _ := m.Vswitch.Get(vswitchTable, vswitchRow)
		if got := o.ExternalIDs[util.OvsBridgeMappings]; got != want {
			return fmt.Errorf("mappings are %q, want %q", got, want)
		}
		return nil
	})
}

// problem waits until the daemon's pod says, by an annotation, what is wrong with a network; "" waits for no annotation.
func (m *machine) problem(network, want string) {
	m.t.Helper()
	porttest.Eventually(m.t, "annotation", func() error {
		pod, err := m.kube.CoreV1().Pods("kube-system").Get(m.background(), m.cfg.Pod.Name, metav1.GetOptions{})
		m.must(err)
		got, found := pod.Annotations[util.ProviderNetworkKey(network, util.ProviderError)]
		if found != (want != "") || !strings.Contains(got, want) {
			return fmt.Errorf("annotations %v, want %q", pod.Annotations, want)
		}
		return nil
	})
}

// events counts those on an object with a reason and a text.
func (m *machine) events(kind, name, reason, text string) int {
	m.t.Helper()
	list, err := m.kube.CoreV1().Events("").List(m.background(), metav1.ListOptions{})
	m.must(err)
	count := 0
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name && e.Reason == reason && strings.Contains(e.Message, text) {
			count += int(max(e.Count, 1))
		}
	}
	return count
}

func (m *machine) expectEvent(kind, name, reason, text string) {
	m.t.Helper()
	porttest.Eventually(m.t, "event", func() error {
		if n := m.events(kind, name, reason, text); n != 1 {
			return fmt.Errorf("%d events %s with %q on %s %s, want one", n, reason, text, kind, name)
		}
		return nil
	})
}

// underlay makes what the controller makes for an underlay subnet, and a port that brings the network to this node.
func (m *machine) underlay(subnet, network, port string, tag int) {
	m.t.Helper()
	rows := []ovs.Row{
		ovs.LogicalSwitch{Name: subnet}, ovs.LogicalSwitchPort{Switch: subnet, Name: port, Addresses: []string{"unknown"}},
		ovs.LogicalSwitchPort{
			Switch: subnet, Name: "localnet." + subnet, Type: "localnet", Addresses: []string{"unknown"}, Tag: tag,
			Options: map[string]string{"network_name": network},
		},
	}
	_, err := m.NB.Apply(m.background(), ovs.Owner{Kind: "test", Key: subnet}, rows)
	m.must(err)
	m.Vsctl("add-port", "br-int", port, "--", "set", "interface", port, "type=internal", "external_ids:iface-id="+port)
}

// patched waits until ovn-controller has connected an underlay subnet to a bridge.
func (m *machine) patched(subnet, bridge string) {
	m.t.Helper()
	porttest.Eventually(m.t, "patch port of "+subnet, func() error {
		out := m.Vsctl("list-ports", bridge)
		if !strings.Contains(out, "patch-localnet."+subnet+"-to-br-int") {
			return fmt.Errorf("ports of %s: %s", bridge, out)
		}
		return nil
	})
}

// reachesOutside waits until a port of this node reaches an address on the physical network.
func (m *machine) reachesOutside(address, port string) {
	m.t.Helper()
	m.contains("ping -c 1 -W 1 -I "+port+" "+address, "1 received")
}

// Seed 000: two provider networks name one NIC. The one that came first has it, the other one shares the bridge.
func TestS002TwoProviderNetworksOnOneNIC(t *testing.T) {
	m := newUnderlay(t)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "vlan").Run() })
	m.nic("vlan", "10.5.204.13/24")
	m.run("ip", "route", "add", "10.77.0.0/16", "via", "10.5.204.254")
	m.Vsctl("set", "open", ".", "external_ids:ovn-bridge-mappings=theirs:br-theirs", "external_ids:ovn-chassis-mac-mappings=theirs:00:00:00:00:00:77")
	m.createProvider("external204", "vlan", "vlan204")
	m.start()
	m.labels(ready("external204", "vlan")...)
	m.createProvider("extra", "vlan", "vlan0")
	m.labels(append(ready("external204", "vlan"), ready("extra", "vlan")...)...)
	m.mappings("theirs:br-theirs,external204:br-external204,extra:br-external204")
	m.contains("ip -4 addr show br-external204", "10.5.204.13/24")
	m.contains("ip route", "10.77.0.0/16 via 10.5.204.254 dev br-external204")
	m.lacks("ip -4 addr show vlan", "10.5.204.13")
	if got := strings.TrimSpace(m.Vsctl("get", "port", "vlan", "trunks")); got != "[0, 204]" {
		t.Errorf("trunks %s", got)
	}
	if got := m.Vsctl("get", "open", ".", "external_ids:ovn-chassis-mac-mappings"); !strings.Contains(got, "theirs:00:00:00:00:00:77,external204:") || !strings.Contains(got, ",extra:") {
		t.Errorf("chassis MACs %s", got)
	}
	m.expectEvent("ProviderNetwork", "external204", "InitOVSBridgeSucceeded", "br-external204")
	m.underlay("net204", "external204", "under1", 204)
	m.underlay("net0", "extra", "under2", 0)
	m.patched("net204", "br-external204")
	m.patched("net0", "br-external204")
	m.outside("ip", "addr", "add", "10.7.0.1/24", "dev", "far-vlan")
	m.run("ip", "addr", "add", "10.7.0.2/24", "dev", "under2")
	m.run("ip", "link", "set", "under2", "up")
	m.reachesOutside("10.7.0.1", "under2")
	m.awaitReady()
	m.whole()

	t.Log("another daemon finds everything as it must be")
	m.stop()
	before, patches := m.Vswitch.Stats().Transactions, m.patches()
	m.start()
	m.awaitReady()
	m.whole()
	if n := m.Vswitch.Stats().Transactions - before; n != 0 {
		t.Errorf("a restart wrote the vswitch database %d times", n)
	}
	if got := m.patches()[len(patches):]; len(got) != 0 {
		t.Errorf("a restart patched %v", got)
	}

	t.Log("the network that has the NIC goes")
	m.deleteProvider("external204")
	m.labels(ready("extra", "vlan")...)
	m.mappings("theirs:br-theirs,extra:br-extra")
	m.contains("ip -4 addr show br-extra", "10.5.204.13/24")
	m.contains("ip route", "10.77.0.0/16 via 10.5.204.254 dev br-extra")
	m.patched("net0", "br-extra")
	m.reachesOutside("10.7.0.1", "under2")
	m.lacks("ip link", "br-external204")

	t.Log("the node is excluded")
	m.editProvider("extra", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExcludeNodes = []string{"node3"} })
	m.labels("extra/exclude=true")
	m.mappings("theirs:br-theirs")
	m.contains("ip -4 addr show vlan", "10.5.204.13/24")
	m.contains("ip route", "10.77.0.0/16 via 10.5.204.254 dev vlan")
	m.lacks("ip link", "br-extra")

	t.Log("and takes part again, and all go")
	m.editProvider("extra", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExcludeNodes = nil })
	m.labels(ready("extra", "vlan")...)
	m.deleteProvider("extra")
	m.labels()
	m.mappings("theirs:br-theirs")
	m.contains("ip -4 addr show vlan", "10.5.204.13/24")
	m.whole()
}

// patches are those of nodes and pods that were asked for so far.
func (m *machine) patches() []string {
	var out []string
	for _, a := range m.kube.Actions() {
		if a.GetVerb() == "patch" && a.GetSubresource() == "" {
			text, _ := json.Marshal(a)
			out = append(out, string(text))
		}
	}
	return out
}

// A network whose NIC is missing harms nothing else, and works as soon as the NIC is there.
func TestProviderNetworkWithoutItsNIC(t *testing.T) {
	m := newUnderlay(t, "eth5")
	m.createProvider("p", "eth6")
	m.createProvider("q", "eth5")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "eth6").Run() })
	m.start()
	m.awaitReady()
	m.whole()
	m.labels(ready("q", "eth5")...)
	m.problem("p", "eth6")
	m.problem("q", "")
	m.expectEvent("ProviderNetwork", "p", "InitOVSBridgeFailed", "eth6")
	m.mappings("q:br-q")
	m.nic("eth6")
	m.editSubnet("a pass") // or the next attempt would bring it
	m.labels(append(ready("p", "eth6"), ready("q", "eth5")...)...)
	m.problem("p", "")
	m.expectEvent("ProviderNetwork", "p", "InitOVSBridgeFailed", "eth6")
	m.expectEvent("ProviderNetwork", "p", "InitOVSBridgeSucceeded", "eth6")
	m.mappings("p:br-p,q:br-q")
}

// The tunnel NIC and the NIC of the default route stay where they are.
func TestProviderNetworkRefused(t *testing.T) {
	m := newUnderlay(t)
	m.createProvider("p", "eth1")
	m.createProvider("q", "eth0")
	m.start()
	m.awaitReady()
	m.problem("p", "tunnel NIC")
	m.problem("q", "default route")
	m.labels()
	m.whole()
	m.contains("ip -4 addr show eth0", "172.30.16.13/24")
	m.contains("ip route", "default via 172.30.16.1 dev eth0")
	if got := strings.Fields(m.Vsctl("list-br")); !slices.Equal(got, []string{"br-int", "br-phy"}) {
		t.Errorf("bridges %v", got)
	}
}

func TestProviderNetworkChanges(t *testing.T) {
	m := newUnderlay(t)
	t.Cleanup(func() {
		for _, nic := range []string{"eth5", "eth6", "br-p"} {
			_ = exec.Command("ip", "link", "del", nic).Run()
		}
	})
	m.nic("eth5", "10.5.5.13/24")
	m.nic("eth6", "10.6.6.13/24")
	m.createProvider("p", "eth5")
	m.start()
	m.awaitReady()
	m.labels(ready("p", "eth5")...)
	m.contains("ip -4 addr show br-p", "10.5.5.13/24")

	t.Log("another NIC")
	m.editProvider("p", func(pn *kubeovnv1.ProviderNetwork) {
		pn.Spec.CustomInterfaces = []kubeovnv1.CustomInterface{{Interface: "eth6", Nodes: []string{"node3"}}}
	})
	m.labels(ready("p", "eth6")...)
	m.contains("ip -4 addr show br-p", "10.6.6.13/24")
	m.contains("ip -4 addr show eth5", "10.5.5.13/24")

	t.Log("names are exchanged")
	m.editProvider("p", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExchangeLinkName = true })
	m.mappings("p:eth6")
	m.contains("ip -d link show br-p", "veth")
	m.contains("ip -4 addr show eth6", "10.6.6.13/24")
	m.labels(ready("p", "eth6")...)

	t.Log("and back")
	m.editProvider("p", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExchangeLinkName = false })
	m.mappings("p:br-p")
	m.contains("ip -d link show eth6", "veth")
	m.contains("ip -4 addr show br-p", "10.6.6.13/24")
	m.labels(ready("p", "eth6")...)

	t.Log("a VLAN comes")
	m.editProvider("p", func(pn *kubeovnv1.ProviderNetwork) { pn.Status.Vlans = []string{"vlan204"} })
	porttest.Eventually(t, "trunks", func() error {
		if got := strings.TrimSpace(m.Vsctl("get", "port", "eth6", "trunks")); got != "[0, 204]" {
			return fmt.Errorf("trunks are %s", got)
		}
		return nil
	})
	m.deleteProvider("p")
	m.labels()
	m.contains("ip -4 addr show eth6", "10.6.6.13/24")
	m.whole()
}

// Seed 002: a node with the label bridges the dedicated NIC of the ConfigMap.
func TestS090ExternalGatewayBridge(t *testing.T) {
	m := newUnderlay(t, "eth5")
	m.start()
	m.awaitReady()
	label := func(value string) {
		m.editNode(func(n *corev1.Node) { metav1.SetMetaDataLabel(&n.ObjectMeta, util.ExternalGWLabel, value) })
	}
	label("true")
	m.gateway("true", "eth5")
	m.mappings("external:br-external")
	m.underlay("ovn-external", "external", "under1", 0)
	m.patched("ovn-external", "br-external")
	if got := m.Vsctl("list-ports", "br-external"); !strings.Contains(got, "eth5") {
		t.Errorf("ports of br-external: %s", got)
	}
	m.expectEvent("Node", "node3", "InitOVSBridgeSucceeded", "br-external")
	m.labels()
	off := func(what string) {
		t.Helper()
		t.Log(what)
		m.mappings("")
		porttest.Eventually(t, "no bridge", func() error {
			if got := m.Vsctl("list-br"); strings.Contains(got, "br-external") {
				return fmt.Errorf("bridges %s", got)
			}
			return nil
		})
		m.lacks("ip link", "br-external")
	}
	m.gateway("false", "eth5")
	off("switched off")
	m.gateway("true", "eth5")
	m.mappings("external:br-external")
	label("false")
	off("the label is false")
	label("true")
	m.mappings("external:br-external")

	t.Log("a provider network takes the NIC over, and gives it back")
	m.gateway("true", "eth5")
	m.mappings("external:br-external")
	m.createProvider("p", "eth5")
	m.mappings("external:br-p,p:br-p")
	m.labels(ready("p", "eth5")...)
	m.deleteProvider("p")
	m.mappings("external:br-external")
	m.labels()
	m.whole()
}

// What works outlives settings that are broken, lost or not known yet, and a daemon that starts meanwhile.
func TestExternalGatewayOutlivesItsSettings(t *testing.T) {
	m := newUnderlay(t, "eth5")
	m.editNode(func(n *corev1.Node) { metav1.SetMetaDataLabel(&n.ObjectMeta, util.ExternalGWLabel, "true") })
	m.gateway("true", "eth5")
	m.start()
	m.awaitReady()
	m.mappings("external:br-external")
	m.underlay("ovn-external", "external", "under1", 0)
	m.patched("ovn-external", "br-external")
	bridge := m.Vsctl("get", "bridge", "br-external", "_uuid")
	stays := func() {
		t.Helper()
		m.mappings("external:br-external")
		m.patched("ovn-external", "br-external")
		if got := m.Vsctl("get", "bridge", "br-external", "_uuid"); got != bridge {
			t.Errorf("bridge %s was %s", got, bridge)
		}
		if got := m.Vsctl("list-ports", "br-external"); !strings.Contains(got, "eth5") {
			t.Errorf("ports of br-external: %s", got)
		}
	}
	good := 1
	for _, bad := range []struct {
		nic, told string
		lost      func()
	}{
		{"", "has no external-gw-nic", func() {
			m.vpc(&kubeovnv1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: m.cfg.Node.ClusterRouter}, Spec: kubeovnv1.VpcSpec{EnableExternal: true}})
		}},
		{"eth6", "this node has no NIC eth6", func() {
			m.must(m.ovn.KubeovnV1().Vpcs().Delete(m.background(), m.cfg.Node.ClusterRouter, metav1.DeleteOptions{}))
		}},
		{"eth1", "eth1 is the tunnel NIC, which the userspace datapath needs in bridge br-phy", func() { m.gateway("true", "eth5") }},
	} {
		t.Logf("settings with the NIC %q", bad.nic)
		m.gateway("true", bad.nic)
		m.expectEvent("Node", "node3", "InitOVSBridgeFailed", bad.told+"; eth5 stays")
		stays()
		bad.lost()
		good++
		porttest.Eventually(t, "the network is told to be connected", func() error {
			if n := m.events("Node", "node3", "InitOVSBridgeSucceeded", "br-external"); n != good {
				return fmt.Errorf("%d events, want %d", n, good)
			}
			return nil
		})
		stays()
	}
	t.Log("a daemon starts when the settings are not known")
	m.stop()
	m.must(m.ovn.KubeovnV1().Vpcs().Delete(m.background(), m.cfg.Node.ClusterRouter, metav1.DeleteOptions{}))
	m.start()
	m.awaitReady()
	stays()
	m.gateway("false", "")
	m.mappings("")
	m.whole()
}

func TestExternalGatewayLeavesForeignThingsAlone(t *testing.T) {
	m := newUnderlay(t, "eth5")
	m.Vsctl("add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev", "--", "add-port", "br-ex", "eth5")
	m.gateway("true", "eth5")
	m.editNode(func(n *corev1.Node) { metav1.SetMetaDataLabel(&n.ObjectMeta, util.ExternalGWLabel, "true") })
	m.start()
	m.awaitReady()
	m.expectEvent("Node", "node3", "InitOVSBridgeFailed", "not ours")
	if got := m.Vsctl("list-ports", "br-ex"); !strings.Contains(got, "eth5") {
		t.Errorf("ports of the foreign bridge: %s", got)
	}
	m.mappings("")
	t.Log("its owner gives the NIC an address, and removes the bridge")
	m.run("ip", "addr", "add", "10.5.5.13/24", "dev", "eth5")
	m.editSubnet("a pass")
	m.expectEvent("Node", "node3", "InitOVSBridgeFailed", "has addresses")
	m.Vsctl("del-br", "br-ex")
	m.run("ip", "addr", "del", "10.5.5.13/24", "dev", "eth5")
	m.editSubnet("another pass")
	m.mappings("external:br-external")
	m.whole()
}
