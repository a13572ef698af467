// Package ovs makes OVSDB databases (OVN Northbound, OVN Southbound, Open_vSwitch) agree with wanted rows.
//
// Callers describe rows as plain values that name other rows by identity, never by UUID, and hand the whole set of one
// owner to [Client.Apply]. The engine compares it with a lean cache, sends at most one transaction for the difference
// and nothing when equal. Every written row carries `vendor=kube-ovn` and `owner=<kind>/<key>` in external_ids.
// It is the only importer of libovsdb.
package ovs
