package port

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
)

func TestCheck(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	for name, c := range map[string]struct {
		drift []string // in the pod
		host  []string // on the node
		text  string
	}{
		"all is well": {},
		"an address":  {drift: []string{"ip", "addr", "del", "10.1.0.30/24", "dev", "eth0"}, text: "has no address 10.1.0.30/24"},
		"a route":     {drift: []string{"ip", "route", "del", "default"}, text: "has no route to 0.0.0.0/0 via 10.1.0.1"},
		"a v6 route":  {drift: []string{"ip", "-6", "route", "del", "default"}, text: "has no route to ::/0 via fd00:1::1"},
		"the MAC":     {drift: []string{"ip", "link", "set", "eth0", "address", "02:00:00:00:00:99"}, text: "has MAC 02:00:00:00:00:99 instead of"},
		"the link":    {drift: []string{"ip", "link", "set", "eth0", "down"}, text: "interface eth0 is down"},
		"the device":  {drift: []string{"ip", "link", "del", "eth0"}, text: "host end"},
		"the port":    {host: []string{"del-port", "br-int"}, text: "has no port"},
		"the binding": {host: []string{"remove", "interface", "", "external_ids", "ovn-installed"}, text: "is not bound"},
	} {
		t.Run(name, func(t *testing.T) {
			s := podSpec(t, 30)
			declare(node, s)
			mustAdd(t, m, s)
			res := s.Response(api.Request{})
			want := &api.Expected{MAC: res.MACAddress, Addresses: []string{"10.1.0.30/24", "fd00:1::1e/64"}, Routes: res.Routes}
			if len(c.drift) != 0 {
				in(t, s.Netns, c.drift...)
			}
			if len(c.host) != 0 {
				args := slices.Clone(c.host)
				if args[0] == "del-port" {
					args = append(args, s.HostLink())
				} else {
					args[2] = s.HostLink()
				}
				node.Vsctl(args...)
			}
			eventually(t, func() error {
				err := m.Check(s.ID, s.Netns, want)
				if c.text == "" && err != nil || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
					return fmt.Errorf("got %v, want %q", err, c.text)
				}
				return nil
			})
			must(t, m.Remove(testContext(t), s.ID))
		})
	}
	assertNothingLeft(t, node)
}

func TestCollectAndSweep(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	a, b, c := podSpec(t, 40), podSpec(t, 41), podSpec(t, 42)
	c.Network = "other"
	for _, s := range []Spec{a, b, c} {
		declare(node, s)
		mustAdd(t, m, s)
	}
	must(t, m.Collect(testContext(t), "kube-ovn", []ID{a.ID}))
	assertPorts(t, m, a, c)
	must(t, m.Collect(testContext(t), "nobody", nil))
	assertPorts(t, m, a, c)
	must(t, m.Sweep(testContext(t), func(p Port) bool { return p.PodUID == "uid-p42" && p.Namespace == "default" && p.Pod == "p42" }))
	assertPorts(t, m, a)
	must(t, m.Collect(testContext(t), "kube-ovn", nil))
	assertNothingLeft(t, node)
}

// A daemon died between the first device and the last row of an Add; another Add is under way in the new one.
func TestSweepAfterADeadDaemon(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	left, busy, alive := podSpec(t, 43), podSpec(t, 44), podSpec(t, 45)
	for _, s := range []Spec{left, busy} {
		netns, err := openNetns(s.Netns)
		must(t, err)
		_, err = addVeth(s, netns)
		must(t, err)
		must(t, ingress.Drop(s.HostLink()))
		must(t, netns.Close())
	}
	in(t, hostNetns, "ip", "link", "add", "foreign_h", "type", "veth", "peer", "name", "foreign_c")
	must(t, ingress.Drop("foreign_h"))
	declare(node, alive)
	mustAdd(t, m, alive)
	m.making.add(busy.HostLink())
	must(t, m.Sweep(testContext(t), func(Port) bool { return false }))
	links := in(t, hostNetns, "ip", "-br", "link", "show", "type", "veth") + in(t, hostNetns, "nft", "list", "ruleset")
	for name, want := range map[string]int{left.HostLink(): 0, busy.HostLink(): 3, alive.HostLink(): 3, "foreign_h": 4} {
		if got := strings.Count(links, name); got != want {
			t.Errorf("%s is named %d times, want %d: %s", name, got, want, links)
		}
	}
	assertReaches(t, alive, "10.1.0.1")
	m.making.remove(busy.HostLink())
	in(t, hostNetns, "ip", "link", "del", "foreign_h")
	must(t, ingress.Accept("foreign_h"))
	must(t, m.Sweep(testContext(t), func(Port) bool { return true }))
	assertNothingLeft(t, node)
}

func assertPorts(t *testing.T, m *Manager, want ...Spec) {
	t.Helper()
	var have, wanted []string
	for _, p := range m.Ports() {
		have = append(have, p.ID.String())
	}
	for _, s := range want {
		wanted = append(wanted, s.ID.String())
	}
	slices.Sort(have)
	slices.Sort(wanted)
	if !slices.Equal(have, wanted) {
		t.Errorf("ports %v, want %v", have, wanted)
	}
}

// Limits follow the annotations of a running pod, and hold for real traffic in both directions.
func TestSyncQoS(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	a, b := podSpec(t, 50), podSpec(t, 51)
	for _, s := range []Spec{a, b} {
		declare(node, s)
		mustAdd(t, m, s)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: a.Pod, Namespace: a.Namespace, UID: types.UID(a.PodUID)}}
	sync := func(annotations map[string]string, changes int) {
		t.Helper()
		pod.Annotations = annotations
		changed, err := m.SyncQoS(testContext(t), pod)
		if err != nil || len(changed) != changes {
			t.Fatalf("%v: changed %v, %v; want %d changes", annotations, changed, err, changes)
		}
	}
	sync(nil, 0)
	free := unlimited(t, a, b)

	limits := map[string]string{"ovn.kubernetes.io/egress_rate": "20", "ovn.kubernetes.io/ingress_rate": "30"}
	sync(limits, 1)
	sync(limits, 0)
	if got := strings.TrimSpace(node.Vsctl("--bare", "--columns=other_config", "find", "queue", `external_ids:pod="default/p50"`)); got != "burst=375000 max-rate=30000000" {
		t.Errorf("queue %q", got)
	}
	if got := node.Vsctl("get", "interface", a.HostLink(), "ingress_policing_rate", "ingress_policing_burst"); got != "20000\n16000\n" {
		t.Errorf("policing %q", got)
	}
	in(t, a.Netns, "tc", "qdisc", "del", "dev", "eth0", "root")
	sync(limits, 0)
	egress, ingress := throughput(t, a, b), throughput(t, b, a)
	t.Logf("Mbit/s: free %.0f, egress limited to 20: %.1f, ingress limited to 30: %.1f", free, egress, ingress)
	// How close to a limit traffic comes is up to the machine's load.
	if egress > 25 || egress < 2 || ingress > 36 || ingress < 2 {
		t.Errorf("Mbit/s: egress %.1f, ingress %.1f; want at most about 20 and 30", egress, ingress)
	}

	if _, err := m.SyncQoS(testContext(t), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: a.Pod, Namespace: a.Namespace, UID: types.UID(a.PodUID), Annotations: map[string]string{"ovn.kubernetes.io/egress_rate": "x"},
	}}); err == nil || !strings.Contains(err.Error(), "egress_rate") {
		t.Errorf("a malformed rate: %v", err)
	}
	sync(nil, 1)
	unlimited(t, a, b)
	for _, s := range []Spec{a, b} {
		must(t, m.Remove(testContext(t), s.ID))
	}
	assertNothingLeft(t, node)
}

// unlimited repeats a measurement until it shows clearly more than the limits of these tests.
func unlimited(t *testing.T, from, to Spec) (rate float64) {
	t.Helper()
	for range 5 {
		if rate = throughput(t, from, to); rate > 60 {
			return rate
		}
	}
	t.Fatalf("only %.1f Mbit/s without a limit", rate)
	return rate
}

// throughput sends TCP from one pod to another for half a second after the start and returns Mbit/s as received.
func throughput(t *testing.T, from, to Spec) float64 {
	t.Helper()
	var listener net.Listener
	inNetns(t, to.Netns, func() (err error) {
		listener, err = net.Listen("tcp", "0.0.0.0:0")
		return err
	})
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	var sender net.Conn
	inNetns(t, from.Netns, func() (err error) {
		sender, err = net.DialTimeout("tcp", fmt.Sprintf("%s:%d", to.Addresses[0].Addr(), port), 5*time.Second)
		return err
	})
	defer sender.Close()
	receiver, err := listener.Accept()
	must(t, err)
	defer receiver.Close()
	go func() {
		chunk := make([]byte, 64<<10)
		for {
			if _, err := sender.Write(chunk); err != nil {
				return
			}
		}
	}()
	count := func(d time.Duration) int64 {
		must(t, receiver.SetReadDeadline(time.Now().Add(d)))
		n, _ := io.Copy(io.Discard, receiver)
		return n
	}
	count(500 * time.Millisecond) // bursts and slow start
	begin := time.Now()
	n := count(time.Second)
	return float64(n) * 8 / 1e6 / time.Since(begin).Seconds()
}

func inNetns(t *testing.T, path string, f func() error) {
	t.Helper()
	must(t, ns.WithNetNSPath(path, func(ns.NetNS) error { return f() }))
}

func eventually(t *testing.T, look func() error) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	err := look()
	for err != nil && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
		err = look()
	}
	if err != nil {
		t.Error(err)
	}
}
