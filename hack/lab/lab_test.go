package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// testLab is a lab of this name that was never brought up, in a checkout of its own.
func testLab(t *testing.T, name string, nodes int) *lab {
	t.Helper()
	p, err := plan.New(name, t.TempDir(), nodes, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLab(p)
	if err != nil {
		t.Fatal(err)
	}
	l.configure("/cache/k8s")
	return l
}

func TestControlPlane(t *testing.T) {
	l := testLab(t, "", 3)
	var names []string
	for _, d := range l.controlPlane() {
		names = append(names, d.Name)
		if d.Cgroup != "lab.kube-ovn.host" || d.Netns != "" || d.Node != 0 {
			t.Errorf("%s: %+v", d.Name, d)
		}
	}
	if want := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}; !slices.Equal(names, want) {
		t.Errorf("start order %v, want %v", names, want)
	}
	if l.control.Server() != "https://172.30.16.1:6443" {
		t.Errorf("server %s", l.control.Server())
	}
}

// Loopback is shared by all labs of the machine.
func TestLabsHaveTheirOwnPorts(t *testing.T) {
	owner := map[uint16]string{}
	for _, name := range []string{"", "second", "dev"} {
		l := testLab(t, name, 1)
		for _, port := range []uint16{l.control.EtcdPorts[0], l.control.EtcdPorts[1], l.control.Secure[0], l.control.Secure[1]} {
			if other, taken := owner[port]; taken {
				t.Errorf("port %d belongs to %q and %q", port, other, name)
			}
			owner[port] = name
		}
	}
}

func TestSettingsAreKept(t *testing.T) {
	l := testLab(t, "", 5)
	l.plan.TunnelNIC = "ens2"
	l.plan.Outside = l.plan.Outside[:2]
	if err := l.writeSettings(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LAB_TUNNEL_NIC", "other")
	s, err := readSettings(l.plan.Root, "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := plan.New("", l.plan.Root, s.Nodes, s.getenv)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Nodes) != 5 || again.TunnelNIC != "ens2" || !slices.Equal(again.Outside, l.plan.Outside) {
		t.Errorf("got %d nodes, %s, %+v", len(again.Nodes), again.TunnelNIC, again.Outside)
	}
	if fresh, err := readSettings(t.TempDir(), ""); err != nil || fresh.Nodes != 0 || fresh.Tunnel != "other" {
		t.Errorf("of a lab that was never up: %+v, %v", fresh, err)
	}
}

func TestEnvironment(t *testing.T) {
	l := testLab(t, "", 1)
	text := environment("kube-ovn", "/src/.lab/kube-ovn/bin", l.control)
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", ". "+file+`; echo "$LAB|$KUBECONFIG|$PATH"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(strings.TrimSpace(string(out)), "|")
	if fields[0] != "kube-ovn" || fields[1] != l.control.Kubeconfig("admin") || fields[2] != "/src/.lab/kube-ovn/bin:"+os.Getenv("PATH") {
		t.Errorf("a shell reads %q", fields)
	}
}

// .lab/env stays with the lab that came up first; when that goes, it is of one that remains.
func TestEnvFollowsTheLabs(t *testing.T) {
	first := testLab(t, "", 1)
	p, err := plan.New("second", first.plan.Root, 1, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	second, err := newLab(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*lab{first, second, first} {
		if err := l.writeEnv(); err != nil {
			t.Fatal(err)
		}
	}
	is := func(name string) {
		t.Helper()
		data, err := os.ReadFile(envFile(first.plan.Root))
		if err != nil || !strings.HasPrefix(string(data), `export LAB="`+name+`"`) {
			t.Errorf("%s, %v; want lab %s", data, err, name)
		}
	}
	gone := func(l *lab) {
		t.Helper()
		if err := errors.Join(l.unlinkEnv(), os.RemoveAll(l.plan.Dir())); err != nil {
			t.Fatal(err)
		}
	}
	is("kube-ovn")
	gone(first)
	is("second")
	if err := first.writeEnv(); err != nil {
		t.Fatal(err)
	}
	is("second")
	gone(first) // it does not own the file now
	is("second")
	gone(second)
	if _, err := os.Lstat(envFile(first.plan.Root)); !os.IsNotExist(err) {
		t.Errorf("the last lab is gone, its .lab/env is not: %v", err)
	}
	if err := os.Symlink("vanished/env", envFile(first.plan.Root)); err != nil { // a lab that was removed by hand
		t.Fatal(err)
	}
	if err := first.writeEnv(); err != nil {
		t.Fatal(err)
	}
	is("kube-ovn")
}

func TestNodesReady(t *testing.T) {
	tests := []struct {
		name, text string
		nodes      int
		want       string
	}{
		{"all", "a True\nb True\n", 2, ""},
		{"one is not", "a True\nb False\n", 2, "node b False is not Ready"},
		{"no condition yet", "a \n", 1, "node a is not Ready"},
		{"one is missing", "a True\n", 2, "1 of 2"},
		{"none", "", 1, "0 of 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkError(t, nodesReady(tt.text, tt.nodes), tt.want) })
	}
}

func TestWorkloadsReady(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"all", "Deployment/a 1 1 2 2\nDaemonSet/b 3 3 3 3\n", ""},
		{"none", "\n", "no workload"},
		{"some pods", "DaemonSet/b 1 1 3 2\n", "DaemonSet/b: 2 of 3 pods"},
		{"no pod", "Deployment/a 1 1 2 \n", "Deployment/a: 0 of 2 pods"},
		{"old generation", "Deployment/a 2 1 2 2\n", "not seen it yet"},
		{"never seen", "Deployment/a 1  2 \n", "not seen it yet"},
		{"scaled to zero", "Deployment/a 1 1 0 \n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkError(t, workloadsReady(tt.text), tt.want) })
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestMissingPackages(t *testing.T) {
	const installed = "runc installed\nfrr config-files\nbuildah not-installed\n"
	got := missingPackages(installed, []string{"runc", "frr", "buildah", "git"})
	if want := []string{"frr", "buildah", "git"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := missingPackages(installed, []string{"runc"}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestVerbs(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"none", nil, "no verb"},
		{"unknown", []string{"dance"}, `no verb "dance"`},
		{"unknown option", []string{"up", "--fast"}, "unknown flag"},
		{"exec without a program", []string{"exec", "kube-ovn-worker"}, "usage: lab exec"},
		{"exec on an unknown node", []string{"exec", "mars", "--", "true"}, `no node "mars"`},
		{"ext without a program", []string{"ext"}, "usage: lab ext"},
		{"kill without a node", []string{"kill"}, "usage: lab kill"},
		{"too many nodes", []string{"status", "--nodes", "99"}, "1 to 9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("LAB", "labtest-verbs")
			checkError(t, run(t.Context(), tt.args), tt.want)
		})
	}
}

func TestExecOnANodeThatIsDown(t *testing.T) {
	t.Setenv("LAB", "labtest-down")
	checkError(t, run(t.Context(), []string{"exec", "kube-ovn-worker", "--", "true"}), "node kube-ovn-worker is down")
	checkError(t, run(t.Context(), []string{"status"}), "lab labtest-down is not up: host etcd")
}

func TestDownOfALabThatNeverWas(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	l := testLab(t, "labtest-never", 3)
	if left, err := l.leftovers(); err != nil || len(left) != 0 {
		t.Fatalf("left %v, %v", left, err)
	}
	if err := l.down(t.Context()); err != nil {
		t.Error(err)
	}
}

// What down must find, it finds by name alone.
func TestLeftoversAreFoundAndCleared(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	l := testLab(t, "labtest-left", 1)
	if err := os.MkdirAll(filepath.Join(l.plan.Dir(), "nodes"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{"ip", "netns", "add", l.plan.OutsideNetns()},
		{"ip", "link", "add", l.plan.Bridge(), "type", "bridge"},
		{"mount", "-t", "tmpfs", "tmpfs", filepath.Join(l.plan.Dir(), "nodes")},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
	}
	sleeper := exec.Command("ip", "netns", "exec", l.plan.OutsideNetns(), "sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.clear(context.Background()); err != nil {
			t.Error(err)
		}
		sleeper.Wait() //nolint:errcheck // it was killed
	})
	var left []string
	for deadline := time.Now().Add(10 * time.Second); ; {
		var err error
		if left, err = l.leftovers(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.Join(left, "\n"), " in "+l.plan.OutsideNetns()) || time.Now().After(deadline) {
			break
		}
	}
	text := strings.Join(left, "\n")
	for _, want := range []string{
		"network namespace " + l.plan.OutsideNetns(), "interface " + l.plan.Bridge(), "mount " + filepath.Join(l.plan.Dir(), "nodes"), "folder ", " in " + l.plan.OutsideNetns(),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	go sleeper.Wait() //nolint:errcheck // reaps it: a zombie still shows its namespace
	if err := l.down(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProgressRepeatsWhenSilent(t *testing.T) {
	var out lockedBuffer
	p := newProgress(&out)
	p.step("building %s", "x")
	p.repeat()
	p.step("done")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "] building x") || !strings.HasSuffix(lines[1], "] ... still building x") || !strings.HasSuffix(lines[2], "] done") {
		t.Errorf("%q", lines)
	}
}

func TestFollowShowsLinesAndFailure(t *testing.T) {
	l := testLab(t, "", 1)
	var out lockedBuffer
	l.progress = newProgress(&out)
	err := l.follow(exec.CommandContext(t.Context(), "sh", "-c", "echo one; echo two >&2; exit 4"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("got %v", err)
	}
	if text := out.String(); !strings.Contains(text, "  one\n") || !strings.Contains(text, "  two\n") {
		t.Errorf("shown: %s", text)
	}
}

// A script that is given up takes its children with it; else they would hold the output open.
func TestFollowEndsChildren(t *testing.T) {
	l := testLab(t, "", 1)
	l.progress = newProgress(&lockedBuffer{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := l.follow(exec.CommandContext(ctx, "sh", "-c", "sleep 30; echo end")); err == nil {
		t.Error("it was not given up")
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("gave up only after %s", took)
	}
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
