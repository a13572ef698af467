package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// defaultVPC is what the controller writes for the default VPC as node3 sees it (northbound.md 1.2), with one pod.
func (m *machine) defaultVPC() {
	m.t.Helper()
	const router = "ovn-cluster"
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.t.Context()), 10*time.Second)
	defer cancel()
	rows := []ovs.Row{
		ovs.LogicalRouter{Name: router},
		ovs.StaticRoute{Router: router, Policy: "dst-ip", Prefix: "0.0.0.0/0", Nexthop: "100.64.0.1"},
		ovs.StaticRoute{Router: router, Policy: "dst-ip", Prefix: "::/0", Nexthop: "fd00:100:64::1"},
	}
	policy := func(priority int, match, action string, nexthops ...string) {
		rows = append(rows, ovs.RouterPolicy{Router: router, Priority: priority, Match: match, Action: action, Nexthops: nexthops})
	}
	for i, n := range []struct{ subnet, gateway, gateway6, cidr, cidr6 string }{
		{"join", "100.64.0.1/16", "fd00:100:64::1/112", "100.64.0.0/16", "fd00:100:64::/112"},
		{"ovn-default", "10.16.0.1/16", "fd00:10:16::1/64", "10.16.0.0/16", "fd00:10:16::/64"},
	} {
		lrp, lsp := router+"-"+n.subnet, n.subnet+"-"+router
		rows = append(rows, ovs.LogicalSwitch{Name: n.subnet},
			ovs.LogicalRouterPort{Router: router, Name: lrp, MAC: fmt.Sprintf("0a:00:00:00:01:%02x", i), Networks: []string{n.gateway, n.gateway6}},
			ovs.LogicalSwitchPort{Switch: n.subnet, Name: lsp, Type: "router", Addresses: []string{"router"}, Options: map[string]string{"router-port": lrp}})
		policy(31000, "ip4.dst == "+n.cidr, "allow")
		policy(31000, "ip6.dst == "+n.cidr6, "allow")
	}
	policy(30000, "ip4.dst == 172.30.16.13", "reroute", "100.64.0.4")
	policy(30000, "ip6.dst == fd00:30::13", "reroute", "fd00:100:64::4")
	policy(29000, "ip4.src == 10.16.0.0/16", "reroute", "100.64.0.4")
	policy(29000, "ip6.src == fd00:10:16::/64", "reroute", "fd00:100:64::4")
	node, pod := joinMAC+" 100.64.0.4 fd00:100:64::4", podMAC+" 10.16.0.16 fd00:10:16::16"
	rows = append(rows, ovs.LogicalSwitchPort{Switch: "join", Name: "node-node3", Addresses: []string{node}},
		ovs.LogicalSwitchPort{Switch: "ovn-default", Name: "web.default", Addresses: []string{pod}, PortSecurity: []string{pod}})
	_, err := m.NB.Apply(ctx, ovs.Owner{Kind: "test", Key: "vpc"}, rows)
	m.must(err)
}

// forgetVPC takes it all away.
func (m *machine) forgetVPC() {
	m.t.Helper()
	_, err := m.NB.Apply(context.WithoutCancel(m.t.Context()), ovs.Owner{Kind: "test", Key: "vpc"}, nil)
	m.must(err)
}

const podMAC = "0a:00:00:00:00:10"

// runPod makes the pod "web" the way the runtime does, and returns its namespace.
func (m *machine) runPod() (netns string, req api.Request) {
	m.t.Helper()
	pod := testPod("web", "uid-web", "node3")
	pod.Annotations = map[string]string{}
	for k, v := range map[string]string{
		"allocated": "true", "routed": "true", "ip_address": "10.16.0.16,fd00:10:16::16", "mac_address": podMAC,
		"cidr": "10.16.0.0/16,fd00:10:16::/64", "gateway": "10.16.0.1,fd00:10:16::1", "logical_switch": "ovn-default", "logical_router": "ovn-cluster", "pod_nic_type": "veth-pair",
	} {
		pod.Annotations["ovn.kubernetes.io/"+k] = v
	}
	ctx := context.WithoutCancel(m.t.Context())
	_, err := m.kube.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
	m.must(err)
	netns = porttest.NewNetns(m.t)
	m.t.Cleanup(func() { m.stop() }) // before the namespace goes: the daemon looks into it
	req = api.Request{
		CNIType: "kube-ovn", PodName: "web", PodNamespace: "default", PodUID: "uid-web", ContainerID: "0123456789abcdef0123",
		NetNS: netns, IfName: "eth0", Provider: "ovn", Network: "kube-ovn",
	}
	res, err := api.NewClient(m.cfg.Socket).Add(ctx, req)
	m.must(err)
	if res.MTU != 1400 || len(res.IPs) != 2 || res.IPs[0].IP != "10.16.0.16" {
		m.t.Errorf("answer %+v", res)
	}
	return netns, req
}

// serve answers every connection to an address of a namespace ("" is the node's) with the caller's address.
func (m *machine) serve(netns, address string) {
	m.t.Helper()
	var l net.Listener
	m.within(netns, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	m.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprint(conn, conn.RemoteAddr())
			_ = conn.Close()
		}
	}()
}

// source calls from a namespace and returns under which address the other side saw the call.
func (m *machine) source(netns, address string) string {
	m.t.Helper()
	var seen string
	m.within(netns, func() error {
		conn, err := net.DialTimeout("tcp", address, 3*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
		text, err := io.ReadAll(conn)
		seen, _, _ = net.SplitHostPort(string(text))
		return err
	})
	return seen
}

func (m *machine) within(netns string, do func() error) {
	m.t.Helper()
	if netns == "" {
		m.must(do())
		return
	}
	m.must(ns.WithNetNSPath(netns, func(ns.NetNS) error { return do() }))
}

// The paths of the default VPC (seed 004, S-127 and S-129) through OVN, ovn0 and the rules of the node.
func TestPathsOfTheDefaultVPC(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	for _, setting := range []string{"net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1", "net/ipv4/conf/all/rp_filter=0"} {
		file, value, _ := strings.Cut(setting, "=")
		m.must(os.WriteFile("/proc/sys/"+file, []byte(value), 0o644))
	}
	m.outside("ip", "addr", "add", "223.5.5.5/32", "dev", "lo")
	m.outside("ip", "addr", "add", "2400:3200::1/128", "dev", "lo")
	m.start()
	m.awaitReady()
	pod, _ := m.runPod()

	for address, at := range map[string]string{
		"223.5.5.5:80": m.far, "172.30.16.13:80": "", "10.16.0.16:80": pod,
		"[2400:3200::1]:80": m.far, "[fd00:30::13]:80": "", "[fd00:10:16::16]:80": pod,
	} {
		m.serve(at, address)
	}
	for _, path := range []struct{ name, from, to, want string }{
		{"pod to the internet leaves with the node's address", pod, "223.5.5.5:80", "172.30.16.13"},
		{"pod to its node keeps its address", pod, "172.30.16.13:80", "10.16.0.16"},
		{"node to pod comes from the node's address", "", "10.16.0.16:80", "172.30.16.13"},
		{"pod to the internet, IPv6", pod, "[2400:3200::1]:80", "fd00:30::13"},
		{"pod to its node, IPv6", pod, "[fd00:30::13]:80", "fd00:10:16::16"},
		{"node to pod, IPv6", "", "[fd00:10:16::16]:80", "fd00:30::13"},
	} {
		if got := m.source(path.from, path.to); got != path.want {
			t.Errorf("%s: seen as %s, want %s", path.name, got, path.want)
		}
	}
	t.Log("the outside routes the pods' prefix to the node: the client's address reaches the pod")
	m.outside("ip", "route", "add", "10.16.0.0/16", "via", "172.30.16.13")
	if got := m.source(m.far, "10.16.0.16:80"); got != "172.30.16.1" {
		t.Errorf("seen as %s, want 172.30.16.1", got)
	}
	t.Log("without NAT the pod's address leaves the cluster")
	s := subnet("ovn-default", "10.16.0.0/16,fd00:10:16::/64")
	s.Spec.NatOutgoing = false
	_, err := m.ovn.KubeovnV1().Subnets().Update(context.WithoutCancel(t.Context()), s, metav1.UpdateOptions{})
	m.must(err)
	porttest.Eventually(t, "no NAT", func() error {
		if got := m.source(pod, "223.5.5.5:80"); got != "10.16.0.16" {
			return fmt.Errorf("seen as %s", got)
		}
		return nil
	})
}
