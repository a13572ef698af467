package node

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

//go:embed files
var files embed.FS

// folders are the parts of the file system that a node has to itself, as they lie on its disk. All are there on every Debian machine, so that
// nothing is made on the machine's own disk to mount over.
func folders() map[string]string {
	return map[string]string{"/etc": "etc", "/opt": "opt", "/run": "run", "/var": "var", "/usr/local/bin": "bin"}
}

// cniPlugins are the ones of Debian's containernetworking-plugins that kind's nodes also have, and those of the attached networks.
func cniPlugins() []string {
	return []string{"loopback", "host-local", "portmap", "ptp", "bridge", "macvlan", "static"}
}

// makeDisk writes what a freshly installed machine has on its disk. It is done once; a restarted node keeps what it wrote there.
func (n *Node) makeDisk(ctx context.Context) error {
	disk := n.lab.NodeDir(n.Node)
	if _, err := os.Stat(filepath.Join(disk, "var", "lib")); err == nil {
		return nil
	}
	for _, dir := range []string{"opt/cni/bin", "bin", "run", "var/log", "var/cache", "var/spool", "var/tmp", "var/lib/kubelet", "var/lib/cni"} {
		if err := os.MkdirAll(filepath.Join(disk, dir), 0o755); err != nil {
			return err
		}
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", "/etc", disk).CombinedOutput(); err != nil {
		return fmt.Errorf("copy /etc: %w: %s", err, out)
	}
	err := errors.Join(
		os.Symlink("/run", filepath.Join(disk, "var", "run")),
		os.Symlink("/run/lock", filepath.Join(disk, "var", "lock")),
		n.writeEtc(filepath.Join(disk, "etc")),
	)
	for _, name := range cniPlugins() {
		err = errors.Join(err, copyFile(filepath.Join("/usr/lib/cni", name), filepath.Join(disk, "opt", "cni", "bin", name)))
	}
	return errors.Join(err, n.plant(ctx))
}

// clearRun makes the node's /run, which is memory on a real machine, as it is after boot.
func (n *Node) clearRun() error {
	run := filepath.Join(n.lab.NodeDir(n.Node), "run")
	if err := os.RemoveAll(run); err != nil {
		return err
	}
	for _, dir := range []string{"lock", "netns"} {
		if err := os.MkdirAll(filepath.Join(run, dir), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(run, "xtables.lock"), nil, 0o600)
}

// writeEtc makes the copy of the machine's /etc this node's.
func (n *Node) writeEtc(etc string) error {
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	for _, o := range n.lab.Nodes {
		hosts += o.Management.String() + " " + o.Name + "\n"
	}
	for _, dir := range []string{"cni", "origin", "openvswitch", "ovn"} { // of the machine's own installation
		if err := os.RemoveAll(filepath.Join(etc, dir)); err != nil {
			return err
		}
	}
	text := map[string]string{
		"hosts":       hosts,
		"hostname":    n.Name + "\n",
		"resolv.conf": "",
		"machine-id":  fmt.Sprintf("%x\n", sha256.Sum256([]byte(n.lab.Name+"/"+n.Name)))[:33],
	}
	for _, name := range []string{"kubernetes/kubelet.yaml", "containerd/config.toml"} {
		content, err := render(filepath.Base(name), n.values())
		if err != nil {
			return err
		}
		text[name] = content
	}
	for name, content := range text {
		path := filepath.Join(etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be a link to the machine's
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// values fill the templates of the configuration files.
func (n *Node) values() map[string]string {
	return map[string]string{
		"Cgroup": "/" + n.lab.NodeCgroup(n.Node),
		"PKI":    filepath.Join(n.control.Dir, "pki"),
		"Node":   n.Name,
		"Pause":  PauseImage,
	}
}

func render(name string, values map[string]string) (string, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(files, "files/"+name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.Execute(&out, values); err != nil {
		return "", err
	}
	return out.String(), nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// kubeProxyArgs are the arguments of kube-proxy: it may not write conntrack limits outside the machine's first network namespace.
func kubeProxyArgs(l *plan.Lab, node, kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--hostname-override=" + node,
		"--proxy-mode=iptables",
		"--cluster-cidr=" + l.PodCIDR.String(),
		"--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
	}
}
