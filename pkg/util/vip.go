package util

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// Values of Vip.spec.type (api.md 1.5). Empty is an address that pods share.
const (
	VipTypeSwitchLB   = "switch_lb_vip"
	VipTypeKubeHostVM = "kube_host_vm_vip"
)

// Reasons of conditions and events of Vips.
const (
	ReasonVipReconciled = "ReconcileVipSuccess"
	ReasonVipFailed     = "ReconcileVipFailed"
	ReasonVipInvalid    = "ValidateVipFailed"
	ReasonVipInUse      = "VipInUse"
)

// VipLeaseOwner is who holds a Vip's address in IPAM. It cannot be taken for an OvnEip, pod or node of the same name, and
// tells others who has what they want.
func VipLeaseOwner(name string) string { return "Vip " + name }

// VipSelector reads the "key: value" entries of a Vip's selector, all of which have to match.
func VipSelector(entries []string) (labels.Selector, error) {
	set := labels.Set{}
	for _, entry := range entries {
		key, value, ok := strings.Cut(entry, ":")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("selector %q is not \"key: value\"", entry)
		}
		set[key] = strings.TrimSpace(value)
	}
	selector, err := set.AsValidatedSelector()
	if err != nil {
		return nil, fmt.Errorf("selector: %w", err)
	}
	return selector, nil
}
