// Command lab brings up a real Kubernetes of several nodes on this one machine, with the product installed as a user installs it.
//
// Key: the lab's name, environment LAB, default kube-ovn. It reads the checkout in the working directory and the cache of built things; it writes
// .lab/<name>/ and .lab/env, and in the kernel only what package plan names. Package cluster of this folder runs a control plane alone, for tests.
package main
