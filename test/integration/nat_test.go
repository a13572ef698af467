//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// natKinds are the kinds of outside addresses and of what uses them, by resource.
var natKinds = map[string]string{"ovn-eips": "OvnEip", "ovn-fips": "OvnFip", "ovn-snat-rules": "OvnSnatRule", "ovn-dnat-rules": "OvnDnatRule", "vips": "Vip"}

const natNames = 12 // objects of a kind: o0, o1, ...

// make makes an object of one of natKinds, change gives it another spec.
func (w *world) make(ctx context.Context, resource, name string, spec any) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1.SchemeGroupVersion.String(), "kind": natKinds[resource], "metadata": map[string]any{"name": name}, "spec": spec,
	})
	if err != nil {
		return err
	}
	return w.plane.OVN.KubeovnV1().RESTClient().Post().Resource(resource).Body(body).Do(ctx).Error()
}

func (w *world) change(ctx context.Context, resource, name string, spec any) error {
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	return w.plane.OVN.KubeovnV1().RESTClient().Patch(types.MergePatchType).Resource(resource).Name(name).Body(patch).Do(ctx).Error()
}

func (w *world) remove(ctx context.Context, resource, name string) error {
	return w.plane.OVN.KubeovnV1().RESTClient().Delete().Resource(resource).Name(name).Do(ctx).Error()
}

// left are the objects of natKinds that the test made and that are still there.
func (w *world) left(ctx context.Context) (titles []string, err error) {
	for resource := range natKinds {
		list, err := w.plane.Meta.Resource(v1.SchemeGroupVersion.WithResource(resource)).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			if strings.HasPrefix(item.Name, "o") {
				titles = append(titles, resource+"/"+item.Name)
			}
		}
	}
	return titles, nil
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// outside connects vpc1 to two outside networks and vpc2 to one, and gives each VPC a subnet and pods.
func (w *world) outside() {
	w.Helper()
	api := w.plane.OVN.KubeovnV1()
	none := metav1.CreateOptions{}
	for i := range 3 {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:"true"},"annotations":{%q:"chassis-%d"}}}`, util.ExternalGWLabel, util.ChassisAnnotation, i+1)
		if _, err := w.plane.Kube.CoreV1().Nodes().Patch(w.Context(), fmt.Sprintf("node%d", i+1), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			w.Fatal(err)
		}
	}
	if _, err := api.ProviderNetworks().Create(w.Context(), &v1.ProviderNetwork{ObjectMeta: named("net"), Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}}, none); err != nil {
		w.Fatal(err)
	}
	for i, s := range []struct{ name, cidr, gateway string }{
		{"external", "10.5.204.0/24", "10.5.204.254"}, {"extra", "10.10.204.0/24,fd00:204::/64", "10.10.204.254,fd00:204::fe"},
	} {
		vlan := fmt.Sprintf("vlan%d", 204+i)
		if _, err := api.Vlans().Create(w.Context(), &v1.Vlan{ObjectMeta: named(vlan), Spec: v1.VlanSpec{ID: 204 + i, Provider: "net"}}, none); err != nil {
			w.Fatal(err)
		}
		if err := w.createSubnet(s.name, "", s.cidr, func(spec *v1.SubnetSpec) { spec.Vlan, spec.Gateway = vlan, s.gateway }); err != nil {
			w.Fatal(err)
		}
	}
	for i, extra := range [][]string{{"extra"}, nil} {
		vpc, namespace, subnet := fmt.Sprintf("vpc%d", i+1), fmt.Sprintf("ns%d", i+1), fmt.Sprintf("net%d", i+1)
		w.createNamespace(namespace)
		w.createVpc(vpc, func(s *v1.VpcSpec) {
			s.EnableExternal, s.ExtraExternalSubnets, s.Namespaces = true, extra, []string{namespace}
		})
		if err := w.createSubnet(subnet, vpc, "192.168.0.0/24,fd00:168::/64", func(s *v1.SubnetSpec) { s.Namespaces = []string{namespace} }); err != nil {
			w.Fatal(err)
		}
		w.waitSubnet(subnet)
		w.createPods(namespace, 3, podNames("web", 3))
		w.waitPods(namespace, 3)
	}
	w.settle()
}

// anyNat is a random object: few names and few addresses, so that most of them are in each other's way.
func anyNat(random *rand.Rand) (resource, name string, spec any) {
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	any := func() string { return fmt.Sprintf("o%d", random.IntN(natNames)) }
	name, eip := any(), any()
	ipName := pick("web-0.ns1", "web-1.ns1", "web-0.ns2", "late.ns1")
	inside, vpc := pick("192.168.0.2", "192.168.0.3", "192.168.0.200"), pick("vpc1", "vpc2", "nowhere")
	switch random.IntN(12) {
	case 0, 1, 2, 3:
		spec := v1.OvnEipSpec{ExternalSubnet: pick("external", "extra"), Type: util.EipTypeNAT}
		if spec.ExternalSubnet == "external" && random.IntN(2) == 0 {
			spec.V4Ip = fmt.Sprintf("10.5.204.%d", 100+random.IntN(6))
		}
		return "ovn-eips", name, spec
	case 4:
		return "ovn-fips", name, v1.OvnFipSpec{OvnEip: eip, IPName: ipName}
	case 5:
		return "ovn-fips", name, v1.OvnFipSpec{OvnEip: eip, IPType: util.IPTypeVip, IPName: any()}
	case 6:
		return "ovn-fips", name, v1.OvnFipSpec{OvnEip: eip, Vpc: vpc, V4Ip: inside}
	case 7:
		return "ovn-snat-rules", name, v1.OvnSnatRuleSpec{OvnEip: eip, VpcSubnet: pick("net1", "net2", "typo")}
	case 8:
		return "ovn-snat-rules", name, v1.OvnSnatRuleSpec{OvnEip: eip, Vpc: vpc, V4IpCidr: pick("192.168.0.0/24", inside)}
	case 9, 10:
		port := pick("22", "80")
		return "ovn-dnat-rules", name, v1.OvnDnatRuleSpec{OvnEip: eip, IPName: ipName, Protocol: pick("tcp", "udp"), ExternalPort: port, InternalPort: port}
	}
	return "vips", name, v1.VipSpec{Subnet: pick("net1", "net2"), V4ip: pick("", "192.168.0.200")}
}

// TestRandomNat makes, changes and deletes 500 outside addresses and rules from several sides at once while the controller is
// killed again and again. The database is then what a controller writes into an empty one that knows the remaining objects
// only; when those are deleted, too, it is as before and no address is taken.
func TestRandomNat(t *testing.T) {
	const steps, users, kills = 500, 5, 5
	const quiet = 5 * time.Second // more than any rule waits before it tells what it waits for
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w, c := converged(t, 3)
	w.outside()
	before, taken := w.rows(), w.taken()

	var done atomic.Int64
	var acting sync.WaitGroup
	for user := range users {
		acting.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(user)))
			for range steps / users {
				resource, name, spec := anyNat(random)
				act := w.make
				if random.IntN(2) == 0 {
					act = w.change
				}
				err := act(t.Context(), resource, name, spec)
				if apierrors.IsAlreadyExists(err) {
					err = w.remove(t.Context(), resource, name)
				}
				if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err) {
					t.Errorf("%s %s: %v", resource, name, err)
				}
				done.Add(1)
			}
		})
	}
	for kill := range int64(kills) {
		w.eventually("more is done", func() error {
			if n := done.Load(); n < (kill+1)*steps/(kills+1) {
				return fmt.Errorf("%d steps are", n)
			}
			return nil
		})
		c.Kill()
		c = w.start("controller-0")
	}
	acting.Wait()
	w.passed(c, 6)
	w.settleFor(quiet)
	remain, err := w.left(t.Context())
	t.Logf("%d objects remain, %v", len(remain), err)

	got := w.rows()
	c.Stop()
	model := &world{T: t, plane: w.plane, Central: testbed.StartCentral(t)}
	model.StartNorthd()
	told := w.told()
	c = model.start("controller-1")
	model.passed(c, 6)
	model.settleFor(quiet)
	if diff := cmp.Diff(strings.Split(model.rows(), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("rows (-model +got)\n%s", diff)
	}
	if diff := cmp.Diff(told, model.told()); diff != "" {
		t.Errorf("what objects say (-before +model)\n%s", diff)
	}

	for resource := range natKinds {
		for i := range natNames {
			if err := w.remove(t.Context(), resource, fmt.Sprintf("o%d", i)); err != nil && !apierrors.IsNotFound(err) {
				t.Error(err)
			}
		}
	}
	model.eventually("all is gone", func() error {
		remain, err := w.left(t.Context())
		if len(remain) > 0 {
			err = fmt.Errorf("%q are left", remain)
		}
		return err
	})
	model.settle()
	model.waitRows(before)
	model.eventually("no address is taken", func() error {
		if diff := cmp.Diff(taken, model.taken()); diff != "" {
			return fmt.Errorf("(-before +now)\n%s", diff)
		}
		return nil
	})
	if t.Failed() {
		t.Log(c.Tail())
	}
}

// taken is what the subnets say of their addresses.
func (w *world) taken() string {
	w.Helper()
	list, err := w.plane.OVN.KubeovnV1().Subnets().List(w.Context(), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var text strings.Builder
	for _, s := range list.Items {
		fmt.Fprintf(&text, "%s: %v and %v used, %s, %s\n", s.Name, s.Status.V4UsingIPs, s.Status.V6UsingIPs, s.Status.V4UsingIPRange, s.Status.V6UsingIPRange)
	}
	return text.String()
}

// told is what all objects of natKinds and the VPCs say about themselves.
func (w *world) told() (lines []string) {
	w.Helper()
	for _, resource := range append(slices.Sorted(maps.Keys(natKinds)), "vpcs") {
		var list struct {
			Items []struct {
				Metadata metav1.ObjectMeta `json:"metadata"`
				Status   struct {
					Conditions []v1.Condition `json:"conditions"`
					Ready      bool           `json:"ready"`
				} `json:"status"`
			} `json:"items"`
		}
		body, err := w.plane.OVN.KubeovnV1().RESTClient().Get().Resource(resource).DoRaw(w.Context())
		if err == nil {
			err = json.Unmarshal(body, &list)
		}
		if err != nil {
			w.Fatal(err)
		}
		for _, item := range list.Items {
			line := fmt.Sprintf("%s %s: ready %v", resource, item.Metadata.Name, item.Status.Ready)
			if c := v1.FindCondition(item.Status.Conditions, v1.ConditionReady); c != nil {
				line += fmt.Sprintf(", %s %s %s", c.Status, c.Reason, c.Message)
			}
			lines = append(lines, line)
		}
	}
	return lines
}
