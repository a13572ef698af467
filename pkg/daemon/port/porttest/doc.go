// Package porttest runs a real node for tests: Open vSwitch with the userspace datapath, OVN's databases, ovn-northd and
// ovn-controller, in network, mount and process namespaces of the test binary's own. It needs root.
//
// Key: one Node per test. It reads and writes the test's temporary directory only; everything dies with the test binary.
package porttest
