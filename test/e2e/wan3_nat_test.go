//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// serve runs a web server in the outside network that tells who asks, for the time of the test.
func serve(t *testing.T) {
	t.Helper()
	server, err := cluster.Serve(":8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// wantSeen waits until the outside's web server sees a pod as an address.
func wantSeen(t *testing.T, namespace, pod, server, want string) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("%s sees pod %s as %s", server, pod, want), func() error {
		out, err := cluster.Exec(t.Context(), namespace, pod, "timeout", "5", "wget", "-q", "-O", "-", "http://"+server+":8080/")
		if err == nil && strings.TrimSpace(out) != want {
			err = fmt.Errorf("it is seen as %q", out)
		}
		return err
	})
}

// internet is the far address of document 000.
const internet = "223.5.5.5"

// TestS031toS038 walks through chapter 3 of document 000: a subnet's and a pod's way out, and who is seen there.
func TestS031toS038(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	serve(t)
	t.Run("S031 S033 by name", func(t *testing.T) {
		apply(t, seed("seed000/03-subnet-snat.yaml"))
		subnet := isReady(t, "oeip", "snat-for-subnet-in-vpc")["V4IP"]
		row(t, "osnat", "snat-for-subnet-in-vpc", map[string]string{"VPC": "vpc1", "V4EIP": subnet, "V4IPCIDR": "192.168.0.0/24", "READY": "true"})
		apply(t, seed("seed000/03-pod-snat.yaml"))
		pod := isReady(t, "oeip", "snat-for-pod-vpc-ip")["V4IP"]
		row(t, "osnat", "snat01", map[string]string{"VPC": "vpc1", "V4EIP": pod, "V4IPCIDR": "192.168.0.4", "READY": "true"})
		wantListing(t, seed("seed000/show-vpc1-snat.txt"), "show", "vpc1") // S-035
		wantWayOut(t, "vpc-1-busybox04", subnet)                           // S-036
		wantWayOut(t, "vpc-1-busybox02", pod)                              // S-037
	})
	t.Run("S032 subnet by address", func(t *testing.T) {
		apply(t, eipYAML("snat-for-subnet-in-vpc", "{externalSubnet: external204, type: nat}"))
		apply(t, seed("seed000/subnet-snat-address.yaml"))
		wantListing(t, seed("seed000/show-vpc1.txt"), "show", "vpc1")
		wantWayOut(t, "vpc-1-busybox04", isReady(t, "oeip", "snat-for-subnet-in-vpc")["V4IP"])
	})
	t.Run("S034 pod by address", func(t *testing.T) {
		apply(t, eipYAML("snat-for-subnet-in-vpc", "{externalSubnet: external204, type: nat}"))
		apply(t, seed("seed000/pod-snat-address.yaml"))
		eip := isReady(t, "oeip", "snat-for-subnet-in-vpc")["V4IP"]
		row(t, "osnat", "snat-for-subnet-in-vpc", map[string]string{"V4EIP": eip, "V4IPCIDR": "192.168.0.4", "READY": "true"})
		wantWayOut(t, "vpc-1-busybox02", eip)
	})
	t.Run("address of the router port", func(t *testing.T) { // S-019: that of type lrp serves rules too
		apply(t, "---\nkind: OvnSnatRule\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-lrp}\nspec: {ovnEip: vpc1-external204, vpcSubnet: vpc1-subnet1}\n")
		isReady(t, "osnat", "e2e-lrp")
		wantWayOut(t, "vpc-1-busybox04", isReady(t, "oeip", "vpc1-external204")["V4IP"])
	})
	t.Run("S038 further network", func(t *testing.T) {
		extraNetwork(t, "extra")
		apply(t, eipYAML("e2e-extra", "{externalSubnet: extra, type: nat}")+
			"---\nkind: OvnSnatRule\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-extra}\nspec: {ovnEip: e2e-extra, vpcSubnet: vpc1-subnet1}\n")
		eip := isReady(t, "oeip", "e2e-extra")["V4IP"]
		allocatedIn(t, eip, "10.10.204.0/24", "10.10.204.101")
		isReady(t, "osnat", "e2e-extra")
		wantSeen(t, "vpc1", "vpc-1-busybox04", "10.10.204.254", eip)
	})
}

// wantWayOut: the pod pings the far address, and is seen there as the address.
func wantWayOut(t *testing.T, pod, eip string) {
	t.Helper()
	wantSeen(t, "vpc1", pod, internet, eip)
	if err := cluster.Ping(t.Context(), "vpc1", pod, internet); err != nil {
		t.Error(err)
	}
}

// TestS039toS048 walks through chapter 4 of document 000: ports of an address, for a pod and for a Vip.
func TestS039toS048(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	// The document connects vpc1 to the network underlay without saying how.
	extraNetwork(t, "underlay")
	t.Run("S039 S040 pod by name", func(t *testing.T) {
		before := v4Used(t, "underlay")
		manifest := seed("seed000/dnat-pod.yaml")
		apply(t, manifest)
		eip := row(t, "oeip", "eip-dnat", map[string]string{"TYPE": "dnat", "READY": "true"})["V4IP"]
		allocatedIn(t, eip, "10.5.49.0/24", "10.5.49.1")
		wantDnat(t, eip, "192.168.0.2", "vpc-1-busybox01.vpc1")
		wantPage(t, "http://"+eip+":22/", "vpc-1-busybox01") // S-046
		if err := cluster.Delete(t.Context(), []byte(manifest)); err != nil {
			t.Fatal(err)
		}
		wantUsed(t, "underlay", before) // S-047
	})
	t.Run("S041 pod by address", func(t *testing.T) {
		apply(t, eipYAML("eip-dnat", "{externalSubnet: underlay}"))
		apply(t, seed("seed000/dnat-pod-address.yaml"))
		eip := isReady(t, "oeip", "eip-dnat")["V4IP"]
		wantDnat(t, eip, "192.168.0.3", "")
		wantPage(t, "http://"+eip+":22/", "vpc-1-busybox03") // which has that address too
	})
	apply(t, "kind: Vip\napiVersion: kubeovn.io/v1\nmetadata: {name: test-dnat-vip}\nspec: {subnet: vpc1-subnet1}\n")
	vip := row(t, "vip", "test-dnat-vip", map[string]string{"SUBNET": "vpc1-subnet1", "READY": "true"})["V4IP"] // S-043
	if err := secondAddress(t.Context(), "vpc1", "vpc-1-busybox05", vip); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"S044 Vip by name": "dnat-vip.yaml", "S045 Vip by name and address": "dnat-vip-address.yaml"} {
		t.Run(name, func(t *testing.T) {
			apply(t, eipYAML("eip-dnat", "{externalSubnet: underlay}"))
			apply(t, seed("seed000/"+file))
			eip := isReady(t, "oeip", "eip-dnat")["V4IP"]
			wantDnat(t, eip, vip, "test-dnat-vip")
			wantPage(t, "http://"+eip+":22/", "vpc-1-busybox05")
		})
	}
	t.Run("S047 every order of deletion", deletionOrders)
	t.Run("S048 missing address", func(t *testing.T) {
		apply(t, eipYAML("eip-dnat", "{externalSubnet: underlay}")+dnatYAML("e2e-missing", `ipName: e2e-dnat-late.vpc1`))
		told(t, "odnat", "e2e-missing", "e2e-dnat-late.vpc1")
		if err := noRow(t, "Load_Balancer", "e2e-missing"); err != nil {
			t.Error(err)
		}
		apply(t, namedServer("vpc1", "e2e-dnat-late", nodes[2]))
		isReady(t, "odnat", "e2e-missing")
		ready(t, time.Minute, "vpc1", "e2e-dnat-late")
		wantPage(t, "http://"+isReady(t, "oeip", "eip-dnat")["V4IP"]+":2222/", "e2e-dnat-late")
	})
	t.Run("one port for two", secondDnat)
}

// dnatYAML sends port 2222 of eip-dnat to port 22 of a target in flow style.
func dnatYAML(name, target string) string {
	return "---\nkind: OvnDnatRule\napiVersion: kubeovn.io/v1\nmetadata: {name: " + name + "}\n" +
		`spec: {ovnEip: eip-dnat, protocol: tcp, internalPort: "22", externalPort: "2222", ` + target + "}\n"
}

// wantDnat finds the printed row and the load balancer (S-042) of the rule eip-dnat.
func wantDnat(t *testing.T, eip, inside, ipName string) {
	t.Helper()
	row(t, "odnat", "eip-dnat", map[string]string{
		"EIP": "eip-dnat", "PROTOCOL": "tcp", "V4EIP": eip, "V4IP": inside, "INTERNALPORT": "22", "EXTERNALPORT": "22", "IPNAME": ipName, "READY": "true",
	})
	if got := strings.TrimSpace(nbctl(t, "--no-headings", "--format=csv", "--data=bare", "--columns=protocol,vips", "list", "Load_Balancer", "eip-dnat")); got != fmt.Sprintf("tcp,%s:22=%s:22", eip, inside) {
		t.Errorf("load balancer is %s", got)
	}
	uuid := strings.TrimSpace(nbctl(t, "get", "Load_Balancer", "eip-dnat", "_uuid"))
	for table, want := range map[string]string{"Logical_Router": "vpc1", "Logical_Switch": ""} {
		if got := strings.TrimSpace(nbctl(t, "--bare", "--columns=name", "find", table, "load_balancer{>=}"+uuid)); got != want {
			t.Errorf("%s with it: %q, want %q", table, got, want)
		}
	}
}

// deletionOrders removes rule, address and pod in every order: all go in the end, and the row with the first of rule or pod.
func deletionOrders(t *testing.T) {
	used := v4Used(t, "underlay")
	things := map[string]string{
		"rule": dnatYAML("e2e-order", "ipName: e2e-order.vpc1"), "address": eipYAML("eip-dnat", "{externalSubnet: underlay}"), "pod": namedServer("vpc1", "e2e-order", nodes[1]),
	}
	for _, order := range [][]string{
		{"rule", "address", "pod"}, {"rule", "pod", "address"}, {"address", "rule", "pod"}, {"address", "pod", "rule"}, {"pod", "rule", "address"}, {"pod", "address", "rule"},
	} {
		t.Run(strings.Join(order, " "), func(t *testing.T) {
			apply(t, things["pod"]+things["address"]+things["rule"])
			isReady(t, "odnat", "e2e-order")
			for i, thing := range order {
				if _, err := cluster.Kubectl(t.Context(), deletion(things[thing])...); err != nil {
					t.Fatal(err)
				}
				// Held until the rule is gone; one without its pod holds nothing.
				if thing == "address" && slices.Contains(order[i:], "rule") && slices.Contains(order[i:], "pod") {
					eventually(t, 30*time.Second, "the address tells who uses it", func() error { return inUse(t.Context(), "eip-dnat", "e2e-order") })
				}
			}
			eventually(t, time.Minute, "all are gone", func() error {
				return errors.Join(noRow(t, "Load_Balancer", "e2e-order"), gone(t, "ovn-eips", "eip-dnat"), gone(t, "ovn-dnat-rules", "e2e-order"))
			})
			wantUsed(t, "underlay", used)
		})
	}
}

// deletion are kubectl's arguments to delete the one object of a manifest without waiting.
func deletion(manifest string) []string {
	objects, err := framework.Objects([]byte(manifest))
	if err != nil || len(objects) != 1 {
		panic("not one object: " + manifest)
	}
	o := objects[0]
	resource := map[string]string{"OvnDnatRule": "ovn-dnat-rules", "OvnEip": "ovn-eips", "Pod": "pods"}[o.GetKind()]
	args := []string{"delete", "--wait=false", resource, o.GetName()}
	if o.GetNamespace() != "" {
		args = append(args, "--grace-period=0", "-n", o.GetNamespace())
	}
	return args
}

// inUse is nil when an address that is to go says whose it still is.
func inUse(ctx context.Context, name, user string) error {
	eip, err := cluster.OVN.KubeovnV1().OvnEips().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range eip.Status.Conditions {
		if c.Type == "Ready" && strings.Contains(c.Message, user) {
			return nil
		}
	}
	return fmt.Errorf("conditions are %+v", eip.Status.Conditions)
}

// gone is nil when an object of kubeovn.io does not exist.
func gone(t *testing.T, resource, name string) error {
	err := cluster.Kube.Discovery().RESTClient().Get().AbsPath("/apis/kubeovn.io/v1", resource, name).Do(t.Context()).Error()
	switch {
	case err == nil:
		return fmt.Errorf("%s %s exists", resource, name)
	case apierrors.IsNotFound(err):
		return nil
	}
	return err
}

// secondDnat asks for a port that another rule has, and gets it when that goes.
func secondDnat(t *testing.T) {
	first := dnatYAML("e2e-first", "ipName: vpc-1-busybox01.vpc1")
	apply(t, eipYAML("eip-dnat", "{externalSubnet: underlay}")+first)
	isReady(t, "odnat", "e2e-first")
	apply(t, dnatYAML("e2e-second", "ipName: vpc-1-busybox04.vpc1"))
	told(t, "odnat", "e2e-second", "e2e-first")
	if err := cluster.Delete(t.Context(), []byte(first)); err != nil {
		t.Fatal(err)
	}
	isReady(t, "odnat", "e2e-second")
	wantPage(t, "http://"+isReady(t, "oeip", "eip-dnat")["V4IP"]+":2222/", "vpc-1-busybox04")
}
