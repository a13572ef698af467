package namespace

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

var config = Config{DefaultVpc: util.DefaultVpc, DefaultSubnet: util.DefaultSubnet}

func bound(name, vpc, cidr string, namespaces ...string) *v1.Subnet {
	return controllertest.Subnet(name, vpc, cidr, func(s *v1.SubnetSpec) {
		s.Provider, s.Namespaces, s.ExcludeIps = util.OvnProvider, namespaces, []string{"x." + name, "y." + name}
	})
}

// tenant is a custom VPC as its controller leaves it.
func tenant(name, chosen, effective string, namespaces ...string) *v1.Vpc {
	vpc := controllertest.Vpc(name, func(s *v1.VpcSpec) { s.Namespaces, s.DefaultSubnet = namespaces, chosen })
	vpc.Status.DefaultLogicalSwitch = effective
	return vpc
}

func TestAnnotate(t *testing.T) {
	_, def, _ := controllertest.DefaultSubnets()
	now := metav1.Now()
	leaving := bound("a", "v", "10.1.0.0/24", "ns1")
	leaving.DeletionTimestamp = &now
	selecting := bound("sel", "v", "10.2.0.0/24")
	selecting.Spec.NamespaceSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"team": "red"}}, {MatchLabels: map[string]string{"kubernetes.io/metadata.name": "ns1"}}}
	malformed := bound("bad", "v", "10.3.0.0/24")
	malformed.Spec.NamespaceSelectors = []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}}
	further := bound("att", "v", "10.4.0.0/24", "ns1")
	further.Spec.Provider = "net.ns.ovn"
	pool := func(name string, namespaces ...string) *v1.IPPool {
		return &v1.IPPool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPPoolSpec{Namespaces: namespaces}}
	}
	type want struct{ subnets, cidrs, excludes, pools string }
	tests := []struct {
		name      string
		namespace string
		subnets   []*v1.Subnet
		vpcs      []*v1.Vpc
		pools     []*v1.IPPool
		want      want
	}{
		{"nobody names it", "ns1", []*v1.Subnet{bound("net1", "v", "10.1.0.0/24", "ns2"), def}, nil, nil, want{"ovn-default", "10.16.0.0/16", "10.16.0.1", ""}},
		{"two subnets", "ns1", []*v1.Subnet{bound("b", "v", "10.1.0.0/24,fd00::/64", "ns1"), bound("c", "v", "10.2.0.0/24", "ns2", "ns1"), def}, nil, nil,
			want{"b,c", "10.1.0.0/24,fd00::/64;10.2.0.0/24", "x.b,y.b;x.c,y.c", ""}},
		{"of two vpcs that of the first", "ns1", []*v1.Subnet{bound("a", "v", "10.1.0.0/24", "ns1"), bound("b", "w", "10.2.0.0/24", "ns1"), bound("c", "v", "10.3.0.0/24", "ns1")}, nil, nil,
			want{"a,c", "10.1.0.0/24;10.3.0.0/24", "x.a,y.a;x.c,y.c", ""}},
		{"of two vpcs that of the first one in effect", "ns1",
			[]*v1.Subnet{bound("a", "v", "10.1.0.0/24", "ns1"), controllertest.Accepted(bound("b", "w", "10.2.0.0/24", "ns1")), controllertest.Accepted(bound("c", "v", "10.3.0.0/24", "ns1"))}, nil, nil,
			want{"b", "10.2.0.0/24", "x.b,y.b", ""}},
		{"by selector", "ns1", []*v1.Subnet{malformed, def, selecting}, nil, nil, want{"sel", "10.2.0.0/24", "x.sel,y.sel", ""}},
		{"not by a subnet that is leaving, nor by a further network", "ns1", []*v1.Subnet{leaving, further, def}, nil, nil, want{"ovn-default", "10.16.0.0/16", "10.16.0.1", ""}},
		{"chosen default of its vpc goes first", "ns1", []*v1.Subnet{bound("b", "v", "10.1.0.0/24", "ns1"), def, bound("test", "v", "10.5.0.0/24")}, []*v1.Vpc{tenant("v", "test", "test", "ns1")}, nil,
			want{"test,b", "10.5.0.0/24;10.1.0.0/24", "x.test,y.test;x.b,y.b", ""}},
		{"chosen default that is bound as well stands once", "ns1", []*v1.Subnet{bound("b", "v", "10.1.0.0/24", "ns1"), def, bound("test", "v", "10.5.0.0/24", "ns1")}, []*v1.Vpc{tenant("v", "test", "test", "ns1")}, nil,
			want{"test,b", "10.5.0.0/24;10.1.0.0/24", "x.test,y.test;x.b,y.b", ""}},
		{"unbound gets the default of its vpc", "ns1", []*v1.Subnet{bound("d", "v", "10.5.0.0/24"), def}, []*v1.Vpc{tenant("v", "", "d", "ns1")}, nil, want{"d", "10.5.0.0/24", "x.d,y.d", ""}},
		{"a default nobody chose does not go before what is bound", "ns1", []*v1.Subnet{bound("b", "v", "10.1.0.0/24", "ns1"), bound("d", "v", "10.5.0.0/24"), def}, []*v1.Vpc{tenant("v", "", "d", "ns1")}, nil,
			want{"b", "10.1.0.0/24", "x.b,y.b", ""}},
		{"its vpc has no subnet yet", "ns1", []*v1.Subnet{def}, []*v1.Vpc{tenant("v", "test", "", "ns1")}, nil, want{"ovn-default", "10.16.0.0/16", "10.16.0.1", ""}},
		{"another vpc", "ns1", []*v1.Subnet{bound("d", "v", "10.5.0.0/24"), def}, []*v1.Vpc{tenant("v", "d", "d", "ns2")}, nil, want{"ovn-default", "10.16.0.0/16", "10.16.0.1", ""}},
		{"kube-system does not move to a chosen default", "kube-system", []*v1.Subnet{bound("b", "v", "10.1.0.0/24", "kube-system"), def, bound("test", "v", "10.5.0.0/24")}, []*v1.Vpc{tenant("v", "test", "test", "kube-system")}, nil,
			want{"b", "10.1.0.0/24", "x.b,y.b", ""}},
		{"pools", "ns1", []*v1.Subnet{def}, nil, []*v1.IPPool{pool("p1", "ns1"), pool("p2", "ns2"), pool("p3", "ns2", "ns1")}, want{"ovn-default", "10.16.0.0/16", "10.16.0.1", "p1,p3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			namespace := controllertest.Namespace(test.namespace)
			namespace.Annotations = map[string]string{"mine": "stays", util.NamespaceIPPoolAnnotation: "old"}
			if err := annotate(namespace, inputs{config: config, namespace: namespace, subnets: test.subnets, vpcs: test.vpcs, pools: test.pools}); err != nil {
				t.Fatal(err)
			}
			expected := map[string]string{
				"mine":                             "stays",
				"ovn.kubernetes.io/logical_switch": test.want.subnets,
				"ovn.kubernetes.io/cidr":           test.want.cidrs,
				"ovn.kubernetes.io/exclude_ips":    test.want.excludes,
			}
			if test.want.pools != "" {
				expected["ovn.kubernetes.io/ip_pool"] = test.want.pools
			}
			if diff := cmp.Diff(expected, namespace.Annotations); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	namespace := controllertest.Namespace("ns1")
	if err := annotate(namespace, inputs{config: config, namespace: namespace}); fmt.Sprint(err) != "waiting for subnet ovn-default" {
		t.Errorf("without any subnet: %v", err)
	}
}
