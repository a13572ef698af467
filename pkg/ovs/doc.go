// Package ovs makes OVSDB databases (OVN Northbound, OVN Southbound, Open_vSwitch) agree with wanted rows.
//
// Key: the owner, `<kind>/<key>`, of a set of rows. Reads: the tables and columns of schema.go through one monitor, never
// the long lists of children. Writes: exactly the rows of the owner, each marked with `vendor=kube-ovn` and `owner` in
// external_ids; rows, keys and members of others are left alone. It is the only importer of libovsdb.
//
// Callers describe rows as plain values (rows.go) that name other rows by identity, never by UUID, and hand the whole set
// of one owner to [Client.Apply]. The way of a set:
//
//	rows_*.go   Row -> wanted: table, identity, parent, columns, references
//	diff.go     cache + wanted -> plan; remove.go: what is wanted no longer; both are pure
//	plan.go     plans of several owners merge into one transaction, one mutate per parent row
//	apply.go    group commit: gather, send, split on error, look at the cache whether all is as wanted
//	session.go  connect, leader, watchdog, reconnect; rpc.go: JSON-RPC; cache.go: the lean copy and its indexes
//	observe.go  status columns and drift out to the callers
//
// The cache is our own and not that of libovsdb, because the engine needs rows by identity, owner, parent and group, must
// know synchronously what its own transaction changed, and must work with columns that the generated models lack. Adding
// a port to a switch of 5,000 costs the client 0.1 ms in a group and 0.25 ms alone; the library's cache over the same lean
// monitor costs 0.3 to 0.4 ms, over whole rows 20 ms (test/bench/ovs).
//
// A lean cache does not see who holds a child. A child that exists is held, because the server collects the others, and
// says in its external_ids by whom. That is believed only of rows with our mark; for the others the parents are looked up
// once. Port groups hold ports weakly: a port records name and UUID of its groups, so that a group that was deleted and
// made anew, and so lost its ports, is told from the one that was joined.
package ovs
