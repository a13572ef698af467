// Command lab brings up a real Kubernetes of several nodes on this one machine, with the product installed as a user installs it.
//
// Key: the lab's name, environment LAB, default kube-ovn. It reads the checkout that it stands in and the cache of built things; it writes
// .lab/<name>/, .lab/env and bin/image/, and in the kernel only what package plan names.
//
// LAB_OUTSIDE says which outside networks there are behind which NIC of the nodes: `nic=prefix[@tag][+prefix[@tag]...]`, items separated by spaces, a tag
// where the nodes send with IEEE 802.1Q tag. The default is `vlan=10.5.204.0/24@204+10.10.204.0/24+10.5.49.0/24@49 eth1=172.56.0.0/16`: the networks and
// NICs of the documents. `lab ext -- CMD` runs a program in the router of these networks, which is their outside host too.
//
// Options of install.sh in the environment are passed on: `OVN_CENTRAL_REPLICAS=3 CENTRAL_NODES=... make lab-up`.
//
// Who does what:
//
//	plan      names and addresses; pure
//	cache     what is slow to make, by version: Kubernetes' programs, base systems, image archives
//	cluster   the control plane; tests and benchmarks use it without the rest
//	network   bridges, NICs, the outside network
//	node      one node: namespaces, disk, containerd, kubelet, kube-proxy
//	image     test images, the product's image, and how a node gets them
//	daemon    long-lived processes; ns, cgroup: what they run in
//
// Three hidden verbs are this program inside a node: __init becomes process 1, __spawn and __child become daemons.
package main
