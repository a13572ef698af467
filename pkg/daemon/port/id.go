package port

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// ID is the key of an interface: the container (sandbox) it belongs to and its name there.
type ID struct {
	Container string
	IfName    string
}

// String is the owner key of the interface's rows.
func (id ID) String() string { return id.Container + "/" + id.IfName }

// parseID reads an owner key back; neither part can hold a slash.
func parseID(key string) (ID, bool) {
	container, ifName, ok := strings.Cut(key, "/")
	return ID{Container: container, IfName: ifName}, ok && container != "" && ifName != ""
}

func (id ID) owner() ovs.Owner { return ovs.Owner{Kind: util.PortOwnerKind, Key: id.String()} }

// HostLink is the name of the veth end on the node, and of the port on br-int: 15 characters, the kernel's limit.
func (id ID) HostLink() string { return id.hash() + util.HostLinkSuffix }

// PodLink is the alias of the veth end in the pod.
func (id ID) PodLink() string { return id.hash() + util.PodLinkSuffix }

// hash is as many hexadecimal digits as leave room for the suffix. Cutting the container id instead, as others do, makes two
// interfaces with long names collide.
func (id ID) hash() string {
	const digits = 13
	sum := sha256.Sum256([]byte(id.String()))
	return hex.EncodeToString(sum[:])[:digits]
}
