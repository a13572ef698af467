//go:build integration

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	nadclient "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// TestDualStack shows a cluster whose networks have both families.
func TestDualStack(t *testing.T) {
	w, c := converged(t, 2, dualStack...)
	w.createPod(testbed.Pod("default", "web", "node1"))
	pod := w.waitPod("default", "web")
	for key, want := range map[string]string{
		"ip_address": "10.16.0.2,fd00:10:16::2", "cidr": "10.16.0.0/16,fd00:10:16::/112", "gateway": "10.16.0.1,fd00:10:16::1",
	} {
		if got := pod.Annotations["ovn.kubernetes.io/"+key]; got != want {
			t.Errorf("annotation %s = %q, want %q", key, got, want)
		}
	}
	if ip := w.ips()["web.default"]; ip.Spec.V4IPAddress != "10.16.0.2" || ip.Spec.V6IPAddress != "fd00:10:16::2" {
		t.Errorf("ip object %+v", ip.Spec)
	}
	w.createPod(testbed.Pod("default", "six", "node2", "ovn.kubernetes.io/ip_family", "ipv6"))
	if got := address(w.waitPod("default", "six")); got != "fd00:10:16::3" {
		t.Errorf("pod that wants IPv6 alone has %s", got)
	}
	w.settle()
	equal(t, "default routes", []string{"0.0.0.0/0;100.64.0.1", "::/0;fd00:100:64::1"}, w.find("Logical_Router_Static_Route", "ip_prefix,nexthop"))
	var own []string
	for i := 1; i <= 2; i++ {
		four, six, _ := strings.Cut(w.joinAddress(fmt.Sprintf("node%d", i)), ",")
		own = append(own, fmt.Sprintf("ip4.dst == 192.168.123.%d;%s", 20+i, four), fmt.Sprintf("ip6.dst == fd00:123::%d;%s", 20+i, six))
	}
	equal(t, "policies of the nodes", own, w.find("Logical_Router_Policy", "match,nexthops", "priority=30000"))
	if n := len(w.find("Logical_Router_Policy", "match", "priority=29000")); n != 4 {
		t.Errorf("%d policies of the default subnet, want one per node and family", n)
	}
	rows := w.rows()
	c.Kill()
	c = w.start("controller-0", dualStack...)
	w.passed(c, 2)
	w.settle()
	w.waitRows(rows)
	w.checkNorthd()
}

var dualStack = []string{
	"--default-cidr=10.16.0.0/16,fd00:10:16::/112", "--node-switch-cidr=100.64.0.0/16,fd00:100:64::/112",
	"--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112",
}

// TestWidened shows a cluster that gets its second family later: what has an address keeps it.
func TestWidened(t *testing.T) {
	w, c := converged(t, 1)
	w.createPod(testbed.Pod("default", "old", "node1"))
	old := address(w.waitPod("default", "old"))
	c.Stop()
	w.start("controller-0", dualStack...)
	w.createPod(testbed.Pod("default", "new", "node1"))
	w.eventually("a new pod has both families", func() error {
		pod, err := w.plane.Kube.CoreV1().Pods("default").Get(t.Context(), "new", metav1.GetOptions{})
		if err == nil && (!testbed.Served(pod) || !strings.Contains(address(pod), ",fd00:10:16::")) {
			err = fmt.Errorf("annotations %v, events %q", pod.Annotations, w.events("new"))
		}
		return err
	})
	if got, _, _ := strings.Cut(address(w.waitPod("default", "old")), ","); got != old {
		t.Errorf("the old pod moved from %s to %s", old, got)
	}
}

// memberOf makes the pod of a StatefulSet.
func memberOf(set *appsv1.StatefulSet, ordinal int, node string) *corev1.Pod {
	yes := true
	pod := testbed.Pod(set.Namespace, fmt.Sprintf("%s-%d", set.Name, ordinal), node)
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, UID: set.UID, Controller: &yes}}
	return pod
}

// TestStatefulSet shows that the pods of a set keep their addresses while the set wants them, over restarts of the
// controller, too, and give them back when it does not.
func TestStatefulSet(t *testing.T) {
	w, c := converged(t, 2)
	replicas := int32(2)
	labels := map[string]string{"app": "db"}
	set, err := w.plane.Kube.AppsV1().StatefulSets("default").Create(t.Context(), &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "none"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	had := map[string]string{}
	for i := range 2 {
		w.createPod(memberOf(set, i, "node1"))
		pod := w.waitPod("default", fmt.Sprintf("db-%d", i))
		had[pod.Name] = address(pod) + " " + pod.Annotations["ovn.kubernetes.io/mac_address"]
	}
	w.deletePods("default", "db-0", "db-1")
	w.eventually("the ports are gone", func() error {
		if strings.Contains(w.rows(), "db-") {
			return errors.New("they are there")
		}
		return nil
	})
	c.Kill()
	w.start("controller-0")
	w.served("default", "other") // takes the lowest free address
	for i := range 2 {
		w.createPod(memberOf(set, i, "node2"))
		pod := w.waitPod("default", fmt.Sprintf("db-%d", i))
		if got := address(pod) + " " + pod.Annotations["ovn.kubernetes.io/mac_address"]; got != had[pod.Name] {
			t.Errorf("%s has %s, had %s", pod.Name, got, had[pod.Name])
		}
		if ip := w.ips()[pod.Name+".default"]; ip.Spec.NodeName != "node2" || ip.Spec.PodType != "StatefulSet" {
			t.Errorf("ip object %+v", ip.Spec)
		}
	}

	replicas = 1
	set.Spec.Replicas = &replicas
	if _, err = w.plane.Kube.AppsV1().StatefulSets("default").Update(t.Context(), set, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.deletePods("default", "db-1")
	w.eventually("db-1 gave its address back, db-0 has its own", func() error {
		ips := w.ips()
		_, zero := ips["db-0.default"]
		_, one := ips["db-1.default"]
		if !zero || one {
			return fmt.Errorf("db-0 %v, db-1 %v", zero, one)
		}
		return nil
	})
	w.deletePods("default", "db-0", "other")
	w.settle()
	if err := w.plane.Kube.AppsV1().StatefulSets("default").Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitNoIPs("default")
}

// TestAttachment shows a pod that asks for a second network whose kind, definition and subnet come later.
func TestAttachment(t *testing.T) {
	w, _ := converged(t, 1)
	w.createPod(testbed.Pod("default", "web", "node1", "k8s.v1.cni.cncf.io/networks", "default/net"))
	w.waitEvent("web", "Warning AcquireAddressFailed", "default/net", "does not exist")

	w.installAttachments()
	nads, err := nadclient.NewForConfig(w.plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	definition := &nadv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "net"},
		Spec: nadv1.NetworkAttachmentDefinitionSpec{
			Config: `{"cniVersion":"1.0.0","type":"kube-ovn","server_socket":"/run/openvswitch/kube-ovn-daemon.sock","provider":"net.default.ovn"}`,
		},
	}
	_, err = nads.K8sCniCncfIoV1().NetworkAttachmentDefinitions("default").Create(t.Context(), definition, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.createVpc("test-vpc")
	if err := w.createSubnet("second", "test-vpc", "10.7.0.0/24", func(s *v1.SubnetSpec) { s.Provider = "net.default.ovn" }); err != nil {
		t.Fatal(err)
	}
	pod := w.waitPod("default", "web")
	for key, want := range map[string]string{
		"net.default.ovn.kubernetes.io/ip_address": "10.7.0.2", "net.default.ovn.kubernetes.io/allocated": "true", "ovn.kubernetes.io/ip_address": "10.16.0.2",
	} {
		if got := pod.Annotations[key]; got != want {
			t.Errorf("annotation %s = %q, want %q", key, got, want)
		}
	}
	ips := w.ips()
	if ips["web.default"].Spec.Subnet != "ovn-default" || ips["web.default.net.default.ovn"].Spec.Subnet != "second" {
		t.Errorf("ip objects %v", ips)
	}
	w.deletePods("default", "web")
	w.waitNoIPs("default")
	w.checkNorthd()
}

// installAttachments adds the kind NetworkAttachmentDefinition for the rest of the test.
func (w *world) installAttachments() {
	w.Helper()
	client, err := apiextensions.NewForConfig(w.plane.Config)
	if err != nil {
		w.Fatal(err)
	}
	open := true
	kinds := client.ApiextensionsV1().CustomResourceDefinitions()
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "network-attachment-definitions.k8s.cni.cncf.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "k8s.cni.cncf.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Plural: "network-attachment-definitions", Singular: "network-attachment-definition", Kind: "NetworkAttachmentDefinition",
			},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: &open,
				}},
			}},
		},
	}
	if _, err := kinds.Create(w.Context(), crd, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		ctx, cancel := testbed.Timeout()
		defer cancel()
		if err := kinds.Delete(ctx, crd.Name, metav1.DeleteOptions{}); err != nil {
			w.Error(err)
		}
	})
	w.eventually("the kind is served", func() error {
		got, err := kinds.Get(w.Context(), crd.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range got.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions %+v", got.Status.Conditions)
	})
}
