//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// TestRefusedByServer shows what a user reads at once, as the answer to kubectl apply.
func TestRefusedByServer(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		cidr string
		edit func(*v1.SubnetSpec)
		want []string
	}{
		"CIDR typo":                  {"10.0.1.0/240", nil, []string{"cidrBlock", "10.0.1.0/240"}},
		"CIDR without mask":          {"10.0.1.0", nil, []string{"cidrBlock", "10.0.1.0"}},
		"gateway outside the CIDR":   {"10.0.1.0/24", func(s *v1.SubnetSpec) { s.Gateway = "10.0.2.1" }, []string{"gateway", "10.0.2.1"}},
		"gateway that is no address": {"10.0.1.0/24", func(s *v1.SubnetSpec) { s.Gateway = "10.0.1" }, []string{"gateway", "10.0.1"}},
		"exclude range typo":         {"10.0.1.0/24", func(s *v1.SubnetSpec) { s.ExcludeIps = []string{"10.0.1.5..10.0.1"} }, []string{"excludeIps"}},
		"unknown gateway type":       {"10.0.1.0/24", func(s *v1.SubnetSpec) { s.GatewayType = "everywhere" }, []string{"gatewayType", "everywhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			edits := []func(*v1.SubnetSpec){}
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			err := w.createSubnet("bad", "", c.cidr, edits...)
			if err == nil {
				t.Fatal("the API server took it")
			}
			if !containsAll(err.Error(), c.want) {
				t.Errorf("answer %q does not say %q", err, c.want)
			}
		})
	}
}

// TestRefusedByController shows what a user reads in the conditions of a subnet that only its neighbours rule out, and in
// the events. The queue moves on: a good subnet is served meanwhile, and the bad one as soon as it can be.
func TestRefusedByController(t *testing.T) {
	w, _ := converged(t, 1)
	w.createVpc("test-vpc")
	if err := w.createSubnet("first", "test-vpc", "10.0.0.0/16"); err != nil {
		t.Fatal(err)
	}
	w.waitSubnet("first")
	for name, c := range map[string]struct {
		vpc, cidr string
		want      []string
	}{
		"overlap":     {"test-vpc", "10.0.1.0/24", []string{"10.0.1.0/24", "conflict", "first"}},
		"unknown-vpc": {"no-such-vpc", "10.2.0.0/24", []string{"no-such-vpc"}},
		"node-range":  {"ovn-cluster", "192.168.123.0/24", []string{"192.168.123.21"}},
		"test-vpc":    {"test-vpc", "10.3.0.0/24", []string{"same name"}},
	} {
		if err := w.createSubnet(name, c.vpc, c.cidr); err != nil {
			t.Fatal(err)
		}
		w.waitRefused(name, c.want...)
		w.waitEvent(name, append([]string{"Warning "}, c.want...)...)
	}
	if err := w.createSubnet("good", "test-vpc", "10.1.0.0/24"); err != nil {
		t.Fatal(err)
	}
	w.waitSubnet("good")

	w.createVpc("no-such-vpc")
	w.waitSubnet("unknown-vpc")
	if err := w.plane.OVN.KubeovnV1().Subnets().Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitSubnet("overlap")
	w.checkNorthd()
}

// TestRefusedPods shows the events of pods whose wishes cannot be met, and that other pods are served meanwhile.
func TestRefusedPods(t *testing.T) {
	w, _ := converged(t, 1)
	w.createVpc("test-vpc")
	if err := w.createSubnet("tiny", "test-vpc", "10.0.1.0/30"); err != nil { // room for one pod beside the gateway
		t.Fatal(err)
	}
	w.waitSubnet("tiny")
	w.createPod(testbed.Pod("default", "holder", "node1", "ovn.kubernetes.io/logical_switch", "tiny"))
	w.waitPod("default", "holder")
	w.createPod(testbed.Pod("default", "fixed", "node1", "ovn.kubernetes.io/ip_address", "10.16.0.77"))
	w.waitPod("default", "fixed")

	for name, c := range map[string]struct {
		annotations []string
		want        []string
	}{
		"taken":          {[]string{"ip_address", "10.16.0.77"}, []string{"Warning AcquireAddressFailed", "10.16.0.77", "default/fixed"}},
		"gateway":        {[]string{"ip_address", "10.16.0.1"}, []string{"Warning AcquireAddressFailed", "10.16.0.1", "gateway"}},
		"outside":        {[]string{"ip_address", "10.99.0.5"}, []string{"Warning AcquireAddressFailed", "10.99.0.5", "10.16.0.0/16"}},
		"full":           {[]string{"logical_switch", "tiny"}, []string{"Warning AcquireAddressFailed", "tiny", "no IPv4 address is left"}},
		"no-such-subnet": {[]string{"logical_switch", "nowhere"}, []string{"Warning AcquireAddressFailed", "nowhere"}},
		"bad-address":    {[]string{"ip_address", "10.16.0.777"}, []string{"Warning ValidatePodNetworkFailed", "ovn.kubernetes.io/ip_address", "10.16.0.777"}},
		"bad-mac":        {[]string{"mac_address", "00:00:zz:00:00:01"}, []string{"Warning ValidatePodNetworkFailed", "00:00:zz:00:00:01"}},
		"bad-family":     {[]string{"ip_family", "ipv5"}, []string{"Warning ValidatePodNetworkFailed", "ip_family", "ipv5"}},
		"bad-pool":       {[]string{"ip_pool", "10.16.0.5,10.16.0.x"}, []string{"Warning ValidatePodNetworkFailed", "ip_pool"}},
		"join":           {[]string{"logical_switch", "join"}, []string{"Warning ValidatePodNetworkFailed", "join"}},
	} {
		pod := testbed.Pod("default", name, "node1")
		for i := 0; i < len(c.annotations); i += 2 {
			pod.Annotations["ovn.kubernetes.io/"+c.annotations[i]] = c.annotations[i+1]
		}
		w.createPod(pod)
		t.Run(name, func(*testing.T) { w.waitEvent(name, c.want...) })
	}
	bad := testbed.Pod("default", "bad-networks", "node1", "k8s.v1.cni.cncf.io/networks", `[{"name": `)
	w.createPod(bad)
	w.waitEvent("bad-networks", "Warning ValidatePodNetworkFailed", "k8s.v1.cni.cncf.io/networks")
	w.served("default", "good")
	w.settle()
	for name := range map[string]bool{"taken": true, "full": true, "bad-address": true} {
		if texts := w.events(name); len(texts) != 1 {
			t.Errorf("%s was told %d times: %q", name, len(texts), texts)
		}
	}

	w.deletePods("default", "fixed", "holder")
	for _, name := range []string{"taken", "full"} {
		w.waitPod("default", name)
	}
}

// TestRefusedReservation shows the events of IP objects that cannot be had.
func TestRefusedReservation(t *testing.T) {
	w, _ := converged(t, 1)
	w.createPod(testbed.Pod("default", "web", "node1"))
	held := address(w.waitPod("default", "web"))
	create := func(name string, spec v1.IPSpec) error {
		ip := &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
		_, err := w.plane.OVN.KubeovnV1().IPs().Create(t.Context(), ip, metav1.CreateOptions{})
		return err
	}
	if err := create("typo.default", v1.IPSpec{Subnet: "ovn-default", V4IPAddress: "10.16.0.x"}); err == nil || !strings.Contains(err.Error(), "v4IpAddress") {
		t.Errorf("answer to a typo: %v", err)
	}
	for name, c := range map[string]struct {
		address string
		want    []string
	}{
		"taken.default":   {held, []string{"Warning AcquireAddressFailed", held, "default/web"}},
		"outside.default": {"10.99.0.9", []string{"Warning ValidateIPFailed", "10.99.0.9", "10.16.0.0/16"}},
	} {
		if err := create(name, v1.IPSpec{Subnet: "ovn-default", V4IPAddress: c.address}); err != nil {
			t.Fatal(err)
		}
		w.waitEvent(name, c.want...)
	}
	w.deletePods("default", "web")
	w.eventually("the reservation has the address", func() error {
		if ip := w.ips()["taken.default"]; ip.Labels["ovn.kubernetes.io/ip_reserved"] != "true" {
			return fmt.Errorf("ip object %+v", ip)
		}
		return nil
	})
}

// TestReservation shows an address that is kept for a pod over the pod's lives and over restarts of the controller.
func TestReservation(t *testing.T) {
	w, c := converged(t, 1)
	ip := &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: "db.default"},
		Spec:       v1.IPSpec{Subnet: "ovn-default", Namespace: "default", PodName: "db", V4IPAddress: "10.16.7.7"},
	}
	if _, err := w.plane.OVN.KubeovnV1().IPs().Create(t.Context(), ip, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the reservation is served", func() error {
		if got := w.ips()["db.default"]; got.Labels["ovn.kubernetes.io/ip_reserved"] != "true" || got.Spec.MacAddress == "" {
			return fmt.Errorf("ip object %+v, events %q", got, w.events("db.default"))
		}
		return nil
	})
	var mac string
	for range 2 {
		w.createPod(testbed.Pod("default", "db", "node1"))
		pod := w.waitPod("default", "db")
		if address(pod) != "10.16.7.7" {
			t.Errorf("the pod has %s", address(pod))
		}
		if got := pod.Annotations["ovn.kubernetes.io/mac_address"]; mac != "" && got != mac {
			t.Errorf("the MAC changed from %s to %s", mac, got)
		} else {
			mac = got
		}
		w.deletePods("default", "db")
		w.eventually("the port is gone", func() error {
			if strings.Contains(w.rows(), "db.default") {
				return fmt.Errorf("rows name it")
			}
			return nil
		})
		c.Stop()
		w.createPod(testbed.Pod("default", "thief", "node1", "ovn.kubernetes.io/ip_address", "10.16.7.7"))
		c = w.start("controller-0")
		w.waitEvent("thief", "Warning AcquireAddressFailed", "10.16.7.7", "default/db")
		w.deletePods("default", "thief")
	}
	if err := w.plane.OVN.KubeovnV1().IPs().Delete(t.Context(), "db.default", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.createPod(testbed.Pod("default", "heir", "node1", "ovn.kubernetes.io/ip_address", "10.16.7.7"))
	w.waitPod("default", "heir")
}

// TestReservationWithPod shows a reservation and its pod that are made at the same time: the pod gets the address.
func TestReservationWithPod(t *testing.T) {
	w, _ := converged(t, 1)
	for i := range 10 {
		name, want := fmt.Sprintf("db-%d", i), fmt.Sprintf("10.16.7.%d", 10+i)
		ip := &v1.IP{
			ObjectMeta: metav1.ObjectMeta{Name: name + ".default"},
			Spec:       v1.IPSpec{Subnet: "ovn-default", Namespace: "default", PodName: name, V4IPAddress: want},
		}
		if _, err := w.plane.OVN.KubeovnV1().IPs().Create(t.Context(), ip, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.createPod(testbed.Pod("default", name, "node1"))
		if got := address(w.waitPod("default", name)); got != want {
			t.Errorf("pod %s has %s, want %s", name, got, want)
		}
		if got := w.ips()[ip.Name]; got.Labels["ovn.kubernetes.io/ip_reserved"] != "true" || got.Spec.V4IPAddress != want {
			t.Errorf("ip object %+v", got)
		}
	}
}
