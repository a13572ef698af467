package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"

	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

// As a secondary network the daemon leaves the node's rules and condition to the primary one.
func TestNonPrimary(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	m.whole()
	m.stop()
	m.editNode(func(n *corev1.Node) { n.Status.Conditions = nil })

	m.cfg.NonPrimary = true
	m.start()
	m.awaitReady()
	porttest.Eventually(t, "rules are gone", func() error {
		for _, command := range []string{"iptables-nft-save", "ip6tables-nft-save", "ipset list -n"} {
			words := strings.Fields(command)
			out, err := exec.Command(words[0], words[1:]...).Output()
			m.must(err)
			if strings.Contains(string(out), "OVN-") || strings.Contains(string(out), "ovn40") || strings.Contains(string(out), "ovn60") {
				return fmt.Errorf("%s: %s", command, out)
			}
		}
		return nil
	})
	m.contains("ping -c 1 -W 1 -I ovn0 100.64.0.1", "1 received")
	if c := m.getNode().Status.Conditions; len(c) != 0 {
		t.Errorf("the node's condition is another plugin's to write: %v", c)
	}
}

func TestMirrorOfPods(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	_, _ = m.runPod()
	m.expectMirror("select_all: false", "select_dst_port: []")
	m.annotatePod("ovn.kubernetes.io/mirror", "true")
	m.expectMirror("select_all: false", "select_dst_port: ["+m.hostLink()+"]")
	m.contains("ip link show mirror0", "UP")
	m.annotatePod("ovn.kubernetes.io/mirror", "")
	m.expectMirror("select_all: false", "select_dst_port: []")
}

func TestMirrorOfAll(t *testing.T) {
	m := newMachine(t)
	m.cfg.EnableMirror, m.cfg.MirrorIface = true, "mirror1"
	m.allocate()
	m.start()
	m.awaitReady()
	m.expectMirror("select_all: true", "select_dst_port: []")
	m.contains("ip link show mirror1", "UP")
}

func (m *machine) annotatePod(key, value string) {
	m.t.Helper()
	ctx := context.WithoutCancel(m.t.Context())
	pod, err := m.kube.CoreV1().Pods("default").Get(ctx, "web", metav1.GetOptions{})
	m.must(err)
	delete(pod.Annotations, key)
	if value != "" {
		pod.Annotations[key] = value
	}
	_, err = m.kube.CoreV1().Pods("default").Update(ctx, pod, metav1.UpdateOptions{})
	m.must(err)
}

// expectMirror waits until the node's mirror reads "<column>: <value>", ports by their names.
func (m *machine) expectMirror(want ...string) {
	m.t.Helper()
	porttest.Eventually(m.t, "mirror", func() error {
		for _, w := range want {
			column, value, _ := strings.Cut(w, ": ")
			got := strings.TrimSpace(m.Vsctl("get", "mirror", "m0", column))
			if uuid := strings.Trim(got, "[]"); column == "select_dst_port" && uuid != "" {
				got = "[" + strings.Trim(strings.TrimSpace(m.Vsctl("get", "port", uuid, "name")), `"`) + "]"
			}
			if got != value {
				return fmt.Errorf("%s is %s, want %s", column, got, value)
			}
		}
		return nil
	})
}

// A daemon that starts before the API server answers waits for it.
func TestDaemonWaitsForTheAPIServer(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	var away atomic.Bool
	away.Store(true)
	m.kube.PrependReactor("*", "*", func(ktesting.Action) (bool, runtime.Object, error) {
		return away.Load(), nil, errors.New("connection refused")
	})
	m.start()
	porttest.Eventually(t, "waiting", func() error {
		if code, text := m.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "connection refused") {
			return fmt.Errorf("%d %s", code, text)
		}
		return nil
	})
	if code, text := m.get("/livez"); code != http.StatusOK {
		t.Errorf("a restart would not help, yet livez says %d %s", code, text)
	}
	away.Store(false)
	m.awaitReady()
	m.whole()
}
