// Package ovsbench measures the OVN engine against a real ovsdb-server and against the way that other controllers write:
// a monitor of whole rows and one transaction per write, through the same client library that they use.
package ovsbench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

const (
	workers = 32 // concurrent callers of the group measurement
	group   = "net1.node1"
	network = "net1"
	// firstPresent keeps the names of the ports that are there apart from those that are added.
	firstPresent = 1 << 20
)

// sizes of a report.
type sizes struct {
	present      int // ports that the switch already holds
	added        int // pods that are measured
	baseline     int // pods of the slow baseline
	small, large int // ports that the switch holds when growth is measured
}

var full = sizes{present: 5000, added: 1000, baseline: 300, small: 1000, large: 20000}

// scope is an ovstest.TB for programs: failures panic and are turned into errors by Report.
type scope struct {
	ctx     context.Context
	cleanup []func()
}

type failure struct{ text string }

func (s *scope) Helper()                      {}
func (s *scope) Fatal(args ...any)            { panic(failure{fmt.Sprint(args...)}) }
func (s *scope) Fatalf(f string, args ...any) { panic(failure{fmt.Sprintf(f, args...)}) }
func (s *scope) Context() context.Context     { return s.ctx }
func (s *scope) Cleanup(f func())             { s.cleanup = append(s.cleanup, f) }

func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "ovsbench")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *scope) end() {
	for i := len(s.cleanup) - 1; i >= 0; i-- {
		s.cleanup[i]()
	}
}

// Report prints the figures of the engine, one "name value unit" per line.
func Report(ctx context.Context, w io.Writer) error { return report(ctx, w, full) }

func report(ctx context.Context, w io.Writer, z sizes) (err error) {
	s := &scope{ctx: ctx}
	defer func() {
		s.end()
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("ovs benchmark: %s", f.text)
		}
	}()
	base := Baseline(s, z.present, z.baseline)
	lean := LeanBaseline(s, z.present, z.added)
	single, grouped := Single(s, z.present, z.added), Grouped(s, z.present, z.added)
	small, large := growth(s, Grouped, z)
	smallSingle, largeSingle := growth(s, Single, z)
	for _, l := range []struct {
		name  string
		value float64
		unit  string
	}{
		{"ovs.insert.baseline.rate", base.rate(), "pods/s"},
		{"ovs.insert.lean_library.rate", lean.rate(), "pods/s"},
		{"ovs.insert.single.rate", single.rate(), "pods/s"},
		{"ovs.insert.group.rate", grouped.rate(), "pods/s"},
		{"ovs.insert.single.ratio", single.rate() / base.rate(), "x"},
		{"ovs.insert.group.ratio", grouped.rate() / base.rate(), "x"},
		{"ovs.insert.cpu_per_pod", grouped.cpuPerPod(), "ms"},
		{"ovs.insert.single.cpu_per_pod", single.cpuPerPod(), "ms"},
		{"ovs.insert.baseline.cpu_per_pod", base.cpuPerPod(), "ms"},
		{"ovs.insert.lean_library.cpu_per_pod", lean.cpuPerPod(), "ms"},
		{"ovs.insert.growth", small.rate() / large.rate(), "x"},
		{"ovs.insert.growth.cpu", large.cost() / small.cost(), "x"}, // client and server
		{"ovs.insert.growth.client_cpu", large.cpuPerPod() / small.cpuPerPod(), "x"},
		{"ovs.insert.single.growth", smallSingle.rate() / largeSingle.rate(), "x"},
	} {
		if _, err := fmt.Fprintf(w, "%s %.3g %s\n", l.name, l.value, l.unit); err != nil {
			return err
		}
	}
	return nil
}

// growth measures at both sizes three times in turn, because other load on the machine comes and goes.
func growth(tb ovstest.TB, run func(ovstest.TB, int, int) Cost, z sizes) (small, large Cost) {
	for range 3 {
		small = small.plus(run(tb, z.small, z.added))
		large = large.plus(run(tb, z.large, z.added))
	}
	return small, large
}

// Cost of a measured number of pods.
type Cost struct {
	Pods         int
	Elapsed      time.Duration
	CPU          time.Duration // of the client
	Server       time.Duration // processor time of the server
	Transactions int
}

func (c Cost) rate() float64 { return float64(c.Pods) / c.Elapsed.Seconds() }

// cost is the processor time per pod on both sides, which other load on the machine does not change.
func (c Cost) cost() float64 { return float64(c.CPU+c.Server) / float64(c.Pods) }
func (c Cost) cpuPerPod() float64 {
	return float64(c.CPU) / float64(time.Millisecond) / float64(c.Pods)
}

func (c Cost) plus(d Cost) Cost {
	return Cost{c.Pods + d.Pods, c.Elapsed + d.Elapsed, c.CPU + d.CPU, c.Server + d.Server, c.Transactions + d.Transactions}
}

// cpu is the processor time of this process; the server is another process and does not count.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is the processor time of the server so far, from /proc/PID/stat in ticks of 10 ms.
func serverCPU(tb ovstest.TB, s *ovstest.Server) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Pid()))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

func podName(i int) string { return fmt.Sprintf("pod-%d.default", i) }

func podRow(i int) ovs.LogicalSwitchPort {
	return ovs.LogicalSwitchPort{Switch: network, Name: podName(i), PortGroups: []string{group},
		Addresses:   []string{fmt.Sprintf("00:00:00:%02X:%02X:%02X 10.16.%d.%d", i>>16&255, i>>8&255, i&255, i>>8&255, i&255)},
		ExternalIDs: map[string]string{"pod": fmt.Sprintf("default/pod-%d", i)}}
}

// prepare makes a server whose switch already holds n ports, all of one owner so that it is quick.
func prepare(tb ovstest.TB, n int) *ovstest.Server {
	s := ovstest.Start(tb, ovs.Northbound)
	c := s.Connect(tb)
	apply(tb, c, "subnet", network, ovs.LogicalSwitch{Name: network}, ovs.PortGroup{Name: group})
	rows := make([]ovs.Row, 0, n)
	for i := range n {
		rows = append(rows, podRow(firstPresent+i))
	}
	apply(tb, c, "bench", "present", rows...)
	c.Close()
	return s
}

func apply(tb ovstest.TB, c *ovs.Client, kind, key string, rows ...ovs.Row) {
	if _, err := c.Apply(tb.Context(), ovs.Owner{Kind: kind, Key: key}, rows); err != nil {
		tb.Fatal(err)
	}
}

// Single adds n pods to a switch of size ports, one Apply after the other: one transaction each.
func Single(tb ovstest.TB, size, n int) Cost {
	s := prepare(tb, size)
	defer s.Stop(tb)
	c := s.Connect(tb, func(cfg *ovs.Config) { cfg.GroupWindow = -1 })
	defer c.Close()
	return measure(tb, s, c, n, 1)
}

// Grouped adds n pods from many workers at once: group commit.
func Grouped(tb ovstest.TB, size, n int) Cost {
	s := prepare(tb, size)
	defer s.Stop(tb)
	c := s.Connect(tb)
	defer c.Close()
	return measure(tb, s, c, n, workers)
}

func measure(tb ovstest.TB, s *ovstest.Server, c *ovs.Client, n, workers int) Cost {
	runtime.GC() // what the preparation left behind is not the pods' cost
	before, server, start, used := c.Stats().Transactions, serverCPU(tb, s), time.Now(), cpu()
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				owner := ovs.Owner{Kind: "pod", Key: podName(i)}
				if _, err := c.Apply(tb.Context(), owner, []ovs.Row{podRow(i)}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	cost := Cost{Pods: n, Elapsed: time.Since(start), CPU: cpu() - used, Server: serverCPU(tb, s) - server, Transactions: c.Stats().Transactions - before}
	select {
	case err := <-errs:
		tb.Fatal(err)
	default:
	}
	return cost
}
