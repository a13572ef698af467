package ovsbench

import (
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

func report(b *testing.B, run func(tb ovstest.TB, size, n int) Cost, size int) {
	for b.Loop() {
		c := run(b, size, added)
		b.ReportMetric(c.rate(), "pods/s")
		b.ReportMetric(c.cpuPerPod(), "cpu-ms/pod")
		b.ReportMetric(float64(c.Transactions)/float64(c.Pods), "txn/pod")
	}
}

func BenchmarkBaseline(b *testing.B)     { report(b, Baseline, present) }
func BenchmarkLeanBaseline(b *testing.B) { report(b, LeanBaseline, present) }
func BenchmarkSingle(b *testing.B)       { report(b, Single, present) }
func BenchmarkGrouped(b *testing.B)      { report(b, Grouped, present) }
func BenchmarkSingle1000(b *testing.B)   { report(b, Single, 1000) }
func BenchmarkSingle20000(b *testing.B)  { report(b, Single, 20000) }
func BenchmarkGrouped1000(b *testing.B)  { report(b, Grouped, 1000) }
func BenchmarkGrouped20000(b *testing.B) { report(b, Grouped, 20000) }
