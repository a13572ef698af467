// Package externalgw keeps what the external gateway of the default VPC needs beside the VPC's own port: the bare external
// switch and the labels of the gateway nodes. Queue key: the name of the gateway's ConfigMap.
//
// Reads the default Vpc, whose annotation has the settings in effect, Subnets and Nodes. Writes, as long as no Subnet manages
// it, the switch with its localnet port, and its address book in IPAM (northbound.md 4.13). API: a label of the nodes, and
// an annotation that says for whom.
package externalgw
