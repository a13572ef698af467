//go:build integration

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// populated is a converged world with two tenants and pods in each network.
func populated(t *testing.T) (*world, *testbed.Process) {
	t.Helper()
	w, c := converged(t, 2)
	w.tenant("ns1", "test-vpc-1", "net1", "10.0.1.0/24")
	w.tenant("ns2", "test-vpc-2", "net2", "10.0.1.0/24")
	w.waitSubnet("net1")
	w.waitSubnet("net2")
	for namespace, n := range map[string]int{"default": 20, "ns1": 5, "ns2": 5} {
		w.createPods(namespace, 2, podNames("web", n))
		w.waitPods(namespace, n)
	}
	w.settle()
	return w, c
}

// pods is how many populated makes.
const pods = 30

// passed waits until a controller leads and has looked at all pods.
func (w *world) passed(c *testbed.Process, pods int) {
	w.Helper()
	w.eventually("the first pass", func() error { return c.Passed(pods) })
}

// served makes a pod and waits for its network: the queue works.
func (w *world) served(namespace, name string) {
	w.Helper()
	w.createPod(testbed.Pod(namespace, name, "node1"))
	w.waitPod(namespace, name)
}

// TestRestart shows that a restart on a converged cluster writes nothing, neither rows nor objects.
func TestRestart(t *testing.T) {
	w, c := populated(t)
	for _, end := range []func(*testbed.Process){(*testbed.Process).Stop, (*testbed.Process).Kill} {
		end(c)
		versions, writes := w.Versions(), w.plane.Writes(t)
		c = w.start("controller-0")
		w.passed(c, pods)
		w.settle()
		if added := w.plane.Writes(t).Since(writes); len(added) > 0 {
			t.Errorf("API writes: %v", added)
		}
		if w.Versions() != versions {
			t.Error("rows were written")
		}
		if n := c.Transactions("OVN_Northbound"); n != 0 {
			t.Errorf("%d transactions", n)
		}
	}
	w.served("default", "after")
	w.checkNorthd()
}

// TestKillDuringCreation kills the controller four times while 100 pods are made. In the end every pod has one address and
// nothing is left over.
func TestKillDuringCreation(t *testing.T) {
	w, c := converged(t, 3)
	const n = 100
	names := podNames("web", n)
	created := make(chan struct{})
	go func() {
		defer close(created)
		w.createPods("default", 3, names)
	}()
	for _, share := range []int{5, 25, 50, 75} {
		w.eventually(fmt.Sprintf("%d pods have IP objects", share), func() error {
			if got := len(w.ips()) - 3; got < share {
				return fmt.Errorf("%d have", got)
			}
			return nil
		})
		c.Kill()
		c = w.start("controller-0")
	}
	<-created
	w.checkPods(w.waitPods("default", n))
	w.settle()
	if got := len(w.ips()); got != n+3 {
		t.Errorf("%d IP objects, want one per pod and node", got)
	}
	w.deletePods("default", names...)
	w.waitNoIPs("default")
}

// TestDeletedWhileDown shows that what was deleted while no controller ran leaves nothing, and what was made is served.
func TestDeletedWhileDown(t *testing.T) {
	w, c := populated(t)
	c.Stop()
	w.deletePods("default", podNames("web", 20)...)
	w.deletePods("ns1", podNames("web", 5)...)
	w.createPod(testbed.Pod("ns2", "new", "node1"))
	if err := w.plane.Kube.CoreV1().Nodes().Delete(t.Context(), "node2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.start("controller-0")
	w.waitNoIPs("default")
	w.waitNoIPs("ns1")
	w.waitPods("ns2", 6)
	w.eventually("rows of what is gone are gone", func() error {
		for _, gone := range []string{"web-0.default", "web-19.default", "web-0.ns1", "node2"} {
			if at := strings.Index(w.rows(), gone); at >= 0 {
				return fmt.Errorf("%q in %q", gone, w.rows()[max(0, at-100):at+len(gone)])
			}
		}
		return nil
	})
}

// TestEmptiedDatabase shows that an emptied Northbound database comes back as it was, emptied under the running controller
// or while none runs, and that no API object changes by it.
func TestEmptiedDatabase(t *testing.T) {
	w, c := populated(t)
	rows, ips := w.rows(), fmt.Sprint(w.ips())
	w.StopNorthd() // it writes names and keys of its own
	t.Run("running", func(*testing.T) {
		w.NB.Empty(t)
		w.waitRows(rows)
	})
	t.Run("down", func(*testing.T) {
		c.Stop()
		w.NB.Empty(t)
		c = w.start("controller-0")
		w.waitRows(rows)
	})
	if got := fmt.Sprint(w.ips()); got != ips {
		t.Error("IP objects changed")
	}
	w.StartNorthd()
	w.served("default", "after")
	w.checkNorthd()
}

// TestDatabaseAway shows that the controller outlives a stop of its database, and then does what was left to do.
func TestDatabaseAway(t *testing.T) {
	w, c := populated(t)
	w.NB.Stop(t)
	w.createPod(testbed.Pod("default", "new", "node1"))
	w.deletePods("ns1", podNames("web", 5)...)
	w.eventually("the controller has seen the pod", func() error {
		if _, there := w.ips()["new.default"]; !there {
			return errors.New("no IP object")
		}
		return nil
	})
	w.NB.Restart(t)
	w.waitPod("default", "new")
	w.waitNoIPs("ns1")
	if !c.Running() {
		t.Error("the controller ended")
	}
}

// TestHandOver shows two controllers: one leads, the other takes over when it is gone, at once when it says goodbye and
// within the lease when it is killed.
func TestHandOver(t *testing.T) {
	w, first := converged(t, 1)
	second := w.start("controller-1")
	w.eventually("the second is up", func() error { _, err := second.Get("/healthz"); return err })
	w.served("default", "a")
	if n := second.Metrics("kube_ovn_controller_sync_seconds"); len(n) > 0 {
		t.Errorf("the second syncs while the first leads: %v", n)
	}
	if _, err := second.Get("/readyz"); err != nil {
		t.Logf("readiness of the one that waits: %v", err)
	}

	first.Stop()
	start := time.Now()
	w.served("default", "b")
	t.Logf("served %.1f s after the leader's farewell", time.Since(start).Seconds())

	third := w.start("controller-2")
	w.eventually("the third is up", func() error { _, err := third.Get("/healthz"); return err })
	second.Kill()
	start = time.Now()
	w.served("default", "c")
	t.Logf("served %.1f s after the leader was killed", time.Since(start).Seconds())
	w.checkPods(w.waitPods("default", 3))
}

// TestLostLease shows that a leader whose lease was taken ends, so that there are never two.
func TestLostLease(t *testing.T) {
	w, c := converged(t, 1)
	leases := w.plane.Kube.CoordinationV1().Leases("kube-system")
	w.eventually("somebody else has the lease", func() error {
		lease, err := leases.Get(t.Context(), "kube-ovn-controller", metav1.GetOptions{})
		if err != nil {
			return err
		}
		other, now := "intruder", metav1.NowMicro()
		lease.Spec.HolderIdentity, lease.Spec.RenewTime = &other, &now
		_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err
	})
	w.eventually("the former leader ends", func() error {
		if c.Running() {
			return errors.New("it runs")
		}
		return nil
	})
}
