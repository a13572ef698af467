// Package network wires a lab: the management bridge beside the machine's own interfaces, and one namespace `ext` that holds the tunnel's switch and
// the switches of the outside networks with their routers, so that all further traffic stays in namespaces of the lab.
//
//	machine:  <lab>-br 172.30.16.1 ── <lab>-<i> ─────────────── eth0   node i, default route via ext
//	                              └── <lab>-ext ── mgmt .254 (ext)
//	ext:      tunnel ─────────────── tunnel-<i> ─────────────── eth2   node i
//	          br-<nic> .254 ──────── <nic>-<i> ──────────────── <nic>  node i, no address
//	          br-<nic> ───────────── <nic>-<i> ──────────────── <nic>  node i, with VLAN tags
//	           └ <nic>.<tag> .254
//	          lo 223.5.5.5, 2400:3200::1
//
// The namespace ext is also a router: between the outside networks, the management network and the far addresses on its lo. Every outside network has
// IPv4 and IPv6, 10.5.204.254/24 and fd00:5:204::254/64. A node's way to an outside address is two routed hops when a VPC's router is the second.
//
// Key: the lab's plan. It writes interfaces, addresses and routes in the lab's network namespaces and the interfaces plan.HostInterfaces names.
package network
