// Package cache keeps what is slow to make and does not change with the code: Kubernetes' programs, root file systems, base and test images.
//
// Key: the version of what was made, in the name of its folder below `${XDG_CACHE_HOME:-$HOME/.cache}/kube-ovn-lab/`.
// It reads hack/lab/kubernetes (a module of its own, which pins every version) and writes only below that folder. A thing that is there is
// complete: it is made under another name first and renamed, and two processes that want the same thing wait for each other.
package cache
