package port

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Port is one interface as the vswitch database has it.
type Port struct {
	ID
	IfaceID   string
	Namespace string
	Pod       string // the pod's name, or the virtual machine's
	PodUID    string // "" when not recorded
	Network   string
	Provider  string // prefix of the annotations
	Netns     string

	ids map[string]string
}

// Ports lists every interface that this daemon, or one before it, made.
func (m *Manager) Ports() []Port {
	var out []Port
	for _, key := range m.vswitch.Owners(util.PortOwnerKind) {
		if id, ok := parseID(key); ok {
			p, _ := m.port(id)
			out = append(out, p)
		}
	}
	return out
}

// port reads one interface; it has only its ID when the rows are half there, which still lets it be removed.
func (m *Manager) port(id ID) (Port, bool) {
	o, ok := m.vswitch.Get(interfaceTable, id.HostLink())
	if !ok {
		return Port{ID: id}, false
	}
	ids := o.ExternalIDs
	return Port{
		ID: id, IfaceID: ids[util.IfaceID], Namespace: ids[util.IfacePodNamespace], Pod: ids[util.IfacePodName],
		PodUID: ids[util.IfacePodUID], Network: ids[util.IfaceNetwork], Provider: ids[util.IfaceProvider],
		Netns: ids[util.IfacePodNetns], ids: ids,
	}, true
}

// SyncQoS makes the limits of a running pod's interfaces follow its annotations. It returns the interfaces that it changed.
func (m *Manager) SyncQoS(ctx context.Context, pod *corev1.Pod) ([]Port, error) {
	var changed []Port
	var errs []error
	for _, p := range m.Ports() {
		if p.PodUID == "" || p.PodUID != string(pod.UID) {
			continue
		}
		did, err := m.syncQoS(ctx, p, pod.Annotations)
		if err != nil {
			errs = append(errs, fmt.Errorf("interface %s (%s) of pod %s/%s: %w", p.IfName, p.Provider, pod.Namespace, pod.Name, err))
		}
		if did {
			changed = append(changed, p)
		}
	}
	return changed, errors.Join(errs...)
}

func (m *Manager) syncQoS(ctx context.Context, p Port, annotations map[string]string) (bool, error) {
	q, err := parseQoS(p.Provider, annotations)
	if err != nil {
		return false, err
	}
	result, err := m.vswitch.Apply(ctx, p.owner(), []ovs.Row{portRow(p.HostLink(), ownIDs(p.ids), q)})
	if err != nil {
		return false, fmt.Errorf("update port %s: %w", p.HostLink(), err)
	}
	changed := result.Operations != 0
	// A limit is put in place again even so: a privileged pod can remove it, and so can the end of a daemon between the two.
	if !m.cfg.Userspace || !changed && q.EgressRate == 0 {
		return changed, nil
	}
	netns, err := openNetns(p.Netns)
	if err != nil {
		return changed, err
	}
	defer netns.Close()
	pair, err := findVeth(p.ID, netns)
	if err != nil {
		return changed, err
	}
	return changed, pair.shapeEgress(q)
}

// ownIDs leaves out the keys of other writers of an Interface's external_ids.
func ownIDs(ids map[string]string) map[string]string {
	out := map[string]string{}
	for _, key := range []string{
		util.IfaceID, util.IfacePodName, util.IfacePodNamespace, util.IfacePodNetns, util.IfaceContainerID, util.IfacePodUID,
		util.IfaceNetwork, util.IfaceProvider, util.IfaceIP, util.IfaceEncapIP,
	} {
		if value := ids[key]; value != "" {
			out[key] = value
		}
	}
	return out
}

// joinAddrs is the comma list of addresses without their lengths.
func joinAddrs(prefixes []netip.Prefix) string {
	out := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, p.Addr().String())
	}
	return strings.Join(out, ",")
}
