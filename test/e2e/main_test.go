//go:build e2e

// Package e2e tests the product on a running lab: real kubelets, containers, OVS and OVN, installed by install.sh.
// Tests that show a row of the seed conformance table carry its number, TestS049 shows S-049.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// The nodes of the lab; the first also carries ovn-central.
var nodes = []string{"kube-ovn-control-plane", "kube-ovn-worker", "kube-ovn-worker2"}

// image serves TCP port 80 and holds ping, nc and wget.
const image = "docker.io/library/nginx:alpine"

// agnhost is Kubernetes' own test server.
const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"

var cluster *framework.Cluster

func TestMain(m *testing.M) {
	var err error
	if cluster, err = framework.Load(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := restore(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// restore removes what tests share.
func restore() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return errors.Join(asInstalled(ctx), cluster.NoNamespaceEnds(ctx))
}

// beside runs the test at the end, together with others of its kind: it has namespaces, VPCs and subnets of its own, needs no
// outside network, leaves nodes and programs alone, and does not keep the machine busy.
func beside(t *testing.T) {
	t.Helper()
	t.Parallel()
	withoutDeployment(t)
}

// apply applies manifests for the time of the test and removes them at its end.
func apply(t *testing.T, manifests string) {
	t.Helper()
	removeAtEnd(t, manifests)
	if err := cluster.Apply(t.Context(), []byte(manifests)); err != nil {
		t.Fatal(err)
	}
}

// removeAtEnd removes manifests at the end of the test, before what was to be removed earlier.
func removeAtEnd(t *testing.T, manifests string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := cleanUpContext()
		defer cancel()
		if err := cluster.Delete(ctx, []byte(manifests)); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
}

// cleanUpContext is for what runs when the test's own context has ended.
func cleanUpContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*time.Minute)
}

// podYAML is one pod of the test image; node may be empty, annotations are `key: value` lines.
func podYAML(namespace, name, node string, annotations ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  namespace: %s\n  labels: {app: %s}\n", name, namespace, name)
	if len(annotations) > 0 {
		b.WriteString("  annotations:\n")
		for _, a := range annotations {
			b.WriteString("    " + a + "\n")
		}
	}
	fmt.Fprintf(&b, "spec:\n  terminationGracePeriodSeconds: 0\n")
	if node != "" {
		fmt.Fprintf(&b, "  nodeName: %s\n", node)
	}
	fmt.Fprintf(&b, "  containers:\n    - {name: main, image: %q}\n", image)
	return b.String()
}

// serverYAML is a pod whose web server on port 8080 tells callers what it sees of them (agnhost netexec).
func serverYAML(namespace, name, node string) string {
	return strings.Replace(podYAML(namespace, name, node), fmt.Sprintf("{name: main, image: %q}", image),
		fmt.Sprintf("{name: main, image: %q, args: [netexec]}", agnhost), 1)
}

func namespaceYAML(name string) string {
	return "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: " + name + "\n"
}

// eventually fails the test unless check returns nil before the deadline.
func eventually(t *testing.T, deadline time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := framework.Poll(ctx, what, check); err != nil {
		t.Fatal(err)
	}
}

// ready waits for pods of one namespace and returns their IPv4 addresses by name.
func ready(t *testing.T, deadline time.Duration, namespace string, names ...string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	addresses := map[string]string{}
	for _, name := range names {
		pod, err := cluster.PodReady(ctx, namespace, name)
		if err != nil {
			t.Fatal(err)
		}
		addresses[name] = pod.Status.PodIP
	}
	return addresses
}

// kubectl runs kubectl and fails the test when it fails.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// nbctl runs ovn-nbctl through kubectl-ko and fails the test when it fails.
func nbctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Nbctl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
