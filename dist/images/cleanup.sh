#!/usr/bin/env bash
# Removes the network from the cluster that kubectl talks to, with everything it made: objects, workloads, annotations and
# labels, and on every node its devices, rules, ip sets and files. Running it again is harmless.
set -euo pipefail

# Settings that the environment has win over the assignments below.
overrides=""
for name in $(grep -oE '^[A-Z][A-Z0-9_]*="' "${BASH_SOURCE[0]}" | tr -d '="'); do
  [ -z "${!name+set}" ] || overrides+="$(printf '%s=%q;' "$name" "${!name}")"
done

# Image of the pods that clean the nodes; empty: that of the installed DaemonSet.
IMAGE=""
IMAGE_PULL_POLICY="IfNotPresent"
LOG_DIR="/var/log"
CNI_CONF_DIR="/etc/cni/net.d"
CNI_BIN_DIR="/opt/cni/bin"
# How long to wait for the controller to take its rows back and for the nodes to be clean.
TIMEOUT="120s"

eval "$overrides"

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
NAMESPACE="kube-system"

say() { printf '%s\n' "[cleanup] $*" >&2; }
fail() { printf '%s\n' "[cleanup] ERROR: $*" >&2; exit 1; }
k() { kubectl -n "$NAMESPACE" "$@"; }

# Kinds of the group in the order in which they let go of each other.
KINDS="vpc-egress-gateways vpc-nat-gateways vpc-dnses switch-lb-rules router-lb-rules
  iptables-snat-rules iptables-dnat-rules iptables-fip-rules iptables-eips
  ovn-dnat-rules ovn-snat-rules ovn-fips ovn-eips
  vips qos-policies security-groups ippools bgp-confs evpn-confs dnsnameresolvers
  subnets vpcs ips vlans provider-networks"

remember_image() {
  [ -n "$IMAGE" ] && return
  local workload
  for workload in daemonset/ovs-ovn daemonset/kube-ovn-cni daemonset/kube-ovn-cleanup; do
    IMAGE="$(k get "$workload" -o jsonpath='{.spec.template.spec.containers[0].image}' --ignore-not-found)"
    [ -z "$IMAGE" ] || return 0
  done
}

# Those of KINDS that the cluster has, in their order.
installed_kinds() {
  local kind crds
  crds="$(kubectl get crd -o name)"$'\n' || return
  for kind in $KINDS; do
    case "$crds" in *"/$kind.kubeovn.io"$'\n'*) echo "$kind.kubeovn.io" ;; esac
  done
}

# Objects that users made go first, while the controller is there to undo what they did.
delete_objects() {
  local kind kinds
  kinds="$(installed_kinds)"
  for kind in $kinds; do
    case "$kind" in subnets.* | vpcs.* | ips.*) continue ;; esac
    say "delete $kind"
    kubectl delete "$kind" --all --all-namespaces --ignore-not-found --timeout="$TIMEOUT" >/dev/null ||
      say "some $kind are held by finalizers, which are removed below"
  done
}

delete_workloads() {
  say "delete workloads"
  k delete daemonset/kube-ovn-pinger deployment/kube-ovn-monitor deployment/ovn-ic-controller deployment/kube-ovn-controller \
    --ignore-not-found --wait=true --cascade=foreground >/dev/null
  k delete daemonset/kube-ovn-cni --ignore-not-found --wait=true --cascade=foreground >/dev/null
  k delete daemonset/ovs-ovn daemonset/ovs-ovn-dpdk deployment/ovn-central --ignore-not-found --wait=true --cascade=foreground >/dev/null
  k delete service ovn-nb ovn-sb ovn-northd kube-ovn-controller kube-ovn-cni kube-ovn-monitor kube-ovn-pinger --ignore-not-found >/dev/null
  k delete configmap ovn-vpc-nat-config ovn-vpc-nat-gw-config ovn-external-gw-config ovn-ic-config --ignore-not-found >/dev/null
  k delete configmap vpc-dns-config vpc-dns-corefile --ignore-not-found >/dev/null
  k delete secret kube-ovn-tls kube-ovn-tls-ca ovn-ipsec-ca --ignore-not-found >/dev/null
  k delete lease kube-ovn-controller --ignore-not-found >/dev/null
}

clean_nodes() {
  if [ -z "$IMAGE" ]; then
    say "no workload tells the image: nodes are not cleaned; run again with IMAGE=registry/kube-ovn:tag to clean them"
    return
  fi
  say "clean the nodes with $IMAGE"
  k delete daemonset kube-ovn-cleanup --ignore-not-found --wait=true --cascade=foreground >/dev/null
  local name script=(-e "")
  for name in IMAGE IMAGE_PULL_POLICY LOG_DIR CNI_CONF_DIR CNI_BIN_DIR; do
    script+=(-e "s|\${$name}|$(printf '%s' "${!name}" | sed 's/[\\&|]/\\&/g')|g")
  done
  sed "${script[@]}" "$here/manifests/cleanup.yaml" | kubectl apply -f - >/dev/null
  if ! k rollout status daemonset/kube-ovn-cleanup --timeout="$TIMEOUT" | sed 's/^/[cleanup]   /' >&2; then
    k logs -l app=kube-ovn-cleanup -c uninstall --tail=20 --prefix >&2 || true
    fail "some nodes are not clean; DaemonSet kube-ovn-cleanup is left to show why"
  fi
  k delete daemonset kube-ovn-cleanup --ignore-not-found --wait=true --cascade=foreground >/dev/null
}

# Objects go with their kinds. Nobody is left who would remove finalizers.
delete_kinds() {
  local kinds held namespace kind object
  kinds="$(installed_kinds)"
  [ -n "$kinds" ] || return 0
  say "delete all kinds"
  held="$(kubectl get "$(echo $kinds | tr ' ' ,)" --all-namespaces --ignore-not-found \
    -o go-template='{{range .items}}{{if .metadata.finalizers}}{{with .metadata.namespace}}{{.}}{{else}}-{{end}} {{.kind}} {{.metadata.name}}{{"\n"}}{{end}}{{end}}')"
  # shellcheck disable=SC2086
  kubectl delete crd $kinds --ignore-not-found --wait=false >/dev/null
  printf '%s' "$held" | while read -r namespace kind object || [ -n "$object" ]; do
    in_namespace "$namespace" patch "$kind.kubeovn.io" "$object" --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null 2>&1 || true
  done
  # shellcheck disable=SC2086
  kubectl delete crd $kinds --ignore-not-found --timeout="$TIMEOUT" >/dev/null
}

delete_rbac() {
  say "delete accounts and roles"
  kubectl delete clusterrolebinding ovn ovn-ovs kube-ovn-cni kube-ovn-app --ignore-not-found >/dev/null
  kubectl delete clusterrole system:ovn system:ovn-ovs system:kube-ovn-cni system:kube-ovn-app --ignore-not-found >/dev/null
  k delete rolebinding ovn ovn-ovs kube-ovn-cni ovn-authentication-reader kube-ovn-cni-authentication-reader --ignore-not-found >/dev/null
  k delete role system:ovn system:ovn-ovs system:kube-ovn-cni --ignore-not-found >/dev/null
  k delete serviceaccount ovn ovn-ovs kube-ovn-cni kube-ovn-app --ignore-not-found >/dev/null
}

in_namespace() {
  local namespace="$1"
  shift
  if [ "$namespace" = - ]; then
    kubectl "$@" </dev/null
  else
    kubectl -n "$namespace" "$@" </dev/null
  fi
}

# Our keys are those of our domains, and the allocation that a provider's own prefix carries.
OUR_KEYS='(^|\.)ovn\.kubernetes\.io/|\.provider-network\.(ovn\.)?kubernetes\.io/|^kube-ovn/(role|ovn-central)$|^kube-ovn\.io/|\.kubernetes\.io/(allocated|routed|ip_address|mac_address|cidr|gateway|logical_switch|logical_router|pod_nic_type|vlan_id|provider_network)$'

strip() { # kind, annotate or label
  local kind="$1" verb="$2" field namespace name keys
  field="$([ "$verb" = annotate ] && echo annotations || echo labels)"
  kubectl get "$kind" --all-namespaces -o go-template="{{range .items}}{{\$o := .metadata}}{{range \$k, \$v := .metadata.$field}}{{with \$o.namespace}}{{.}}{{else}}-{{end}} {{\$o.name}} {{\$k}}{{\"\\n\"}}{{end}}{{end}}" |
    awk -v ours="$OUR_KEYS" '$3 ~ ours { keys[$1 " " $2] = keys[$1 " " $2] " " $3 "-" } END { for (o in keys) print o keys[o] }' |
    while read -r namespace name keys; do
      # shellcheck disable=SC2086
      in_namespace "$namespace" "$verb" "$kind" "$name" $keys >/dev/null || say "$kind $namespace/$name keeps some of $keys"
    done
}

strip_objects() {
  local kind
  for kind in nodes namespaces pods; do
    say "strip annotations and labels of $kind"
    strip "$kind" annotate
    strip "$kind" label
  done
}

command -v kubectl >/dev/null || fail "kubectl is not in PATH"
[ $# -eq 0 ] || fail "cleanup.sh takes no arguments; settings are environment variables"
remember_image
delete_objects
delete_workloads
clean_nodes
delete_kinds
delete_rbac
strip_objects
say "done; pods that ran on this network need another one and a restart"
