package v1_test

import (
	"strings"
	"testing"
)

// change is an update of an object. Without a sentence in want, the API server has to accept it.
type change struct {
	why    string
	kind   string
	from   string
	status string
	to     string
	want   string
}

func TestUpdates(t *testing.T) {
	const dnat = `eip: e, externalPort: "1", internalPort: "2", internalIp: 10.0.0.1, protocol: tcp`
	for _, row := range []change{
		// What controllers fill in.
		{why: "subnet defaults", kind: "Subnet", from: `{cidrBlock: 10.0.0.7/24}`, to: `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1, excludeIps: [10.0.0.1], vpc: ovn-cluster, provider: ovn, protocol: IPv4, gatewayType: distributed, enableLb: true}`},
		{why: "subnet gateway while in use", kind: "Subnet", from: `{cidrBlock: 10.0.0.0/24}`, status: `{v4usingIPs: 3}`, to: `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1}`},
		{why: "ip addresses", kind: "IP", from: `{subnet: s, podName: "", v4IpAddress: ""}`, to: `{subnet: s, podName: a, namespace: b, v4IpAddress: 10.0.0.5, ipAddress: 10.0.0.5, macAddress: "00:00:00:00:00:01"}`},
		{why: "ip in canonical form", kind: "IP", from: `{subnet: s, v6IpAddress: "fd00:0::00a", macAddress: "00:00:00:ab:cd:ef"}`, to: `{subnet: s, v6IpAddress: "fd00::a", macAddress: "00:00:00:AB:CD:EF"}`},
		{why: "vip in canonical form", kind: "Vip", from: `{subnet: s, v6ip: "fd00:0::00a", macAddress: "00:00:00:ab:cd:ef"}`, to: `{subnet: s, v6ip: "fd00::a", macAddress: "00:00:00:AB:CD:EF"}`},
		{why: "subnet gateway of a second family while in use", kind: "Subnet", from: `{cidrBlock: "10.0.0.0/24,fd00::/64", gateway: 10.0.0.1}`, status: `{v4usingIPs: 3}`, to: `{cidrBlock: "10.0.0.0/24,fd00::/64", gateway: "10.0.0.1,fd00::1"}`},
		{why: "subnet gateways in order while in use", kind: "Subnet", from: `{cidrBlock: "fd00::/64,10.0.0.0/24", gateway: "fd00::1,10.0.0.1"}`, status: `{v4usingIPs: 3}`, to: `{cidrBlock: "10.0.0.0/24,fd00::/64", gateway: "10.0.0.1,fd00::1"}`},
		{why: "ip node", kind: "IP", from: `{subnet: s, nodeName: n1}`, to: `{subnet: s, nodeName: n2}`},
		{why: "vip addresses", kind: "Vip", from: `{subnet: s}`, to: `{subnet: s, v4ip: 10.0.0.5, macAddress: "00:00:00:00:00:01"}`},
		{why: "vip selector", kind: "Vip", from: `{subnet: s, v4ip: 10.0.0.5, selector: ["a: b"]}`, to: `{subnet: s, v4ip: 10.0.0.5, selector: ["a: c"]}`},
		{why: "ovn eip addresses", kind: "OvnEip", from: `{}`, to: `{externalSubnet: e, type: nat, v4Ip: 10.0.0.5, v6Ip: "fd00::5", macAddress: "00:00:00:00:00:01"}`},
		{why: "iptables eip addresses", kind: "IptablesEIP", from: `{natGwDp: g}`, to: `{natGwDp: g, v4ip: 10.0.0.5, macAddress: "00:00:00:00:00:01", externalSubnet: e, namespace: ns1}`},
		{why: "old vlan fields", kind: "Vlan", from: `{vlanId: 5, providerInterfaceName: p}`, to: `{id: 5, provider: p}`},
		{why: "dnat type is written out", kind: "IptablesDnatRule", from: `{type: "", ` + dnat + `}`, to: `{type: exclusive, ` + dnat + `}`},
		{why: "fip target", kind: "OvnFip", from: `{ovnEip: e, ipName: a.b}`, to: `{ovnEip: e, vpc: v, v4Ip: 10.0.0.1}`},
		{why: "gateway grows", kind: "VpcNatGateway", from: `{vpc: v, subnet: s, replicas: 2}`, to: `{vpc: v, subnet: s, replicas: 3}`},

		// What users may not change.
		{why: "subnet vpc", kind: "Subnet", from: `{cidrBlock: 10.0.0.0/24, vpc: a}`, to: `{cidrBlock: 10.0.0.0/24, vpc: b}`, want: "spec.vpc: Invalid value: vpc can only be changed from empty"},
		{why: "subnet vpc removed", kind: "Subnet", from: `{cidrBlock: 10.0.0.0/24, vpc: a}`, to: `{cidrBlock: 10.0.0.0/24}`, want: "vpc can only be changed from empty"},
		{why: "subnet cidr added", kind: "Subnet", from: `{vlan: v}`, to: `{vlan: v, cidrBlock: 10.0.0.0/24}`, want: "cidrBlock can be neither added to nor removed from a subnet"},
		{why: "subnet cidr removed", kind: "Subnet", from: `{vlan: v, cidrBlock: 10.0.0.0/24}`, to: `{vlan: v}`, want: "cidrBlock can be neither added to nor removed from a subnet"},
		{why: "subnet gateway in use", kind: "Subnet", from: `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1}`, status: `{v4usingIPs: 3, v6usingIPs: 0}`, to: `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.2}`, want: "can't update gateway of cidr when any IPs in Using"},
		{why: "one of two subnet gateways in use", kind: "Subnet", from: `{cidrBlock: "10.0.0.0/24,fd00::/64", gateway: "10.0.0.1,fd00::1"}`, status: `{v6usingIPs: 1}`, to: `{cidrBlock: "10.0.0.0/24,fd00::/64", gateway: "10.0.0.1,fd00::2"}`, want: "can't update gateway of cidr when any IPs in Using"},
		{why: "subnet gateway in use removed", kind: "Subnet", from: `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1}`, status: `{v4usingIPs: 3}`, to: `{cidrBlock: 10.0.0.0/24}`, want: "can't update gateway of cidr when any IPs in Using"},
		{why: "subnet IPv6 gateway in use", kind: "Subnet", from: `{cidrBlock: "fd00::/64", gateway: "fd00::1"}`, status: `{v6usingIPs: 20000000000000000000}`, to: `{cidrBlock: "fd00::/64", gateway: "fd00::2"}`, want: "can't update gateway of cidr when any IPs in Using"},
		{why: "ip subnet", kind: "IP", from: `{subnet: s}`, to: `{subnet: t}`, want: "subnet of an ip can not change once it is set"},
		{why: "ip pod", kind: "IP", from: `{subnet: s, podName: a}`, to: `{subnet: s, podName: b}`, want: "podName of an ip can not change"},
		{why: "ip namespace", kind: "IP", from: `{subnet: s, namespace: a}`, to: `{subnet: s, namespace: b}`, want: "namespace of an ip can not change"},
		{why: "ip pod type", kind: "IP", from: `{subnet: s, podType: StatefulSet}`, to: `{subnet: s, podType: ""}`, want: "podType of an ip can not change"},
		{why: "ip IPv4", kind: "IP", from: `{subnet: s, v4IpAddress: 10.0.0.1}`, to: `{subnet: s, v4IpAddress: 10.0.0.2}`, want: "v4IpAddress of an ip can not change"},
		{why: "ip IPv6", kind: "IP", from: `{subnet: s, v6IpAddress: "fd00::1"}`, to: `{subnet: s}`, want: "v6IpAddress of an ip can not change"},
		{why: "ip mac", kind: "IP", from: `{subnet: s, macAddress: "00:00:00:00:00:01"}`, to: `{subnet: s, macAddress: "00:00:00:00:00:02"}`, want: "macAddress of an ip can not change"},
		{why: "ippool subnet", kind: "IPPool", from: `{subnet: s, ips: [10.0.0.1]}`, to: `{subnet: t, ips: [10.0.0.1]}`, want: "subnet of an ippool can not change"},
		{why: "vip address", kind: "Vip", from: `{subnet: s, v4ip: 10.0.0.1}`, to: `{subnet: s, v4ip: 10.0.0.2}`, want: "vip has been assigned, does not support change of v4ip"},
		{why: "vip mac", kind: "Vip", from: `{subnet: s, macAddress: "00:00:00:00:00:01"}`, to: `{subnet: s}`, want: "does not support change of macAddress"},
		{why: "vip IPv6", kind: "Vip", from: `{subnet: s, v6ip: "fd00::1"}`, to: `{subnet: s, v6ip: "fd00::2"}`, want: "does not support change of v6ip"},
		{why: "vip type", kind: "Vip", from: `{subnet: s}`, to: `{subnet: s, type: switch_lb_vip}`, want: "vip does not support change of type"},
		{why: "ovn eip address", kind: "OvnEip", from: `{v4Ip: 10.0.0.1}`, to: `{v4Ip: 10.0.0.2}`, want: "OvnEip not support change of v4Ip"},
		{why: "ovn eip subnet", kind: "OvnEip", from: `{externalSubnet: a}`, to: `{externalSubnet: b}`, want: "OvnEip not support change of externalSubnet"},
		{why: "ovn eip IPv6", kind: "OvnEip", from: `{v6Ip: "fd00::1"}`, to: `{v6Ip: "fd00::2"}`, want: "OvnEip not support change of v6Ip"},
		{why: "ovn eip mac", kind: "OvnEip", from: `{macAddress: "00:00:00:00:00:01"}`, to: `{macAddress: "00:00:00:00:00:02"}`, want: "OvnEip not support change of macAddress"},
		{why: "ovn eip type", kind: "OvnEip", from: `{}`, to: `{type: lsp}`, want: "OvnEip not support change of type"},
		{why: "iptables eip gateway", kind: "IptablesEIP", from: `{natGwDp: a}`, to: `{natGwDp: b}`, want: "natGwDp of an eip can not change"},
		{why: "iptables eip address", kind: "IptablesEIP", from: `{natGwDp: a, v4ip: 10.0.0.1}`, to: `{natGwDp: a, v4ip: 10.0.0.2}`, want: "v4ip of an eip can not change"},
		{why: "dnat type", kind: "IptablesDnatRule", from: `{` + dnat + `}`, to: `{type: share, ` + dnat + `}`, want: "type of a dnat rule can not change"},
		{why: "gateway namespace", kind: "VpcNatGateway", from: `{vpc: v, subnet: s, namespace: a}`, to: `{vpc: v, subnet: s, namespace: b}`, want: "spec.namespace is immutable"},
		{why: "gateway becomes highly available", kind: "VpcNatGateway", from: `{vpc: v, subnet: s}`, to: `{vpc: v, subnet: s, replicas: 2}`, want: "not supported; delete and recreate the gateway"},
		{why: "qos shared", kind: "QoSPolicy", from: `{bindingType: EIP}`, to: `{bindingType: EIP, shared: true}`, want: "not support qos change of shared"},
		{why: "qos binding", kind: "QoSPolicy", from: `{bindingType: EIP, shared: true}`, to: `{bindingType: NATGW, shared: true}`, want: "not support qos change of bindingType"},
		{why: "egress gateway prefix", kind: "VpcEgressGateway", from: `{externalSubnet: e, prefix: a, policies: [{subnets: [a]}]}`, to: `{externalSubnet: e, prefix: b, policies: [{subnets: [a]}]}`, want: "prefix of a gateway can not change"},
	} {
		t.Run(strings.ReplaceAll(row.why, " ", "_"), func(t *testing.T) { checkChange(t, row) })
	}
}

// checkChange creates an object, gives it a status, and changes its spec.
func checkChange(t *testing.T, row change) {
	t.Helper()
	server := newCRDServer(t)
	old, err := server.create(t.Context(), object(t, row.kind, "test", row.from))
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	if row.status != "" {
		withStatus := object(t, row.kind, "test", row.from)
		withStatus["status"] = parse(t, row.status)
		if old, err = server.updateStatus(t.Context(), withStatus, old); err != nil {
			t.Fatalf("status: %v", err)
		}
	}
	_, err = server.update(t.Context(), object(t, row.kind, "test", row.to), old)
	if row.want != "" {
		wantRefusal(t, err, row.want)
	} else if err != nil {
		t.Errorf("refused: %v", err)
	}
}

// An object that was stored before a rule existed can still be worked on, as long as the part that breaks the rule stays.
func TestRulesDoNotLockStoredObjects(t *testing.T) {
	server := newCRDServer(t)
	old := object(t, "Subnet", "test", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1, allowSubnets: [10.1.0.0]}`)
	changed := object(t, "Subnet", "test", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1, allowSubnets: [10.1.0.0], private: true}`)
	changed["metadata"] = map[string]any{"name": "test", "finalizers": []any{"kubeovn.io/kube-ovn-controller"}}
	if _, err := server.update(t.Context(), changed, old); err != nil {
		t.Errorf("edit beside the old mistake: %v", err)
	}
	status := object(t, "Subnet", "test", `{}`)
	status["status"] = parse(t, `{v4usingIPs: 1}`)
	if _, err := server.updateStatus(t.Context(), status, old); err != nil {
		t.Errorf("status: %v", err)
	}
}

func TestStatusConditionsAreClosed(t *testing.T) {
	server := newCRDServer(t)
	old := object(t, "Vpc", "test", `{}`)
	for _, row := range []struct{ why, status, want string }{
		{"status of a condition", `{conditions: [{type: Ready, status: Maybe}]}`, `supported values: "True", "False", "Unknown"`},
		{"time", `{conditions: [{type: Ready, status: "True", lastTransitionTime: yesterday}]}`, "must be of type date-time"},
		{"unknown field", `{ready: true}`, "unknown fields [status.ready]"},
		{"type of a field", `{standby: "yes"}`, "must be of type boolean"},
	} {
		t.Run(row.why, func(t *testing.T) {
			changed := object(t, "Vpc", "test", `{}`)
			changed["status"] = parse(t, row.status)
			_, err := server.updateStatus(t.Context(), changed, old)
			wantRefusal(t, err, row.want)
		})
	}
}
