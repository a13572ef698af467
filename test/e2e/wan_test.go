//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// The tests of the files wan* need an outside network. There is one at a time, shared by the tests that want the same one,
// and it goes when a test wants another one or none, at the latest at the end (TestMain). Flags change only where the next
// one wants others. These files come last in the order of names, so that the tests before them find the cluster as it is
// installed, and have numbers, so that those that share a network or flags follow each other.

// deployment is an outside network of the cluster.
type deployment struct {
	name string
	// controller and daemon are flags that differ from the installed ones.
	controller, daemon map[string]string
	// manifests are applied in order and removed in the opposite one.
	manifests []string
	// gateways are nodes that get the label of gateway nodes by hand.
	gateways []string
	// ready fails while the network is not complete.
	ready func(context.Context) error
}

// current is what is deployed now, why that failed, what undoes it, last step first, and the installed values of the flags
// that were ever changed.
var current struct {
	sync.Mutex
	*deployment
	err                error
	undo               []func(context.Context) error
	controller, daemon map[string]string
}

// deploy makes d the outside network.
func deploy(t *testing.T, d *deployment) {
	t.Helper()
	current.Lock()
	defer current.Unlock()
	if current.deployment == d {
		if current.err != nil {
			t.Fatalf("outside network %s did not come up: %v", d.name, current.err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if err := tearDown(ctx); err != nil {
		t.Fatal(err)
	}
	current.deployment = d
	if current.err = d.up(ctx); current.err != nil {
		t.Fatalf("outside network %s: %v", d.name, current.err)
	}
}

// withoutDeployment is for tests that need the cluster as it is installed, or bring a network up themselves.
func withoutDeployment(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := asInstalled(ctx); err != nil {
		t.Fatal(err)
	}
}

// asInstalled removes what is deployed and gives all flags their installed values.
func asInstalled(ctx context.Context) error {
	current.Lock()
	defer current.Unlock()
	return errors.Join(tearDown(ctx), setFlags(ctx, nil, nil))
}

// setFlags gives the controller and the daemons some flags and all others their installed values.
func setFlags(ctx context.Context, controller, daemon map[string]string) error {
	var both errgroup.Group
	for _, program := range []struct {
		want      map[string]string
		installed *map[string]string
		set       func(context.Context, map[string]string) (map[string]string, error)
	}{{controller, &current.controller, cluster.SetControllerFlags}, {daemon, &current.daemon, cluster.SetDaemonFlags}} {
		both.Go(func() error {
			want := map[string]string{}
			maps.Copy(want, *program.installed)
			maps.Copy(want, program.want)
			before, err := program.set(ctx, want)
			if *program.installed == nil {
				*program.installed = map[string]string{}
			}
			for name, value := range before {
				if _, known := (*program.installed)[name]; !known {
					(*program.installed)[name] = value
				}
			}
			return err
		})
	}
	return both.Wait()
}

func (d *deployment) up(ctx context.Context) error {
	if err := setFlags(ctx, d.controller, d.daemon); err != nil {
		return err
	}
	// All at once, in whichever order they were applied: what is still used waits for its users.
	current.undo = append(current.undo, unlabelGateways, func(ctx context.Context) error {
		return cluster.Delete(ctx, []byte(strings.Join(d.manifests, "\n---\n")))
	}, switchOff)
	for _, manifest := range d.manifests {
		if err := cluster.Apply(ctx, []byte(manifest)); err != nil {
			return err
		}
		if err := addressed(ctx, manifest); err != nil {
			return err
		}
	}
	if len(d.gateways) > 0 { // the command of document 000
		args := append(append([]string{"label", "nodes"}, d.gateways...), "ovn.kubernetes.io/external-gw=true", "--overwrite")
		if _, err := cluster.Kubectl(ctx, args...); err != nil {
			return err
		}
	}
	return framework.Poll(ctx, "the outside network is complete", func() error { return d.ready(ctx) })
}

// addressed waits until the pods and Vips of a manifest have their addresses, so that the next ones get the next.
func addressed(ctx context.Context, manifest string) error {
	objects, err := framework.Objects([]byte(manifest))
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() != "Pod" && o.GetKind() != "Vip" {
			continue
		}
		err := framework.Poll(ctx, o.GetKind()+" "+o.GetName()+" has an address", func() error {
			if o.GetKind() == "Vip" {
				vip, err := cluster.OVN.KubeovnV1().Vips().Get(ctx, o.GetName(), metav1.GetOptions{})
				if err == nil && vip.Status.V4ip == "" {
					err = fmt.Errorf("conditions are %+v", vip.Status.Conditions)
				}
				return err
			}
			pod, err := cluster.Kube.CoreV1().Pods(o.GetNamespace()).Get(ctx, o.GetName(), metav1.GetOptions{})
			if err == nil && pod.Annotations["ovn.kubernetes.io/ip_address"] == "" {
				err = errors.New("it has none")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tearDown removes what is deployed and finds nothing of it left.
func tearDown(ctx context.Context) error {
	if current.deployment == nil {
		return nil
	}
	var err error
	for _, undo := range slices.Backward(current.undo) {
		err = errors.Join(err, undo(ctx))
	}
	name := current.name
	current.deployment, current.err, current.undo = nil, nil, nil
	if err == nil {
		err = framework.Poll(ctx, "nothing is left of the outside network", func() error { return leftovers(ctx) })
	}
	if err != nil {
		err = fmt.Errorf("removal of outside network %s: %w", name, err)
	}
	return err
}

func unlabelGateways(ctx context.Context) error {
	_, err := cluster.Kubectl(ctx, "label", "nodes", "--all", "ovn.kubernetes.io/external-gw-")
	return err
}

// switchOff says in the gateway's ConfigMap that the default VPC leaves the outside network: its absence would not.
func switchOff(ctx context.Context) error {
	config, err := cluster.Kubectl(ctx, "-n", "kube-system", "get", "configmaps", "-o", "name", "--field-selector=metadata.name=ovn-external-gw-config")
	if err != nil || config == "" {
		return err
	}
	if _, err := cluster.Kubectl(ctx, "-n", "kube-system", "patch", "configmap", "ovn-external-gw-config", "-p", `{"data":{"enable-external-gw":"false"}}`); err != nil {
		return err
	}
	return framework.Poll(ctx, "the default VPC has left the outside network", func() error {
		vpc, err := cluster.OVN.KubeovnV1().Vpcs().Get(ctx, "ovn-cluster", metav1.GetOptions{})
		if err == nil && vpc.Status.EnableExternal {
			err = fmt.Errorf("conditions are %+v", vpc.Status.Conditions)
		}
		return err
	})
}

// leftovers names what an outside network can leave in the API, the databases and on the nodes.
func leftovers(ctx context.Context) error {
	var left []string
	for what, argv := range map[string][]string{
		"NAT":         {"--bare", "--columns=external_ip,logical_ip", "list", "NAT"},
		"policy":      {"--bare", "--columns=match", "find", "Logical_Router_Policy", "priority=29250"},
		"localnet":    {"--bare", "--columns=name", "find", "Logical_Switch_Port", "type=localnet"},
		"gateway":     {"--bare", "--columns=name", "list", "Gateway_Chassis"},
		"router port": {"--bare", "--columns=name", "find", "Logical_Router_Port", "name=ovn-cluster-ovn-external"},
	} {
		out, err := cluster.Nbctl(ctx, argv...)
		if err != nil {
			return err
		}
		for _, line := range sortedLines(out) {
			left = append(left, what+" "+line)
		}
	}
	objects, err := cluster.Kubectl(ctx, "get", "ovn-eips,ovn-fips,ovn-snat-rules,ovn-dnat-rules,vlans,provider-networks", "-o", "name")
	if err != nil {
		return err
	}
	left = append(left, sortedLines(objects)...)
	for _, node := range nodes {
		of, err := nodeLeftovers(ctx, node)
		if err != nil {
			return err
		}
		left = append(left, of...)
	}
	if len(left) > 0 {
		return fmt.Errorf("left: %s", strings.Join(left, "; "))
	}
	return nil
}

func nodeLeftovers(ctx context.Context, node string) (left []string, err error) {
	bridges, err := cluster.Ko(ctx, "vsctl", node, "list-br")
	if err != nil {
		return nil, err
	}
	for _, bridge := range sortedLines(bridges) {
		if bridge != "br-int" && bridge != "br-phy" {
			left = append(left, node+" bridge "+bridge)
		}
	}
	ids, err := cluster.Ko(ctx, "vsctl", node, "get", "Open_vSwitch", ".", "external_ids")
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"ovn-bridge-mappings", "ovn-chassis-mac-mappings"} {
		if _, value, ok := strings.Cut(ids, key+"="); ok && !strings.HasPrefix(value, `""`) {
			left = append(left, node+" "+ids)
		}
	}
	object, err := cluster.Kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	for key := range object.Labels {
		if strings.Contains(key, ".provider-network.kubernetes.io/") || key == "ovn.kubernetes.io/external-gw" {
			left = append(left, node+" label "+key)
		}
	}
	return left, nil
}

// The networks whose allocated addresses chance decides.
var allocated204 = []netip.Prefix{
	netip.MustParsePrefix("10.5.204.0/24"), netip.MustParsePrefix("10.10.204.0/24"), netip.MustParsePrefix("10.5.49.0/24"),
}

// seed is a file of a document below testdata, with the lab's nodes instead of pc-node-1..3. Tests run in the package's
// folder.
func seed(name string) string {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		panic(err) // a misspelt name
	}
	text := string(data)
	for i, node := range nodes {
		text = strings.ReplaceAll(text, fmt.Sprintf("pc-node-%d", i+1), node)
	}
	return text
}

// listingIs is nil when a listing of ovn-nbctl says what the document prints.
func listingIs(ctx context.Context, want string, argv ...string) error {
	out, err := cluster.Nbctl(ctx, argv...)
	if err != nil {
		return err
	}
	got, wanted := framework.Canonical(out, allocated204...), framework.Canonical(want, allocated204...)
	if got != wanted {
		return fmt.Errorf("nbctl %s says\n%s\nwant\n%s", strings.Join(argv, " "), got, wanted)
	}
	return nil
}

// wantListing waits until a listing is as printed.
func wantListing(t *testing.T, want string, argv ...string) {
	t.Helper()
	eventually(t, time.Minute, "nbctl "+strings.Join(argv, " ")+" is as printed", func() error { return listingIs(t.Context(), want, argv...) })
}

// row is what `kubectl get` prints for one object, once its columns are as wanted. A wanted "" is an empty or missing cell.
func row(t *testing.T, resource, name string, want map[string]string) map[string]string {
	t.Helper()
	var got map[string]string
	eventually(t, time.Minute, resource+" "+name+" is as printed", func() error {
		var err error
		if got, err = printed(t.Context(), resource, name); err != nil {
			return err
		}
		for column, value := range want {
			if got[column] != value {
				return fmt.Errorf("column %s is %q, want %q: %v", column, got[column], value, got)
			}
		}
		return nil
	})
	return got
}

// isReady waits until the READY column of an object is true and returns its row.
func isReady(t *testing.T, resource, name string) map[string]string {
	t.Helper()
	return row(t, resource, name, map[string]string{"READY": "true"})
}

// allocatedIn fails when an address is not one that the subnet gives out.
func allocatedIn(t *testing.T, address, cidr, first string) {
	t.Helper()
	a, err := netip.ParseAddr(address)
	if err != nil || !netip.MustParsePrefix(cidr).Contains(a) || a.Less(netip.MustParseAddr(first)) || strings.HasSuffix(address, ".254") {
		t.Errorf("address %q is none of those that the subnet gives out", address)
	}
}

// natLeft is nil when no NAT row, no rule, no address for rules and no row that comes of them is left.
func natLeft(ctx context.Context) error {
	out, err := cluster.Nbctl(ctx, "--bare", "--columns=external_ip,logical_ip", "list", "NAT")
	if err != nil {
		return err
	}
	left := sortedLines(out)
	out, err = cluster.Nbctl(ctx, "--bare", "--columns=external_ids", "list", "Load_Balancer",
		"--", "--columns=external_ids", "list", "Logical_Router_Policy", "--", "--columns=external_ids", "list", "Logical_Switch_Port")
	if err != nil {
		return err
	}
	for _, line := range sortedLines(out) { // pods have ports of their own, and policies only for their outside addresses
		ofRule, ofPod := strings.Contains(line, "owner=ovn-"), strings.Contains(line, "owner=pod/") && !strings.Contains(line, "pod=")
		if ofRule || ofPod {
			left = append(left, "row "+line)
		}
	}
	objects, err := cluster.Kubectl(ctx, "get", "ovn-fips,ovn-snat-rules,ovn-dnat-rules", "-o", "name")
	if err != nil {
		return err
	}
	left = append(left, sortedLines(objects)...)
	eips, err := cluster.OVN.KubeovnV1().OvnEips().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, e := range eips.Items {
		if e.Spec.Type != "lrp" { // those of routers go with the routers
			left = append(left, "ovn-eip "+e.Name)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("left: %s", strings.Join(left, "; "))
	}
	return nil
}

// leavesNoNAT checks at the end of the test, after its own clean-up, that no NAT row, rule or address remains. Call it first.
func leavesNoNAT(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := framework.Poll(ctx, "nothing of NAT is left", func() error { return natLeft(ctx) }); err != nil {
			t.Error(err)
		}
	})
}
