package pod

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// checkPort refuses annotations of an interface's port that cannot be read.
func checkPort(pod *corev1.Pod, prefix string) error {
	invalid := func(suffix, format string, args ...any) error {
		return reconcile.Invalid(util.EventValidatePodNetworkFailed, "annotation %s: %s", util.Key(prefix, suffix), fmt.Sprintf(format, args...))
	}
	for _, text := range portVips(pod, prefix) {
		if addrs, err := util.ParseAddrs(text); err != nil || len(addrs) != 1 {
			return invalid(util.PortVips, "%q is not an address", text)
		}
	}
	for _, suffix := range []string{util.PortSecurity, util.Layer2Forward} {
		if text := pod.Annotations[util.Key(prefix, suffix)]; text != "" && text != "true" && text != "false" {
			return invalid(suffix, "%q is neither true nor false", text)
		}
	}
	return nil
}

// portVips are the further addresses that a pod asks to use on an interface.
func portVips(pod *corev1.Pod, prefix string) []string {
	return strings.FieldsFunc(pod.Annotations[util.Key(prefix, util.PortVips)], func(r rune) bool { return r == ',' || r == ' ' })
}

// unserved are the annotations of a pod's interfaces that the contract has and this version does not act on, sorted.
func unserved(pod *corev1.Pod, nics []nic) []string {
	var keys []string
	for _, n := range nics {
		for _, suffix := range []string{util.SecurityGroups, util.DHCPv4Options, util.DHCPv6Options, util.ActivationStrategy} {
			if key := util.Key(n.prefix, suffix); strings.TrimSpace(pod.Annotations[key]) != "" {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// warn tells a pod's user once what the pod asks for in vain.
func (c *controller) warn(pod *corev1.Pod, nics []nic) {
	if keys := unserved(pod, nics); len(keys) > 0 && c.seekers.warn(pod.Namespace+"/"+pod.Name, pod.UID, strings.Join(keys, ", ")) {
		c.Events.Eventf(pod, corev1.EventTypeWarning, util.EventPodNetworkUnsupported, "this version does not act on annotation %s", strings.Join(keys, ", "))
	}
}
