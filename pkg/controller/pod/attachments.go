package pod

import (
	"encoding/json"
	"slices"
	"strings"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	nadutils "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/utils"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// selection is one element of the pod's Multus annotations.
type selection struct {
	*nadv1.NetworkSelectionElement
	repeated bool // the same attachment is named more than once
}

// selections reads both Multus annotations (list or JSON form).
func selections(pod *corev1.Pod) ([]selection, error) {
	var list []selection
	for _, key := range []string{util.DefaultNetworkAnnotation, util.AttachmentNetworksAnnotation} {
		text := pod.Annotations[key]
		if text == "" {
			continue
		}
		elements, err := nadutils.ParseNetworkAnnotation(text, pod.Namespace)
		if err != nil {
			return nil, reconcile.Invalid(util.EventValidatePodNetworkFailed, "annotation %s: %v", key, err)
		}
		for _, e := range elements {
			list = append(list, selection{NetworkSelectionElement: e})
		}
	}
	for i := range list {
		list[i].repeated = slices.ContainsFunc(list, func(other selection) bool {
			return other.NetworkSelectionElement != list[i].NetworkSelectionElement && other.Name == list[i].Name && other.Namespace == list[i].Namespace
		})
	}
	return list, nil
}

// attached resolves a selection; ours is false for attachments of other plugins.
func (c *controller) attached(pod *corev1.Pod, s selection) (n network, ours bool, err error) {
	nad, err := c.attachments.NetworkAttachmentDefinitions(s.Namespace).Get(s.Name)
	if apierrors.IsNotFound(err) {
		return n, false, unavailable(nil, "network attachment %s/%s does not exist", s.Namespace, s.Name)
	}
	if err != nil {
		return n, false, err
	}
	provider, err := providerOf(nad)
	if err != nil || provider == "" {
		return n, false, err
	}
	n = network{prefix: provider, attachment: s.Name + "." + s.Namespace, ifname: s.InterfaceRequest, ips: s.IPRequest, mac: s.MacRequest}
	if s.repeated && s.InterfaceRequest != "" {
		n.prefix += "." + s.InterfaceRequest
	}
	if name := pod.Annotations[util.Key(n.prefix, util.LogicalSwitch)]; name != "" {
		n.subnets, err = c.named(name)
		return n, true, err
	}
	n.subnets, err = c.ofProvider(provider)
	return n, true, err
}

// ofProvider are the subnets of a provider, by name.
func (c *controller) ofProvider(provider string) ([]*v1.Subnet, error) {
	all, err := c.subnets.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range all {
		if s.Spec.Provider == provider {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil, unavailable(nil, "no subnet has provider %s", provider)
	}
	slices.Sort(names)
	return c.named(names...)
}

// pluginConf is the part of a CNI configuration, or of one plugin of a list, that tells whether we serve it.
type pluginConf struct {
	Type     string `json:"type"`
	Provider string `json:"provider"`
	IPAM     struct {
		Type     string `json:"type"`
		Provider string `json:"provider"`
	} `json:"ipam"`
	Plugins []pluginConf `json:"plugins"`
}

// providerOf is the provider of an attachment: "<nad>.<ns>.ovn" for our own type, "<nad>.<ns>" when another plugin uses us
// for addresses only, and "" when we have nothing to do with it.
func providerOf(nad *nadv1.NetworkAttachmentDefinition) (string, error) {
	var conf pluginConf
	if nad.Spec.Config == "" {
		return "", nil
	}
	if err := json.Unmarshal([]byte(nad.Spec.Config), &conf); err != nil {
		return "", reconcile.Invalid(util.EventValidatePodNetworkFailed, "config of network attachment %s/%s: %v", nad.Namespace, nad.Name, err)
	}
	base := nad.Name + "." + nad.Namespace
	for _, plugin := range append(conf.Plugins, conf) {
		switch {
		case plugin.Type == util.CNIType:
			return orDefault(plugin.Provider, base+"."+util.OvnProvider), nil
		case plugin.IPAM.Type == util.CNIType:
			return strings.TrimSuffix(orDefault(plugin.IPAM.Provider, base), "."+util.OvnProvider), nil
		}
	}
	return "", nil
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
