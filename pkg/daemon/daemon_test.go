package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2/ktesting"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	kubeovnfake "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/fake"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func TestMain(m *testing.M) { porttest.Main(m) }

const joinMAC = "0a:00:00:00:00:04"

// machine is a node with Open vSwitch and OVN, a NIC eth0 for the API server, a tunnel NIC eth1, a fake API and our daemon.
type machine struct {
	t *testing.T
	*porttest.Node
	kube *fake.Clientset
	ovn  *kubeovnfake.Clientset
	far  string // namespace at the other end of the NICs
	cfg  Config
	stop func()
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	// Taps of the userspace datapath outlive vswitchd.
	t.Cleanup(func() {
		for _, tap := range []string{"ovn0", "mirror0", "br-phy", "br-int", "ovs-netdev"} {
			_ = exec.Command("ip", "link", "del", tap).Run()
		}
	})
	m := &machine{t: t, Node: porttest.NewNode(t), far: porttest.NewNetns(t)}
	for nic, address := range map[string]string{"eth0": "172.30.16", "eth1": "172.30.17"} {
		m.run("ip", "link", "add", nic, "type", "veth", "peer", "name", "far-"+nic)
		t.Cleanup(func() { _ = exec.Command("ip", "link", "del", nic).Run() })
		m.run("ip", "link", "set", "far-"+nic, "netns", filepath.Base(m.far))
		m.run("ip", "addr", "add", address+".13/24", "dev", nic)
		m.run("ip", "link", "set", nic, "up")
		if nic == "eth0" {
			m.run("ip", "addr", "add", "fd00:30::13/64", "dev", nic, "nodad")
			m.outside("ip", "addr", "add", "fd00:30::1/64", "dev", "far-"+nic, "nodad")
		}
		m.outside("ip", "addr", "add", address+".1/24", "dev", "far-"+nic)
		m.outside("ip", "link", "set", "far-"+nic, "up")
	}
	m.run("ip", "route", "add", "default", "via", "172.30.16.1")
	m.run("ip", "route", "add", "default", "via", "fd00:30::1")

	m.defaultVPC()
	m.kube = fake.NewClientset(m.node("node3", "172.30.16.13", "fd00:30::13"), m.node("node1", "172.30.16.11", "fd00:30::11"))
	m.ovn = kubeovnfake.NewSimpleClientset(subnet("join", "100.64.0.0/16,fd00:100:64::/112"), subnet("ovn-default", "10.16.0.0/16,fd00:10:16::/64"))
	dir := t.TempDir()
	source := filepath.Join(dir, "source.conflist")
	m.must(os.WriteFile(source, []byte(`{"name":"kube-ovn"}`), 0o644))
	m.cfg = Config{
		NodeName: "node3",
		Socket:   filepath.Join(dir, "sock"),
		CNIConf:  CNIConf{Source: source, Dir: dir, Name: util.CNIConfName},
		Node: node.Config{
			ClusterRouter: "ovn-cluster", NodeSwitch: "join", Iface: "eth1", NetworkType: "geneve", EncapChecksum: true,
			PodIPs: []netip.Addr{netip.MustParseAddr("172.30.16.13")},
		},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("fd00:10:96::/112")},
		MirrorIface:  "mirror0",
		Serving:      Serving{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Port: 10665, Metrics: true},
	}
	return m
}

func (m *machine) node(name string, ips ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, ip := range ips {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	return n
}

func subnet(name, cidr string) *kubeovnv1.Subnet {
	return &kubeovnv1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       kubeovnv1.SubnetSpec{Vpc: "ovn-cluster", Provider: "ovn", CIDRBlock: cidr, GatewayType: "distributed", NatOutgoing: name != "join"},
		Status:     kubeovnv1.SubnetStatus{Conditions: []kubeovnv1.Condition{{Type: "Validated", Status: metav1.ConditionTrue}}},
	}
}

// allocate is what the controller does when it gives the node its join address.
func (m *machine) allocate() {
	m.t.Helper()
	m.editNode(func(n *corev1.Node) {
		for k, v := range map[string]string{
			"allocated": "true", "ip_address": "100.64.0.4,fd00:100:64::4", "cidr": "100.64.0.0/16,fd00:100:64::/112", "gateway": "100.64.0.1,fd00:100:64::1",
			"mac_address": joinMAC, "port_name": "node-node3", "logical_switch": "join",
		} {
			metav1.SetMetaDataAnnotation(&n.ObjectMeta, "ovn.kubernetes.io/"+k, v)
		}
	})
}

func (m *machine) editNode(edit func(*corev1.Node)) {
	m.t.Helper()
	n := m.getNode()
	edit(n)
	_, err := m.kube.CoreV1().Nodes().Update(context.WithoutCancel(m.t.Context()), n, metav1.UpdateOptions{})
	m.must(err)
}

func (m *machine) getNode() *corev1.Node {
	m.t.Helper()
	n, err := m.kube.CoreV1().Nodes().Get(context.WithoutCancel(m.t.Context()), "node3", metav1.GetOptions{})
	m.must(err)
	return n
}

// start runs the daemon until stop or the end of the test.
func (m *machine) start() {
	m.t.Helper()
	_, ctx := ktesting.NewTestContext(m.t)
	ctx, cancel := context.WithCancel(ctx)
	rules, err := iptables.New(ctx, node.Mark())
	m.must(err)
	d := New(m.cfg, Deps{Kube: m.kube, KubeOVN: m.ovn, VSwitch: m.Vswitch, IPTables: rules})
	d.pings = pingTiming{timeout: 300 * time.Millisecond, soon: 100 * time.Millisecond, every: 500 * time.Millisecond, failures: 5}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	m.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			m.t.Errorf("the daemon ended with %v", err)
		}
		m.stop = func() {}
	}
	m.t.Cleanup(func() { m.stop() })
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) run(argv ...string) string {
	m.t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

func (m *machine) outside(argv ...string) string {
	m.t.Helper()
	out, err := porttest.In(m.far, argv[0], argv[1:]...)
	m.must(err)
	return out
}

// get asks the daemon's HTTP server.
func (m *machine) get(path string) (int, string) {
	m.t.Helper()
	res, err := http.Get("http://127.0.0.1:10665" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	m.must(err)
	return res.StatusCode, string(text)
}

func (m *machine) awaitReady() {
	m.t.Helper()
	porttest.Eventually(m.t, "ready", func() error {
		if code, text := m.get("/readyz"); code != http.StatusOK {
			return fmt.Errorf("%d %s", code, text)
		}
		return nil
	})
}

// contains repeats a command until its output has every text.
func (m *machine) contains(argv string, texts ...string) {
	m.t.Helper()
	words := strings.Fields(argv)
	porttest.Eventually(m.t, argv, func() error {
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, text := range texts {
			if !strings.Contains(string(out), text) {
				return fmt.Errorf("no %q in:\n%s", text, out)
			}
		}
		return nil
	})
}

// whole checks everything that a node in service has.
func (m *machine) whole() {
	m.t.Helper()
	m.contains("ip -4 addr show ovn0", "100.64.0.4/16", "mtu 1400")
	m.contains("ip link show ovn0", joinMAC)
	m.contains("ip -4 route", "100.64.0.0/16 dev ovn0 proto kernel scope link src 100.64.0.4",
		"10.16.0.0/16 via 100.64.0.1 dev ovn0 proto static src 172.30.16.13")
	m.contains("ip -6 route", "fd00:100:64::/112 dev ovn0 proto kernel metric 256",
		"fd00:10:16::/64 via fd00:100:64::1 dev ovn0 proto static src fd00:30::13")
	m.contains("ip6tables-nft -t nat -S", "-A OVN-POSTROUTING -m set --match-set ovn60subnets-nat src -m set ! --match-set ovn60subnets dst -j OVN-MASQUERADE")
	m.contains("ip -4 addr show br-phy", "172.30.17.13/24")
	m.contains("iptables-nft -t nat -S", "-A PREROUTING -m comment --comment \"kube-ovn prerouting rules\" -j OVN-PREROUTING",
		"-A OVN-POSTROUTING -m set --match-set ovn40subnets-nat src -m set ! --match-set ovn40subnets dst -j OVN-MASQUERADE")
	m.contains("ipset list ovn40subnets", "10.16.0.0/16", "100.64.0.0/16")
	m.contains("ping -c 1 -W 1 -I ovn0 100.64.0.1", "1 received")
}

func TestDaemonMakesANode(t *testing.T) {
	m := newMachine(t)
	m.start()

	// Before the controller has allocated, nothing says that pods can start.
	porttest.Eventually(t, "waiting for the controller", func() error {
		if code, text := m.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "join network") {
			return fmt.Errorf("%d %s", code, text)
		}
		return nil
	})
	conf := filepath.Join(m.cfg.CNIConf.Dir, util.CNIConfName)
	if _, err := os.Stat(conf); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the CNI configuration is there too early: %v", err)
	}
	if got := m.getNode().Annotations[util.ChassisAnnotation]; got != porttest.Chassis {
		t.Errorf("chassis annotation %q, want %q", got, porttest.Chassis)
	}

	m.allocate()
	m.awaitReady()
	m.whole()
	if info, err := os.Stat(conf); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("CNI configuration: %v %v", info, err)
	}
	porttest.Eventually(t, "condition", func() error {
		for _, c := range m.getNode().Status.Conditions {
			if c.Type == corev1.NodeNetworkUnavailable && c.Status == corev1.ConditionFalse && c.Reason == "JoinSubnetGatewayReachable" &&
				c.Message == "ping check to gateway ip 100.64.0.1,fd00:100:64::1 succeeded" {
				return nil
			}
		}
		return fmt.Errorf("conditions %v", m.getNode().Status.Conditions)
	})
	o, _ := m.Vswitch.Get(vswitchTable, vswitchRow)
	for key, want := range map[string]string{"ovn-encap-ip": "172.30.17.13", "ovn-encap-ip-default": "172.30.17.13", "ovn-encap-csum": "true", "ovn-is-interconn": "false"} {
		if got := o.ExternalIDs[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if code, text := m.get("/livez"); code != http.StatusOK {
		t.Errorf("livez: %d %s", code, text)
	}
	_, metrics := m.get("/metrics")
	for _, want := range []string{
		`ovn_subnet_gateway_packets{cidr="10.16.0.0/16",direction="egress",hostname="node3",protocol="IPv4",subnet_name="ovn-default"}`,
		"ovs_client_request_latency_milliseconds", "klog_lines_total", `tcp_mtu_probing{hostname="node3"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}

	t.Log("another daemon finds everything as it must be")
	m.stop()
	before := m.Vswitch.Stats().Transactions
	m.start()
	m.awaitReady()
	if n := m.Vswitch.Stats().Transactions - before; n != 0 {
		t.Errorf("a restart wrote the vswitch database %d times", n)
	}
	m.whole()
}

func TestDaemonRepairs(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	for _, harm := range []string{
		"ip addr flush dev ovn0",
		"ip route del 10.16.0.0/16",
		"ip link set ovn0 down",
		"iptables-nft -t nat -F",
		"ipset flush ovn40subnets",
	} {
		m.run(strings.Fields(harm)...)
		// What nothing tells us is found at the next pass; a change of any subnet brings one.
		m.editSubnet(harm)
		m.whole()
	}
	t.Log("port removed by somebody")
	m.Vsctl("del-port", "br-int", "ovn0")
	m.whole()
	t.Log("tunnel bridge removed by somebody")
	m.Vsctl("del-br", "br-phy")
	m.whole()
	t.Log("settings edited by somebody")
	m.Vsctl("set", "open", ".", "external_ids:ovn-encap-ip=1.2.3.4")
	porttest.Eventually(t, "encap address", func() error {
		if o, _ := m.Vswitch.Get(vswitchTable, vswitchRow); o.ExternalIDs[util.OvnEncapIP] != "172.30.17.13" {
			return fmt.Errorf("ovn-encap-ip is %q", o.ExternalIDs[util.OvnEncapIP])
		}
		return nil
	})
	t.Log("vswitchd is killed and comes back")
	m.restartVswitchd()
	m.awaitReady()
	m.whole()
	t.Log("the device is lost with vswitchd")
	m.run("ip", "link", "del", "ovn0")
	m.restartVswitchd()
	m.awaitReady()
	m.whole()
	t.Log("the device is lost under vswitchd")
	m.run("ip", "link", "del", "ovn0")
	m.whole()
}

// editSubnet changes something that no rule depends on, and yet brings a pass.
func (m *machine) editSubnet(note string) {
	m.t.Helper()
	ctx := context.WithoutCancel(m.t.Context())
	s, err := m.ovn.KubeovnV1().Subnets().Get(ctx, "ovn-default", metav1.GetOptions{})
	m.must(err)
	s.Spec.ExcludeIps = append(s.Spec.ExcludeIps, note)
	s.Generation++ // the API server does
	_, err = m.ovn.KubeovnV1().Subnets().Update(ctx, s, metav1.UpdateOptions{})
	m.must(err)
}

// restartVswitchd kills the one vswitchd of this process namespace and starts it again as it was.
func (m *machine) restartVswitchd() {
	m.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	m.must(err)
	for _, f := range files {
		name, err := os.ReadFile(f)
		if err != nil || strings.TrimSpace(string(name)) != "ovs-vswitchd" {
			continue
		}
		dir := filepath.Dir(f)
		args, err1 := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, err2 := os.ReadFile(filepath.Join(dir, "environ"))
		pid, err := strconv.Atoi(filepath.Base(dir))
		m.must(err)
		if err := errors.Join(err1, err2); err != nil || len(args) == 0 {
			continue // one that was killed before and waits for its parent
		}
		m.must(syscall.Kill(pid, syscall.SIGKILL))
		porttest.Eventually(m.t, "vswitchd ends", func() error {
			if left, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(left) > 0 {
				return errors.New("still there")
			}
			return nil
		})
		argv := strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = strings.Split(strings.TrimRight(string(env), "\x00"), "\x00")
		m.must(cmd.Start())
		m.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return
	}
	m.t.Fatal("no ovs-vswitchd runs")
}

func TestDaemonRefusesTheNICOfTheAPIServer(t *testing.T) {
	m := newMachine(t)
	m.cfg.Node.Iface = "eth0"
	m.allocate()
	m.start()
	porttest.Eventually(t, "refusal", func() error {
		if code, text := m.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "default route") {
			return fmt.Errorf("%d %s", code, text)
		}
		return nil
	})
	m.contains("ip -4 addr show eth0", "172.30.16.13/24")
	if _, err := os.Stat(filepath.Join(m.cfg.CNIConf.Dir, util.CNIConfName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the runtime was told that pods can start: %v", err)
	}
}

func TestDaemonReportsALostGateway(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	m.forgetVPC()
	porttest.Eventually(t, "condition", func() error {
		for _, c := range m.getNode().Status.Conditions {
			if c.Type == corev1.NodeNetworkUnavailable && c.Status == corev1.ConditionTrue && c.Reason == "JoinSubnetGatewayUnreachable" {
				return nil
			}
		}
		return fmt.Errorf("conditions %v", m.getNode().Status.Conditions)
	})
	if code, text := m.get("/readyz"); code == http.StatusOK {
		t.Errorf("still ready: %s", text)
	}
	if code, text := m.get("/livez"); code != http.StatusOK {
		t.Errorf("a restart would not help, yet livez says %d %s", code, text)
	}
	m.defaultVPC()
	m.awaitReady()
	m.whole()
}
