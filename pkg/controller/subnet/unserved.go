package subnet

import (
	"slices"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// missing says what the spec asks for and this version does not have. The subnet is usable without it.
func missing(subnet *v1.Subnet) error {
	spec := &subnet.Spec
	var fields []string
	for field, asked := range map[string]bool{
		"vips":                    len(spec.Vips) > 0,
		"enableMulticastSnoop":    spec.EnableMulticastSnoop,
		"externalEgressGateway":   spec.ExternalEgressGateway != "",
		"enableExternalLBAddress": spec.EnableExternalLBAddress,
	} {
		if asked {
			fields = append(fields, field)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	slices.Sort(fields)
	return reconcile.Blocked(util.ReasonSubnetUnsupported, "a version that supports %s", strings.Join(fields, ", "))
}

// validateMatches refuses rules that OVN would take and ignore.
func validateMatches(spec *v1.SubnetSpec) error {
	for _, acl := range spec.Acls {
		if err := util.CheckMatch(acl.Match); err != nil {
			return invalid("acl %q: invalid match: %v", acl.Match, err)
		}
	}
	return nil
}
