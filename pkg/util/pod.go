package util

// CNIType is the type of our plugin in CNI configurations.
const CNIType = "kube-ovn"

// SetUIDAnnotation on an IP object is the UID of the StatefulSet that its address is kept for.
const SetUIDAnnotation = "ovn.kubernetes.io/statefulset-uid"

// Reason of the event on a pod that has its network but not what its annotations eip, snat or north_gateway ask for.
const EventPodNetworkUpdateFailed = "PodNetworkUpdateFailed"

// EventPodNetworkUnsupported warns of annotations that this version does not act on.
const EventPodNetworkUnsupported = "NotSupported"

// Keys in external_ids of a pod's switch port (northbound.md 4.5.3).
const (
	ExtVips       = "vips"
	ExtAttachVips = "attach-vips"
)
