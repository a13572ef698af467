//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inventory is what a set of tenants leaves on the databases and nodes, one sorted list of names per place.
type inventory map[string][]string

// TestNothingLeaks makes tenants, subnets of the default VPC and pods, deletes everything, and finds every database and
// node as it was before: no row, port, link, entry of an ipset, rule, chain, route or IP object more or less.
func TestNothingLeaks(t *testing.T) {
	rest(t)
	before := takeInventory(t)
	var manifests strings.Builder
	manifests.WriteString(namespaceYAML("e2e-leak1") + namespaceYAML("e2e-leak2") + `---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata: {name: e2e-leak-vpc}
spec:
  namespaces: [e2e-leak1]
  staticRoutes: [{cidr: 0.0.0.0/0, nextHopIP: 10.8.0.254, policy: policyDst}]
  policyRoutes: [{priority: 11, match: "ip4.src==10.8.0.0/24 && ip4.dst==10.8.0.250", action: drop}]
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata: {name: e2e-leak-net1}
spec: {vpc: e2e-leak-vpc, cidrBlock: 10.8.0.0/24, namespaces: [e2e-leak1], enableDHCP: true}
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata: {name: e2e-leak-net2}
spec: {cidrBlock: 10.9.0.0/24, namespaces: [e2e-leak2], private: true, natOutgoing: true, allowSubnets: [10.16.0.0/16]}
`)
	pods := map[string][]string{}
	for i := range 6 {
		ns := fmt.Sprintf("e2e-leak%d", i%2+1)
		pods[ns] = append(pods[ns], fmt.Sprintf("p%d", i))
		manifests.WriteString(podYAML(ns, fmt.Sprintf("p%d", i), nodes[i%len(nodes)]))
	}
	apply(t, manifests.String())
	for ns, names := range pods {
		ready(t, 2*time.Minute, ns, names...)
	}
	during := takeInventory(t)
	for _, place := range []string{"Logical_Switch", "Logical_Switch_Port", "Logical_Router", "ips", "ovs " + nodes[1], "ipsets " + nodes[1], "iptables " + nodes[1]} {
		if len(during[place]) <= len(before[place]) {
			t.Errorf("%s did not grow: the inventory would not see a leak", place)
		}
	}
	if err := cluster.Delete(t.Context(), []byte(manifests.String())); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, "everything is as before", func() error { return takeInventory(t).differs(before) })
}

// rest waits until every pod is ready and none is on its way out: those that an installation or a node restarts take their
// time.
func rest(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "no pod comes or goes", func() error {
		pods, err := cluster.Kube.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, p := range pods.Items {
			ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			})
			if !ready || p.DeletionTimestamp != nil {
				return fmt.Errorf("%s/%s does", p.Namespace, p.Name)
			}
		}
		return nil
	})
}

// differs names the first differences, or is nil.
func (i inventory) differs(before inventory) error {
	var lines []string
	for place, names := range i {
		for _, name := range names {
			if !slices.Contains(before[place], name) {
				lines = append(lines, place+": left "+name)
			}
		}
		for _, name := range before[place] {
			if !slices.Contains(names, name) {
				lines = append(lines, place+": lost "+name)
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.Sort(lines)
	return fmt.Errorf("%s", strings.Join(lines[:min(len(lines), 20)], "; "))
}

// Columns that name the rows of each Northbound table that the product writes.
var inventoryTables = map[string]string{
	"Logical_Switch": "name", "Logical_Switch_Port": "name", "Logical_Router": "name", "Logical_Router_Port": "name",
	"Logical_Router_Static_Route": "ip_prefix,nexthop,route_table", "Logical_Router_Policy": "priority,match",
	"Port_Group": "name", "Address_Set": "name", "ACL": "priority,direction,match", "DHCP_Options": "cidr",
	"Load_Balancer": "name", "NAT": "external_ip,logical_ip",
}

// takeInventory is called when nothing comes or goes.
func takeInventory(t *testing.T) inventory {
	t.Helper()
	all := inventory{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(6)
	take := func(place string, look func() ([]string, error)) {
		group.Go(func() error {
			list, err := look()
			mu.Lock()
			defer mu.Unlock()
			all[place] = list
			return err
		})
	}
	for table, columns := range inventoryTables {
		take(table, func() ([]string, error) {
			out, err := cluster.Nbctl(t.Context(), "--no-headings", "--format=csv", "--columns="+columns, "list", table)
			return sortedLines(out), err
		})
	}
	for _, node := range nodes {
		take("ovs "+node, func() ([]string, error) {
			out, err := cluster.Ko(t.Context(), "vsctl", node, "list-ports", "br-int")
			return sortedLines(out), err
		})
		for place, argv := range map[string][]string{
			"links":     {"ip", "-o", "link", "show"},
			"ipsets":    {"ipset", "save"},
			"iptables":  {"iptables-save"},
			"ip6tables": {"ip6tables-save"},
			"routes":    {"ip", "route", "show", "dev", "ovn0"},
			"netns":     {"ip", "netns", "list"},
			"nft":       {"nft", "list", "chains", "netdev"},
		} {
			take(place+" "+node, func() ([]string, error) {
				out, err := cluster.Node(t.Context(), node, argv...)
				return names(place, out), err
			})
		}
	}
	take("ips", func() (list []string, err error) {
		ips, err := cluster.OVN.KubeovnV1().IPs().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, ip := range ips.Items {
			list = append(list, ip.Name)
		}
		return list, nil
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

// names reduces the lines of a command to what identifies a thing.
func names(place, out string) []string {
	lines, table := slices.Collect(strings.Lines(out)), ""
	for i, line := range lines {
		line = strings.TrimSpace(line)
		lines[i] = line
		switch fields := strings.Fields(line); {
		case place == "links" && len(fields) > 1: // "7: eth0@if8: <...> mtu ..."
			name, _, _ := strings.Cut(strings.TrimSuffix(fields[1], ":"), "@")
			lines[i] = name
		case place == "netns" && len(fields) > 0:
			lines[i] = fields[0]
		case place == "ipsets" && len(fields) > 3 && fields[0] == "create": // a set that was larger once keeps its hashsize
			lines[i] = strings.Join(fields[:3], " ")
		case !strings.HasSuffix(place, "tables"):
		case strings.HasPrefix(line, ":KUBE-"), strings.HasPrefix(line, "-A KUBE-"): // kube-proxy's, which follow the pods of Services later
			lines[i] = ""
		case strings.HasPrefix(line, "*"):
			table = line
		case strings.HasPrefix(line, ":"): // with counters
			lines[i] = table + " " + fields[0]
		case strings.HasPrefix(line, "#"): // with the time
			lines[i] = ""
		default:
			lines[i] = table + " " + line
		}
	}
	return sortedLines(strings.Join(lines, "\n"))
}

func sortedLines(out string) []string {
	var list []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return list
}
