package reconcile

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
)

func TestDelete(t *testing.T) {
	going := version("a", "5", "old")
	now := metav1.Now()
	going.DeletionTimestamp = &now
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		node   *corev1.Node
		answer error
		sent   int
		err    string
		forgot bool
	}{
		"one that is there":   {version("a", "5", "old"), nil, 1, "", true},
		"one that goes":       {going, nil, 0, "", false},
		"one that is gone":    {version("a", "5", "old"), apierrors.NewNotFound(schema.GroupResource{}, "n"), 1, "", true},
		"one that was remade": {version("a", "5", "old"), apierrors.NewConflict(schema.GroupResource{}, "n", refused), 1, "delete machine n", false},
		"error":               {version("a", "5", "old"), refused, 1, "delete machine n: refused", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newLate(t, c.node)
			b.Wrote(version("a", "6", "new"))
			var uids []string
			b.client.PrependReactor("delete", "nodes", func(action clienttesting.Action) (bool, runtime.Object, error) {
				options := action.(clienttesting.DeleteActionImpl).DeleteOptions
				uids = append(uids, string(*options.Preconditions.UID))
				return true, nil, c.answer
			})
			err := b.Delete(t.Context(), "machine", b.client.CoreV1().Nodes(), c.node)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if len(uids) != c.sent || c.sent > 0 && uids[0] != "a" {
				t.Errorf("deleted %q", uids)
			}
			if forgot := noted(b) != "new"; forgot != c.forgot {
				t.Errorf("the last write is forgotten: %t, want %t", forgot, c.forgot)
			}
		})
	}
}
