package ko

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clientexec "k8s.io/client-go/util/exec"
)

// call is one command that reached a container.
type call struct {
	Pod, Container string
	Argv           []string
	Stdin          bool
}

// recorder stands in for the API server's exec endpoint.
type recorder struct {
	calls  []call
	answer error
}

func (r *recorder) exec(_ context.Context, pod *corev1.Pod, container string, argv []string, s Streams) error {
	r.calls = append(r.calls, call{Pod: pod.Name, Container: container, Argv: argv, Stdin: s.In != nil})
	fmt.Fprintln(s.Out, "output of", argv[0])
	return r.answer
}

func pod(name, node string, ready corev1.ConditionStatus, set map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name, Labels: set},
		Spec:       corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func central(name string, ready corev1.ConditionStatus, roles ...string) *corev1.Pod {
	set := map[string]string{"app": "ovn-central"}
	for _, role := range roles {
		set[role] = "true"
	}
	return pod(name, "cp", ready, set)
}

func node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// client serves objects; unlike the plain fake it honours the node selector, which decides here.
func client(objects ...runtime.Object) *fake.Clientset {
	c := fake.NewClientset(objects...)
	c.PrependReactor("list", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		selector := a.(clienttesting.ListAction).GetListRestrictions()
		list := &corev1.PodList{}
		for _, o := range objects {
			p, ok := o.(*corev1.Pod)
			if ok && p.Namespace == a.GetNamespace() && selector.Labels.Matches(labels.Set(p.Labels)) &&
				selector.Fields.Matches(fields.Set{"spec.nodeName": p.Spec.NodeName}) {
				list.Items = append(list.Items, *p)
			}
		}
		return true, list, nil
	})
	return c
}

func plugin(r *recorder, out io.Writer, objects ...runtime.Object) *Plugin {
	return &Plugin{
		Client: client(objects...), Namespace: "kube-system", Exec: r.exec, Every: time.Millisecond, Tries: 3,
		Streams: Streams{In: strings.NewReader("input"), Out: out, Err: io.Discard},
	}
}

func TestCommandsReachTheRightPod(t *testing.T) {
	deleted := pod("ovs-old", "node1", corev1.ConditionTrue, map[string]string{"app": "ovs"})
	deleted.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	objects := []runtime.Object{
		node("node1"), node("node2"),
		central("central-a", corev1.ConditionTrue, "ovn-nb-leader"),
		central("central-b", corev1.ConditionTrue, "ovn-sb-leader", "ovn-northd-leader"),
		central("central-c", corev1.ConditionFalse, "ovn-nb-leader"),
		deleted,
		pod("ovs-1", "node1", corev1.ConditionTrue, map[string]string{"app": "ovs"}),
		pod("ovs-2", "node2", corev1.ConditionFalse, map[string]string{"app": "ovs"}),
		pod("other", "node1", corev1.ConditionTrue, map[string]string{"app": "other"}),
	}
	for _, test := range []struct {
		args string
		want call
	}{
		{"nbctl show", call{Pod: "central-a", Container: "ovn-central", Argv: []string{"ovn-nbctl", "show"}}},
		{"nbctl --no-leader-only lr-route-list vpc1", call{Pod: "central-a", Container: "ovn-central",
			Argv: []string{"ovn-nbctl", "--no-leader-only", "lr-route-list", "vpc1"}}},
		{"sbctl list chassis", call{Pod: "central-b", Container: "ovn-central", Argv: []string{"ovn-sbctl", "list", "chassis"}}},
		{"vsctl node1 show", call{Pod: "ovs-1", Container: "openvswitch", Argv: []string{"ovs-vsctl", "show"}}},
		{"vsctl node2 show", call{Pod: "ovs-2", Container: "openvswitch", Argv: []string{"ovs-vsctl", "show"}}},
		{"ofctl node1 -O OpenFlow15 dump-flows br-int", call{Pod: "ovs-1", Container: "openvswitch",
			Argv: []string{"ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int"}}},
		{"ofctl node1 add-flows br-int -", call{Pod: "ovs-1", Container: "openvswitch",
			Argv: []string{"ovs-ofctl", "add-flows", "br-int", "-"}, Stdin: true}},
		{"appctl node1 -t ovn-controller connection-status", call{Pod: "ovs-1", Container: "openvswitch",
			Argv: []string{"ovn-appctl", "-t", "ovn-controller", "connection-status"}}},
		{"appctl node1 --target=ovs-vswitchd fdb/show br-int", call{Pod: "ovs-1", Container: "openvswitch",
			Argv: []string{"ovs-appctl", "--target=ovs-vswitchd", "fdb/show", "br-int"}}},
		{"dpctl node1 show", call{Pod: "ovs-1", Container: "openvswitch", Argv: []string{"ovs-appctl", "dpctl/show"}}},
		{"dpctl node1 -m --names dump-flows type=ovs", call{Pod: "ovs-1", Container: "openvswitch",
			Argv: []string{"ovs-appctl", "dpctl/dump-flows", "-m", "--names", "type=ovs"}}},
	} {
		t.Run(test.args, func(t *testing.T) {
			var r recorder
			var out bytes.Buffer
			if err := plugin(&r, &out, objects...).Run(t.Context(), strings.Fields(test.args)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]call{test.want}, r.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if want := "output of " + test.want.Argv[0] + "\n"; out.String() != want {
				t.Errorf("output %q, want %q", out.String(), want)
			}
		})
	}
}

func TestProblemsAreNamed(t *testing.T) {
	for _, test := range []struct {
		name, args, want string
		usage            bool
		objects          []runtime.Object
	}{
		{name: "no leader", args: "nbctl show", want: "nb leader not exists",
			objects: []runtime.Object{central("a", corev1.ConditionFalse, "ovn-nb-leader"), central("b", corev1.ConditionTrue)}},
		{name: "no such node", args: "vsctl node9 show", want: `there is no node "node9"; nodes are node1, node2`,
			objects: []runtime.Object{node("node1"), node("node2")}},
		{name: "node without OVS", args: "vsctl node1 show", want: "node node1 has no running pod of ovs-ovn",
			objects: []runtime.Object{node("node1")}},
		{name: "no node given", args: "vsctl", want: "vsctl needs the name of a node", usage: true},
		{name: "option in place of the node", args: "ofctl -O OpenFlow15 node1", want: "ofctl needs the name of a node", usage: true},
		{name: "dpctl without command", args: "dpctl node1 -m", want: "dpctl needs a command", usage: true},
		{name: "unknown command", args: "frob", want: `unknown command "frob"`, usage: true},
		{name: "nothing", args: "", want: "no command given", usage: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r recorder
			err := plugin(&r, io.Discard, test.objects...).Run(t.Context(), strings.Fields(test.args))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q in it", err, test.want)
			}
			var usage *UsageError
			if errors.As(err, &usage) != test.usage {
				t.Errorf("usage error is %t, want %t", !test.usage, test.usage)
			}
			if len(r.calls) > 0 {
				t.Errorf("ran %v", r.calls)
			}
			if ExitCode(err) != 1 || IsRemote(err) {
				t.Errorf("exit code %d, remote %t", ExitCode(err), IsRemote(err))
			}
		})
	}
}

func TestLeaderIsAwaited(t *testing.T) {
	var r recorder
	p := plugin(&r, io.Discard)
	lists := 0
	c := fake.NewClientset()
	c.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		list := &corev1.PodList{}
		if lists++; lists == 3 { // the election ends
			list.Items = []corev1.Pod{*central("new", corev1.ConditionTrue, "ovn-nb-leader")}
		}
		return true, list, nil
	})
	p.Client = c
	if err := p.Run(t.Context(), []string{"nbctl", "show"}); err != nil {
		t.Fatal(err)
	}
	if len(r.calls) != 1 || r.calls[0].Pod != "new" {
		t.Errorf("calls %v after %d lists", r.calls, lists)
	}
}

func TestExitCodeOfTheToolIsKept(t *testing.T) {
	r := recorder{answer: clientexec.CodeExitError{Err: errors.New("command terminated"), Code: 42}}
	err := plugin(&r, io.Discard, central("a", corev1.ConditionTrue, "ovn-nb-leader")).Run(t.Context(), []string{"nbctl", "show"})
	if code := ExitCode(err); code != 42 {
		t.Errorf("exit code %d of %v, want 42", code, err)
	}
	if !IsRemote(err) {
		t.Error("the tool's own failure would be reported a second time")
	}
	if ExitCode(nil) != 0 {
		t.Error("success does not exit with 0")
	}
}
