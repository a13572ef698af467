package util

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
