// Package network wires a lab: the management bridge beside the machine's own interfaces, and one namespace `ext` that holds the tunnel's switch and
// the switches of the outside networks with their routers, so that all further traffic stays in namespaces of the lab.
//
//	machine:  <lab>-br 172.30.16.1 ── <lab>-<i> ─────────────── eth0   node i, default route via ext
//	                              └── <lab>-ext ── mgmt .254 (ext)
//	ext:      tunnel ─────────────── tunnel-<i> ─────────────── eth1   node i
//	          br-<nic> .254 ──────── <nic>-<i> ──────────────── <nic>  node i, no address
//
// Key: the lab's plan. It writes interfaces, addresses and routes in the lab's network namespaces and the interfaces plan.HostInterfaces names.
package network
