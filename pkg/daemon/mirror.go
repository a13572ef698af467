package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// applyMirror makes the mirror port (node.md 2.9). With the flag it gets the traffic of all ports, otherwise what goes to the
// pods that ask for it.
func (d *Daemon) applyMirror(ctx context.Context) error {
	mirror := ovs.Mirror{Bridge: util.IntegrationBridge, Name: util.MirrorName, SelectAll: d.cfg.EnableMirror, OutputPort: d.cfg.MirrorIface}
	if !d.cfg.EnableMirror {
		mirror.SelectDstPorts = d.mirrored()
	}
	rows := []ovs.Row{ovs.VSwitchPort{Bridge: util.IntegrationBridge, Name: d.cfg.MirrorIface, Type: "internal"}, mirror}
	if _, err := d.deps.VSwitch.Apply(ctx, d.owner(ownerMirror), rows); err != nil {
		return fmt.Errorf("mirror port %s: %w", d.cfg.MirrorIface, err)
	}
	if err := d.awaitOpen(ctx, d.cfg.MirrorIface); err != nil {
		return err
	}
	return (link.Driver{}).Sync(link.Device{Name: d.cfg.MirrorIface})
}

// mirrored are the ports of this node's pods that ask to be mirrored, sorted.
func (d *Daemon) mirrored() []string {
	var out []string
	for _, p := range d.ports.Ports() {
		pod, err := d.watches.pods.Lister().Pods(p.Namespace).Get(p.Pod)
		if err == nil && pod.Annotations[util.Key(p.Provider, util.Mirror)] == "true" {
			out = append(out, p.HostLink())
		}
	}
	slices.Sort(out)
	return out
}

// wantsMirror says whether an interface that appeared belongs to a pod that asks to be mirrored.
func (d *Daemon) wantsMirror(w *watches, ids map[string]string) bool {
	if ids[util.IfacePodName] == "" {
		return false
	}
	pod, err := w.pods.Lister().Pods(ids[util.IfacePodNamespace]).Get(ids[util.IfacePodName])
	return err == nil && pod.Annotations[util.Key(ids[util.IfaceProvider], util.Mirror)] == "true"
}

// mirrorChanged says whether a pod's wish to be mirrored changed for any of its interfaces.
func mirrorChanged(old, now any) bool {
	a, ok1 := old.(*corev1.Pod)
	b, ok2 := now.(*corev1.Pod)
	if !ok1 || !ok2 {
		return true
	}
	const suffix = "/" + util.Mirror
	differ := func(x, y map[string]string) bool {
		for key, value := range x {
			if strings.HasSuffix(key, suffix) && y[key] != value {
				return true
			}
		}
		return false
	}
	return differ(a.Annotations, b.Annotations) || differ(b.Annotations, a.Annotations)
}
