// Package ovnnat gives out outside addresses and translates them: OvnEip, OvnFip, OvnSnatRule and OvnDnatRule, one loop per
// kind. Queue key: the object's name.
//
// Reads those four, IPs, Vips, Subnets and Vpcs, of the default Vpc also the external gateway in effect. Writes the switch
// port of an lsp OvnEip, NAT rows and the Load_Balancer of a dnat rule (northbound.md 4.14 to 4.17), the 29250 and 29240
// policies of rules in VPCs with more than one way out, and leases in IPAM. API: finalizers, labels, annotations and status
// of the four kinds, and the addresses in the spec of an OvnEip.
//
// A rule whose VPC has no router port on the OvnEip's network has its rows and is not Ready; the port wakes it. Rows of two
// rules that would be equal, the routes of one address, are one rule's: a FIP's before a snat's, else the older one's. Whose
// they are is decided from the objects; the database only tells when the other has let go.
package ovnnat
