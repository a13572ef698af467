// Package plan decides what a lab is made of: nodes, addresses, networks, and the name of everything that it leaves in the machine's kernel.
//
// Key: the lab's name (environment LAB). It reads the environment and writes nothing; all of it is pure. Whoever wants to know what belongs to a
// lab, `lab down` first of all, asks here.
package plan
