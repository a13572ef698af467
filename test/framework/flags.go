package framework

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// system is the namespace of the product's workloads.
const system = "kube-system"

// SetControllerFlags sets flags of kube-ovn-controller, "--name" to value, and waits until it runs with them. It returns
// what they were before.
func (c *Cluster) SetControllerFlags(ctx context.Context, flags map[string]string) (before map[string]string, err error) {
	deployments := c.Kube.AppsV1().Deployments(system)
	changed := false
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		d, err := deployments.Get(ctx, "kube-ovn-controller", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if before, changed, err = setFlags(&d.Spec.Template.Spec, flags); err != nil || !changed {
			return err
		}
		_, err = deployments.Update(ctx, d, metav1.UpdateOptions{})
		return err
	})
	if err != nil || !changed {
		return before, err
	}
	return before, c.rolledOut(ctx, "deployment/kube-ovn-controller")
}

// SetDaemonFlags is SetControllerFlags for the node daemons.
func (c *Cluster) SetDaemonFlags(ctx context.Context, flags map[string]string) (before map[string]string, err error) {
	sets := c.Kube.AppsV1().DaemonSets(system)
	changed := false
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		d, err := sets.Get(ctx, "kube-ovn-cni", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if before, changed, err = setFlags(&d.Spec.Template.Spec, flags); err != nil || !changed {
			return err
		}
		_, err = sets.Update(ctx, d, metav1.UpdateOptions{})
		return err
	})
	if err != nil || !changed {
		return before, err
	}
	return before, c.rolledOut(ctx, "daemonset/kube-ovn-cni")
}

func (c *Cluster) rolledOut(ctx context.Context, workload string) error {
	_, err := c.Kubectl(ctx, "-n", system, "rollout", "status", "--timeout=180s", workload)
	return err
}

// setFlags sets flags of a pod's first container; all have to be there already.
func setFlags(pod *corev1.PodSpec, flags map[string]string) (before map[string]string, changed bool, err error) {
	before = map[string]string{}
	args := pod.Containers[0].Args
	for i, arg := range args {
		name, old, _ := strings.Cut(arg, "=")
		if value, wanted := flags[name]; wanted {
			before[name] = old
			args[i] = name + "=" + value
			changed = changed || old != value
		}
	}
	for name := range flags {
		if _, found := before[name]; !found {
			return nil, false, fmt.Errorf("container %s has no flag %s", pod.Containers[0].Name, name)
		}
	}
	return before, changed, nil
}
