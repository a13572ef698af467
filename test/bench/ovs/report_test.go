package ovsbench

import (
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

func measureB(b *testing.B, run func(tb ovstest.TB, size, n int) Cost, size int) {
	for b.Loop() {
		c := run(b, size, full.added)
		b.ReportMetric(c.rate(), "pods/s")
		b.ReportMetric(c.cpuPerPod(), "cpu-ms/pod")
		b.ReportMetric(c.cost()/1e6, "both-cpu-ms/pod")
		b.ReportMetric(float64(c.Transactions)/float64(c.Pods), "txn/pod")
	}
}

func BenchmarkBaseline(b *testing.B)     { measureB(b, Baseline, full.present) }
func BenchmarkLeanBaseline(b *testing.B) { measureB(b, LeanBaseline, full.present) }
func BenchmarkSingle(b *testing.B)       { measureB(b, Single, full.present) }
func BenchmarkGrouped(b *testing.B)      { measureB(b, Grouped, full.present) }
func BenchmarkSingle1000(b *testing.B)   { measureB(b, Single, 1000) }
func BenchmarkSingle20000(b *testing.B)  { measureB(b, Single, 20000) }
func BenchmarkGrouped1000(b *testing.B)  { measureB(b, Grouped, 1000) }
func BenchmarkGrouped20000(b *testing.B) { measureB(b, Grouped, 20000) }

// TestReport: every figure that the outside reads is printed.
func TestReport(t *testing.T) {
	var out strings.Builder
	if err := report(t.Context(), &out, sizes{present: 200, added: 50, baseline: 20, small: 100, large: 400}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ovs.insert.single.ratio", "ovs.insert.group.ratio", "ovs.insert.cpu_per_pod", "ovs.insert.growth"} {
		if !strings.Contains("\n"+out.String(), "\n"+name+" ") {
			t.Errorf("no %s in\n%s", name, out.String())
		}
	}
	t.Log("\n" + out.String())
}
