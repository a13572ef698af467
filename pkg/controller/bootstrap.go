package controller

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// bootstrap makes the objects of the cluster's own network where they do not exist (northbound.md 2.3, 2.4). What exists
// wins over the flags, but gains a second address family when the flags have one.
func (p *process) bootstrap(ctx context.Context) error {
	vpcs := p.KubeOVN.KubeovnV1().Vpcs()
	_, err := vpcs.Get(ctx, p.DefaultVpc, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = vpcs.Create(ctx, &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: p.DefaultVpc}}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("make vpc %s: %w", p.DefaultVpc, err)
	}
	if p.underlay() {
		if err := p.ensureUplink(ctx); err != nil {
			return err
		}
	}
	for _, wanted := range []*v1.Subnet{p.joinSubnet(), p.defaultSubnet()} {
		if err := p.ensureSubnet(ctx, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) joinSubnet() *v1.Subnet {
	return &v1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: c.JoinSubnet},
		Spec: v1.SubnetSpec{
			Vpc: c.DefaultVpc, Provider: util.OvnProvider, CIDRBlock: c.JoinCIDR, Gateway: c.JoinGateway, DisableInterConnection: true,
		},
	}
}

func (c *Config) defaultSubnet() *v1.Subnet {
	enableLb := c.EnableLb
	s := &v1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: c.DefaultSubnet},
		Spec: v1.SubnetSpec{
			Vpc: c.DefaultVpc, Provider: util.OvnProvider, Default: true,
			CIDRBlock: c.DefaultCIDR, Gateway: c.DefaultGateway, ExcludeIps: c.DefaultExcludeIPs,
			NatOutgoing: true, GatewayType: util.GatewayDistributed, DisableGatewayCheck: !c.GatewayCheck, EnableLb: &enableLb,
		},
	}
	if c.underlay() {
		s.Spec.Vlan, s.Spec.LogicalGateway, s.Spec.U2OInterconnection = c.DefaultVlan, c.DefaultLogicalGateway, c.DefaultU2O
	}
	return s
}

// ensureUplink makes the provider network and the VLAN of the default subnet where they do not exist.
func (p *process) ensureUplink(ctx context.Context) error {
	pns, vlans := p.KubeOVN.KubeovnV1().ProviderNetworks(), p.KubeOVN.KubeovnV1().Vlans()
	_, err := pns.Get(ctx, p.DefaultProvider, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = pns.Create(ctx, &v1.ProviderNetwork{
			ObjectMeta: metav1.ObjectMeta{Name: p.DefaultProvider},
			Spec:       v1.ProviderNetworkSpec{DefaultInterface: p.DefaultInterface, ExchangeLinkName: p.ExchangeLinkName},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("make provider network %s: %w", p.DefaultProvider, err)
	}
	_, err = vlans.Get(ctx, p.DefaultVlan, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = vlans.Create(ctx, &v1.Vlan{
			ObjectMeta: metav1.ObjectMeta{Name: p.DefaultVlan},
			Spec:       v1.VlanSpec{ID: p.DefaultVlanID, Provider: p.DefaultProvider},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("make vlan %s: %w", p.DefaultVlan, err)
	}
	return nil
}

func (p *process) ensureSubnet(ctx context.Context, wanted *v1.Subnet) error {
	client := p.KubeOVN.KubeovnV1().Subnets()
	existing, err := client.Get(ctx, wanted.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if _, err := client.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create subnet %s: %w", wanted.Name, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("get subnet %s: %w", wanted.Name, err)
	}
	patch, err := reconcile.LockedMergePatch(existing, widened(existing, wanted))
	if err != nil || patch == nil {
		return err
	}
	klog.FromContext(ctx).Info("Subnet gets a second address family", "subnet", wanted.Name, "patch", string(patch))
	if _, err := client.Patch(ctx, wanted.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("widen subnet %s: %w", wanted.Name, err)
	}
	return nil
}

// widened is a copy of existing with the address family it lacks and wanted has; its gateway follows by normalisation.
func widened(existing, wanted *v1.Subnet) *v1.Subnet {
	out := existing.DeepCopy()
	have4, have6 := util.SplitDual(existing.Spec.CIDRBlock)
	want4, want6 := util.SplitDual(wanted.Spec.CIDRBlock)
	gateway4, gateway6 := util.SplitDual(wanted.Spec.Gateway)
	add := func(cidr, gateway string) {
		out.Spec.CIDRBlock = strings.Join([]string{out.Spec.CIDRBlock, cidr}, ",")
		if gateway != "" {
			out.Spec.Gateway = strings.Join([]string{out.Spec.Gateway, gateway}, ",")
		}
		out.Spec.Protocol = util.ProtocolDual
	}
	switch {
	case have4 != "" && have6 == "" && want6 != "":
		add(want6, gateway6)
	case have6 != "" && have4 == "" && want4 != "":
		add(want4, gateway4)
	}
	return out
}
