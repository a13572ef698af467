//go:build integration

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
)

// server is a real API server with the CRDs, and kubectl.
type server struct {
	*cluster.ControlPlane
	kubectlProgram string
	client         versioned.Interface
}

// startServer runs an API server and installs the CRDs as a user does.
func startServer(t *testing.T) *server {
	t.Helper()
	programs, err := cache.ProgramsDir()
	if err != nil {
		t.Skip(err)
	}
	plane, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := versioned.NewForConfig(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{ControlPlane: plane, kubectlProgram: filepath.Join(programs, "kubectl"), client: client}
	s.kubectl(t, "", "apply", "-f", filepath.Join("..", "..", crdsDir))
	s.kubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	return s
}

// kubectl runs kubectl with an input and returns what it prints.
func (s *server) kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	out, err := s.tryKubectl(t, input, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// tryKubectl is kubectl for what may fail.
func (s *server) tryKubectl(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.kubectlProgram, append([]string{"--kubeconfig=" + s.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestRealAPIServer(t *testing.T) {
	s := startServer(t)
	t.Run("documented objects", s.testObjects)
	t.Run("refusals", s.testRefusals)
	t.Run("short names", s.testShortNames)
	t.Run("columns", s.testColumns)
	t.Run("explain", s.testExplain)
	t.Run("counters", s.testCounters)
	t.Run("vip without status subresource", s.testVip)
	t.Run("scale", s.testScale)
	t.Run("CRDs applied again", func(t *testing.T) {
		out := s.kubectl(t, "", "apply", "-f", filepath.Join("..", "..", crdsDir))
		if strings.Count(out, "unchanged") != len(crdNames(t)) {
			t.Errorf("not all unchanged:\n%s", out)
		}
	})
}

// testObjects applies every object of the user documents; unknown fields are errors.
func (s *server) testObjects(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", apisDir, "testdata", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	for _, file := range files {
		// A dry run, because the documents use one name for several variants of an object.
		if out, err := s.tryKubectl(t, "", "create", "--dry-run=server", "--validate=strict", "-f", file); err != nil {
			t.Errorf("%s: %s", filepath.Base(file), out)
		}
	}
}

// testRefusals shows what a user reads.
func (s *server) testRefusals(t *testing.T) {
	for _, row := range []struct{ object, want string }{
		{
			`{kind: Subnet, apiVersion: kubeovn.io/v1, metadata: {name: a}, spec: {cidrBlock: 10.0.0.0/24, gateway: 10.0.1.1}}`,
			`The Subnet "a" is invalid: spec.gateway: Invalid value: gateway 10.0.1.1 is not in cidr 10.0.0.0/24`,
		},
		{
			`{kind: OvnDnatRule, apiVersion: kubeovn.io/v1, metadata: {name: a}, spec: {ovnEip: e, ipName: a.b, protocol: tcp, internalPort: "0", externalPort: "1"}}`,
			`internalPort 0 is not a port from 1 to 65535`,
		},
		{
			`{kind: ProviderNetwork, apiVersion: kubeovn.io/v1, metadata: {name: int}, spec: {defaultInterface: eth0}}`,
			`name int is refused because br-int is the integration bridge`,
		},
		{
			`{kind: Vpc, apiVersion: kubeovn.io/v1, metadata: {name: a}, spec: {namespace: [a]}}`,
			`unknown field "spec.namespace"`,
		},
	} {
		out, err := s.tryKubectl(t, row.object, "create", "-f", "-")
		if err == nil || !strings.Contains(out, row.want) {
			t.Errorf("%s\n%v: %s", row.object, err, out)
		}
	}
}

func (s *server) testShortNames(t *testing.T) {
	for _, name := range strings.Fields(`vpc subnet ip ippool vip vlan pn oeip ofip osnat odnat vpc-nat-gw eip fip dnat snat slr vpc-dns sg qos
		vpc-egress-gw veg provider-networks provider-network ovn-eip vpc-dnses`) {
		if out, err := s.tryKubectl(t, "", "get", name, "-A"); err != nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// testColumns compares the heads of tables with those of the user documents, whose columns keep their order among ours.
func (s *server) testColumns(t *testing.T) {
	ctx := t.Context()
	vpc := &kubeovnv1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "table"}, Spec: kubeovnv1.VpcSpec{Namespaces: []string{"ns1"}}}
	created, err := s.client.KubeovnV1().Vpcs().Create(ctx, vpc, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created.Status.Standby, created.Status.Subnets = true, []string{"a", "b"}
	if _, err := s.client.KubeovnV1().Vpcs().UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(s.kubectl(t, "", "get", "vpc", "table"), "\n")
	const head = "NAME ENABLEEXTERNAL ENABLEBFD STANDBY SUBNETS EXTRAEXTERNALSUBNETS NAMESPACES DEFAULTSUBNET AGE"
	if got := strings.Join(strings.Fields(lines[0]), " "); got != head {
		t.Errorf("head is %s", got)
	}
	if !strings.Contains(lines[1], `["a","b"]`) || !strings.Contains(lines[1], `["ns1"]`) {
		t.Errorf("row is %s", lines[1])
	}
	for resource, documented := range map[string]string{
		"vpcs": "STANDBY SUBNETS NAMESPACES", "ips": "V4IP V6IP MAC NODE SUBNET", "ovn-eips": "V4IP V6IP MAC TYPE READY",
		"ovn-fips":         "VPC V4EIP V4IP READY IPTYPE IPNAME",
		"ovn-dnat-rules":   "EIP PROTOCOL V4EIP V4IP INTERNALPORT EXTERNALPORT IPNAME READY",
		"vips":             "V4IP PV4IP MAC PMAC V6IP PV6IP SUBNET READY",
		"switch-lb-rules":  "VIP PORT(S) SERVICE AGE",
		"vpc-dnses":        "ACTIVE VPC SUBNET",
		"vpc-nat-gateways": "VPC SUBNET LANIP",
	} {
		columns := s.columns(t, resource)
		rest := columns
		for _, column := range strings.Fields(documented) {
			at := slices.Index(rest, column)
			if at < 0 {
				t.Errorf("%s: %s does not follow its predecessor of %q in %q", resource, column, documented, columns)
				break
			}
			rest = rest[at+1:]
		}
	}
}

// columns are the heads of the columns that kubectl get prints.
func (s *server) columns(t *testing.T, resource string) []string {
	t.Helper()
	data, err := s.client.KubeovnV1().RESTClient().Get().Resource(resource).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, definition := range table.ColumnDefinitions {
		columns = append(columns, strings.ToUpper(definition.Name))
	}
	return columns
}

// testExplain reads what kubectl explain says about each kind.
func (s *server) testExplain(t *testing.T) {
	for kind, names := range crdNames(t) {
		out := s.kubectl(t, "", "explain", names.plural, "--recursive")
		if strings.Contains(out, "<no description>") || !strings.Contains(out, "KIND:       "+kind) {
			t.Errorf("%s:\n%s", kind, out)
		}
	}
	out := s.kubectl(t, "", "explain", "subnet.spec.gateway")
	if !strings.Contains(out, "Gateway is the address of the gateway") {
		t.Errorf("explain subnet.spec.gateway:\n%s", out)
	}
}

// testCounters writes counts that exceed 64 bits and reads them back.
func (s *server) testCounters(t *testing.T) {
	ctx := t.Context()
	subnets := s.client.KubeovnV1().Subnets()
	subnet := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "counters"}, Spec: kubeovnv1.SubnetSpec{CIDRBlock: "fd00::/56", Gateway: "fd00::1"}}
	created, err := subnets.Create(ctx, subnet, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"status":{"v4availableIPs":253,"v6availableIPs":4722366482869645213696,"v6usingIPs":1}}`)
	if _, err := subnets.Patch(ctx, created.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	got, err := subnets.Get(ctx, created.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// 2^72 is a power of two, so the server's float is exact; its shortest decimal form is not.
	if v4, v6 := got.Status.V4AvailableIPs.String(), got.Status.V6AvailableIPs.String(); v4 != "253" || v6 != "4722366482869645000000" {
		t.Errorf("read %s and %s", v4, v6)
	}
	got.Spec.Gateway = "fd00::2"
	if _, err := subnets.Update(ctx, got, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "can't update gateway") {
		t.Errorf("change of the gateway in use: %v", err)
	}
}

// testVip writes spec and status at once, as there is no status subresource.
func (s *server) testVip(t *testing.T) {
	ctx := t.Context()
	vip := &kubeovnv1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "both"}, Spec: kubeovnv1.VipSpec{Subnet: "s"}}
	vip.Status.Ready, vip.Status.V4ip = true, "10.0.0.5"
	if _, err := s.client.KubeovnV1().Vips().Create(ctx, vip, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := s.kubectl(t, "", "get", "vip", "both"); !strings.Contains(out, "10.0.0.5") || !strings.Contains(out, "true") {
		t.Errorf("table:\n%s", out)
	}
}

func (s *server) testScale(t *testing.T) {
	const gateway = `{kind: VpcEgressGateway, apiVersion: kubeovn.io/v1, metadata: {name: a, namespace: default}, spec: {externalSubnet: e, policies: [{subnets: [a]}]}}`
	s.kubectl(t, gateway, "create", "-f", "-")
	s.kubectl(t, "", "scale", "veg", "a", "--replicas=3")
	var got kubeovnv1.VpcEgressGateway
	if err := json.Unmarshal([]byte(s.kubectl(t, "", "get", "veg", "a", "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Spec.Replicas != 3 || got.Spec.TrafficPolicy != "Cluster" || got.Spec.BFD.MinRX != 1000 {
		t.Errorf("spec is %+v", got.Spec)
	}
}
