// Package ovstest runs real ovsdb-servers for tests and dumps a database as stable text.
//
// Key: one server per test, on a unix socket in the test's temporary directory. It reads and writes only that.
// It speaks to the server with a connection of its own, so that a test sees the database and not a client's cache.
package ovstest
