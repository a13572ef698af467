// Package images tests what install.sh installs, without a cluster.
package images

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// rendered keeps what was rendered, by settings; tests only read it.
var rendered = map[string][]runtime.Object{}

const crdKind = "kind: CustomResourceDefinition"

// render runs install.sh --render with settings and decodes every object strictly: an unknown or doubled field is an error.
// The CRDs, which no setting changes and which are long, are left out.
func render(t *testing.T, environment ...string) []runtime.Object {
	t.Helper()
	key := strings.Join(environment, " ")
	if objects, ok := rendered[key]; ok {
		return objects
	}
	rendered[key] = decode(t, func(document string) bool { return !strings.Contains(document, "\n"+crdKind) }, environment...)
	return rendered[key]
}

func decode(t *testing.T, wanted func(document string) bool, environment ...string) []runtime.Object {
	t.Helper()
	cmd := exec.Command("./install.sh", "--render")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "OVN_DB_IPS=10.0.0.1"}, environment...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("install.sh --render: %v\n%s", err, &stderr)
	}
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, known, known, json.SerializerOptions{Yaml: true, Strict: true})
	var objects []runtime.Object
	documents := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(string(out))))
	buffer := make([]byte, 4<<20)
	for {
		n, err := documents.Read(buffer)
		if err == io.EOF {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if document := string(buffer[:n]); strings.TrimSpace(document) == "" || !wanted(document) {
			continue
		}
		object, _, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%.400s", err, buffer[:n])
		}
		objects = append(objects, object)
	}
}

func find[T runtime.Object](t *testing.T, objects []runtime.Object, name string) T {
	t.Helper()
	for _, o := range objects {
		if typed, ok := o.(T); ok && any(typed).(interface{ GetName() string }).GetName() == name {
			return typed
		}
	}
	var none T
	t.Fatalf("no %T %s", none, name)
	return none
}

// workload is the part that Deployments and DaemonSets share.
type workload struct {
	name     string
	template corev1.PodTemplateSpec
}

func workloads(objects []runtime.Object) []workload {
	var out []workload
	for _, o := range objects {
		switch w := o.(type) {
		case *appsv1.Deployment:
			out = append(out, workload{w.Name, w.Spec.Template})
		case *appsv1.DaemonSet:
			out = append(out, workload{w.Name, w.Spec.Template})
		}
	}
	return out
}

func env(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

func TestInstallsThisVersion(t *testing.T) {
	want := "docker.io/kubeovn/kube-ovn:" + util.Version
	for _, w := range workloads(render(t)) {
		if got := w.template.Spec.Containers[0].Image; got != want {
			t.Errorf("%s has image %s, want %s", w.name, got, want)
		}
	}
}

// settingsInUse are sets of settings that belong together.
var settingsInUse = [][]string{
	nil,
	{"DATAPATH=netdev", "IFACE=eth1"},
	{"IPV6=true", "OVN_DB_IPS=fd00::1"},
	{"DUAL_STACK=true"},
	{"OVN_CENTRAL_REPLICAS=3", "OVN_DB_IPS=10.0.0.1,10.0.0.2,10.0.0.3", "MASTERS=3"},
	{"ENABLE_SSL=false", "ENABLE_BIND_LOCAL_IP=false"},
	{"ENABLE_VLAN=true", "VLAN_NIC=eth2", "LOGICAL_GATEWAY=true"},
	{"REGISTRY=registry.example:5000/a&b", "VERSION=v9|x", "LOG_DIR=/srv/log"},
	{`EXCLUDE_IPS=10.16.0.2..10.16.0.9,10.16.1.1`, `IFACE=eth.*,^ens\d+$`},
}

func TestEverySettingRenders(t *testing.T) {
	for _, settings := range settingsInUse {
		t.Run(strings.Join(settings, " "), func(t *testing.T) {
			objects := render(t, settings...)
			if n := len(workloads(objects)); n != 4 {
				t.Errorf("%d workloads, want 4", n)
			}
		})
	}
}

// TestProgramsTakeWhatIsRendered runs the programs with the arguments of their manifests: they come as far as the API server's
// client, and what they are asked for has an effect.
func TestProgramsTakeWhatIsRendered(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", dir, "../../cmd/kube-ovn-controller", "../../cmd/kube-ovn-daemon")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	nowhere := filepath.Join(dir, "nowhere")
	for _, settings := range settingsInUse {
		objects := render(t, settings...)
		for workload, program := range map[string][]string{
			"kube-ovn-controller": {"kube-ovn-controller", "--ovn-nb-addr=tcp:127.0.0.1:1", "--ovn-sb-addr=tcp:127.0.0.1:1"}, // by the start program
			"kube-ovn-cni":        {"kube-ovn-daemon"},
		} {
			t.Run(workload+" "+strings.Join(settings, " "), func(t *testing.T) {
				args := slices.Concat(containerOf(t, objects, workload).Args, program[1:], []string{"--kubeconfig=" + nowhere, "--log_file=", "--logtostderr=true"})
				cmd := exec.Command(filepath.Join(dir, program[0]), args...)
				cmd.Env = []string{"POD_NAMESPACE=kube-system", "POD_NAME=p", "NODE_NAME=n"}
				out, err := cmd.CombinedOutput()
				if err == nil || !strings.Contains(lastLine(out), nowhere) {
					t.Errorf("%v: %s", err, out)
				}
				if strings.Contains(string(out), "no effect") {
					t.Errorf("%s", out)
				}
			})
		}
	}
}

func containerOf(t *testing.T, objects []runtime.Object, name string) corev1.Container {
	t.Helper()
	for _, w := range workloads(objects) {
		if w.name == name {
			return w.template.Spec.Containers[0]
		}
	}
	t.Fatalf("no workload %s", name)
	return corev1.Container{}
}

func TestCRDsAreRendered(t *testing.T) {
	files, err := filepath.Glob("crds/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crds := decode(t, func(document string) bool { return strings.Contains(document, "\n"+crdKind) })
	if len(crds) != len(files) || len(crds) == 0 {
		t.Errorf("%d CRDs of %d files", len(crds), len(files))
	}
}

func TestSettingsArrive(t *testing.T) {
	controllerFlag := func(objects []runtime.Object, t *testing.T) []string {
		return find[*appsv1.Deployment](t, objects, "kube-ovn-controller").Spec.Template.Spec.Containers[0].Args
	}
	daemonFlag := func(objects []runtime.Object, t *testing.T) []string {
		return find[*appsv1.DaemonSet](t, objects, "kube-ovn-cni").Spec.Template.Spec.Containers[0].Args
	}
	for _, test := range []struct {
		settings []string
		args     func([]runtime.Object, *testing.T) []string
		want     string
	}{
		{nil, controllerFlag, "--default-cidr=10.16.0.0/16"},
		{nil, controllerFlag, "--node-switch-cidr=100.64.0.0/16"},
		{[]string{"POD_CIDR=10.244.0.0/16"}, controllerFlag, "--default-cidr=10.244.0.0/16"},
		{[]string{"IPV6=true"}, controllerFlag, "--default-cidr=fd00:10:16::/112"},
		{[]string{"DUAL_STACK=true"}, controllerFlag, "--default-cidr=10.16.0.0/16,fd00:10:16::/112"},
		{[]string{"DUAL_STACK=true", "POD_CIDR=10.1.0.0/16,fd01::/64"}, controllerFlag, "--default-cidr=10.1.0.0/16,fd01::/64"},
		{[]string{"ENABLE_VLAN=true", "VLAN_NIC=eth2"}, controllerFlag, "--default-interface-name=eth2"},
		{[]string{"ENABLE_VLAN=true", "VLAN_NIC=eth2"}, controllerFlag, "--enable-eip-snat=false"},
		{[]string{"ENABLE_VLAN=true", "ENABLE_EIP_SNAT=true"}, controllerFlag, "--enable-eip-snat=true"},
		{[]string{"IFACE=eth1"}, daemonFlag, "--iface=eth1"},
		{[]string{`IFACE=^ens\d+$`}, daemonFlag, `--iface=^ens\d+$`},
		{[]string{"CNI_CONFIG_PRIORITY=05"}, daemonFlag, "--cni-conf-name=05-kube-ovn.conflist"},
		{nil, controllerFlag, "--external-gateway-switch="}, // to be chosen
		{nil, controllerFlag, "--external-gateway-net=external"},
		{nil, daemonFlag, "--external-gateway-switch=external"},
		{[]string{"EXTERNAL_GATEWAY_SWITCH=external204"}, controllerFlag, "--external-gateway-switch=external204"},
		{[]string{"EXTERNAL_GATEWAY_SWITCH=external204"}, controllerFlag, "--external-gateway-net=external204"},
		{[]string{"EXTERNAL_GATEWAY_SWITCH=external204"}, daemonFlag, "--external-gateway-switch=external204"},
		{[]string{"EXTERNAL_GATEWAY_FORMER_PORT_NAME=true"}, controllerFlag, "--external-gateway-former-port-name=true"},
		{[]string{"EXTERNAL_GATEWAY_SWITCH=outside-of-all-vpcs", "EXTERNAL_GATEWAY_NET=physnet"}, controllerFlag, "--external-gateway-switch=outside-of-all-vpcs"},
		{[]string{"EXTERNAL_GATEWAY_SWITCH=outside-of-all-vpcs", "EXTERNAL_GATEWAY_NET=physnet"}, daemonFlag, "--external-gateway-switch=physnet"},
	} {
		t.Run(strings.Join(test.settings, " ")+" "+test.want, func(t *testing.T) {
			if args := test.args(render(t, test.settings...), t); !slices.Contains(args, test.want) {
				t.Errorf("arguments lack %s:\n%s", test.want, strings.Join(args, "\n"))
			}
		})
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for setting, want := range map[string]string{
		"DATAPATH=dpdk":                          `DATAPATH="dpdk" is not one of: kernel netdev`,
		"OVN_CENTRAL_REPLICAS=2":                 `OVN_CENTRAL_REPLICAS="2" is not one of: 1 3 5`,
		"ENABLE_SSL=yes":                         `ENABLE_SSL="yes"`,
		"TUNNEL_TYPE=stt DATAPATH=netdev":        "needs DATAPATH=kernel",
		"ENABLE_OVN_IPSEC=true":                  "ENABLE_OVN_IPSEC=true is not supported by this version",
		"SECURE_SERVING=true":                    "SECURE_SERVING=true is not supported by this version",
		"ENABLE_TPROXY=true":                     "ENABLE_TPROXY=true is not supported by this version",
		"ENABLE_COMPACT=true":                    "ENABLE_COMPACT=true is not supported by this version",
		"DEBUG_WRAPPER=gdb":                      "DEBUG_WRAPPER=gdb is not supported by this version",
		"OVN_CENTRAL_SERVICE_TYPE=NodePort":      "OVN_CENTRAL_SERVICE_TYPE=NodePort is not supported by this version",
		"OVN_DB_IPS=":                            "--render needs OVN_DB_IPS",
		"EXTERNAL_GATEWAY_SWITCH=outside-of-all": `EXTERNAL_GATEWAY_NET="outside-of-all" is longer than 12 characters`,
	} {
		cmd := exec.Command("./install.sh", "--render")
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "OVN_DB_IPS=10.0.0.1"}, strings.Fields(setting)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %q; want %q", setting, err, lastLine(out), want)
		}
	}
	out, err := exec.Command("./install.sh", "--frob").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "unknown option --frob") {
		t.Errorf("unknown option: %v, %s", err, out)
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

func TestDatapath(t *testing.T) {
	for datapath, tun := range map[string]bool{"kernel": false, "netdev": true} {
		ovs := find[*appsv1.DaemonSet](t, render(t, "DATAPATH="+datapath), "ovs-ovn").Spec.Template.Spec
		if got := env(ovs.Containers[0], "DATAPATH"); got != datapath {
			t.Errorf("DATAPATH is %q, want %q", got, datapath)
		}
		has := slices.ContainsFunc(ovs.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil && v.HostPath.Path == "/dev/net/tun" })
		if has != tun {
			t.Errorf("%s: /dev/net/tun is mounted: %t", datapath, has)
		}
	}
}

func TestDatabases(t *testing.T) {
	for _, test := range []struct {
		settings []string
		members  string
		replicas int32
	}{
		{nil, "", 1},
		{[]string{"OVN_CENTRAL_REPLICAS=3", "OVN_DB_IPS=10.0.0.1,10.0.0.2,10.0.0.3"}, "10.0.0.1,10.0.0.2,10.0.0.3", 3},
	} {
		central := find[*appsv1.Deployment](t, render(t, test.settings...), "ovn-central")
		if got := env(central.Spec.Template.Spec.Containers[0], "NODE_IPS"); got != test.members {
			t.Errorf("members are %q, want %q", got, test.members)
		}
		if *central.Spec.Replicas != test.replicas {
			t.Errorf("%d replicas, want %d", *central.Spec.Replicas, test.replicas)
		}
		if central.Spec.Template.Spec.NodeSelector["kube-ovn/ovn-central"] != "true" {
			t.Error("the databases may land on a node that does not have them")
		}
	}
}

// TestLeastPrivilege: nothing is privileged, every container drops what it does not name, and only OVS and the node agent
// run as root.
func TestLeastPrivilege(t *testing.T) {
	allowed := map[string][]corev1.Capability{
		"ovn-central/own-directories":             {"CHOWN", "DAC_READ_SEARCH"},
		"ovn-central/own-run":                     {"CHOWN", "DAC_READ_SEARCH"},
		"kube-ovn-controller/own-directories":     {"CHOWN"},
		"ovn-central/ovn-central":                 nil,
		"kube-ovn-controller/kube-ovn-controller": nil,
		"kube-ovn-cni/install-cni":                {"NET_ADMIN", "DAC_OVERRIDE"},
		"kube-ovn-cni/cni-server":                 {"NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE"},
		"ovs-ovn/openvswitch":                     {"NET_ADMIN", "NET_RAW", "NET_BROADCAST", "DAC_OVERRIDE"},
	}
	seen := 0
	for _, w := range workloads(render(t, "DATAPATH=netdev")) {
		spec := w.template.Spec
		for _, c := range append(slices.Clone(spec.InitContainers), spec.Containers...) {
			name := w.name + "/" + c.Name
			want, ok := allowed[name]
			if !ok {
				t.Errorf("%s is new: say here what it may do", name)
				continue
			}
			seen++
			s := c.SecurityContext
			if s == nil || s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s does not drop all capabilities", name)
				continue
			}
			if s.Privileged != nil && *s.Privileged {
				t.Errorf("%s is privileged", name)
			}
			if !slices.Equal(s.Capabilities.Add, want) {
				t.Errorf("%s has %v, want %v", name, s.Capabilities.Add, want)
			}
			root := s.RunAsUser != nil && *s.RunAsUser == 0
			if want == nil && (root || spec.SecurityContext.RunAsUser == nil || *spec.SecurityContext.RunAsUser != 65534 || !*s.RunAsNonRoot) {
				t.Errorf("%s runs as root", name)
			}
		}
	}
	if seen != len(allowed) {
		t.Errorf("%d containers, the table has %d", seen, len(allowed))
	}
}

// TestEveryCommandExists compares the manifests with the command's own usage.
func TestEveryCommandExists(t *testing.T) {
	main, err := os.ReadFile("../../cmd/kube-ovn-start/main.go")
	if err != nil {
		t.Fatal(err)
	}
	check := func(where string, argv []string) {
		t.Helper()
		if len(argv) < 2 || argv[0] != "kube-ovn-start" {
			return
		}
		if !regexp.MustCompile(`case .*"` + argv[1] + `"`).Match(main) {
			t.Errorf("%s runs %v, which is no command", where, argv)
		}
	}
	commands := 0
	for _, w := range workloads(render(t)) {
		spec := w.template.Spec
		for _, c := range append(slices.Clone(spec.InitContainers), spec.Containers...) {
			check(w.name, c.Command)
			commands++
			for _, p := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
				if p != nil && p.Exec != nil {
					check(w.name, p.Exec.Command)
				}
			}
		}
	}
	if commands == 0 {
		t.Error("nothing was checked")
	}
}

// TestNames keeps the names that other programs use (node.md 9.4).
func TestNames(t *testing.T) {
	objects := render(t)
	for name, selector := range map[string]map[string]string{
		"ovn-nb":              {"app": "ovn-central", "ovn-nb-leader": "true"},
		"ovn-sb":              {"app": "ovn-central", "ovn-sb-leader": "true"},
		"ovn-northd":          {"app": "ovn-central", "ovn-northd-leader": "true"},
		"kube-ovn-controller": {"app": "kube-ovn-controller"},
		"kube-ovn-cni":        {"app": "kube-ovn-cni"},
	} {
		service := find[*corev1.Service](t, objects, name)
		if fmt.Sprint(service.Spec.Selector) != fmt.Sprint(selector) {
			t.Errorf("service %s selects %v, want %v", name, service.Spec.Selector, selector)
		}
		if service.Namespace != "kube-system" || len(service.Spec.Ports) != 1 {
			t.Errorf("service %s/%s has %d ports", service.Namespace, name, len(service.Spec.Ports))
		}
	}
	ovs := find[*appsv1.DaemonSet](t, objects, "ovs-ovn")
	if ovs.Spec.Template.Labels["app"] != "ovs" || ovs.Spec.Template.Spec.Containers[0].Name != "openvswitch" {
		t.Errorf("kubectl-ko will not find the pods of ovs-ovn: %v, %s", ovs.Spec.Template.Labels, ovs.Spec.Template.Spec.Containers[0].Name)
	}
}

// TestRights lists what each role may do. A right is to be added here and in the manifest by somebody who knows why, and taken
// away when its last use goes: integration tests run with these roles, so what is missing shows there.
func TestRights(t *testing.T) {
	const own, watched = "kubeovn.io/", "get list watch patch"
	want := map[string]map[string]string{
		"Role system:ovn-ovs": {"pods": "patch"},
		"ClusterRole system:ovn": {
			own + "ippools": watched, own + "ippools/status": "patch",
			own + "ips":            watched + " create delete",
			own + "ovn-dnat-rules": watched, own + "ovn-dnat-rules/status": "patch",
			own + "ovn-eips": watched + " create delete", own + "ovn-eips/status": "patch",
			own + "ovn-fips": watched, own + "ovn-fips/status": "patch",
			own + "ovn-snat-rules": watched, own + "ovn-snat-rules/status": "patch",
			own + "provider-networks": watched + " create", own + "provider-networks/status": "patch",
			own + "subnets": watched + " create", own + "subnets/status": "patch",
			own + "vips":  watched,
			own + "vlans": watched + " create", own + "vlans/status": "patch",
			own + "vpcs": watched + " create", own + "vpcs/status": "patch",
			"pods": watched, "nodes": watched, "namespaces": watched, "apps/statefulsets": "list watch",
			"k8s.cni.cncf.io/network-attachment-definitions": "list watch", "events": "create patch",
		},
		"Role system:ovn": {
			"coordination.k8s.io/leases": "create", "coordination.k8s.io/leases [kube-ovn-controller]": "get update",
			"configmaps [ovn-external-gw-config]": "list watch",
		},
		"ClusterRole system:kube-ovn-cni": {
			own + "ovn-eips": "list watch", own + "provider-networks": "list watch", own + "subnets": "list watch", own + "vlans": "list watch",
			own + "vpcs": "list watch",
			"pods":       "get list watch", "nodes": "list watch patch", "nodes/status": "patch", "networking.k8s.io/servicecidrs": "list watch",
			"events": "create patch",
		},
		"Role system:kube-ovn-cni": {"pods": "patch"},
	}
	got := map[string]map[string]string{}
	for _, o := range render(t) {
		switch r := o.(type) {
		case *rbacv1.Role:
			got["Role "+r.Name] = rights(r.Rules)
		case *rbacv1.ClusterRole:
			got["ClusterRole "+r.Name] = rights(r.Rules)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights (-want +got)\n%s", diff)
	}
}

// rights are the verbs by group, resource and names of objects.
func rights(rules []rbacv1.PolicyRule) map[string]string {
	all := map[string][]string{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				id := strings.TrimPrefix(group+"/"+resource, "/")
				if len(rule.ResourceNames) > 0 {
					id += fmt.Sprint(" ", rule.ResourceNames)
				}
				all[id] = append(all[id], rule.Verbs...)
			}
		}
	}
	out := map[string]string{}
	for id, verbs := range all {
		out[id] = strings.Join(verbs, " ")
	}
	return out
}

// TestRolesOfServiceAccounts: every account that a pod uses exists and is bound.
func TestRolesOfServiceAccounts(t *testing.T) {
	objects := render(t)
	bound := map[string]bool{}
	for _, o := range objects {
		switch b := o.(type) {
		case *rbacv1.RoleBinding:
			bound[b.Subjects[0].Name] = true
		case *rbacv1.ClusterRoleBinding:
			bound[b.Subjects[0].Name] = true
			find[*rbacv1.ClusterRole](t, objects, b.RoleRef.Name)
		}
	}
	for _, w := range workloads(objects) {
		account := w.template.Spec.ServiceAccountName
		find[*corev1.ServiceAccount](t, objects, account)
		if !bound[account] {
			t.Errorf("%s uses the account %s, which has no role", w.name, account)
		}
	}
}

// TestEveryKindIsCleanedUp compares cleanup.sh with the CRDs.
func TestEveryKindIsCleanedUp(t *testing.T) {
	script, err := os.ReadFile("cleanup.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, kinds, _ := strings.Cut(string(script), `KINDS="`)
	kinds, _, _ = strings.Cut(kinds, `"`)
	files, err := filepath.Glob("crds/kubeovn.io_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	for _, file := range files {
		plural := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "kubeovn.io_"), ".yaml")
		if !slices.Contains(strings.Fields(kinds), plural) {
			t.Errorf("cleanup.sh forgets %s", plural)
		}
	}
}
