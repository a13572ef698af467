package vpc

import (
	"slices"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// normalized is a copy of vpc with our finalizer and the defaults that are written back (northbound.md 4.1).
func normalized(vpc *v1.Vpc) *v1.Vpc {
	out := vpc.DeepCopy()
	reconcile.AddFinalizer(out)
	for _, route := range out.Spec.StaticRoutes {
		if route.Policy == "" {
			route.Policy = v1.PolicyDst
		}
	}
	for _, policy := range out.Spec.PolicyRoutes {
		if policy.Action != v1.PolicyRouteActionReroute {
			policy.NextHopIP = ""
		}
	}
	return out
}

// rows are the wanted rows of one VPC, or Invalid with the user's mistake.
func rows(in inputs) ([]ovs.Row, error) {
	if err := checkNames(in); err != nil {
		return nil, err
	}
	want := []ovs.Row{router(in)}
	for _, part := range []func(inputs) ([]ovs.Row, error){peerings, externalPorts, staticRoutes, routePolicies, policyRoutes} {
		more, err := part(in)
		if err != nil {
			return nil, err
		}
		want = append(want, more...)
	}
	return want, nil
}

// checkNames refuses a VPC that shares its name with an older subnet, because router and switch names are one namespace,
// and a default subnet of another VPC.
func checkNames(in inputs) error {
	if s := in.namesake; s != nil && s.CreationTimestamp.Before(&in.vpc.CreationTimestamp) {
		return invalid("vpc and subnet cannot have the same name %s", s.Name)
	}
	if s := in.wantedDefault; s != nil && s.Spec.Vpc != "" && s.Spec.Vpc != in.vpc.Name {
		return invalid("default subnet %s belongs to vpc %s", s.Name, s.Spec.Vpc)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return reconcile.Invalid(util.ReasonVpcInvalid, format, args...)
}

// router is the logical router. Learning from every ARP request is switched off unless somebody outside our tables, at an
// external network, a peering or an underlay subnet, has to be learned.
func router(in inputs) ovs.LogicalRouter {
	options := map[string]string{
		"mac_binding_age_threshold": "300",
		"dynamic_neigh_routers":     "true",
	}
	underlay := slices.ContainsFunc(in.subnets, func(s *v1.Subnet) bool { return s.Spec.Vlan != "" && s.Spec.U2OInterconnection })
	if !in.vpc.Spec.EnableExternal && len(in.external.links) == 0 && len(in.vpc.Spec.VpcPeerings) == 0 && !underlay {
		options["always_learn_from_arp_request"] = "false"
	}
	known := slices.Clone(in.gateways)
	if in.join != nil {
		known = append(known, trimmed(in.join.Spec.Gateway)...)
	}
	return ovs.LogicalRouter{Name: in.vpc.Name, Options: options, Gateways: known}
}

// missing says what the spec asks for and this version does not have. The VPC is usable without it.
func missing(vpc *v1.Vpc) error {
	var fields []string
	for field, asked := range map[string]bool{
		"enableBfd":            vpc.Spec.EnableBfd,
		"bfdPort":              vpc.Spec.BFDPort != nil && vpc.Spec.BFDPort.Enabled,
		"staticRoutes[].bfdId": slices.ContainsFunc(vpc.Spec.StaticRoutes, func(r *v1.StaticRoute) bool { return r.BfdID != "" }),
	} {
		if asked {
			fields = append(fields, field)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	slices.Sort(fields)
	return reconcile.Blocked(util.ReasonVpcUnsupported, "a version that supports %s", strings.Join(fields, ", "))
}

// status is what the rows offer to subnets and users; conditions are kept.
func status(in inputs, config Config) v1.VpcStatus {
	out := *in.vpc.Status.DeepCopy()
	out.Standby = true
	out.Default = in.isDefault
	out.Router = in.vpc.Name
	out.Subnets = names(slices.DeleteFunc(slices.Clone(in.subnets), terminating))
	out.DefaultLogicalSwitch = defaultSubnet(in, config)
	out.VpcPeerings = established(in)
	out.EnableExternal, out.ExtraExternalSubnets = len(in.external.links) > 0, nil
	for _, l := range in.external.links {
		if slices.Contains(extras(in.vpc), l.network) {
			out.ExtraExternalSubnets = append(out.ExtraExternalSubnets, l.network)
		}
	}
	slices.Sort(out.ExtraExternalSubnets)
	// Nobody makes load balancers of Services yet.
	out.TCPLoadBalancer, out.UDPLoadBalancer, out.SctpLoadBalancer = "", "", ""
	out.TCPSessionLoadBalancer, out.UDPSessionLoadBalancer, out.SctpSessionLoadBalancer = "", "", ""
	return out
}

func terminating(s *v1.Subnet) bool { return !s.DeletionTimestamp.IsZero() }

// defaultSubnet is the subnet that pods of the VPC's namespaces get: the one the spec names as soon as it exists, else the
// one that calls itself default.
func defaultSubnet(in inputs, config Config) string {
	if in.isDefault {
		return config.DefaultSubnet
	}
	if s := in.wantedDefault; s != nil && s.Spec.Vpc == in.vpc.Name && !terminating(s) {
		return s.Name
	}
	for _, s := range in.subnets {
		if s.Spec.Default && !terminating(s) {
			return s.Name
		}
	}
	return ""
}

// trimmed splits a comma list; the empty text has no parts.
func trimmed(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
