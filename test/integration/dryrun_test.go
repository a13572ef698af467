//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// dryRun is what a dry run prints, line by line in alphabetical order. It fails the test when anything was written.
func (w *world) dryRun() []string {
	w.Helper()
	leader, rows, objects, writes := w.leader(), w.Versions(), w.plane.Versions(w.T), w.plane.Writes(w.T)
	text := testbed.DryRun(w.T, program, w.plane.Plane, w.Central, "--kubeconfig="+w.plane.kubeconfig)
	if added := w.plane.Writes(w.T).Since(writes); len(added) > 0 {
		w.Errorf("a dry run asked the API server for %v", added)
	}
	if diff := cmp.Diff(objects, w.plane.Versions(w.T)); diff != "" {
		w.Errorf("a dry run changed objects (-before +after)\n%s", diff)
	}
	if w.Versions() != rows {
		w.Error("a dry run wrote rows")
	}
	if now := w.leader(); now != leader {
		w.Errorf("the leader was %q, after a dry run it is %q", leader, now)
	}
	lines := slices.Collect(strings.Lines(text))
	slices.Sort(lines)
	return lines
}

// leader is who holds the lease, and how often it changed hands.
func (w *world) leader() string {
	w.Helper()
	lease, err := w.plane.Kube.CoordinationV1().Leases("kube-system").Get(w.Context(), "kube-ovn-controller", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("%s, %d", *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions)
}

// TestDryRun shows that a dry run prints what the controller then does, and does nothing.
func TestDryRun(t *testing.T) {
	w, c := populated(t)
	w.checkLines(w.dryRun(), nil) // beside the leader
	c.Stop()
	w.checkLines(w.dryRun(), nil)

	w.createPod(testbed.Pod("ns2", "new", "node1", "ovn.kubernetes.io/ip_address", "10.0.1.77", "ovn.kubernetes.io/mac_address", "00:00:00:00:00:77"))
	w.deletePods("default", "web-0")
	w.checkLines(w.dryRun(), []string{
		"pod/default/web-0: ~ Logical_Switch ovn-default ports -web-0.default\n",
		"pod/ns2/new: + Logical_Switch_Port new.ns2 addresses=00:00:00:00:00:77 10.0.1.77 external_ids={ls=net2, owner=pod/ns2/new, pod=ns2/new, vendor=kube-ovn} name=new.ns2\n",
		"pod/ns2/new: ~ Logical_Switch net2 ports +new.ns2\n",
	})

	// What follows from objects that are written only in pretence is printed, too: pods wait for a subnet's status.
	w.tenant("ns3", "test-vpc-3", "net3", "10.0.3.0/24")
	w.createPod(testbed.Pod("ns3", "new", "node1"))
	w.deletePods("ns1", podNames("web", 5)...)
	ctx, kinds := t.Context(), w.plane.OVN.KubeovnV1()
	if err := kinds.Subnets().Delete(ctx, "net1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := kinds.Vpcs().Delete(ctx, "test-vpc-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	lines := w.dryRun()
	for _, want := range []string{
		"vpc/test-vpc-3: + Logical_Router test-vpc-3 ", "subnet/net3: + Logical_Switch net3 ", "pod/ns3/new: + Logical_Switch_Port new.ns3 ",
		"vpc/test-vpc-1: - Logical_Router test-vpc-1", "subnet/net1: - Logical_Switch net1", "pod/ns1/web-0: ~ Logical_Switch net1 ports -web-0.ns1",
	} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("no line begins with %q:\n%s", want, strings.Join(lines, ""))
		}
	}

	before := w.tables()
	c = w.start("controller-0")
	w.waitPod("ns3", "new")
	w.settle()
	c.Stop()
	after := w.tables()
	for table := range after {
		if got, want := count(lines, ": + "+table+" "), after[table]-before[table]; got < want {
			t.Errorf("%d more rows in %s, the dry run told of %d", want, table, got)
		}
	}
	w.checkLines(w.dryRun(), nil)
}

// TestDryRunOnEmptyDatabase shows that a dry run goes all the way on a database that has nothing: it tells of every row that
// the controller makes.
func TestDryRunOnEmptyDatabase(t *testing.T) {
	w, c := populated(t)
	c.Stop()
	w.StopNorthd() // it writes names and keys of its own
	want := w.tables()
	w.NB.Empty(t)
	lines := w.dryRun()
	for table, n := range want {
		if got := count(lines, ": + "+table+" "); got != n {
			t.Errorf("%d rows of %s are told, want %d", got, table, n)
		}
	}
}

func (w *world) checkLines(got, want []string) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("dry run (-want +got)\n%s", diff)
	}
}

// tables is how many rows each table has.
func (w *world) tables() map[string]int {
	w.Helper()
	n := map[string]int{}
	for line := range strings.Lines(w.rows()) {
		table, _, _ := strings.Cut(line, " ")
		n[table]++
	}
	return n
}

func count(lines []string, part string) int {
	n := 0
	for _, line := range lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}
