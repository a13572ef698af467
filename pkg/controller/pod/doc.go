// Package pod gives each Pod its addresses and switch ports. Queue key: namespace/name.
//
// Reads Pods, Namespaces, Subnets, StatefulSets, IP objects, Vips, Vlans, NetworkAttachmentDefinitions, and of the default
// Vpc the external gateway in effect. Writes the pod's Logical_Switch_Ports with their group memberships, and for the
// annotations eip, snat and north_gateway NAT rows and a 29250 policy per family (northbound.md 4.5). API: the pods' IP
// objects, and on the Pod the annotations of the allocation with `allocated` and `routed` in one patch.
//
// The order of writing is the IP object (the durable claim), one transaction for all ports, one patch. A crash at any point
// repeats harmlessly. Outside addresses are leased in the address book of the external network: a new one before the
// transaction, and an old one until after it. What cannot be had of them costs the pod an event and never its network.
package pod
