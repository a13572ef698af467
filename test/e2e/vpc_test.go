//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// vpcs is the first example of document 001 under names of its own, so that it runs beside an applied quickstart.
const vpcs = `
apiVersion: v1
kind: Namespace
metadata:
  name: e2e-ns1
---
apiVersion: v1
kind: Namespace
metadata:
  name: e2e-ns2
---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-vpc-1
spec:
  namespaces:
  - e2e-ns1
---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-vpc-2
spec:
  namespaces:
  - e2e-ns2
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-net1
spec:
  vpc: e2e-vpc-1
  cidrBlock: 10.0.1.0/24
  protocol: IPv4
  namespaces:
    - e2e-ns1
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-net2
spec:
  vpc: e2e-vpc-2
  cidrBlock: 10.0.1.0/24
  protocol: IPv4
  namespaces:
    - e2e-ns2
`

// TestS049toS054 walks through the first example of document 001: two tenants with the same CIDR.
func TestS049toS054(t *testing.T) {
	beside(t)
	apply(t, vpcs)
	t.Run("S049 vpcs are standby and own a marked router", func(t *testing.T) {
		for i, vpc := range []string{"e2e-vpc-1", "e2e-vpc-2"} {
			eventually(t, 30*time.Second, vpc+" is standby", func() error { return wantColumns(t.Context(), "vpc", vpc, "STANDBY", "true") })
			if err := wantColumns(t.Context(), "vpc", vpc, "NAMESPACES", fmt.Sprintf(`["e2e-ns%d"]`, i+1)); err != nil {
				t.Error(err)
			}
			if got := nbctl(t, "get", "Logical_Router", vpc, "external_ids:vendor"); strings.TrimSpace(got) != "kube-ovn" {
				t.Errorf("router %s has vendor %q", vpc, got)
			}
		}
	})
	t.Run("S051 both subnets are ready with their router ports", func(t *testing.T) {
		for i, net := range []string{"e2e-net1", "e2e-net2"} {
			eventually(t, 30*time.Second, net+" is ready", func() error { return subnetReady(t, net) })
			port := fmt.Sprintf("e2e-vpc-%d-%s", i+1, net)
			if got := strings.TrimSpace(nbctl(t, "get", "Logical_Router_Port", port, "networks")); got != `["10.0.1.1/24"]` {
				t.Errorf("networks of %s = %s", port, got)
			}
		}
	})
	t.Run("S052 namespaces are annotated", func(t *testing.T) {
		for i, ns := range []string{"e2e-ns1", "e2e-ns2"} {
			want := fmt.Sprintf("e2e-net%d", i+1)
			eventually(t, 20*time.Second, ns+" is annotated", func() error {
				got, err := cluster.Kube.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{})
				if err == nil && got.Annotations["ovn.kubernetes.io/logical_switch"] != want {
					err = fmt.Errorf("annotations are %v", got.Annotations)
				}
				return err
			})
		}
	})
	apply(t, podYAML("e2e-ns1", "vpc1-pod", nodes[1])+podYAML("e2e-ns1", "vpc1-pod2", nodes[2])+
		podYAML("e2e-ns2", "vpc2-pod", nodes[1])+podYAML("e2e-ns2", "vpc2-pod2", nodes[2])+podYAML("e2e-ns2", "vpc2-pod3", nodes[0]))
	one := ready(t, 90*time.Second, "e2e-ns1", "vpc1-pod", "vpc1-pod2")
	two := ready(t, 90*time.Second, "e2e-ns2", "vpc2-pod", "vpc2-pod2", "vpc2-pod3")
	t.Run("S053 addresses come from each tenant's subnet", func(t *testing.T) { checkTenantAddresses(t, one, two) })
	t.Run("S054 tenants are isolated", func(t *testing.T) { checkIsolation(t, one, two) })
}

func checkTenantAddresses(t *testing.T, one, two map[string]string) {
	cidr := netip.MustParsePrefix("10.0.1.0/24")
	for i, tenant := range []map[string]string{one, two} {
		for pod, address := range tenant {
			if !cidr.Contains(netip.MustParseAddr(address)) {
				t.Errorf("%s has %s", pod, address)
			}
			ip, err := cluster.OVN.KubeovnV1().IPs().Get(t.Context(), fmt.Sprintf("%s.e2e-ns%d", pod, i+1), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("e2e-net%d", i+1); ip.Spec.Subnet != want || ip.Spec.V4IPAddress != address {
				t.Errorf("IP %s says subnet %s, address %s", ip.Name, ip.Spec.Subnet, ip.Spec.V4IPAddress)
			}
		}
	}
}

func checkIsolation(t *testing.T, one, two map[string]string) {
	if err := cluster.Ping(t.Context(), "e2e-ns1", "vpc1-pod", one["vpc1-pod2"]); err != nil {
		t.Errorf("inside VPC 1: %v", err)
	}
	if err := cluster.Ping(t.Context(), "e2e-ns2", "vpc2-pod", two["vpc2-pod2"]); err != nil {
		t.Errorf("inside VPC 2: %v", err)
	}
	own := []string{one["vpc1-pod"], one["vpc1-pod2"]}
	foreign := 0
	for pod, address := range two {
		if slices.Contains(own, address) {
			continue
		}
		foreign++
		if err := cluster.Ping(t.Context(), "e2e-ns1", "vpc1-pod", address); err == nil {
			t.Errorf("VPC 1 reaches %s of VPC 2 at %s", pod, address)
		}
	}
	if foreign == 0 {
		t.Error("VPC 2 has no address that VPC 1 does not have: isolation was not seen")
	}
}

// TestS050 shows that a VPC without namespaces restricts none (D-12).
func TestS050(t *testing.T) {
	beside(t)
	apply(t, namespaceYAML("e2e-any")+`---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-open
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-open-net
spec:
  vpc: e2e-open
  cidrBlock: 10.7.0.0/24
  namespaces: [e2e-any]
`)
	eventually(t, 30*time.Second, "e2e-open-net is ready", func() error { return subnetReady(t, "e2e-open-net") })
}

// subnetReady is nil when the Ready condition is true for the current generation.
func subnetReady(t *testing.T, name string) error {
	s, err := cluster.OVN.KubeovnV1().Subnets().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" && c.ObservedGeneration == s.Generation {
			return nil
		}
	}
	return fmt.Errorf("conditions are %+v", s.Status.Conditions)
}

// wantColumns compares one printed column of `kubectl get`.
func wantColumns(ctx context.Context, resource, name, column, want string) error {
	table, err := printed(ctx, resource, name)
	if err != nil {
		return err
	}
	if got := table[column]; got != want {
		return fmt.Errorf("column %s is %q, want %q", column, got, want)
	}
	return nil
}

// printed is the row that `kubectl get` prints for one object, by column name, asked from the API server as a Table.
func printed(ctx context.Context, resource, name string) (map[string]string, error) {
	plural := map[string]string{
		"vpc": "vpcs", "subnet": "subnets", "ip": "ips", "vip": "vips", "vlan": "vlans", "provider-network": "provider-networks",
		"oeip": "ovn-eips", "ofip": "ovn-fips", "osnat": "ovn-snat-rules", "odnat": "ovn-dnat-rules",
	}[resource]
	raw, err := cluster.Kube.Discovery().RESTClient().Get().AbsPath("/apis/kubeovn.io/v1", plural, name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var table metav1.Table
	if err := json.Unmarshal(raw, &table); err != nil {
		return nil, err
	}
	if len(table.Rows) != 1 {
		return nil, fmt.Errorf("%d rows", len(table.Rows))
	}
	row := map[string]string{}
	for i, c := range table.ColumnDefinitions {
		if cell := table.Rows[0].Cells[i]; cell != nil {
			row[strings.ToUpper(c.Name)] = cellText(cell)
		}
	}
	return row, nil
}

// cellText renders a cell as kubectl does: strings as they are, the rest as JSON.
func cellText(cell any) string {
	if s, ok := cell.(string); ok {
		return s
	}
	text, err := json.Marshal(cell)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
