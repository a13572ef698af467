package daemon

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

func TestGate(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for name, tc := range map[string]struct {
		open   func(*gate)
		passes []string
	}{
		"closed":    {func(*gate) {}, nil},
		"half open": {func(g *gate) { g.open(next, false) }, []string{api.PathDel, api.PathCheck, api.PathGC, api.PathStatus}},
		"open": {func(g *gate) { g.open(next, false); g.open(next, true) },
			[]string{api.PathAdd, api.PathDel, api.PathCheck, api.PathGC, api.PathStatus}},
	} {
		g := &gate{why: func() error { return errors.New("no tunnel NIC") }}
		tc.open(g)
		var passes []string
		for _, path := range []string{api.PathAdd, api.PathDel, api.PathCheck, api.PathGC, api.PathStatus} {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
			switch {
			case w.Code == http.StatusTeapot:
				passes = append(passes, path)
			case w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no tunnel NIC"):
				t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Body)
			}
		}
		if strings.Join(passes, " ") != strings.Join(tc.passes, " ") {
			t.Errorf("%s: passes %v, want %v", name, passes, tc.passes)
		}
	}
}

// A daemon whose tunnel cannot work refuses pods at once and with the reason, and still removes interfaces.
func TestEarlyRequests(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	_, req := m.runPod()
	m.stop()
	m.editNode(func(n *corev1.Node) { n.Annotations["ovn.kubernetes.io/tunnel_interface"] = "nosuch" })
	m.start()
	client := api.NewClient(m.cfg.Socket)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()

	porttest.Eventually(t, "ADD is refused", func() error {
		_, err := client.Add(ctx, req)
		var refused *types.Error
		if !errors.As(err, &refused) || refused.Code != types.ErrTryAgainLater || !strings.Contains(refused.Details, "nosuch") {
			return errors.Join(errors.New("want code 11 and the NIC's name"), err)
		}
		return nil
	})
	var status *types.Error
	if err := client.Status(ctx); !errors.As(err, &status) || status.Code != api.CodePluginUnavailable {
		t.Errorf("STATUS says %v, want code %d", err, api.CodePluginUnavailable)
	}
	m.must(client.Del(ctx, req))
	if left, _ := filepath.Glob("/sys/class/net/*_h"); len(left) > 0 {
		t.Errorf("DEL left %v", left)
	}

	t.Log("the NIC is named right, and everything goes on")
	m.editNode(func(n *corev1.Node) { delete(n.Annotations, "ovn.kubernetes.io/tunnel_interface") })
	m.awaitReady()
	_, err := client.Add(ctx, req)
	m.must(err)
	m.whole()
}
