package start

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// ControllerArgs is the command line of kube-ovn-controller: what was given plus the databases' addresses, unless they
// were given too.
func ControllerArgs(get Getenv, given []string) ([]string, error) {
	e := &env{get: get}
	t := e.tls()
	out := append([]string{"kube-ovn-controller"}, given...)
	for _, db := range []struct {
		which, flag, portName string
		port                  int
	}{
		{"NB", "--ovn-nb-addr", "KUBE_OVN_NB_PORT", util.NBPort},
		{"SB", "--ovn-sb-addr", "KUBE_OVN_SB_PORT", util.SBPort},
	} {
		if !hasFlag(given, db.flag) {
			out = append(out, db.flag+"="+dbAddress(e, t, db.which, e.number(db.portName, db.port)))
		}
	}
	return out, e.err()
}

func hasFlag(args []string, name string) bool {
	for _, a := range args {
		if a == name || strings.HasPrefix(a, name+"=") {
			return true
		}
	}
	return false
}

// PrepareCNIServer waits for OVS, which the daemon needs from its first step on, and points the iptables commands at the
// backend that the rest of the node uses. It waits as long as ctx does: the node's OVS pod may come much later.
func PrepareCNIServer(ctx context.Context, get Getenv) error {
	e := &env{get: get}
	l := e.layout()
	klog.InfoS("Waiting for OVS", "socket", l.ovsSocket())
	err := poll(ctx, time.Second, "OVS", func(ctx context.Context) error {
		if _, err := run(ctx, "ovs-vsctl", "-t", "5", "--no-wait", "--db=unix:"+l.ovsSocket(), "get", "Open_vSwitch", ".", "ovs_version"); err != nil {
			return err
		}
		_, err := l.appctl(ctx, "ovs-appctl", "ovs-vswitchd", "version")
		return err
	})
	if err != nil {
		return err
	}
	return selectIPTables(ctx, e.text("IPTABLES_LINK_DIR", "/usr/local/sbin"))
}

// selectIPTables links the iptables commands in dir to the legacy or the nft backend. kubelet and kube-proxy leave chains
// by which their backend is known (KEP-3178); without any, nft is today's default.
func selectIPTables(ctx context.Context, dir string) error {
	backend := "nft"
	if hasHint(ctx, "nft") {
		klog.InfoS("iptables backend of the node found", "backend", backend)
	} else if hasHint(ctx, "legacy") {
		backend = "legacy"
		klog.InfoS("iptables backend of the node found", "backend", backend)
	} else {
		klog.InfoS("No chain of kubelet or kube-proxy tells the iptables backend", "backend", backend)
	}
	multi, err := exec.LookPath("xtables-" + backend + "-multi")
	if err != nil {
		return fmt.Errorf("iptables backend %s: %w", backend, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, command := range []string{"", "-save", "-restore"} {
			link := filepath.Join(dir, family+command)
			if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := os.Symlink(multi, link); err != nil {
				return err
			}
		}
	}
	return nil
}

func hasHint(ctx context.Context, backend string) bool {
	for _, family := range []string{"iptables", "ip6tables"} {
		out, err := run(ctx, "xtables-"+backend+"-multi", family+"-save", "-t", "mangle")
		if err == nil && (strings.Contains(out, ":KUBE-IPTABLES-HINT ") || strings.Contains(out, ":KUBE-KUBELET-CANARY ")) {
			return true
		}
	}
	return false
}

// InstallCNI copies the CNI plugins and kubectl-ko to the host and makes the node forward packets (node.md 1.3). The
// CNI conf file is not its business: the daemon writes it when it can serve.
func InstallCNI(get Getenv) error {
	e := &env{get: get}
	source := e.text("KUBE_OVN_DIR", "/kube-ovn")
	plugins := e.text("CNI_PLUGIN_DIR", "/usr/lib/cni")
	bin := e.text("CNI_BIN_DIR", "/opt/cni/bin")
	local := e.text("LOCAL_BIN_DIR", "/usr/local/bin")
	copies := [][2]string{{filepath.Join(source, "kube-ovn"), bin}, {filepath.Join(source, "kubectl-ko"), local}}
	for _, name := range []string{"loopback", "portmap", "macvlan", "ipvlan"} {
		copies = append(copies, [2]string{filepath.Join(plugins, name), bin})
	}
	for _, c := range copies {
		if err := install(c[0], c[1]); err != nil {
			return fmt.Errorf("install %s: %w", filepath.Base(c[0]), err)
		}
	}
	sysctl := e.text("SYSCTL_NET_DIR", "/proc/sys/net")
	for _, a := range e.addrs("POD_IPS") {
		settings := map[string]string{"ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0"}
		if a.Is6() {
			settings = map[string]string{"ipv6/conf/all/forwarding": "1"}
		}
		for key, value := range settings {
			if err := setSysctl(filepath.Join(sysctl, key), value); err != nil {
				return err
			}
		}
	}
	return e.err()
}

// setSysctl writes only what differs: a node may mount /proc/sys read-only and be set up well.
func setSysctl(file, value string) error {
	have, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(have)) == value {
		return nil
	}
	return os.WriteFile(file, []byte(value), 0o644)
}

// install copies a program into a directory, next to the target first, so that one that is running is never torn.
func install(source, dir string) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	target := filepath.Join(dir, filepath.Base(source))
	temp := filepath.Join(dir, "."+filepath.Base(source)+".new")
	out, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	if _, err = io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	if err = out.Chmod(0o755); err != nil {
		_ = out.Close()
		return err
	}
	if err = out.Close(); err != nil {
		return err
	}
	return os.Rename(temp, target)
}
