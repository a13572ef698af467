// Package iptables makes our chains, and our rules in the chains of others, agree with a wanted ruleset.
//
// Key: an address family. Reads with one iptables-save, compares, and writes the difference with one
// iptables-restore --noflush. It touches only chains and rules that carry our mark. Rules are text in the canonical form
// that `iptables -S` prints; anything else would differ at every comparison.
package iptables
