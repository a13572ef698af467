// Package controller is the program behind the leader's lock: it connects to the databases, makes the objects of the
// cluster's own network, rebuilds the address books and runs one loop per kind. The kinds are its subfolders; each says in
// its doc.go what it reads and writes.
package controller
