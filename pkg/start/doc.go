// Package start holds what runs in the image beside the controller and the daemon: it starts and watches OVS and OVN,
// installs the CNI plugin, checks health and removes everything again.
//
// It reads: the environment of the pod (install.sh writes it), TLS files, database files of the host.
// It writes: the databases' files, external_ids of Open_vSwitch (node.md 1.4), leader labels of its own pod, CNI plugin files.
// All paths come from the environment, so that every program also runs outside of a container.
package start
