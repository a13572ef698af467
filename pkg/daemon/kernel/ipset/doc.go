// Package ipset makes the kernel's ip sets of ours agree with wanted sets.
//
// Key: a set name; ours begin with "ovn40" or "ovn60" (node.md 3.1). Reads and writes netlink. Sets must exist before the
// rules that name them and can go only after those rules: Ensure comes first in a pass and Prune last.
package ipset
