package reconcile

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// late is a writer of Nodes whose watch brings nothing.
type late struct {
	Writer[*corev1.Node]
	client *fake.Clientset
}

// newLate has node in the cache.
func newLate(t *testing.T, node *corev1.Node) late {
	t.Helper()
	b := late{client: fake.NewClientset()}
	fresh := &Fresh[*corev1.Node]{store: cache.NewStore(cache.MetaNamespaceKeyFunc), wrote: map[string]written[*corev1.Node]{}}
	if err := fresh.store.Add(node); err != nil {
		t.Fatal(err)
	}
	b.Writer = NewWriter("machine", b.client.CoreV1().Nodes(), fresh)
	return b
}

// patches are those that were sent, each as its subresource and body.
func (b late) patches() []string {
	var out []string
	for _, action := range b.client.Actions() {
		if patch, ok := action.(clienttesting.PatchAction); ok {
			out = append(out, patch.GetSubresource()+string(patch.GetPatch()))
		}
	}
	return out
}

// answer makes the API answer every patch of a node with node or err.
func (b late) answer(node *corev1.Node, err error) {
	b.client.PrependReactor("patch", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) { return true, node, err })
}

// expect fails the test when other patches than want were sent.
func expect(t *testing.T, b late, want ...string) {
	t.Helper()
	if got := b.patches(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// noted is the note of the node as the writer reads it.
func noted(b late) string {
	node, _ := b.Get("n")
	return node.Annotations["note"]
}

func TestWriterPatch(t *testing.T) {
	before := version("a", "5", "old")
	b := newLate(t, before)
	b.answer(version("a", "6", "new"), nil)
	if got, err := b.Patch(t.Context(), before, before.DeepCopy()); err != nil || got != before {
		t.Errorf("equal objects: %v, %v", got, err)
	}
	expect(t, b)
	got, err := b.Patch(t.Context(), before, version("a", "5", "new"))
	if err != nil || got.ResourceVersion != "6" {
		t.Errorf("got %v, %v", got, err)
	}
	expect(t, b, `{"metadata":{"annotations":{"note":"new"},"resourceVersion":"5"}}`)
	if noted(b) != "new" {
		t.Error("the write is not remembered")
	}
}

func TestWriterStatus(t *testing.T) {
	before := version("a", "5", "old")
	b := newLate(t, before)
	b.answer(version("a", "6", "new"), nil)
	phase := corev1.NodeStatus{Phase: corev1.NodeRunning}
	if wrote, err := b.PatchStatus(t.Context(), before, phase, phase); err != nil || wrote {
		t.Errorf("equal statuses: %v, %v", wrote, err)
	}
	expect(t, b)
	if wrote, err := b.PatchStatus(t.Context(), before, phase, corev1.NodeStatus{Phase: corev1.NodePending}); err != nil || !wrote {
		t.Errorf("wrote %v, %v", wrote, err)
	}
	expect(t, b, `status{"status":{"phase":"Pending"}}`)
	if noted(b) != "new" {
		t.Error("the write is not remembered")
	}
}

func TestWriterMerge(t *testing.T) {
	before := version("a", "5", "old")
	b := newLate(t, before)
	b.answer(version("a", "6", "new"), nil)
	nodes := b.client.CoreV1().Nodes()
	if err := b.Merge(t.Context(), nodes, before, before.DeepCopy()); err != nil {
		t.Error(err)
	}
	expect(t, b)
	if err := b.Merge(t.Context(), nodes, before, version("a", "5", "new")); err != nil {
		t.Error(err)
	}
	expect(t, b, `{"metadata":{"annotations":{"note":"new"}}}`)
	if noted(b) != "new" {
		t.Error("the write is not remembered")
	}
}

func TestWriterErrors(t *testing.T) {
	before, after := version("a", "5", "old"), version("a", "5", "new")
	b := newLate(t, before)
	refusal := errors.New("refused")
	b.answer(nil, refusal)
	got, err := b.Patch(t.Context(), before, after)
	if got != before || !errors.Is(err, refusal) || err.Error() != "patch machine n: refused" {
		t.Errorf("Patch: %v, %v", got, err)
	}
	wrote, err := b.PatchStatus(t.Context(), before, corev1.NodeStatus{}, corev1.NodeStatus{Phase: corev1.NodePending})
	if wrote || !errors.Is(err, refusal) || err.Error() != "patch status of machine n: refused" {
		t.Errorf("PatchStatus: %v, %v", wrote, err)
	}
	if err := b.Merge(t.Context(), b.client.CoreV1().Nodes(), before, after); !errors.Is(err, refusal) {
		t.Errorf("Merge: %v", err)
	}
	if noted(b) != "old" {
		t.Error("a write that failed is remembered")
	}
}

func TestWriterFinalizer(t *testing.T) {
	held := func() *corev1.Node {
		node := version("a", "5", "held")
		node.Finalizers = []string{util.Finalizer, "x"}
		return node
	}
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, "n")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "n", nil)
	for name, test := range map[string]struct {
		call   func(late, *corev1.Node) error
		answer error
		fails  bool
		reads  string
	}{
		"freed":                     {func(b late, n *corev1.Node) error { return b.Free(t.Context(), n) }, nil, false, "freed"},
		"freed when it is gone":     {func(b late, n *corev1.Node) error { return b.Free(t.Context(), n) }, missing, true, "held"},
		"finished":                  {func(b late, n *corev1.Node) error { return b.Finish(t.Context(), n) }, nil, false, "held"},
		"finished when it is gone":  {func(b late, n *corev1.Node) error { return b.Finish(t.Context(), n) }, missing, false, "held"},
		"finished against a writer": {func(b late, n *corev1.Node) error { return b.Finish(t.Context(), n) }, conflict, true, "held"},
	} {
		t.Run(name, func(t *testing.T) {
			node := held()
			b := newLate(t, node)
			b.answer(version("a", "6", "freed"), test.answer)
			if err := test.call(b, node); (err != nil) != test.fails {
				t.Errorf("error %v", err)
			}
			expect(t, b, `{"metadata":{"finalizers":["x"],"resourceVersion":"5"}}`)
			if got := noted(b); got != test.reads {
				t.Errorf("reads as %s, want %s", got, test.reads)
			}
			if !slices.Contains(node.Finalizers, util.Finalizer) {
				t.Error("the caller's object was changed")
			}
		})
	}
}

// TestWriterForgets shows that nothing of a finished object is kept, also what was written before.
func TestWriterForgets(t *testing.T) {
	b := newLate(t, version("a", "5", "cached"))
	b.Wrote(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "a", ResourceVersion: "7", Finalizers: []string{util.Finalizer}}})
	node, _ := b.Get("n")
	b.answer(nil, apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, "n"))
	if err := b.Finish(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	if got := noted(b); got != "cached" {
		t.Errorf("reads as %q", got)
	}
}
