// Command quickstart applies docs/quickstart.yaml to the running lab, prints who reaches whom and fails when anything is
// not as expected.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/kubeovn/kube-ovn/test/framework"
)

// deadline of the whole quickstart once the lab is up.
const deadline = 5 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cluster, err := framework.Load()
	if err != nil {
		return err
	}
	manifests, err := os.ReadFile(filepath.Join(cluster.Root(), "docs", "quickstart.yaml"))
	if err != nil {
		return err
	}
	fmt.Println("applying docs/quickstart.yaml")
	if err := framework.Poll(ctx, "docs/quickstart.yaml is applied", func() error { return cluster.Apply(ctx, manifests) }); err != nil {
		return err
	}
	pods, err := readyPods(ctx, cluster, manifests)
	if err != nil {
		return err
	}
	printPods(pods)
	if err := checkSubnets(manifests, pods); err != nil {
		return err
	}
	return checkReach(ctx, cluster, pods)
}

// checkSubnets fails when a pod is not in the subnet that names its namespace.
func checkSubnets(manifests []byte, pods []*corev1.Pod) error {
	objects, err := framework.Objects(manifests)
	if err != nil {
		return err
	}
	subnetOf := map[string]string{}
	for _, u := range objects {
		if u.GetKind() != "Subnet" {
			continue
		}
		namespaces, _, err := unstructured.NestedStringSlice(u.Object, "spec", "namespaces")
		if err != nil {
			return err
		}
		for _, ns := range namespaces {
			subnetOf[ns] = u.GetName()
		}
	}
	for _, p := range pods {
		if got := p.Annotations[util.Key(util.OvnProvider, util.LogicalSwitch)]; got != subnetOf[p.Namespace] {
			return fmt.Errorf("pod %s/%s is in subnet %s, not in its tenant's subnet %s", p.Namespace, p.Name, got, subnetOf[p.Namespace])
		}
	}
	return nil
}

// readyPods waits for the pods of the manifests, in their order.
func readyPods(ctx context.Context, cluster *framework.Cluster, manifests []byte) ([]*corev1.Pod, error) {
	objects, err := framework.Objects(manifests)
	if err != nil {
		return nil, err
	}
	var pods []*corev1.Pod
	for _, u := range objects {
		if u.GetKind() != "Pod" {
			continue
		}
		pod, err := cluster.PodReady(ctx, u.GetNamespace(), u.GetName())
		if err != nil {
			return nil, err
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

func printPods(pods []*corev1.Pod) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nNAMESPACE\tPOD\tNODE\tADDRESS")
	for _, p := range pods {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Namespace, p.Name, p.Spec.NodeName, p.Status.PodIP)
	}
	w.Flush()
}

// checkReach pings from every pod to every address of both tenants. An address that exists in both is answered by the
// caller's own tenant; one that exists only in the other tenant must not be answered.
func checkReach(ctx context.Context, cluster *framework.Cluster, pods []*corev1.Pod) error {
	inTenant := map[string]map[string]bool{}
	for _, p := range pods {
		if inTenant[p.Namespace] == nil {
			inTenant[p.Namespace] = map[string]bool{}
		}
		inTenant[p.Namespace][p.Status.PodIP] = true
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nFROM\tTO\tEXPECTED\tSEEN\t")
	wrong, seenIsolated := 0, false
	for _, from := range pods {
		for _, to := range pods {
			foreign := from.Namespace != to.Namespace
			if from == to || foreign && inTenant[from.Namespace][to.Status.PodIP] {
				continue
			}
			seenIsolated = seenIsolated || foreign
			seen := reach(cluster.Ping(ctx, from.Namespace, from.Name, to.Status.PodIP) == nil)
			verdict := "ok"
			if seen != reach(!foreign) {
				verdict = "WRONG"
				wrong++
			}
			fmt.Fprintf(w, "%s\t%s (%s)\t%s\t%s\t%s\n", from.Name, to.Name, to.Status.PodIP, reach(!foreign), seen, verdict)
		}
	}
	w.Flush()
	switch {
	case wrong > 0:
		return fmt.Errorf("%d of the lines above are not as expected", wrong)
	case !seenIsolated:
		return fmt.Errorf("no address exists in one tenant only, so isolation was not seen")
	}
	fmt.Println("\nall as expected")
	return nil
}

func reach(ok bool) string {
	if ok {
		return "reached"
	}
	return "not reached"
}
