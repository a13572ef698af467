//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// checkPods fails the test unless the pods have distinct addresses and MACs of the default subnet, each recorded by its
// IP object and held by its port.
func (w *world) checkPods(pods []corev1.Pod) {
	w.Helper()
	addresses, macs := sets.New[string](), sets.New[string]()
	objects := w.ips()
	ports := map[string]string{}
	for _, line := range w.portLines() {
		ports[line.name] = line.addresses
	}
	for i := range pods {
		pod := &pods[i]
		name := pod.Name + "." + pod.Namespace
		mac := pod.Annotations["ovn.kubernetes.io/mac_address"]
		addr, err := netip.ParseAddr(address(pod))
		if err != nil || !netip.MustParsePrefix("10.16.0.0/16").Contains(addr) {
			w.Errorf("address of %s: %q, %v", name, address(pod), err)
		}
		if addresses.Has(addr.String()) || macs.Has(mac) {
			w.Errorf("%s shares %s %s", name, mac, addr)
		}
		addresses.Insert(addr.String())
		macs.Insert(mac)
		if ip := objects[name]; ip.Spec.V4IPAddress != addr.String() || ip.Spec.MacAddress != mac {
			w.Errorf("%s has %s %s, its IP object says %s %s", name, mac, addr, ip.Spec.MacAddress, ip.Spec.V4IPAddress)
		}
		if want := mac + " " + addr.String(); ports[name] != want {
			w.Errorf("%s has %s, its port says %s", name, want, ports[name])
		}
	}
}

type portLine struct{ name, addresses string }

// portLines are all switch ports.
func (w *world) portLines() []portLine {
	w.Helper()
	var answer []struct {
		Rows []struct {
			Name      string `json:"name"`
			Addresses any    `json:"addresses"`
		} `json:"rows"`
	}
	text := w.NB.Transact(w.T, `{"op":"select","table":"Logical_Switch_Port","where":[],"columns":["name","addresses"]}`)
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		w.Fatal(err)
	}
	var lines []portLine
	for _, row := range answer[0].Rows {
		one, _ := row.Addresses.(string)
		lines = append(lines, portLine{row.Name, one})
	}
	return lines
}

// TestManyPods creates 300 pods at once: all get addresses of their own, for one IP object and one patch each.
func TestManyPods(t *testing.T) {
	w, c := converged(t, 3)
	before, transactions := w.plane.Writes(t), c.Transactions("OVN_Northbound")
	const n = 300
	w.createPods("default", 3, podNames("web", n))
	pods := w.waitPods("default", n)
	w.checkPods(pods)
	w.settle()

	writes := w.plane.Writes(t).Since(before)
	// The subnet's counters follow once a second, whatever the number of pods.
	delete(writes, "PATCH subnets/status")
	want := testbed.Writes{"POST pods": n, "POST ips": n, "PATCH pods": n}
	if diff := cmp.Diff(want, writes); diff != "" {
		t.Errorf("API writes (-want +got)\n%s", diff)
	}
	if got := c.Transactions("OVN_Northbound") - transactions; got < 1 || got > n {
		t.Errorf("%d transactions for %d pods, want at most one each", got, n)
	}
	subnet := w.waitSubnet("ovn-default")
	if got := subnet.Status.V4UsingIPs.String(); got != fmt.Sprint(n) {
		t.Errorf("the subnet counts %s addresses in use, want %d", got, n)
	}

	w.deletePods("default", podNames("web", n)...)
	w.waitNoIPs("default")
	w.eventually("the ports are gone", func() error {
		if left := len(w.portLines()); left != 3+2 { // of the nodes, and of the two switches to the router
			return fmt.Errorf("%d ports", left)
		}
		return nil
	})
	w.eventually("the subnet counts no address in use", func() error {
		if got := w.waitSubnet("ovn-default").Status.V4UsingIPs.String(); got != "0" {
			return fmt.Errorf("it counts %s", got)
		}
		return nil
	})
	w.checkNorthd()
}

// TestRecreatedPod shows that a pod deleted and made again at once, as StatefulSets do, is served with its new UID.
func TestRecreatedPod(t *testing.T) {
	w, _ := converged(t, 2)
	for round := range 5 {
		w.createPod(testbed.Pod("default", "db-0", fmt.Sprintf("node%d", round%2+1)))
		pod := w.waitPod("default", "db-0")
		w.eventually("the IP object names the pod's node", func() error {
			if ip := w.ips()["db-0.default"]; ip.Spec.NodeName != pod.Spec.NodeName || ip.Spec.V4IPAddress != address(pod) || ip.DeletionTimestamp != nil {
				return fmt.Errorf("pod on %s has %s, IP object %+v", pod.Spec.NodeName, address(pod), ip.Spec)
			}
			return nil
		})
		w.deletePods("default", "db-0")
	}
	w.waitNoIPs("default")
}

// TestUnboundPod shows that a pod is served as soon as the scheduler has bound it.
func TestUnboundPod(t *testing.T) {
	w, _ := converged(t, 1)
	pod := testbed.Pod("default", "web", "")
	w.createPod(pod)
	w.settle()
	if _, there := w.ips()["web.default"]; there {
		t.Error("an address was taken for a pod that is not bound")
	}
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Target: corev1.ObjectReference{Kind: "Node", Name: "node1"}}
	if err := w.plane.Kube.CoreV1().Pods("default").Bind(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitPod("default", "web")
}
