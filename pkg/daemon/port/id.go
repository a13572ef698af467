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

// oldHostLink is the name that the host end had before names were hashes: the beginning of the container id and, but for
// eth0, the interface's name.
func (id ID) oldHostLink() (string, bool) {
	suffix, room := util.HostLinkSuffix, 12
	if id.IfName != "eth0" {
		suffix, room = "_"+id.IfName+suffix, room-len(id.IfName)
	}
	if room <= 0 || len(id.Container) < room {
		return "", false
	}
	return id.Container[:room] + suffix, true
}

// hash is as many hexadecimal digits as leave room for the suffix. Cutting the container id instead, as others do, makes two
// interfaces with long names collide.
func (id ID) hash() string {
	const digits = 13
	sum := sha256.Sum256([]byte(id.String()))
	return hex.EncodeToString(sum[:])[:digits]
}
