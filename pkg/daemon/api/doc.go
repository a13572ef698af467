// Package api is the contract between the CNI binary and the daemon of one node: JSON over HTTP on a unix socket.
//
// Key: a container interface (container id, interface name). Reads and writes nothing but the socket. The package imports
// the standard library and the CNI types only, so that the binary stays small.
package api
