#!/usr/bin/env bash
# Installs the network into the cluster that kubectl talks to. Running it again upgrades or reconfigures in place.
#
# Every NAME="value" line below may be edited here or overridden by an environment variable of that name:
#   DATAPATH=netdev IFACE=eth1 dist/images/install.sh
set -euo pipefail

usage() {
  cat <<'HELP'
usage: install.sh [--render]

  --render   print the objects and exit; nothing is asked of the cluster. Takes OVN_DB_IPS and CENTRAL_NODES from the
             environment.

Settings are the NAME="value" lines at the top of this file; the environment wins over them.
HELP
}

# Settings that the environment has; evaluated again after the assignments.
overrides=""
for name in $(grep -oE '^[A-Z][A-Z0-9_]*="' "${BASH_SOURCE[0]}" | tr -d '="'); do
  [ -z "${!name+set}" ] || overrides+="$(printf '%s=%q;' "$name" "${!name}")"
done

REGISTRY="docker.io/kubeovn"
VERSION="v0.1.0"
IMAGE_PULL_POLICY="IfNotPresent"

# Address families. With both false: IPv4.
IPV6="false"
DUAL_STACK="false"

# Networks. The values for IPv6 and for dual stack are further below.
POD_CIDR="10.16.0.0/16"
POD_GATEWAY="10.16.0.1"
SVC_CIDR="10.96.0.0/12"
JOIN_CIDR="100.64.0.0/16"
EXCLUDE_IPS=""

# Nodes that run the control plane.
LABEL="node-role.kubernetes.io/control-plane"
DEPRECATED_LABEL="node-role.kubernetes.io/master"

# ovn-central: 1 is a standalone database on one node, 3 form a raft cluster.
OVN_CENTRAL_REPLICAS="1"
# Nodes and addresses of ovn-central, comma lists; empty: chosen from the control plane.
CENTRAL_NODES=""
OVN_DB_IPS=""

# TLS between the databases and their clients.
ENABLE_SSL="true"
TLS_MIN_VERSION=""
TLS_MAX_VERSION=""
TLS_CIPHER_SUITES=""

# Datapath of Open vSwitch: kernel, or netdev for kernels without the openvswitch module.
DATAPATH="kernel"
# Tunnel NIC: name, or comma list of regular expressions; empty: the NIC of the node's address. On the netdev datapath
# name a NIC of its own: it is moved into the bridge br-phy.
IFACE=""
DPDK_TUNNEL_IFACE="br-phy"
NETWORK_TYPE="geneve"
TUNNEL_TYPE="geneve"
HOST_TUNNEL_SRC="false"
SET_VXLAN_TX_OFF="false"
HW_OFFLOAD="false"

# Underlay as default network.
ENABLE_VLAN="false"
VLAN_NIC=""
VLAN_INTERFACE_NAME=""
VLAN_ID="100"
EXCHANGE_LINK_NAME="false"
LOGICAL_GATEWAY="false"
U2O_INTERCONNECTION="false"

# Outside network of VPCs: the switch, which is also the name of the Subnet that manages it, if there is one; empty: external,
# or ovn-external where an earlier release made that. Without such a Subnet: name (empty: that of the switch as given here,
# else external) and VLAN of its physical network. The nodes' bridge to it is br-<name>.
EXTERNAL_GATEWAY_SWITCH=""
EXTERNAL_GATEWAY_NET=""
EXTERNAL_GATEWAY_VLANID="0"
# Name its port to the physical network ln-<switch>, as early releases did, instead of localnet.<switch>.
EXTERNAL_GATEWAY_FORMER_PORT_NAME="false"

# Features.
CHECK_GATEWAY="true"
POD_NIC_TYPE="veth-pair"
ENABLE_MIRROR="false"
ENABLE_LB="true"
ENABLE_LB_SVC="false"
ENABLE_NP="true"
NP_ENFORCEMENT="standard"
ENABLE_EIP_SNAT="true"
ENABLE_EXTERNAL_VPC="false"
ENABLE_NAT_GW="true"
VPC_NAT_IMAGE="vpc-nat-gateway"
ENABLE_KEEP_VM_IP="true"
ENABLE_LIVE_MIGRATION_OPTIMIZE="true"
ENABLE_OVN_LB_PREFER_LOCAL="false"
ENABLE_ANP="false"
ENABLE_DNS_NAME_RESOLVER="false"
ENABLE_ARP_DETECT_IP_CONFLICT="true"
ENABLE_TPROXY="false"
LS_DNAT_MOD_DL_DST="true"
LS_CT_SKIP_DST_LPORT_IPS="true"
NODE_LOCAL_DNS_IP=""
SKIP_CONNTRACK_DST_CIDRS=""

# Operation.
ENABLE_METRICS="true"
SECURE_SERVING="false"
ENABLE_BIND_LOCAL_IP="true"
CNI_CONFIG_PRIORITY="01"
OVS_VSCTL_CONCURRENCY="100"
OVSDB_CON_TIMEOUT="3"
OVSDB_INACTIVITY_TIMEOUT="10"
LEADER_ELECT_LEASE_DURATION="30s"
LEADER_ELECT_RENEW_DEADLINE="20s"
LEADER_ELECT_RETRY_PERIOD="6s"
GC_INTERVAL="360"
INSPECT_INTERVAL="20"
LOG_LEVEL="2"
KUBELET_DIR="/var/lib/kubelet"
LOG_DIR="/var/log"
CNI_CONF_DIR="/etc/cni/net.d"
CNI_BIN_DIR="/opt/cni/bin"

# Installation.
# Delete pods that still run on another network, so that they come back on this one.
DEL_NON_HOST_NET_POD="true"
# Where kubectl-ko goes on this machine; empty: nowhere.
KUBECTL_KO_DIR="/usr/local/bin"
ROLLOUT_TIMEOUT="300s"

eval "$overrides" # for the decisions that follow

if [ "$IPV6" = "true" ]; then
  POD_CIDR="fd00:10:16::/112"
  POD_GATEWAY="fd00:10:16::1"
  SVC_CIDR="fd00:10:96::/108"
  JOIN_CIDR="fd00:100:64::/112"
fi
if [ "$DUAL_STACK" = "true" ]; then
  POD_CIDR="10.16.0.0/16,fd00:10:16::/112"
  POD_GATEWAY="10.16.0.1,fd00:10:16::1"
  SVC_CIDR="10.96.0.0/12,fd00:10:96::/108"
  JOIN_CIDR="100.64.0.0/16,fd00:100:64::/112"
fi
if [ "$ENABLE_VLAN" = "true" ]; then
  NETWORK_TYPE="vlan"
  VLAN_INTERFACE_NAME="$VLAN_NIC"
  ENABLE_EIP_SNAT="false"
fi

eval "$overrides"

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
NAMESPACE="kube-system"
ROLE_LABEL="kube-ovn/role"
CENTRAL_LABEL="kube-ovn/ovn-central"

say() { printf '%s\n' "[install] $*" >&2; }
fail() { printf '%s\n' "[install] ERROR: $*" >&2; exit 1; }
k() { kubectl -n "$NAMESPACE" "$@"; }

one_of() { # NAME allowed...
  local name="$1" value="${!1}"
  shift
  local allowed
  for allowed in "$@"; do
    [ "$value" = "$allowed" ] && return 0
  done
  fail "$name=\"$value\" is not one of: $*"
}

external_net() { echo "${EXTERNAL_GATEWAY_NET:-${EXTERNAL_GATEWAY_SWITCH:-external}}"; }

check_settings() {
  one_of DATAPATH kernel netdev
  one_of OVN_CENTRAL_REPLICAS 1 3 5
  one_of TUNNEL_TYPE geneve vxlan stt
  one_of NETWORK_TYPE geneve vxlan stt vlan
  one_of NP_ENFORCEMENT standard lax
  one_of POD_NIC_TYPE veth-pair
  local name
  for name in IPV6 DUAL_STACK ENABLE_SSL DEL_NON_HOST_NET_POD ENABLE_BIND_LOCAL_IP EXTERNAL_GATEWAY_FORMER_PORT_NAME; do
    one_of "$name" true false
  done
  # Better refused than silently without effect.
  for name in ENABLE_OVN_IPSEC CERT_MANAGER_IPSEC_CERT ENABLE_SINGLE_REPLICA_OVN ENABLE_IC ENABLE_COMPACT ENABLE_TPROXY SECURE_SERVING \
    ENABLE_LB_SVC ENABLE_EXTERNAL_VPC ENABLE_OVN_LB_PREFER_LOCAL ENABLE_ANP ENABLE_DNS_NAME_RESOLVER; do
    [ "${!name:-false}" = false ] || fail "$name=${!name} is not supported by this version"
  done
  for name in DEBUG_WRAPPER OVN_CENTRAL_LB_IP OVN_CENTRAL_EXTERNAL_TRAFFIC_POLICY KUBE_OVN_TLS_ROTATION_INTERVAL; do
    [ -z "${!name:-}" ] || fail "$name=${!name} is not supported by this version"
  done
  [ "${OVN_CENTRAL_SERVICE_TYPE:-ClusterIP}" = ClusterIP ] || fail "OVN_CENTRAL_SERVICE_TYPE=$OVN_CENTRAL_SERVICE_TYPE is not supported by this version"
  if [ "$DATAPATH" = netdev ] && [ "$TUNNEL_TYPE" = stt ]; then
    fail "TUNNEL_TYPE=stt needs DATAPATH=kernel"
  fi
  name="$(external_net)" # its bridge's name has to be that of a network device
  [ "${#name}" -le 12 ] || fail "EXTERNAL_GATEWAY_NET=\"$name\" is longer than 12 characters"
}

# Rendering: ${NAME} becomes the setting; a line that ends in "#if NAME" stays only when the setting is true.
render() {
  local file="$1" name value
  local script=(-e "")
  for name in $(grep -oE '#if [A-Z_0-9]+$' "$file" | cut -d' ' -f2 | sort -u); do
    if [ "${!name}" = "true" ]; then
      script+=(-e "s| *#if ${name}\$||")
    else
      script+=(-e "/#if ${name}\$/d")
    fi
  done
  for name in $(grep -oE '\$\{[A-Z_0-9]+\}' "$file" | tr -d '${}' | sort -u); do
    value="$(printf '%s' "${!name?not set, wanted by $file}" | sed 's/[\\&|]/\\&/g')"
    script+=(-e "s|\${${name}}|${value}|g")
  done
  sed "${script[@]}" "$file"
}

apply() {
  say "apply $1"
  render "$here/manifests/$1.yaml" | kubectl apply -f - | sed 's/^/[install]   /' >&2
}

derive() {
  IMAGE="$REGISTRY/kube-ovn:$VERSION"
  KERNEL="$([ "$DATAPATH" = kernel ] && echo true || echo false)"
  NETDEV="$([ "$DATAPATH" = netdev ] && echo true || echo false)"
  IP_FAMILY_POLICY="$([ "$DUAL_STACK" = true ] && echo PreferDualStack || echo SingleStack)"
  MASTERS="${MASTERS:-1}"
  EXTERNAL_GATEWAY_NET="$(external_net)"
  # Members of the raft cluster; a single one is a standalone database.
  NODE_IPS="$([ "$OVN_CENTRAL_REPLICAS" = 1 ] || echo "$OVN_DB_IPS")"
}

render_all() {
  [ -n "$OVN_DB_IPS" ] || fail "--render needs OVN_DB_IPS, the addresses of the nodes of ovn-central"
  derive
  local file
  for file in "$here"/crds/*.yaml; do
    echo "---"
    cat "$file"
  done
  for file in rbac config services ovn-central ovs-ovn kube-ovn-controller kube-ovn-cni; do
    echo "---"
    render "$here/manifests/$file.yaml"
  done
}

# An address of the wanted family: a node of a dual-stack cluster has both.
node_ip() {
  local address pattern='.'
  [ "$IPV6" = true ] && pattern=':'
  for address in $(kubectl get node "$1" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'); do
    case "$address" in *"$pattern"*) echo "$address"; return ;; esac
  done
  fail "node $1 has no InternalIP of the wanted family"
}

choose_nodes() {
  local nodes label="$LABEL"
  nodes="$(kubectl get nodes -l "$label" -o jsonpath='{.items[*].metadata.name}')"
  if [ -z "$nodes" ]; then
    label="$DEPRECATED_LABEL"
    nodes="$(kubectl get nodes -l "$label" -o jsonpath='{.items[*].metadata.name}')"
  fi
  [ -n "$nodes" ] || fail "no node has the label $LABEL; label the nodes of the control plane or set LABEL"
  MASTERS="$(echo "$nodes" | wc -w | tr -d ' ')"
  # shellcheck disable=SC2086
  kubectl label node $nodes "$ROLE_LABEL=master" --overwrite >/dev/null

  # The databases live on their nodes' disks, so later runs keep the nodes of the first.
  local chosen="${CENTRAL_NODES//,/ }" node count
  if [ -z "$chosen" ]; then
    chosen="$(kubectl get nodes -l "$CENTRAL_LABEL=true" -o jsonpath='{.items[*].metadata.name}')"
    # Nodes without our label run the databases of an installation by other means.
    [ -n "$chosen" ] || chosen="$(k get pods -l app=ovn-central -o jsonpath='{.items[*].spec.nodeName}')"
    for node in $nodes; do
      count="$(echo "$chosen" | wc -w)"
      case " $chosen " in *" $node "*) continue ;; esac
      [ "$count" -ge "$OVN_CENTRAL_REPLICAS" ] || chosen="$chosen $node"
    done
  fi
  count="$(echo "$chosen" | wc -w | tr -d ' ')"
  [ "$count" -ge "$OVN_CENTRAL_REPLICAS" ] ||
    fail "OVN_CENTRAL_REPLICAS=$OVN_CENTRAL_REPLICAS, but only $count nodes of the control plane:$chosen"
  [ "$count" -le "$OVN_CENTRAL_REPLICAS" ] ||
    fail "ovn-central has $count members ($chosen); a cluster does not shrink, set OVN_CENTRAL_REPLICAS=$count"
  # The founder of a cluster comes first: the member that was there before, where the data is.
  OVN_DB_IPS=""
  for node in $chosen; do
    kubectl label node "$node" "$CENTRAL_LABEL=true" --overwrite >/dev/null
    OVN_DB_IPS="${OVN_DB_IPS:+$OVN_DB_IPS,}$(node_ip "$node")"
  done
  say "control plane: $nodes; ovn-central on:$(printf ' %s' $chosen) ($OVN_DB_IPS)"
}

# The certificate is made here, with openssl. The CA's key stays in a secret that no pod mounts.
ensure_tls() {
  [ "$ENABLE_SSL" = true ] || return 0
  local year=31536000
  if k get secret kube-ovn-tls >/dev/null 2>&1; then
    if k get secret kube-ovn-tls -o jsonpath='{.data.cert}' | base64 -d | openssl x509 -noout -checkend "$year" >/dev/null 2>&1; then
      return 0
    fi
    say "the certificate of the databases ends within a year and is renewed"
  fi
  command -v openssl >/dev/null || fail "openssl is needed to make the certificate of the databases (or set ENABLE_SSL=false)"
  TLS_TEMP="$(umask 077 && mktemp -d)"
  trap 'rm -rf "$TLS_TEMP"' EXIT
  (
    umask 077
    cd "$TLS_TEMP"
    if k get secret kube-ovn-tls-ca >/dev/null 2>&1; then
      k get secret kube-ovn-tls-ca -o jsonpath='{.data.cacert}' | base64 -d >cacert
      k get secret kube-ovn-tls-ca -o jsonpath='{.data.cakey}' | base64 -d >cakey
    else
      say "making a CA for the databases"
      openssl ecparam -name prime256v1 -genkey -noout -out cakey
      openssl req -x509 -new -key cakey -sha256 -days 3650 -subj "/CN=kube-ovn-ca" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -out cacert
      k create secret generic kube-ovn-tls-ca --from-file=cacert --from-file=cakey >/dev/null
    fi
    openssl ecparam -name prime256v1 -genkey -noout -out key
    openssl req -new -key key -subj "/CN=ovn" -out request
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
      "extendedKeyUsage=serverAuth,clientAuth" "subjectAltName=DNS:ovn" >extensions
    openssl x509 -req -in request -CA cacert -CAkey cakey -CAcreateserial -sha256 -days 3649 -extfile extensions -out cert 2>/dev/null
    k create secret generic kube-ovn-tls --from-file=cacert --from-file=cert --from-file=key \
      --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  )
  rm -rf "$TLS_TEMP"
  say "secret kube-ovn-tls is ready"
}

# A rolling update would let members of the old and of the new list run side by side: standalone servers with empty
# databases next to the one with the data. So all stop before the list changes.
stop_databases_for_new_members() {
  local running
  running="$(k get pods -l app=ovn-central -o jsonpath='{range .items[*]}[{.spec.containers[0].env[?(@.name=="NODE_IPS")].value}]{"\n"}{end}' |
    sort -u | grep -vxF "[$NODE_IPS]" || true)"
  [ -n "$running" ] || return 0
  say "members of ovn-central change from $running to [$NODE_IPS]: stop the databases, pods keep their traffic"
  k scale deployment/ovn-central --replicas=0 >/dev/null
  k wait --for=delete pod -l app=ovn-central --timeout="$ROLLOUT_TIMEOUT" >/dev/null
}

apply_crds() {
  say "apply $(ls "$here/crds" | wc -l | tr -d ' ') CRDs"
  kubectl apply --server-side --force-conflicts -f "$here/crds" >/dev/null
  kubectl wait --for=condition=Established --timeout=60s -f "$here/crds" >/dev/null
}

rollout() {
  local workload
  for workload in "$@"; do
    say "wait for $workload"
    k rollout status "$workload" --timeout="$ROLLOUT_TIMEOUT" | sed 's/^/[install]   /' >&2 || {
      k get pods -o wide >&2
      fail "$workload is not ready after $ROLLOUT_TIMEOUT; see 'kubectl -n $NAMESPACE describe $workload' and its logs"
    }
  done
}

# The cluster's DNS is the first user of the network. Its Deployment may have waited for a network longer than its progress
# deadline, which "rollout status" takes for a failure.
wait_for_dns() {
  k get deployment coredns >/dev/null 2>&1 || return 0
  say "wait for deployment/coredns"
  k wait --for=condition=Available deployment/coredns --timeout="$ROLLOUT_TIMEOUT" >/dev/null ||
    fail "deployment/coredns is not available after $ROLLOUT_TIMEOUT; see 'kubectl -n $NAMESPACE describe deployment/coredns'"
}

# "namespace name address annotations" of the pods that have an address of a pod network and come back when deleted.
networked_pods() {
  kubectl get pods -A -o go-template='{{range .items}}{{if and (not .spec.hostNetwork) .status.podIP (eq .spec.restartPolicy "Always")}}{{.metadata.namespace}} {{.metadata.name}} {{.status.podIP}}{{range $k, $v := .metadata.annotations}} {{$k}}={{printf "%q" $v}}{{end}}{{"\n"}}{{end}}{{end}}'
}

# Pods that ran before the first install are on another network, or on none, whatever their address is; later those are
# whose address is not the one this network gave them.
restart_pods() { # the pods that ran before the first install
  [ "$DEL_NON_HOST_NET_POD" = true ] || return 0
  local foreign="$1"
  [ -n "$foreign" ] || foreign="$(networked_pods | awk '
    {
      ours = 0
      for (i = 4; i <= NF; i++)
        if ($i ~ /kubernetes\.io\/ip_address="/) {
          gsub(/"/, "", $i)
          split(substr($i, index($i, "=") + 1), ips, ",")
          for (j in ips) if (ips[j] == $3) ours = 1
        }
      if (!ours) print
    }')"
  printf '%s' "$foreign" | while read -r namespace name _ || [ -n "$namespace" ]; do
    say "restart pod $namespace/$name, which is on another network"
    kubectl -n "$namespace" delete pod "$name" --ignore-not-found --wait=false >/dev/null </dev/null
  done
}

restart_multus() {
  local workload
  for workload in $(k get daemonset -l app=multus -o name 2>/dev/null); do
    say "restart $workload, so that it takes this network as the default"
    k rollout restart "$workload" >/dev/null
  done
}

install_plugin() {
  [ -n "$KUBECTL_KO_DIR" ] || return 0
  local pod temp
  pod="$(k get pods -l app=kube-ovn-cni --field-selector=status.phase=Running -o jsonpath='{.items[0].metadata.name}')"
  if ! mkdir -p "$KUBECTL_KO_DIR" 2>/dev/null || ! [ -w "$KUBECTL_KO_DIR" ]; then
    say "cannot write to $KUBECTL_KO_DIR, kubectl-ko is not installed on this machine (nodes have it in /usr/local/bin)"
    return 0
  fi
  temp="$(mktemp "$KUBECTL_KO_DIR/.kubectl-ko.XXXXXX")"
  if k exec "$pod" -c cni-server -- cat /kube-ovn/kubectl-ko >"$temp"; then
    chmod 755 "$temp"
    mv "$temp" "$KUBECTL_KO_DIR/kubectl-ko"
    say "installed $KUBECTL_KO_DIR/kubectl-ko"
  else
    rm -f "$temp"
    say "kubectl-ko could not be copied from pod $pod"
  fi
  case ":$PATH:" in *":$KUBECTL_KO_DIR:"*) ;; *) say "add $KUBECTL_KO_DIR to PATH to use 'kubectl ko'" ;; esac
}

main() {
  case "${1:-}" in
    "") ;;
    --render) check_settings; render_all; return ;;
    -h | --help) usage; return ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
  command -v kubectl >/dev/null || fail "kubectl is not in PATH"
  check_settings
  local first_install=true foreign=""
  k get daemonset kube-ovn-cni >/dev/null 2>&1 && first_install=false
  [ "$first_install" = false ] || foreign="$(networked_pods)"
  choose_nodes
  derive
  ensure_tls
  apply_crds
  apply rbac
  # Of earlier releases, whose metrics asked the API server about callers.
  k delete rolebinding ovn-authentication-reader kube-ovn-cni-authentication-reader --ignore-not-found >/dev/null
  apply config
  apply services
  stop_databases_for_new_members
  apply ovn-central
  apply ovs-ovn
  rollout deployment/ovn-central daemonset/ovs-ovn
  apply kube-ovn-controller
  apply kube-ovn-cni
  rollout deployment/kube-ovn-controller daemonset/kube-ovn-cni
  [ "$first_install" = false ] || restart_multus
  install_plugin
  restart_pods "$foreign"
  wait_for_dns
  say "done: $IMAGE, datapath $DATAPATH, pods $POD_CIDR, join $JOIN_CIDR"
}

# The exit stands on the line of the call, so that an edit of this file while it runs is not read.
main "$@"; exit
