package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

// rig is a node with a running server and the plugin as a program.
type rig struct {
	*fixture
	node   *porttest.Node
	plugin string // path
}

func newRig(tb testing.TB, defaults port.Defaults) *rig {
	tb.Helper()
	r := &rig{node: porttest.NewNode(tb), plugin: filepath.Join(tb.TempDir(), "kube-ovn")}
	must(tb, porttest.Exec("go", "build", "-o", r.plugin, "github.com/kubeovn/kube-ovn/cmd/kube-ovn-cni"))
	r.node.Switch("net1", "10.1.0.1/24", "fd00:1::1/64")
	r.fixture = newFixture(tb, r.node, func(c *Config) {
		c.Defaults, c.Recorder, c.WaitTimeout = defaults, nil, 2*time.Second
		c.Ports = port.NewManager(r.node.Vswitch, port.Config{Userspace: true, Background: tb.Context(), InstallTimeout: 5 * time.Second})
	})
	return r
}

func mac(n int) string { return fmt.Sprintf("00:00:00:00:01:%02x", n) }

// declare makes pod n and its logical port, with 10.1.0.n and fd00:1::n.
func (r *rig) declare(n int) {
	r.t.Helper()
	p := pod(n)
	p.Annotations["ovn.kubernetes.io/ip_address"] = fmt.Sprintf("10.1.0.%d,fd00:1::%x", n, n)
	p.Annotations["ovn.kubernetes.io/cidr"] = "10.1.0.0/24,fd00:1::/64"
	p.Annotations["ovn.kubernetes.io/gateway"] = "10.1.0.1,fd00:1::1"
	r.create(p)
	r.node.Port("net1", fmt.Sprintf("p%d.default", n), fmt.Sprintf("%s 10.1.0.%d fd00:1::%x", mac(n), n, n))
}

// call is one run of the plugin.
type call struct {
	verb, version, netns string
	pod                  int
	extra                map[string]any // of the configuration
	drop                 string         // a variable to leave out
}

// run executes the plugin as a runtime does and returns its output, and the error that it reports.
func (r *rig) run(c call) (string, *types.Error) {
	r.t.Helper()
	conf := map[string]any{"cniVersion": c.version, "name": "kube-ovn", "type": "kube-ovn", "server_socket": r.socket}
	for key, value := range c.extra {
		conf[key] = value
		if value == nil {
			delete(conf, key)
		}
	}
	stdin, err := json.Marshal(conf)
	must(r.t, err)
	cmd := exec.Command(r.plugin)
	cmd.Env = []string{
		"CNI_COMMAND=" + c.verb, fmt.Sprintf("CNI_CONTAINERID=cid%d", c.pod), "CNI_NETNS=" + c.netns,
		"CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin",
		fmt.Sprintf("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p%d;K8S_POD_INFRA_CONTAINER_ID=cid%d", c.pod, c.pod),
	}
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return c.drop != "" && strings.HasPrefix(v, c.drop+"=") })
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err == nil {
		return stdout.String(), nil
	}
	failure := &types.Error{}
	if err := json.Unmarshal(stdout.Bytes(), failure); err != nil {
		r.t.Fatalf("%s failed without an error in JSON: %q %q", c.verb, stdout.String(), stderr.String())
	}
	return "", failure
}

func (r *rig) mustRun(c call) string {
	r.t.Helper()
	out, failure := r.run(c)
	if failure != nil {
		r.t.Fatalf("%s: %v", c.verb, failure)
	}
	return out
}

// TestVersions adds, checks and deletes an interface with every version of the specification, and reads the result as that
// version has it.
func TestVersions(t *testing.T) {
	r := newRig(t, port.Defaults{MTU: 1400, DetectConflicts: true, Overlay: announce.Local()})
	for i, c := range []struct {
		version string
		want    []string // in the result
		check   bool     // the version has CHECK
		gc      bool     // the version has GC and STATUS
	}{
		{"0.1.0", []string{`"ip4":{"ip":"10.1.0.N/24","gateway":"10.1.0.1"`, `"ip6":{"ip":"fd00:1::X/64"`}, false, false},
		{"0.2.0", []string{`"ip4":{"ip":"10.1.0.N/24"`}, false, false},
		{"0.3.0", []string{`{"version":"4","interface":0,"address":"10.1.0.N/24","gateway":"10.1.0.1"}`}, false, false},
		{"0.3.1", []string{`{"version":"6","interface":0,"address":"fd00:1::X/64","gateway":"fd00:1::1"}`, `{"dst":"0.0.0.0/0","gw":"10.1.0.1"}`}, false, false},
		{"0.4.0", []string{`{"version":"4","interface":0,"address":"10.1.0.N/24"`}, true, false},
		{"1.0.0", []string{`{"address":"10.1.0.N/24","gateway":"10.1.0.1","interface":0}`, `"dns":{"nameservers":["10.96.0.10"]}`}, true, false},
		{"1.1.0", []string{`{"mac":"MAC","mtu":1400,"name":"eth0","sandbox":"NETNS"}`, `{"dst":"::/0","gw":"fd00:1::1"}`}, true, true},
	} {
		t.Run(c.version, func(t *testing.T) {
			n, netns := 10+i, porttest.NewNetns(t)
			r.declare(n)
			dns := map[string]any{"dns": types.DNS{Nameservers: []string{"10.96.0.10"}}}
			add := call{verb: "ADD", version: c.version, netns: netns, pod: n, extra: dns}
			out := r.mustRun(add)
			var compact bytes.Buffer
			must(t, json.Compact(&compact, []byte(out)))
			values := strings.NewReplacer("1.0.N/", fmt.Sprintf("1.0.%d/", n), "::X/", fmt.Sprintf("::%x/", n), "MAC", mac(n), "NETNS", netns)
			for _, want := range append(c.want, `"cniVersion":"`+c.version+`"`) {
				if want = values.Replace(want); !strings.Contains(compact.String(), want) {
					t.Errorf("no %s in %s", want, compact.String())
				}
			}
			if _, err := porttest.In(netns, "ping", "-c", "1", "-W", "2", "fd00:1::1"); err != nil {
				t.Error(err)
			}
			again := add
			again.verb = "CHECK"
			again.extra = map[string]any{"prevResult": json.RawMessage(out)}
			r.expect(t, again, c.check, "config version does not allow CHECK")
			r.expect(t, call{verb: "STATUS", version: c.version}, c.gc, "config version does not allow STATUS")
			gc := call{verb: "GC", version: c.version, extra: map[string]any{"cni.dev/valid-attachments": []any{}}}
			r.expect(t, gc, c.gc, "config version does not allow GC")
			if c.gc && len(r.server.cfg.Ports.Ports()) != 0 {
				t.Errorf("GC left %v", r.server.cfg.Ports.Ports())
			}
			for range 2 {
				r.mustRun(call{verb: "DEL", version: c.version, netns: netns, pod: n})
			}
			if left := r.server.cfg.Ports.Ports(); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// expect runs a verb that the version has, or is refused with text and code 1.
func (r *rig) expect(t *testing.T, c call, supported bool, text string) {
	t.Helper()
	_, failure := r.run(c)
	if supported && failure != nil {
		t.Errorf("%s %s: %v", c.verb, c.version, failure)
	}
	if !supported && (failure == nil || failure.Code != types.ErrIncompatibleCNIVersion || !strings.Contains(failure.Msg, text)) {
		t.Errorf("%s %s: got %v, want %q", c.verb, c.version, failure, text)
	}
}

func TestVersionVerb(t *testing.T) {
	r := newRig(t, port.Defaults{})
	out := r.mustRun(call{verb: "VERSION", version: "1.1.0"})
	want := `"supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]`
	if !strings.Contains(out, want) {
		t.Errorf("no %s in %s", want, out)
	}
}

// TestFailures looks at code, message and details of everything that can be wrong outside the daemon.
func TestFailures(t *testing.T) {
	r := newRig(t, port.Defaults{MTU: 1400})
	for _, n := range []int{150, 152} {
		r.create(pod(n)) // without a logical port
	}
	netns := porttest.NewNetns(t)
	gone := map[string]any{"server_socket": filepath.Join(t.TempDir(), "none.sock")}
	for name, c := range map[string]struct {
		call    call
		code    uint
		message string
		details string
	}{
		"no socket in the configuration": {call{verb: "ADD", extra: map[string]any{"server_socket": nil}}, 7, "invalid network configuration", "server_socket"},
		"a socket that is a number":      {call{verb: "ADD", extra: map[string]any{"server_socket": 1}}, 6, "cannot parse the network configuration", "server_socket"},
		"no pod":                         {call{verb: "ADD", drop: "CNI_ARGS"}, 7, "invalid CNI_ARGS", "K8S_POD_NAME"},
		"an unknown version":             {call{verb: "ADD", version: "9.9.9"}, 1, "incompatible CNI versions", "9.9.9"},
		"no daemon, ADD":                 {call{verb: "ADD", extra: gone}, 11, "RPC failed", "none.sock"},
		"no daemon, DEL":                 {call{verb: "DEL", extra: gone}, 11, "RPC failed", "none.sock"},
		"no daemon, CHECK":               {call{verb: "CHECK", extra: gone}, 11, "RPC failed", "none.sock"},
		"no daemon, GC":                  {call{verb: "GC", extra: gone}, 11, "RPC failed", "none.sock"},
		"no daemon, STATUS":              {call{verb: "STATUS", extra: gone}, 50, "the daemon cannot serve requests now", "none.sock"},
		"a pod that is gone":             {call{verb: "ADD", pod: 999}, 3, "RPC failed", "pod default/p999 is gone"},
		"an unknown provider":            {call{verb: "ADD", extra: map[string]any{"provider": "a.b.ovn"}}, 7, "RPC failed", "provider a.b.ovn is not bound to any subnet"},
		"a pod without a logical port":   {call{verb: "ADD", pod: 150}, 11, "RPC failed", "ovn-controller has not bound logical port p150.default"},
		"a check of nothing":             {call{verb: "CHECK", pod: 151}, 11, "RPC failed", "the vswitch database has no port"},
		"a route that is none":           {call{verb: "ADD", extra: map[string]any{"routes": []any{map[string]any{"dst": "x"}}}}, 7, "RPC failed", "network configuration: route"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.call.version == "" {
				c.call.version = "1.1.0"
			}
			if c.call.pod == 0 {
				c.call.pod = 152
			}
			c.call.netns = netns
			_, failure := r.run(c.call)
			if failure == nil || failure.Code != c.code || failure.Msg != c.message || !strings.Contains(failure.Details, c.details) {
				t.Errorf("got %#v, want %d %q with %q", failure, c.code, c.message, c.details)
			}
		})
	}
	if left := r.server.cfg.Ports.Ports(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// A pod's namespace may have IPv6 off; the interface is to have its address all the same, and listens to no router.
func TestIPv6IsSwitchedOn(t *testing.T) {
	r := newRig(t, port.Defaults{MTU: 1400})
	netns := porttest.NewNetns(t)
	for _, scope := range []string{"all", "default"} {
		_, err := porttest.In(netns, "sysctl", "-w", "net.ipv6.conf."+scope+".disable_ipv6=1")
		must(t, err)
	}
	r.declare(20)
	r.mustRun(call{verb: "ADD", version: "1.0.0", netns: netns, pod: 20})
	out, err := porttest.In(netns, "sysctl", "-n", "net.ipv6.conf.eth0.disable_ipv6", "net.ipv6.conf.eth0.accept_ra")
	must(t, err)
	if out != "0\n0\n" {
		t.Errorf("disable_ipv6 and accept_ra of eth0: %q", out)
	}
	r.mustRun(call{verb: "DEL", version: "1.0.0", pod: 20})
}

// BenchmarkAdd runs the plugin as a runtime does, one ADD and one DEL after the other, and prints the percentiles of ADD as
// `name value unit` lines: without and with the detection of address conflicts.
func BenchmarkAdd(b *testing.B) {
	for _, c := range []struct {
		name   string
		detect bool
	}{{"cni.add", false}, {"cni.add.detect", true}} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, port.Defaults{MTU: 1400, DetectConflicts: c.detect, Overlay: announce.Local()})
			const n = 40
			r.declare(n)
			netns := porttest.NewNetns(b)
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				r.mustRun(call{verb: "ADD", version: "1.1.0", netns: netns, pod: n})
				took = append(took, time.Since(begin))
				b.StopTimer()
				r.mustRun(call{verb: "DEL", version: "1.1.0", netns: netns, pod: n})
				b.StartTimer()
			}
			slices.Sort(took)
			for _, p := range []int{50, 99} {
				fmt.Printf("\n%s.p%d %.1f ms\n", c.name, p, float64(took[(len(took)-1)*p/100].Microseconds())/1000)
			}
		})
	}
}
