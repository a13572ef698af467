// Package ovsbench measures the OVN engine against a real ovsdb-server and against the way that other controllers write:
// a monitor of whole rows and one transaction per write, through the same client library that they use.
package ovsbench

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

const (
	present = 5000 // ports that the switch already holds
	added   = 1000 // pods that are measured
	workers = 32   // concurrent callers of the group measurement
	group   = "net1.node1"
	network = "net1"
)

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
func Report(ctx context.Context, w io.Writer) (err error) {
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
	base := Baseline(s, present, added)
	single := Single(s, present, added)
	grouped := Grouped(s, present, added)
	small, large := Grouped(s, 1000, added), Grouped(s, 20000, added)
	smallSingle, largeSingle := Single(s, 1000, added), Single(s, 20000, added)
	for _, l := range []struct {
		name  string
		value float64
		unit  string
	}{
		{"ovs.insert.baseline.rate", base.rate(), "pods/s"},
		{"ovs.insert.single.rate", single.rate(), "pods/s"},
		{"ovs.insert.group.rate", grouped.rate(), "pods/s"},
		{"ovs.insert.single.ratio", single.rate() / base.rate(), "x"},
		{"ovs.insert.group.ratio", grouped.rate() / base.rate(), "x"},
		{"ovs.insert.cpu_per_pod", grouped.cpuPerPod(), "ms"},
		{"ovs.insert.single.cpu_per_pod", single.cpuPerPod(), "ms"},
		{"ovs.insert.baseline.cpu_per_pod", base.cpuPerPod(), "ms"},
		{"ovs.insert.growth", small.rate() / large.rate(), "x"},
		{"ovs.insert.single.growth", smallSingle.rate() / largeSingle.rate(), "x"},
	} {
		if _, err := fmt.Fprintf(w, "%s %.3g %s\n", l.name, l.value, l.unit); err != nil {
			return err
		}
	}
	return nil
}

// Cost of a measured number of pods.
type Cost struct {
	Pods         int
	Elapsed, CPU time.Duration
	Transactions int
}

func (c Cost) rate() float64      { return float64(c.Pods) / c.Elapsed.Seconds() }
func (c Cost) cpuPerPod() float64 { return float64(c.CPU) / float64(time.Millisecond) / float64(c.Pods) }

// cpu is the processor time of this process; the server is another process and does not count.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
		rows = append(rows, podRow(added+i))
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
	return measure(tb, c, n, 1)
}

// Grouped adds n pods from many workers at once: group commit.
func Grouped(tb ovstest.TB, size, n int) Cost {
	s := prepare(tb, size)
	defer s.Stop(tb)
	c := s.Connect(tb)
	defer c.Close()
	return measure(tb, c, n, workers)
}

func measure(tb ovstest.TB, c *ovs.Client, n, workers int) Cost {
	before, start, used := c.Stats().Transactions, time.Now(), cpu()
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
	cost := Cost{Pods: n, Elapsed: time.Since(start), CPU: cpu() - used, Transactions: c.Stats().Transactions - before}
	select {
	case err := <-errs:
		tb.Fatal(err)
	default:
	}
	return cost
}
