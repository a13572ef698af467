// Package port makes and removes one interface of one container.
//
// Key: container id and interface name. Plan is pure: it reads the pod's annotations, its subnet and its node and says what
// the interface must be (Spec), what is still missing (WaitError) or what cannot work (InvalidError). Manager makes a Spec
// true: it writes the interface's rows in the vswitch database (owner "cni/<container>/<interface>"), a veth pair, addresses
// and routes in the pod's network namespace, and on the userspace datapath one nftables chain for the host end. Everything
// that Manager needs to find again is in the database and in names computed from the key, so that removal needs no pod.
package port
