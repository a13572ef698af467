// Package pod gives each Pod its addresses and switch ports. Queue key: namespace/name.
//
// Reads Pods, Namespaces, Subnets, StatefulSets, IP objects and NetworkAttachmentDefinitions. Writes the pod's
// Logical_Switch_Ports with their group memberships (northbound.md 4.5). API: the pods' IP objects, and on the Pod the
// annotations of the allocation with `allocated` and `routed` in one patch.
//
// The order of writing is the IP object (the durable claim), one transaction for all ports, one patch. A crash at any point
// repeats harmlessly.
package pod
