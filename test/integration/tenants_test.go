//go:build integration

package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// tenant makes namespace, VPC and subnet of one tenant.
func (w *world) tenant(namespace, vpc, subnet, cidr string) {
	w.Helper()
	w.createNamespace(namespace)
	w.createVpc(vpc, func(s *v1.VpcSpec) { s.Namespaces = []string{namespace} })
	err := w.createSubnet(subnet, vpc, cidr, func(s *v1.SubnetSpec) { s.Namespaces = []string{namespace} })
	if err != nil {
		w.Fatal(err)
	}
}

// TestTenants shows two VPCs with the same CIDR, S-049 to S-053.
func TestTenants(t *testing.T) {
	w, _ := converged(t, 2)
	w.tenant("ns1", "test-vpc-1", "net1", "10.0.1.0/24")
	w.tenant("ns2", "test-vpc-2", "net2", "10.0.1.0/24")
	for _, name := range []string{"net1", "net2"} {
		w.waitSubnet(name) // S-051: both, no conflict
	}
	for i, name := range []string{"test-vpc-1", "test-vpc-2"} {
		w.eventually("S-049: "+name+" is standby", func() error {
			vpc, err := w.plane.OVN.KubeovnV1().Vpcs().Get(t.Context(), name, metav1.GetOptions{})
			if err == nil && (!vpc.Status.Standby || !slices.Equal(vpc.Spec.Namespaces, []string{fmt.Sprintf("ns%d", i+1)})) {
				err = fmt.Errorf("status %+v, namespaces %v", vpc.Status, vpc.Spec.Namespaces)
			}
			return err
		})
		if got := w.find("Logical_Router", "name", "name="+name, "external_ids:vendor=kube-ovn"); len(got) != 1 {
			t.Errorf("S-049: %d routers %s with the vendor mark", len(got), name)
		}
	}
	equal(t, "S-051", []string{"test-vpc-1-net1;10.0.1.1/24", "test-vpc-2-net2;10.0.1.1/24"},
		w.find("Logical_Router_Port", "name,networks", "networks=10.0.1.1/24"))
	for namespace, subnet := range map[string]string{"ns1": "net1", "ns2": "net2"} {
		w.eventually("S-052: "+namespace+" is bound to "+subnet, func() error {
			ns, err := w.plane.Kube.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
			if err == nil && ns.Annotations["ovn.kubernetes.io/logical_switch"] != subnet {
				err = fmt.Errorf("annotations %v", ns.Annotations)
			}
			return err
		})
	}

	w.createPod(testbed.Pod("ns1", "vpc1-pod", "node1"))
	w.createPod(testbed.Pod("ns2", "vpc2-pod", "node1"))
	for _, c := range []struct{ namespace, pod, subnet, vpc string }{
		{"ns1", "vpc1-pod", "net1", "test-vpc-1"}, {"ns2", "vpc2-pod", "net2", "test-vpc-2"},
	} {
		pod := w.waitPod(c.namespace, c.pod)
		if address(pod) != "10.0.1.2" || pod.Annotations["ovn.kubernetes.io/logical_router"] != c.vpc {
			t.Errorf("S-053: %s has %v", c.pod, pod.Annotations)
		}
		if ip := w.ips()[c.pod+"."+c.namespace]; ip.Spec.Subnet != c.subnet || ip.Spec.V4IPAddress != "10.0.1.2" {
			t.Errorf("S-053: ip object of %s: %+v", c.pod, ip.Spec)
		}
	}
	w.Sync()
	for _, name := range []string{"net1", "net2"} {
		if w.Sbctl("--bare", "--columns=_uuid", "find", "Datapath_Binding", "external_ids:name="+name) == "" {
			t.Errorf("no datapath of switch %s", name)
		}
	}
	w.checkNorthd()
}

// TestTenantLeaves shows that a tenant leaves nothing, and that its network stays as long as a pod uses it.
func TestTenantLeaves(t *testing.T) {
	w, _ := converged(t, 1)
	before := w.rows()
	w.tenant("ns1", "test-vpc-1", "net1", "10.0.1.0/24")
	w.waitSubnet("net1")
	w.createPod(testbed.Pod("ns1", "last", "node1"))
	w.waitPod("ns1", "last")

	api := w.plane.OVN.KubeovnV1()
	for _, err := range []error{
		api.Subnets().Delete(t.Context(), "net1", metav1.DeleteOptions{}), api.Vpcs().Delete(t.Context(), "test-vpc-1", metav1.DeleteOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.waitRefused("net1", "last.ns1")
	if got := w.find("Logical_Switch_Port", "name", "name=last.ns1"); len(got) != 1 {
		t.Error("the pod lost its port")
	}
	w.deletePods("ns1", "last")
	w.eventually("VPC and subnet are gone", func() error {
		for _, get := range []func() error{
			func() error { _, err := api.Subnets().Get(t.Context(), "net1", metav1.GetOptions{}); return err },
			func() error { _, err := api.Vpcs().Get(t.Context(), "test-vpc-1", metav1.GetOptions{}); return err },
		} {
			if err := get(); err == nil || !strings.Contains(err.Error(), "not found") {
				return errors.Join(errors.New("one is there"), err)
			}
		}
		return nil
	})
	w.waitRows(before)
}
