package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

func testNode(t *testing.T, index int) *Node {
	t.Helper()
	l, err := plan.New("", t.TempDir(), 3, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	control := cluster.Config{
		Dir: filepath.Join(l.Dir(), "control"), Programs: "/cache/k8s", Address: l.Host(), APIPort: 6443, ServiceCIDR: netip.MustParsePrefix("10.96.0.0/12"),
	}
	return New(l, l.Nodes[index], control, "/cache")
}

func TestKubeletConfiguration(t *testing.T) {
	n := testNode(t, 1)
	text, err := render("kubelet.yaml", n.values())
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &config); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for key, want := range map[string]any{
		"failCgroupV1":             false, // the default refuses machines with version 1
		"cgroupRoot":               "/lab.kube-ovn.kube-ovn-worker",
		"tlsCertFile":              n.control.Dir + "/pki/kubelet-kube-ovn-worker-server.crt",
		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
	} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
}

func TestContainerdConfiguration(t *testing.T) {
	text, err := render("config.toml", testNode(t, 0).values())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`sandbox_image = "` + PauseImage + `"`, "restrict_oom_score_adj = true", `bin_dir = "/opt/cni/bin"`, `conf_dir = "/etc/cni/net.d"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestRenderRefusesMissingValues(t *testing.T) {
	if _, err := render("kubelet.yaml", map[string]string{"Cgroup": "/x"}); err == nil {
		t.Error("a value is missing and nobody says so")
	}
}

func TestDaemons(t *testing.T) {
	n := testNode(t, 2)
	var names []string
	for _, d := range n.Daemons() {
		names = append(names, d.Name)
		if d.Cgroup != "lab.kube-ovn.kube-ovn-worker2" || !strings.HasPrefix(d.PIDFile, n.lab.Dir()) || !strings.HasPrefix(d.LogFile, n.lab.Dir()) {
			t.Errorf("%s: %+v", d.Name, d)
		}
	}
	if !slices.Equal(names, []string{"containerd", "kubelet", "kube-proxy"}) {
		t.Errorf("order %v; the kubelet gives up without containerd", names)
	}
	kubelet := n.Daemons()[1].Argv
	for _, want := range []string{"/cache/k8s/kubelet", "--hostname-override=kube-ovn-worker2", "--node-ip=172.30.16.13"} {
		if !slices.Contains(kubelet, want) {
			t.Errorf("no %s in %v", want, kubelet)
		}
	}
	for _, want := range []string{"--proxy-mode=iptables", "--conntrack-max-per-core=0", "--cluster-cidr=10.16.0.0/16"} {
		if !slices.Contains(n.Daemons()[2].Argv, want) {
			t.Errorf("no %s in %v", want, n.Daemons()[2].Argv)
		}
	}
}

func TestPrepareCertificates(t *testing.T) {
	n := testNode(t, 1)
	if err := n.control.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := n.Prepare(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"kubelet-kube-ovn-worker.kubeconfig", "kube-proxy.kubeconfig", "pki/kubelet-kube-ovn-worker-server.crt"} {
		if _, err := os.Stat(filepath.Join(n.control.Dir, file)); err != nil {
			t.Error(err)
		}
	}
}

// A node's disk is its own: what the machine has in /etc of its own OVS or CNI stays out, links are replaced and not followed.
func TestWriteEtc(t *testing.T) {
	n := testNode(t, 1)
	etc := filepath.Join(t.TempDir(), "etc")
	outside := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(outside, []byte("nameserver 192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"cni/net.d", "openvswitch"} {
		if err := os.MkdirAll(filepath.Join(etc, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(etc, "resolv.conf")); err != nil {
		t.Fatal(err)
	}
	if err := n.writeEtc(etc); err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got := read(outside); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the machine's own file was changed: %q", got)
	}
	if got := read(filepath.Join(etc, "resolv.conf")); got != "" {
		t.Errorf("resolv.conf %q, want it empty", got)
	}
	if got := read(filepath.Join(etc, "hostname")); got != "kube-ovn-worker\n" {
		t.Errorf("host name %q", got)
	}
	if got := read(filepath.Join(etc, "hosts")); !strings.Contains(got, "172.30.16.13 kube-ovn-worker2\n") {
		t.Errorf("hosts %q", got)
	}
	if id := read(filepath.Join(etc, "machine-id")); len(id) != 33 {
		t.Errorf("machine id %q, want 32 characters and a line end", id)
	}
	for _, dir := range []string{"cni", "openvswitch"} {
		if _, err := os.Stat(filepath.Join(etc, dir)); !os.IsNotExist(err) {
			t.Errorf("%s of the machine is in the node: %v", dir, err)
		}
	}
	other := testNode(t, 2)
	if a, b := n.Name, other.Name; a == b {
		t.Fatal("one node twice")
	}
	second := filepath.Join(t.TempDir(), "etc")
	if err := other.writeEtc(second); err != nil {
		t.Fatal(err)
	}
	if read(filepath.Join(etc, "machine-id")) == read(filepath.Join(second, "machine-id")) {
		t.Error("two nodes with one machine id")
	}
}

func TestClearRun(t *testing.T) {
	n := testNode(t, 0)
	run := filepath.Join(n.lab.NodeDir(n.Node), "run")
	if err := os.MkdirAll(filepath.Join(run, "openvswitch"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := n.clearRun(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(run)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"lock", "netns", "xtables.lock"}) {
		t.Errorf("after boot /run holds %v", names)
	}
}

func TestKeepOnlyWhatIsCovered(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	s := spec{Folders: folders(), Keep: []string{"/usr/local/bin", "/var/lib", "/root"}}
	trees, err := s.keep()
	if err != nil {
		t.Fatal(err)
	}
	if len(trees) != 1 || trees["/var/lib"] == 0 {
		t.Errorf("kept %v, want /var/lib: the others are not below a private folder", trees)
	}
}

func TestNodeThatIsDown(t *testing.T) {
	n := testNode(t, 0)
	if n.PID() != 0 {
		t.Fatal("a node that was never started runs")
	}
	if err := n.Run(t.Context(), nil, "true"); err == nil || !strings.Contains(err.Error(), "kube-ovn-control-plane is down") {
		t.Errorf("got %v", err)
	}
}
