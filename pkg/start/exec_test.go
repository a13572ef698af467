package start

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestControllerArgs(t *testing.T) {
	base := settings{"OVN_DB_IPS": "10.0.0.1,10.0.0.2", "ENABLE_SSL": "true"}
	const nb, sb = "--ovn-nb-addr=ssl:[10.0.0.1]:6641,ssl:[10.0.0.2]:6641", "--ovn-sb-addr=ssl:[10.0.0.1]:6642,ssl:[10.0.0.2]:6642"
	for _, test := range []struct {
		name        string
		env         settings
		given, want []string
	}{
		{"addresses of the members", base, []string{"--v=2"}, []string{"kube-ovn-controller", "--v=2", nb, sb}},
		{"a given address wins", base, []string{"--ovn-nb-addr=tcp:x"}, []string{"kube-ovn-controller", "--ovn-nb-addr=tcp:x", sb}},
		{"so does one in two words", base, []string{"--ovn-sb-addr", "tcp:x"}, []string{"kube-ovn-controller", "--ovn-sb-addr", "tcp:x", nb}},
		{"environment", base.with("OVN_NB_ADDR", "unix:/x"), nil, []string{"kube-ovn-controller", "--ovn-nb-addr=unix:/x", sb}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ControllerArgs(test.env.get, test.given)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := ControllerArgs(settings{}.get, nil); err == nil || !strings.Contains(err.Error(), "OVN_NB_ADDR") {
		t.Errorf("without addresses: %v", err)
	}
}

// host is a directory with everything InstallCNI reads and writes.
func host(t *testing.T) (settings, string) {
	dir := t.TempDir()
	s := settings{"POD_IPS": "10.0.0.1,fd00::1"}
	for name, path := range map[string]string{"KUBE_OVN_DIR": "kube-ovn", "CNI_PLUGIN_DIR": "plugins", "CNI_BIN_DIR": "bin",
		"LOCAL_BIN_DIR": "local", "SYSCTL_NET_DIR": "sysctl"} {
		s[name] = filepath.Join(dir, path)
		if err := os.MkdirAll(s[name], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{"kube-ovn/kube-ovn": "new plugin", "kube-ovn/kubectl-ko": "ko",
		"sysctl/ipv4/ip_forward": "0\n", "sysctl/ipv4/conf/all/rp_filter": "2\n", "sysctl/ipv6/conf/all/forwarding": "0\n"}
	for _, plugin := range []string{"loopback", "portmap", "macvlan", "ipvlan"} {
		files["plugins/"+plugin] = plugin
	}
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return s, dir
}

func TestInstallCNI(t *testing.T) {
	s, dir := host(t)
	// The plugin of the last version is being executed; it must be replaced as a whole, never written into.
	old := filepath.Join(dir, "bin/kube-ovn")
	if err := os.WriteFile(old, []byte("old plugin"), 0o755); err != nil {
		t.Fatal(err)
	}
	running, err := os.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()

	if err := InstallCNI(s.get); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"bin/kube-ovn": "new plugin", "bin/loopback": "loopback", "bin/portmap": "portmap", "bin/macvlan": "macvlan",
		"bin/ipvlan": "ipvlan", "local/kubectl-ko": "ko", "sysctl/ipv4/ip_forward": "1",
		"sysctl/ipv4/conf/all/rp_filter": "0", "sysctl/ipv6/conf/all/forwarding": "1",
	} {
		got := mustRead(t, filepath.Join(dir, path))
		if string(got) != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || !strings.HasPrefix(path, "sysctl") && info.Mode().Perm() != 0o755 {
			t.Errorf("%s has the mode %v, %v", path, info.Mode(), err)
		}
	}
	var left [10]byte
	if n, _ := running.ReadAt(left[:], 0); string(left[:n]) != "old plugin" {
		t.Errorf("the running plugin became %q", left[:n])
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*/.*.new")); len(files) > 0 {
		t.Errorf("temporary files left: %v", files)
	}
}

func TestInstallCNIFamilies(t *testing.T) {
	s, dir := host(t)
	if err := InstallCNI(s.with("POD_IPS", "10.0.0.1").get); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, filepath.Join(dir, "sysctl/ipv6/conf/all/forwarding")); string(got) != "0\n" {
		t.Errorf("an IPv4 node forwards IPv6: %q", got)
	}
}

func TestInstallCNINamesWhatIsMissing(t *testing.T) {
	s, dir := host(t)
	if err := os.Remove(filepath.Join(dir, "plugins/portmap")); err != nil {
		t.Fatal(err)
	}
	if err := InstallCNI(s.get); err == nil || !strings.Contains(err.Error(), "install portmap") {
		t.Errorf("error %v", err)
	}
}

func TestRightSysctlNeedsNoWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ip_forward")
	if err := os.WriteFile(file, []byte("1\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(file)
	if err := setSysctl(file, "1"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(file); !after.ModTime().Equal(before.ModTime()) || string(mustRead(t, file)) != "1\n" {
		t.Error("it was written")
	}
}

func TestCNIServerWaitsForOVS(t *testing.T) {
	needs(t, "ovsdb-server", "ovs-vswitchd", "xtables-nft-multi")
	links := t.TempDir()
	s := newSettings(t, map[string]string{"NODE_NAME": "node1", "OVN_DB_IPS": "127.0.0.1", "DATAPATH": "netdev", "IPTABLES_LINK_DIR": links})

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := PrepareCNIServer(short, s.get); err == nil || !strings.Contains(err.Error(), "wait for OVS") {
		t.Fatalf("without OVS: %v", err)
	}

	r := startOVS(t, s, nil)
	prepared := make(chan error, 1)
	go func() { prepared <- PrepareCNIServer(t.Context(), s.get) }()
	select {
	case err := <-prepared:
		if err != nil {
			t.Fatal(err)
		}
	case err := <-r.ended:
		t.Fatalf("OVS ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("still waiting for OVS that runs")
	}
	for _, name := range []string{"iptables", "ip6tables-save", "iptables-restore"} {
		if target, err := os.Readlink(filepath.Join(links, name)); err != nil || filepath.Base(target) != "xtables-nft-multi" {
			t.Errorf("%s is a link to %s, %v", name, target, err)
		}
	}
}

func TestIPTablesBackendFollowsTheNode(t *testing.T) {
	needs(t, "xtables-nft-multi", "xtables-legacy-multi")
	for _, test := range []struct {
		name, hint, want string
	}{
		{"no hint", "", "xtables-nft-multi"},
		{"nft", "xtables-nft-multi", "xtables-nft-multi"},
		{"legacy", "xtables-legacy-multi", "xtables-legacy-multi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.hint != "" {
				if _, err := run(t.Context(), test.hint, "iptables", "-t", "mangle", "-N", "KUBE-IPTABLES-HINT"); err != nil {
					t.Skipf("this kernel has no such backend: %v", err)
				}
				t.Cleanup(func() {
					_, _ = run(context.WithoutCancel(t.Context()), test.hint, "iptables", "-t", "mangle", "-X", "KUBE-IPTABLES-HINT")
				})
			}
			dir := t.TempDir()
			if err := selectIPTables(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			if target, _ := os.Readlink(filepath.Join(dir, "iptables")); filepath.Base(target) != test.want {
				t.Errorf("iptables is %s, want %s", target, test.want)
			}
		})
	}
}
