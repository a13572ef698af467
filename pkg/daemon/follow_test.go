package daemon

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// lacks repeats a command until its output, errors included, has none of the texts.
func (m *machine) lacks(argv string, texts ...string) {
	m.t.Helper()
	words := strings.Fields(argv)
	porttest.Eventually(m.t, argv, func() error {
		out, _ := exec.Command(words[0], words[1:]...).CombinedOutput()
		for _, text := range texts {
			if strings.Contains(string(out), text) {
				return fmt.Errorf("still %q in:\n%s", text, out)
			}
		}
		return nil
	})
}

// The node follows subnets and nodes that come, change and go.
func TestDaemonFollowsTheCluster(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	ctx := context.WithoutCancel(t.Context())
	subnets := m.ovn.KubeovnV1().Subnets()

	t.Log("a subnet comes")
	s := subnet("net1", "10.50.0.0/16,fd00:50::/64")
	s.UID = "00000000-0000-0000-0000-0123456789ab"
	_, err := subnets.Create(ctx, s, metav1.CreateOptions{})
	m.must(err)
	m.contains("ip route", "10.50.0.0/16 via 100.64.0.1 dev ovn0 proto static src 172.30.16.13")
	m.contains("ip -6 route", "fd00:50::/64 via fd00:100:64::1 dev ovn0 proto static src fd00:30::13")
	m.contains("ipset list ovn40subnets-nat", "10.50.0.0/16")
	m.contains("ipset list ovn60subnets-nat", "fd00:50::/64")
	m.contains("iptables-nft -S FORWARD", "-A FORWARD -s 10.50.0.0/16 -m comment --comment \"ovn-subnet-gateway,net1\"")

	t.Log("it gets a NAT policy")
	s.Status.NatOutgoingPolicyRules = []kubeovnv1.NatOutgoingPolicyRuleStatus{{
		RuleID: "abcdefabcdef",
		NatOutgoingPolicyRule: kubeovnv1.NatOutgoingPolicyRule{
			Action: "forward", Match: kubeovnv1.NatOutGoingPolicyMatch{DstIPs: "8.8.8.8"},
		},
	}}
	_, err = subnets.Update(ctx, s, metav1.UpdateOptions{})
	m.must(err)
	m.contains("iptables-nft -t nat -S OVN-NAT-PSUBNET-0123456789ab", "--match-set ovn40natpr-abcdefabcdef-dst dst -j MARK --set-xmark 0x90002/0x90002")
	m.contains("ipset list ovn40natpr-abcdefabcdef-dst", "8.8.8.8")

	t.Log("it becomes centralized on this node")
	s.Status.NatOutgoingPolicyRules = nil
	s.Spec.GatewayType, s.Spec.GatewayNode, s.Status.ActivateGateway = "centralized", "node3:172.30.16.100", "node3"
	_, err = subnets.Update(ctx, s, metav1.UpdateOptions{})
	m.must(err)
	m.contains("iptables-nft -t nat -S OVN-POSTROUTING", "-s 10.50.0.0/16 -m set ! --match-set ovn40subnets dst -j SNAT --to-source 172.30.16.100")
	m.lacks("ipset list -n", "natpr-")
	m.lacks("iptables-nft -t nat -S", "PSUBNET")
	m.lacks("ipset list ovn40subnets-distributed-gw", "10.50.0.0/16")

	t.Log("it goes")
	m.must(subnets.Delete(ctx, "net1", metav1.DeleteOptions{}))
	m.lacks("ip route", "10.50.0.0/16")
	m.lacks("ip -6 route", "fd00:50::")
	m.lacks("ipset save", "10.50.0.0/16", "fd00:50::")
	m.lacks("iptables-nft-save", "10.50.0.0/16", "net1")

	t.Log("nodes come and go")
	_, err = m.kube.CoreV1().Nodes().Create(ctx, m.node("node2", "172.30.16.12"), metav1.CreateOptions{})
	m.must(err)
	m.contains("ipset list ovn40other-node", "172.30.16.11", "172.30.16.12")
	m.must(m.kube.CoreV1().Nodes().Delete(ctx, "node1", metav1.DeleteOptions{}))
	m.lacks("ipset list ovn40other-node", "172.30.16.11")
	m.whole()
}

// The node gets another join address, for example after it was deleted and came back.
func TestDaemonFollowsTheJoinAddress(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	m.editNode(func(n *corev1.Node) { n.Annotations["ovn.kubernetes.io/ip_address"] = "100.64.0.9,fd00:100:64::9" })
	m.contains("ip -4 addr show ovn0", "100.64.0.9/16")
	m.contains("ip -6 addr show ovn0", "fd00:100:64::9/112")
	m.lacks("ip addr show ovn0", "100.64.0.4/16", "fd00:100:64::4/112")
	m.contains("ip route", "100.64.0.0/16 dev ovn0 proto kernel scope link src 100.64.0.9", "10.16.0.0/16 via 100.64.0.1")
	porttest.Eventually(t, "port", func() error {
		if got := m.Vsctl("get", "interface", "ovn0", "external_ids:ip"); !strings.Contains(got, "100.64.0.9,fd00:100:64::9") {
			return fmt.Errorf("external_ids:ip is %s", got)
		}
		return nil
	})
}

// The operator chooses another tunnel NIC while the node runs.
func TestDaemonMovesTheTunnel(t *testing.T) {
	m := newMachine(t)
	m.run("ip", "link", "add", "eth2", "type", "veth", "peer", "name", "far-eth2")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "eth2").Run() })
	m.run("ip", "addr", "add", "172.30.18.13/24", "dev", "eth2")
	m.run("ip", "link", "set", "eth2", "up")
	m.allocate()
	m.start()
	m.awaitReady()
	m.whole()
	m.editNode(func(n *corev1.Node) { n.Annotations[util.TunnelInterfaceAnnotation] = "eth2" })
	m.contains("ip -4 addr show br-phy", "172.30.18.13/24")
	m.contains("ip -4 addr show eth1", "172.30.17.13/24")
	m.lacks("ip -4 addr show br-phy", "172.30.17.13")
	m.expectEncap("172.30.18.13")
	m.editNode(func(n *corev1.Node) { delete(n.Annotations, util.TunnelInterfaceAnnotation) })
	m.contains("ip -4 addr show br-phy", "172.30.17.13/24")
	m.contains("ip -4 addr show eth2", "172.30.18.13/24")
	m.expectEncap("172.30.17.13")
	m.whole()
}

func (m *machine) expectEncap(want string) {
	m.t.Helper()
	porttest.Eventually(m.t, "encap address", func() error {
		if o, _ := m.Vswitch.Get(vswitchTable, vswitchRow); o.ExternalIDs[util.OvnEncapIP] != want {
			return fmt.Errorf("ovn-encap-ip is %q, want %s", o.ExternalIDs[util.OvnEncapIP], want)
		}
		return nil
	})
}
