package port

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

// In a container /proc/sys is read-only, and the node's is mounted elsewhere. The settings are those of the pod all the same.
func TestTimingOfDADIsWrittenWhereItCanBe(t *testing.T) {
	path := porttest.NewNetns(t)
	in(t, path, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
	dir := t.TempDir()
	if err := unix.Mount("/proc/sys/net", dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	if err := unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/proc/sys", 0) })
	if err := unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	netns, err := openNetns(path)
	if err != nil {
		t.Fatal(err)
	}
	defer netns.Close()
	pod, err := netns.link.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	read := func() string {
		return strings.Join(strings.Fields(in(t, path, "sysctl", "-n", "net.ipv6.conf.eth0.dad_transmits", "net.ipv6.neigh.eth0.retrans_time_ms")), " ")
	}
	spec := Spec{FastDAD: true, Conflict: announce.Timing{Probes: 3, ProbeMax: 100 * time.Millisecond}}
	for dir, want := range map[string]string{dir: "3 100", defaultSysctlDir: "1 1000"} {
		w := &wire{veth: &veth{pod: pod, ns: netns}, sysctl: dir}
		restore := w.hastenDAD(t.Context(), spec)
		if got := read(); got != want {
			t.Errorf("written through %s: settings %q, want %q", dir, got, want)
		}
		restore()
		if got := read(); got != "1 1000" {
			t.Errorf("settings are %q afterwards", got)
		}
	}
}
