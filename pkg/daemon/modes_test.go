package daemon

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
