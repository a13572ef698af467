package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// network is what a cluster already has of a name: the Subnet, and the switch in the database.
type network struct{ subnet, inOVN bool }

// externalSwitch is the name of the default outside network's switch, and why it is that (northbound.md D-04). given is the
// flag, "" when it was not given. Clusters of earlier releases keep the name that those gave, unless the present name is in
// use besides. The Subnet counts even without its switch: the database may have been lost.
func externalSwitch(given string, present, former network) (name, why string) {
	switch {
	case given != "":
		return given, "the flag names it"
	case present.subnet:
		return util.ExternalGatewaySwitch, "its Subnet exists"
	case present.inOVN:
		return util.ExternalGatewaySwitch, "it exists"
	case former.subnet || former.inOVN:
		return util.FormerExternalGatewaySwitch, "an earlier release made it"
	}
	return util.ExternalGatewaySwitch, "it is the default"
}

// chooseExternalSwitch decides the name once, before the controllers that have it are made.
func (p *process) chooseExternalSwitch(ctx context.Context) error {
	look := func(name string) (n network, err error) {
		_, n.inOVN = p.nb.UUID(ovs.LogicalSwitch{Name: name})
		_, err = p.KubeOVN.KubeovnV1().Subnets().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return n, nil
		}
		n.subnet = err == nil
		return n, err
	}
	present, err := look(util.ExternalGatewaySwitch)
	if err != nil {
		return fmt.Errorf("get subnet %s: %w", util.ExternalGatewaySwitch, err)
	}
	former, err := look(util.FormerExternalGatewaySwitch)
	if err != nil {
		return fmt.Errorf("get subnet %s: %w", util.FormerExternalGatewaySwitch, err)
	}
	name, why := externalSwitch(p.ExternalSwitch, present, former)
	klog.FromContext(ctx).Info("Switch of the default outside network", "switch", name, "because", why)
	p.ExternalSwitch = name
	return nil
}
