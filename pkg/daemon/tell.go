package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// networkTeller remembers what was said about each network, so that it is said once. Only passes use it.
type networkTeller struct {
	recorder record.EventRecorder
	said     map[string]string // by network: its error, "" when it was ready
}

// tellNetworks writes the node's labels, the annotations of the daemon's own pod and events about provider networks.
func (d *Daemon) tellNetworks(ctx context.Context, providers []node.Provider, failed map[string]string) error {
	n, err := d.watches.nodes.Lister().Get(d.cfg.NodeName)
	if err != nil {
		return fmt.Errorf("get node %s: %w", d.cfg.NodeName, err)
	}
	errNode := d.patchLabels(ctx, node.ProviderLabels(n.Labels, providers, failed))
	errPod := d.patchErrors(ctx, providers, failed)
	now := map[string]string{}
	for _, p := range providers {
		if p.Excluded {
			continue
		}
		now[p.Name] = failed[p.Name]
		before, known := d.networks.said[p.Name]
		if !known && failed[p.Name] == "" && n.Labels[util.ProviderNetworkKey(p.Name, util.ProviderReady)] == "true" {
			continue // it was ready before we were started
		}
		if !known || before != failed[p.Name] {
			d.sayNetwork(ctx, p, failed[p.Name])
		}
	}
	d.networks.said = now
	return errors.Join(errNode, errPod)
}

// sayNetwork logs what became of a network and makes an event on its object, or on the node where it has none.
func (d *Daemon) sayNetwork(ctx context.Context, p node.Provider, failure string) {
	about := &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: d.cfg.NodeName, UID: types.UID(d.cfg.NodeName)}
	if p.Object != nil {
		about = &corev1.ObjectReference{APIVersion: kubeovnv1.SchemeGroupVersion.String(), Kind: "ProviderNetwork", Name: p.Name, UID: p.Object.UID}
	}
	log := klog.FromContext(ctx)
	if failure != "" {
		log.Info("A network outside of the cluster is not connected", "network", p.Name, "nic", p.NIC, "reason", failure)
		d.networks.recorder.Eventf(about, corev1.EventTypeWarning, util.ReasonProviderFailed, "node %s: network %s: %s", d.cfg.NodeName, p.Name, failure)
		return
	}
	log.Info("A network outside of the cluster is connected", "network", p.Name, "nic", p.NIC, "bridge", p.Bridge)
	d.networks.recorder.Eventf(about, corev1.EventTypeNormal, util.ReasonProviderReady, "node %s: network %s: NIC %s is in bridge %s", d.cfg.NodeName, p.Name, p.NIC, p.Bridge)
}

func (d *Daemon) patchLabels(ctx context.Context, change map[string]*string) error {
	if len(change) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": change}})
	if err == nil {
		_, err = d.deps.Kube.CoreV1().Nodes().Patch(ctx, d.cfg.NodeName, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		return fmt.Errorf("label node %s with its provider networks: %w", d.cfg.NodeName, err)
	}
	return nil
}

func (d *Daemon) patchErrors(ctx context.Context, providers []node.Provider, failed map[string]string) error {
	if d.cfg.Pod.Name == "" {
		return nil
	}
	pod, err := d.watches.pods.Lister().Pods(d.cfg.Pod.Namespace).Get(d.cfg.Pod.Name)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("annotate pod %s with the errors of provider networks: %w", d.cfg.Pod, err)
	}
	if err != nil {
		return fmt.Errorf("get pod %s: %w", d.cfg.Pod, err)
	}
	change := node.ProviderErrors(pod.Annotations, providers, failed)
	if len(change) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": change}})
	if err == nil {
		_, err = d.deps.Kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		return fmt.Errorf("annotate pod %s with the errors of provider networks: %w", d.cfg.Pod, err)
	}
	return nil
}
