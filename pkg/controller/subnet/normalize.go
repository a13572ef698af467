package subnet

import (
	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// normalized is a copy of subnet with our finalizer and the form of its spec that is written back (northbound.md 4.2.1), or
// Invalid when the spec has no such form. It is idempotent.
func normalized(subnet *v1.Subnet, config Config) (*v1.Subnet, error) {
	out := subnet.DeepCopy()
	reconcile.AddFinalizer(out)
	spec := &out.Spec
	if spec.Provider == "" {
		spec.Provider = util.OvnProvider
	}
	if spec.Vpc == "" && util.IsOvnProvider(spec.Provider) {
		spec.Vpc = config.DefaultVpc
	}
	if err := normalizeAddresses(spec); err != nil {
		return nil, err
	}
	if spec.Vlan == "" {
		spec.U2OInterconnection = false
	}
	if !spec.U2OInterconnection {
		spec.U2OInterconnectionIP = ""
	}
	normalizeGateway(out, config)
	normalizeLoadBalancing(out, config)
	return out, nil
}

func normalizeAddresses(spec *v1.SubnetSpec) error {
	if spec.CIDRBlock == "" {
		if spec.Vlan == "" {
			return invalid("cidrBlock is empty, only an underlay subnet can do without")
		}
		spec.Protocol = util.ProtocolMac
		return nil
	}
	prefixes, err := util.ParseSubnetCIDRs(spec.CIDRBlock)
	if err != nil {
		return invalid("%v", err)
	}
	if err := util.ValidateGateway(spec.Gateway, prefixes); err != nil {
		return invalid("%v", err)
	}
	gateway, err := util.CompleteGateway(spec.Gateway, prefixes)
	if err != nil {
		return invalid("%v", err)
	}
	excludes, err := util.NormalizeExcludeIPs(spec.ExcludeIps, gateway)
	if err != nil {
		return invalid("%v", err)
	}
	spec.CIDRBlock = util.FormatCIDRs(prefixes)
	spec.Protocol = util.ProtocolOf(spec.CIDRBlock)
	spec.Gateway, spec.ExcludeIps = gateway, excludes
	return nil
}

// normalizeGateway fills what only subnets of the default VPC have: the default flag and the way out of the cluster.
func normalizeGateway(out *v1.Subnet, config Config) {
	spec := &out.Spec
	if spec.Vpc != config.DefaultVpc {
		return
	}
	if out.Name != config.DefaultSubnet {
		spec.Default = false
	}
	if spec.GatewayType == "" && out.Name != config.JoinSubnet {
		spec.GatewayType = util.GatewayDistributed
	}
	switch {
	case spec.GatewayType == util.GatewayDistributed:
		spec.GatewayNode = ""
	case spec.GatewayType == util.GatewayCentralized && config.EnableEcmp:
		spec.EnableEcmp = true
	}
}

func normalizeLoadBalancing(out *v1.Subnet, config Config) {
	switch {
	case out.Name == config.JoinSubnet:
		out.Spec.EnableLb = nil
	case out.Spec.EnableLb == nil && util.IsOvnProvider(out.Spec.Provider):
		enable := config.EnableLb
		out.Spec.EnableLb = &enable
	}
}

func invalid(format string, args ...any) error {
	return reconcile.Invalid(util.ReasonSubnetInvalid, format, args...)
}
