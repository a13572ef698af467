package start

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func startOVS(t *testing.T, s settings, change func(*OVS)) *running {
	t.Helper()
	o, err := NewOVS(s.get)
	if err != nil {
		t.Fatal(err)
	}
	quick(&o.limits)
	if change != nil {
		change(o)
	}
	return background(t, o.Run)
}

func vsctl(t *testing.T, s settings, args ...string) string {
	t.Helper()
	return tool(t, append([]string{"ovs-vsctl", "-t", "10", "--db=unix:" + filepath.Join(s["OVS_RUNDIR"], "db.sock")}, args...)...)
}

// flows counts the flows of br-int.
func flows(ctx context.Context, s settings) (string, error) {
	out, err := run(ctx, "ovs-ofctl", "-t", "5", "dump-aggregate", "unix:"+filepath.Join(s["OVS_RUNDIR"], "br-int.mgmt"))
	_, count, _ := strings.Cut(out, "flow_count=")
	return count, err
}

// TestNode runs a whole node on the userspace datapath: databases, OVS and ovn-controller, a port with an address.
func TestNode(t *testing.T) {
	needs(t, "ovsdb-server", "ovs-vswitchd", "ovn-northd", "ovn-controller")
	tls := certificates(t)
	central := newSettings(t, map[string]string{"POD_IP": "127.0.0.1", "ENABLE_SSL": "true", "OVN_TLS_DIR": tls})
	c, _ := startCentral(t, central)
	c.eventually("databases", healthy(central))
	tool(t, nbctl(central, "ls-add", "s1", "--", "lsp-add", "s1", "p1", "--", "lsp-set-addresses", "p1", "00:00:00:00:00:01 10.16.0.2")...)

	s := newSettings(t, map[string]string{"NODE_NAME": "node1", "OVN_DB_IPS": "127.0.0.1", "DATAPATH": "netdev",
		"ENABLE_SSL": "true", "OVN_TLS_DIR": tls})
	t.Cleanup(func() { // taps outlive vswitchd, which is the point of this test
		for _, name := range []string{"port1", "br-int", "ovs-netdev"} {
			_ = deleteLink(name)
		}
	})
	r := startOVS(t, s, nil)
	r.eventually("life", func(ctx context.Context) error { return HealthOVS(ctx, s.get, true) })

	id := strings.TrimSpace(string(mustRead(t, filepath.Join(s["OVS_DBDIR"], "system-id.conf"))))
	if !uuidForm.MatchString(id) {
		t.Errorf("system-id %q is no UUID", id)
	}
	for column, want := range map[string]string{
		"external_ids:system-id":                id,
		"external_ids:hostname":                 "node1",
		"external_ids:ovn-remote":               "ssl:[127.0.0.1]:6642",
		"external_ids:ovn-encap-type":           "geneve",
		"external_ids:ovn-bridge-datapath-type": "netdev",
	} {
		if got := strings.Trim(vsctl(t, s, "get", "Open_vSwitch", ".", column), `"`); got != want {
			t.Errorf("%s is %q, want %q", column, got, want)
		}
	}
	if got := vsctl(t, s, "get", "Bridge", "br-int", "datapath_type"); got != "netdev" {
		t.Errorf("br-int has the datapath %q", got)
	}

	// What the daemon does: the encap address, and a port with an address on its device.
	vsctl(t, s, "set", "Open_vSwitch", ".", "external_ids:ovn-encap-ip=127.0.0.1", "--",
		"add-port", "br-int", "port1", "--", "set", "Interface", "port1", "type=internal", "external_ids:iface-id=p1")
	port, err := netlink.LinkByName("port1")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.LinkSetUp(port), netlink.AddrAdd(port, &netlink.Addr{IPNet: mustParseCIDR(t, "10.16.0.2/16")})); err != nil {
		t.Fatal(err)
	}
	up := func(ctx context.Context) error {
		if err := HealthOVS(ctx, s.get, false); err != nil {
			return err
		}
		count, err := flows(ctx, s)
		if err == nil && (count == "" || count == "0") {
			err = errors.New("no flows")
		}
		return err
	}
	r.eventually("flows", up)
	tool(t, nbctl(central, "--wait=hv", "--timeout=20", "sync")...)

	// The pod is replaced: the device, its address and the chassis are the same afterwards.
	if err := r.stop(); err != nil {
		t.Fatalf("stopping is no failure, got %v", err)
	}
	checkDevice := func(when string) {
		t.Helper()
		link, err := netlink.LinkByName("port1")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil || len(addresses) != 1 || link.Attrs().Index != port.Attrs().Index {
			t.Errorf("%s: device %d (was %d) has the addresses %v, %v", when, link.Attrs().Index, port.Attrs().Index, addresses, err)
		}
	}
	checkDevice("stopped")
	r = startOVS(t, s, nil)
	r.eventually("flows after the restart", up)
	checkDevice("started again")
	if got := strings.Trim(vsctl(t, s, "get", "Open_vSwitch", ".", "external_ids:system-id"), `"`); got != id {
		t.Errorf("system-id changed from %s to %s", id, got)
	}

	// vswitchd dies: it alone is replaced, and the flows come back.
	controller := pidOf(t, filepath.Join(s["OVN_RUNDIR"], "ovn-controller.pid"))
	vswitchd := pidOf(t, filepath.Join(s["OVS_RUNDIR"], "ovs-vswitchd.pid"))
	if err := syscall.Kill(vswitchd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.eventually("a new vswitchd", func(ctx context.Context) error {
		if err := replaced(filepath.Join(s["OVS_RUNDIR"], "ovs-vswitchd.pid"), vswitchd); err != nil {
			return err
		}
		return up(ctx)
	})
	if !alive(controller) {
		t.Error("ovn-controller was restarted too")
	}
	checkDevice("after vswitchd was killed")
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestRestoreOnKernelDatapath lets vswitchd's dummy datapath play the kernel's, which this machine may lack.
func TestRestoreOnKernelDatapath(t *testing.T) {
	needs(t, "ovsdb-server", "ovs-vswitchd", "ovn-controller")
	s := newSettings(t, map[string]string{"NODE_NAME": "node1", "OVN_DB_IPS": "127.0.0.1", "DATAPATH": "kernel"})
	dummy := func(o *OVS) {
		o.kernel = func() error { return nil }
		o.vswitchdArgs = []string{"--enable-dummy=override"}
	}
	waits := func(ctx context.Context) (bool, error) {
		out, err := run(ctx, "ovs-vsctl", "-t", "5", "--db=unix:"+filepath.Join(s["OVS_RUNDIR"], "db.sock"), "get", "Open_vSwitch", ".", "other_config")
		return strings.Contains(out, "flow-restore-wait"), err
	}

	r := startOVS(t, s, dummy)
	r.eventually("life", func(ctx context.Context) error { return HealthOVS(ctx, s.get, true) })
	r.eventually("br-int of ovn-controller", func(ctx context.Context) error {
		out, err := run(ctx, "ovs-vsctl", "-t", "5", "--db=unix:"+filepath.Join(s["OVS_RUNDIR"], "db.sock"), "list-br")
		if err == nil && out != "br-int" {
			err = fmt.Errorf("bridges: %q", out)
		}
		return err
	})
	if waiting, err := waits(t.Context()); waiting || err != nil {
		t.Errorf("a node without flows waits for their restore: %t, %v", waiting, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	// Without a southbound database no flow is restored; the datapath must be held until there are some.
	r = startOVS(t, s, dummy)
	r.eventually("life again", func(ctx context.Context) error { return HealthOVS(ctx, s.get, true) })
	if waiting, err := waits(t.Context()); !waiting || err != nil {
		t.Fatalf("vswitchd may touch the datapath before flows are back: %t, %v", waiting, err)
	}
	tool(t, "ovs-ofctl", "-t", "5", "add-flow", "unix:"+filepath.Join(s["OVS_RUNDIR"], "br-int.mgmt"), "actions=drop")
	r.eventually("the end of the restore", func(ctx context.Context) error {
		waiting, err := waits(ctx)
		if waiting {
			err = errors.New("still waiting")
		}
		return err
	})
}

func TestMissingKernelModuleIsExplained(t *testing.T) {
	needs(t, "ovsdb-server", "ovs-vswitchd")
	if _, err := os.Stat("/sys/module/openvswitch"); err == nil {
		t.Skip("this kernel has Open vSwitch")
	}
	s := newSettings(t, map[string]string{"NODE_NAME": "node1", "OVN_DB_IPS": "127.0.0.1", "DATAPATH": "kernel"})
	err := startOVS(t, s, nil).result()
	var exit *ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "DATAPATH=netdev") {
		t.Fatalf("error %v gives no advice", err)
	}
}

func TestSettings(t *testing.T) {
	base := OVS{layout: layout{OVSRun: "/run/openvswitch"}, node: "node1", remote: "ssl:[10.0.0.1]:6642,ssl:[10.0.0.2]:6642",
		datapath: "kernel", tunnel: "geneve", remoteProbeMillis: 10000, openflowProbeSeconds: 180, cpus: 4}
	for _, test := range []struct {
		name            string
		change          func(*OVS)
		exists, restore bool
		with, without   []string
	}{
		{name: "first start on the kernel datapath",
			with: []string{`external_ids:ovn-remote="ssl:[10.0.0.1]:6642,ssl:[10.0.0.2]:6642"`, "external_ids:ovn-remote-probe-interval=10000",
				"external_ids:ovn-openflow-probe-interval=180", "external_ids:ovn-match-northd-version=true", "other_config:hw-offload=false"},
			without: []string{"add-br", "other_config:flow-restore-wait=true", "datapath_type=system", "other_config:n-handler-threads=10"}},
		{name: "later start on the kernel datapath", exists: true, restore: true,
			with: []string{"other_config:flow-restore-wait=true", "datapath_type=system"}},
		{name: "netdev", change: func(o *OVS) { o.datapath = "netdev"; o.hwOffload = true },
			with: []string{"external_ids:ovn-bridge-datapath-type=netdev", "add-br", "datapath_type=netdev", "other_config:hw-offload=false"}},
		{name: "offload", change: func(o *OVS) { o.hwOffload = true }, with: []string{"other_config:hw-offload=true"}},
		{name: "many processors", change: func(o *OVS) { o.cpus = 13 },
			with: []string{"other_config:n-handler-threads=10", "other_config:n-revalidator-threads=4"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := base
			if test.change != nil {
				test.change(&o)
			}
			got := o.settings("id", test.exists, test.restore)
			for _, want := range test.with {
				if !slices.Contains(got, want) {
					t.Errorf("lacks %s in\n%s", want, strings.Join(got, " "))
				}
			}
			for _, unwanted := range test.without {
				if slices.Contains(got, unwanted) {
					t.Errorf("has %s", unwanted)
				}
			}
		})
	}
}

func TestSystemIDIsKept(t *testing.T) {
	dir := t.TempDir()
	o := OVS{layout: layout{OVSDB: dir}}
	first, err := o.systemID()
	if err != nil || !uuidForm.MatchString(first) {
		t.Fatalf("id %q, %v", first, err)
	}
	if again, err := o.systemID(); err != nil || again != first {
		t.Errorf("second id %q, %v", again, err)
	}
	other := OVS{layout: layout{OVSDB: t.TempDir()}}
	if id, _ := other.systemID(); id == first {
		t.Error("two nodes have one id")
	}
	file := filepath.Join(dir, "system-id.conf")
	if err := os.WriteFile(file, nil, 0o644); err != nil { // a crash in the middle of the write of another program
		t.Fatal(err)
	}
	if id, err := o.systemID(); err != nil || !uuidForm.MatchString(id) {
		t.Errorf("id of an empty file is %q, %v", id, err)
	}
}

func TestDatabaseAddresses(t *testing.T) {
	for _, test := range []struct {
		name    string
		env     settings
		want    string
		wantErr string
	}{
		{name: "override", env: settings{"OVN_SB_ADDR": "ssl:[1.1.1.1]:7", "OVN_DB_IPS": "10.0.0.1"}, want: "ssl:[1.1.1.1]:7"},
		{name: "members", env: settings{"OVN_DB_IPS": "10.0.0.1,10.0.0.2", "OVN_SB_SERVICE_HOST": "10.96.0.7"}, want: "tcp:[10.0.0.1]:6642,tcp:[10.0.0.2]:6642"},
		{name: "TLS", env: settings{"OVN_DB_IPS": "10.0.0.1", "ENABLE_SSL": "true"}, want: "ssl:[10.0.0.1]:6642"},
		{name: "IPv6", env: settings{"OVN_DB_IPS": "fd00::1"}, want: "tcp:[fd00::1]:6642"},
		{name: "port", env: settings{"OVN_DB_IPS": "10.0.0.1", "KUBE_OVN_SB_PORT": "16642"}, want: "tcp:[10.0.0.1]:16642"},
		{name: "service", env: settings{"OVN_SB_SERVICE_HOST": "10.96.0.7", "OVN_SB_SERVICE_PORT": "99"}, want: "tcp:[10.96.0.7]:99"},
		{name: "nothing", wantErr: "none of OVN_SB_ADDR, OVN_DB_IPS and OVN_SB_SERVICE_HOST"},
		{name: "nonsense", env: settings{"OVN_DB_IPS": "10.0.0.1,node2"}, wantErr: `"node2", which is not an address`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := NewOVS(test.env.with("NODE_NAME", "node1").get)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want %q", err, test.wantErr)
				}
				return
			}
			if err != nil || o.remote != test.want {
				t.Errorf("remote %q, %v; want %q", o.remote, err, test.want)
			}
		})
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(Getenv) error
		env  settings
		want string
	}{
		{"node", newOVSErr, settings{"OVN_DB_IPS": "10.0.0.1"}, "NODE_NAME is not set"},
		{"datapath", newOVSErr, settings{"DATAPATH": "dpdk"}, `DATAPATH="dpdk" is not one of kernel, netdev`},
		{"tunnel", newOVSErr, settings{"TUNNEL_TYPE": "gre"}, `TUNNEL_TYPE="gre"`},
		{"flag", newOVSErr, settings{"HW_OFFLOAD": "maybe"}, `HW_OFFLOAD="maybe" is neither true nor false`},
		{"number", newCentralErr, settings{"PROBE_INTERVAL": "3s"}, `PROBE_INTERVAL="3s" is not a number`},
		{"member", newCentralErr, settings{"NODE_IPS": "10.0.0.1,10.0.0.2", "POD_IP": "10.0.0.3"}, "POD_IP 10.0.0.3 is not one of NODE_IPS"},
		{"TLS range", newCentralErr, settings{"TLS_MIN_VERSION": "TLS13", "TLS_MAX_VERSION": "TLS12"}, "is no range"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.make(test.env.get); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func newOVSErr(get Getenv) error     { _, err := NewOVS(get); return err }
func newCentralErr(get Getenv) error { _, err := NewCentral(get); return err }

func TestTLSProtocols(t *testing.T) {
	for _, test := range []struct{ min, max, want string }{
		{"", "", ""},
		{"TLS12", "", "TLSv1.2,TLSv1.3"},
		{"", "TLS12", "TLSv1,TLSv1.1,TLSv1.2"},
		{"TLS13", "TLS13", "TLSv1.3"},
	} {
		if got, err := tlsProtocols(test.min, test.max); err != nil || got != test.want {
			t.Errorf("%s to %s: %q, %v; want %q", test.min, test.max, got, err, test.want)
		}
	}
}

func TestListener(t *testing.T) {
	for _, test := range []struct {
		tls  TLS
		addr netip.Addr
		want string
	}{
		{TLS{}, netip.Addr{}, "ptcp:6641:[::]"},
		{TLS{Enabled: true}, netip.MustParseAddr("10.0.0.1"), "pssl:6641:[10.0.0.1]"},
		{TLS{Enabled: true}, netip.MustParseAddr("fd00::1"), "pssl:6641:[fd00::1]"},
	} {
		if got := test.tls.listener(test.addr, 6641); got != test.want {
			t.Errorf("listener %q, want %q", got, test.want)
		}
	}
}

func TestMemberOfADualStackClusterIsFound(t *testing.T) {
	s := settings{"NODE_IPS": "fd00::1,fd00::2", "POD_IP": "10.0.0.2", "POD_IPS": "10.0.0.2,fd00::2"}
	c, err := NewCentral(s.get)
	if err != nil || c.self != netip.MustParseAddr("fd00::2") {
		t.Errorf("self %v, %v", c.self, err)
	}
}

func TestPollSaysWhatWasMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := poll(ctx, time.Millisecond, "rain", func(context.Context) error { return errors.New("sun shines") })
	if err == nil || !strings.Contains(err.Error(), "wait for rain") || !strings.Contains(err.Error(), "sun shines") {
		t.Errorf("error %v", err)
	}
}
