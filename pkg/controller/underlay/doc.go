// Package underlay connects physical networks. It has three loops.
//
// provider-network, key: its name. Reads ProviderNetworks, Vlans, Nodes and the daemons' Pods. API: finalizer and status; what
// users ask for by annotations of Nodes is moved into the spec, and the annotations are removed.
//
// vlan, key: its name. Reads Vlans, ProviderNetworks and Subnets. API: finalizer, old spec fields, status. A Vlan that is
// accepted appears in status.vlans of its ProviderNetwork, for which Subnets and nodes wait (northbound.md 4.12).
//
// u2o-overlay, key: VPC. Reads Subnets. Writes the address sets of a VPC's overlay prefixes, which the policies of all its
// underlay subnets with overlayOnlyRouting refer to.
package underlay
