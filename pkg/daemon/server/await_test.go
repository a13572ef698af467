package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// wantMade is what an Add of these tests says when it got as far as making the interface: there is no such namespace.
const wantMade = "open network namespace /run/netns/none"

func TestAddWaitsForTheController(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	p := pod(10)
	granted := p.Annotations
	for name, missing := range map[string][]string{
		"everything": {"allocated", "routed", "ip_address", "mac_address", "cidr", "gateway", "logical_switch"},
		"the grant":  {"allocated"},
		"the routes": {"routed"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Annotations = map[string]string{}
			for key, value := range granted {
				p.Annotations[key] = value
			}
			for _, suffix := range missing {
				delete(p.Annotations, "ovn.kubernetes.io/"+suffix)
			}
			f.create(p)
			defer f.remove(p)
			result := make(chan error)
			go func() {
				_, err := f.client.Add(t.Context(), request(10))
				result <- err
			}()
			select {
			case err := <-result:
				t.Fatalf("did not wait: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
			p.Annotations = granted
			f.update(p)
			begin := time.Now()
			assertFailure(t, <-result, api.CodeTryAgainLater, wantMade)
			if took := time.Since(begin); took > 500*time.Millisecond {
				t.Errorf("answered %s after the annotations came: that is no event", took)
			}
		})
	}
}

func TestAddGivesUp(t *testing.T) {
	f := newFixture(t, nil, func(c *Config) { c.WaitTimeout = 100 * time.Millisecond })
	for name, c := range map[string]struct {
		drop string
		text string
	}{
		"no address": {"allocated", "no address allocated to pod default/p11 provider ovn"},
		"no routes":  {"routed", "route is not ready for pod default/p11 provider ovn"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pod(11)
			delete(p.Annotations, "ovn.kubernetes.io/"+c.drop)
			f.create(p)
			defer f.remove(p)
			f.seen(p.Name)
			_, err := f.client.Add(t.Context(), request(11))
			assertFailure(t, err, api.CodeTryAgainLater, c.text)
			if e := f.event(); !strings.HasPrefix(e, "Warning PodNetworkConfigureFailed stage=await provider=ovn interface=eth0 node=node1 error="+c.text) {
				t.Errorf("event %q", e)
			}
		})
	}
}

// seen waits until the informer has a pod.
func (f *fixture) seen(name string) {
	f.t.Helper()
	eventually(f.t, "the informer sees "+name, func() bool {
		_, err := f.server.cfg.Pods.Lister().Pods("default").Get(name)
		return err == nil
	})
}

func TestAddForAPodThatIsGone(t *testing.T) {
	f := newFixture(t, nil, nil)
	other := request(12)
	other.PodUID = "the one before"
	f.create(pod(12))
	f.seen("p12")
	for name, req := range map[string]api.Request{"never there": request(13), "replaced by one of its name": other} {
		begin := time.Now()
		_, err := f.client.Add(t.Context(), req)
		assertFailure(t, err, api.CodeUnknownContainer, "pod default/"+req.PodName+" is gone")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%s: waited %s for nothing", name, took)
		}
		if e := f.event(); !strings.Contains(e, "is gone") {
			t.Errorf("%s: event %q", name, e)
		}
	}
}

// The runtime knows a static pod by another UID than the API server knows its mirror.
func TestAddForAStaticPod(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	mirror := pod(19)
	mirror.Annotations["kubernetes.io/config.mirror"] = "hash of the file"
	f.create(mirror)
	req := request(19)
	req.PodUID = "hash of the file"
	_, err := f.client.Add(t.Context(), req)
	assertFailure(t, err, api.CodeTryAgainLater, wantMade)
}

// A pod that goes while an Add waits for its address ends the wait.
func TestAddForAPodThatGoes(t *testing.T) {
	f := newFixture(t, nil, nil)
	p := pod(14)
	delete(p.Annotations, "ovn.kubernetes.io/allocated")
	f.create(p)
	f.seen("p14")
	result := make(chan error)
	go func() {
		_, err := f.client.Add(t.Context(), request(14))
		result <- err
	}()
	eventually(t, "the Add waits", func() bool { return f.busyWith("cid14") == 1 })
	f.remove(p)
	assertFailure(t, <-result, api.CodeUnknownContainer, "is gone")
}

func (f *fixture) busyWith(container string) int {
	f.server.busy.mu.Lock()
	defer f.server.busy.mu.Unlock()
	if k := f.server.busy.held[container]; k != nil {
		return k.users
	}
	return 0
}

// The API server has the pod before the informer brings it.
func TestAddAheadOfTheInformer(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	asked := make(chan struct{})
	late := pod(15)
	f.server.cfg.LookupPod = lookupFirst(late, asked)
	result := make(chan error)
	go func() {
		_, err := f.client.Add(t.Context(), request(15))
		result <- err
	}()
	<-asked
	f.create(late)
	assertFailure(t, <-result, api.CodeTryAgainLater, wantMade)
}

// An API server that fails is no reason to call the pod gone.
func TestAddWhileTheAPIIsAway(t *testing.T) {
	f := newFixture(t, nil, func(c *Config) {
		c.WaitTimeout = 100 * time.Millisecond
		c.LookupPod = lookupFails
	})
	_, err := f.client.Add(t.Context(), request(16))
	assertFailure(t, err, api.CodeTryAgainLater, "has not been seen by the daemon of node node1, and the API server says: away")
}

// Malformed annotations are told at once, where the user looks, and no retry is asked for.
func TestAddRefusesAnnotations(t *testing.T) {
	f := newFixture(t, nil, nil)
	p := pod(17)
	p.Annotations["ovn.kubernetes.io/routes"] = "172.16.0.0/16"
	f.create(p)
	f.seen("p17")
	_, err := f.client.Add(t.Context(), request(17))
	assertFailure(t, err, api.CodeInvalidConfig, "annotation ovn.kubernetes.io/routes is not a JSON list of routes")
	if e := f.event(); !strings.Contains(e, "ovn.kubernetes.io/routes") {
		t.Errorf("event %q", e)
	}
}

func TestAddUnknownProvider(t *testing.T) {
	f := newFixture(t, nil, func(c *Config) { c.WaitTimeout = 50 * time.Millisecond })
	f.create(pod(18))
	f.seen("p18")
	for provider, code := range map[string]uint{
		"nad.ns1.ovn":      api.CodeTryAgainLater, // known, and without an address
		"nad.ns1.ovn.net1": api.CodeTryAgainLater,
		"nad.ns2.ovn":      api.CodeInvalidConfig,
		"nad.ns1":          api.CodeInvalidConfig,
	} {
		req := request(18)
		req.Provider, req.IfName = provider, "net1"
		_, err := f.client.Add(t.Context(), req)
		text := "no address allocated"
		if code == api.CodeInvalidConfig {
			text = "provider " + provider + " is not bound to any subnet"
		}
		assertFailure(t, err, code, text)
	}
}

// One Add of a container at a time; the other waits its turn. Another container does not wait.
func TestAddsOfOneContainerQueue(t *testing.T) {
	f := newFixture(t, nil, nil)
	for _, n := range []int{20, 21} {
		p := pod(n)
		delete(p.Annotations, "ovn.kubernetes.io/allocated")
		f.create(p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	add := func(req api.Request) {
		_, err := f.client.Add(ctx, req)
		result <- err
	}
	second := request(20)
	second.IfName = "net1"
	go add(request(20))
	go add(second)
	go add(request(21))
	eventually(t, "two requests of one container", func() bool { return f.busyWith("cid20") == 2 })
	eventually(t, "one of another", func() bool { return f.busyWith("cid21") == 1 })
	// The runtime gives up: everything ends, and the locks are forgotten.
	cancel()
	for range 3 {
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the cancellation", err)
		}
	}
	eventually(t, "nobody is left", func() bool { return f.busyWith("cid20") == 0 && f.busyWith("cid21") == 0 })
}
