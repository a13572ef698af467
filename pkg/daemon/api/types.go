package api

import (
	"github.com/containernetworking/cni/pkg/types"
)

// PluginType is the `type` of our own CNI configuration, and the `ipam.type` when we only hand out addresses.
const PluginType = "kube-ovn"

// Paths of the socket server. Add and Del are the long-standing contract; the others carry the verbs of CNI 0.4 and 1.1.
const (
	PathAdd    = "/api/v1/add"
	PathDel    = "/api/v1/del"
	PathCheck  = "/api/v1/check"
	PathGC     = "/api/v1/gc"
	PathStatus = "/api/v1/status"
)

// Error codes of the CNI specification (section 5, "Error") that the daemon and the plugin answer with.
const (
	CodeUnknownContainer  = types.ErrUnknownContainer     // 3: the pod is gone
	CodeDecodingFailure   = types.ErrDecodingFailure      // 6: stdin is no JSON
	CodeInvalidConfig     = types.ErrInvalidNetworkConfig // 7: configuration or annotations cannot work
	CodeTryAgainLater     = types.ErrTryAgainLater        // 11: a repetition may work
	CodePluginUnavailable = uint(50)                      // STATUS: no ADD can be served now
)

// Protocols of an IP.
const (
	ProtocolIPv4 = "IPv4"
	ProtocolIPv6 = "IPv6"
)

// Route is one route of the network configuration, of the pod's annotation or of a reply.
type Route struct {
	Destination string `json:"dst,omitempty"` // prefix or address; "" is the default route
	Gateway     string `json:"gw,omitempty"`  // address; "" is the link itself
}

// Request asks for one interface of one container. Add, Del and Check use it; Del reads ContainerID, IfName and NetNS only.
type Request struct {
	CNIType      string    `json:"cni_type"`
	PodName      string    `json:"pod_name"`
	PodNamespace string    `json:"pod_namespace"`
	PodUID       string    `json:"pod_uid,omitempty"` // "" when the runtime does not tell
	ContainerID  string    `json:"container_id"`
	NetNS        string    `json:"net_ns"`
	IfName       string    `json:"if_name"`
	Network      string    `json:"network,omitempty"` // name of the network configuration: the scope of GC
	Provider     string    `json:"provider"`
	Routes       []Route   `json:"routes"`
	DNS          types.DNS `json:"dns"`

	VfDriver string `json:"vf_driver"`
	DeviceID string `json:"deviceID"`

	VhostUserSocketVolumeName  string `json:"vhost_user_socket_volume_name"`
	VhostUserSocketName        string `json:"vhost_user_socket_name"`
	VhostUserSocketConsumption string `json:"vhost_user_socket_consumption"`

	// Expected is what an earlier Add answered; only Check reads it.
	Expected *Expected `json:"expected,omitempty"`
}

// Expected is the part of a previous result that Check compares with the kernel.
type Expected struct {
	MAC       string   `json:"mac,omitempty"`
	Addresses []string `json:"addresses,omitempty"` // with prefix length
	Routes    []Route  `json:"routes,omitempty"`
}

// IP is one address of a reply.
type IP struct {
	Protocol string `json:"protocol"` // IPv4 or IPv6
	IP       string `json:"ip"`
	CIDR     string `json:"cidr"`              // of the subnet; the address has its mask
	Gateway  string `json:"gateway,omitempty"` // only on the interface that carries the default route
}

// Response answers Add, and every call that failed.
type Response struct {
	IPs        []IP      `json:"ips"`
	MACAddress string    `json:"mac_address"`
	Routes     []Route   `json:"routes"`
	MTU        int       `json:"mtu"`
	NicName    string    `json:"nicname"`
	DNS        types.DNS `json:"dns"`

	// Error is empty on success. Code is the CNI error code that goes with it, Details what an operator can look at.
	Error   string `json:"error"`
	Code    uint   `json:"code,omitempty"`
	Details string `json:"details,omitempty"`
}

// Attachment names one interface that the runtime still knows.
type Attachment struct {
	ContainerID string `json:"container_id"`
	IfName      string `json:"if_name"`
}

// GCRequest lists the interfaces of one network that are still in use; everything else of that network may go.
type GCRequest struct {
	Network string       `json:"network"`
	Valid   []Attachment `json:"valid_attachments"`
}
