package reconcile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func TestMergePatch(t *testing.T) {
	status := func(available string, subnets ...string) v1.SubnetStatus {
		return v1.SubnetStatus{V6AvailableIPs: v1.BigInt{Decimal: available}, V4UsingIPRange: "10.0.0.2"}
	}
	tests := []struct {
		name          string
		before, after any
		want          string
	}{
		{"equal objects need no patch", v1.VpcStatus{Router: "a"}, v1.VpcStatus{Router: "a"}, ""},
		{"only the changed field", v1.VpcStatus{Router: "a", Default: true}, v1.VpcStatus{Router: "b", Default: true}, `{"router":"b"}`},
		{"a vanished field becomes null", v1.VpcSpec{DefaultSubnet: "s", EnableBfd: true}, v1.VpcSpec{EnableBfd: true}, `{"defaultSubnet":null}`},
		{"an emptied list becomes null", v1.VpcStatus{Subnets: []string{"x"}}, v1.VpcStatus{}, `{"subnets":null}`},
		{"lists are replaced whole", v1.VpcStatus{Subnets: []string{"x"}}, v1.VpcStatus{Subnets: []string{"x", "y"}}, `{"subnets":["x","y"]}`},
		{
			"nested objects are compared", v1.Vpc{Status: v1.VpcStatus{BFDPort: v1.BFDPortStatus{Name: "n", IP: "1"}}},
			v1.Vpc{Status: v1.VpcStatus{BFDPort: v1.BFDPortStatus{Name: "n", IP: "2"}}}, `{"status":{"bfdPort":{"ip":"2"}}}`,
		},
		{"digits beyond a float are kept", status("9007199254740992"), status("9007199254740993"), `{"v6availableIPs":9007199254740993}`},
		{"the server's float of a huge count is that count", status("18446744073709551616"), status("18446744073709551614"), ""},
		{"huge counts that differ as floats differ", status("18446744073709551614"), status("1208925819614629174706176"), `{"v6availableIPs":1208925819614629174706176}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := MergePatch(test.before, test.after)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestLockedMergePatch(t *testing.T) {
	before := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "7"}}
	after := before.DeepCopy()
	if got, err := LockedMergePatch(before, after); got != nil || err != nil {
		t.Errorf("equal objects: got %s, %v", got, err)
	}
	AddFinalizer(after)
	got, err := LockedMergePatch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"metadata":{"finalizers":["kubeovn.io/kube-ovn-controller"],"resourceVersion":"7"}}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	spec := before.DeepCopy()
	spec.Spec.Finalizers = []corev1.FinalizerName{"x"}
	if got, err = LockedMergePatch(before, spec); err != nil || string(got) != `{"metadata":{"resourceVersion":"7"},"spec":{"finalizers":["x"]}}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestFinalizers(t *testing.T) {
	tests := []struct {
		name           string
		list           []string
		added, removed []string
		has            bool
	}{
		{"none", nil, []string{util.Finalizer}, nil, false},
		{"ours keeps its place", []string{util.Finalizer, "x"}, []string{util.Finalizer, "x"}, []string{"x"}, true},
		{"foreign ones stay", []string{"x", "y"}, []string{"x", "y", util.Finalizer}, []string{"x", "y"}, false},
		{"the legacy name is replaced", []string{util.LegacyFinalizer, "x"}, []string{"x", util.Finalizer}, []string{"x"}, false},
		{"both names become one", []string{util.LegacyFinalizer, util.Finalizer}, []string{util.Finalizer}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object := func() *v1.Vpc { return &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Finalizers: slices.Clone(test.list)}} }
			if got := HasFinalizer(object()); got != test.has {
				t.Errorf("HasFinalizer = %v", got)
			}
			added, removed := object(), object()
			AddFinalizer(added)
			if diff := cmp.Diff(test.added, added.Finalizers); diff != "" {
				t.Errorf("AddFinalizer (-want +got)\n%s", diff)
			}
			RemoveFinalizer(removed)
			if !slices.Equal(test.removed, removed.Finalizers) {
				t.Errorf("RemoveFinalizer: got %v, want %v", removed.Finalizers, test.removed)
			}
		})
	}
}
