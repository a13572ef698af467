package controllertest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	kubefake "k8s.io/client-go/kubernetes/fake"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/fake"
	kubeovnscheme "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/scheme"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
)

// patience is how long a test waits for a state before it fails; reaching it is always a failure.
const patience = 20 * time.Second

// Fixture is the world of one controller test.
type Fixture struct {
	*Database

	Kube    *kubefake.Clientset
	KubeOVN *fake.Clientset
	// KubeInformers and Informers are those of the present process; a restart makes new ones.
	KubeInformers informers.SharedInformerFactory
	Informers     externalversions.SharedInformerFactory
	// Events are those of the controllers under test, "Warning Reason message".
	Events *record.FakeRecorder

	t     testing.TB
	ctx   context.Context
	stop  context.CancelFunc
	done  sync.WaitGroup
	loops []*reconcile.Loop
	// watching is how many informers are known to watch.
	watching int
	// read is what Stored returned, by kind, name and version.
	read sync.Map
}

// New starts an API with the objects and a Northbound database of its own.
func New(t testing.TB, objects ...runtime.Object) *Fixture {
	t.Helper()
	f := &Fixture{
		Database: NewDatabase(t),
		Kube:     kubefake.NewClientset(),
		KubeOVN:  fake.NewSimpleClientset(),
		Events:   record.NewFakeRecorder(10_000),
		t:        t,
	}
	f.Kube.PrependReactor("*", "*", clienttesting.ObjectReaction(&apiServer{ObjectTracker: f.Kube.Tracker()}))
	f.KubeOVN.PrependReactor("*", "*", clienttesting.ObjectReaction(&apiServer{ObjectTracker: f.KubeOVN.Tracker()}))
	for _, object := range objects {
		f.Create(object)
	}
	f.begin()
	t.Cleanup(func() { f.Stop() })
	return f
}

// begin prepares what a process has for itself: its context and its informers.
func (f *Fixture) begin() {
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(3), textlogger.Output(testWriter{f.t})))
	f.ctx, f.stop = context.WithCancel(klog.NewContext(context.Background(), logger))
	f.KubeInformers = informers.NewSharedInformerFactory(f.Kube, 0)
	f.Informers = externalversions.NewSharedInformerFactory(f.KubeOVN, 0)
	f.loops, f.watching = nil, 0
	f.Forget()
}

// Restart stops the controllers and starts those that build makes as a new process: with new informers and a new database
// client, on the API and the database as they are.
func (f *Fixture) Restart(build func(f *Fixture) []*reconcile.Loop) {
	f.t.Helper()
	f.Stop()
	f.Reconnect()
	f.begin()
	f.Run(build)
}

// Context ends with the fixture.
func (f *Fixture) Context() context.Context { return f.ctx }

// Start starts the informers and runs the loops until the fixture stops.
func (f *Fixture) Start(loops ...*reconcile.Loop) {
	f.t.Helper()
	before := watches(&f.Kube.Fake) + watches(&f.KubeOVN.Fake)
	f.KubeInformers.Start(f.ctx.Done())
	f.Informers.Start(f.ctx.Done())
	// The fake API forgets what happens between an informer's list and its watch, which a real one does not.
	informers := len(f.KubeInformers.WaitForCacheSync(f.ctx.Done())) + len(f.Informers.WaitForCacheSync(f.ctx.Done()))
	f.Eventually("the informers watch", func() bool {
		return watches(&f.Kube.Fake)+watches(&f.KubeOVN.Fake)-before >= informers-f.watching
	})
	f.watching = informers
	run := func(loop *reconcile.Loop) {
		f.loops = append(f.loops, loop)
		f.done.Go(func() {
			if err := loop.Run(f.ctx); err != nil {
				f.t.Errorf("loop %s: %v", loop.Name(), err)
			}
		})
	}
	// What is given is there before anybody looks: who comes too early waits longer and longer, which Settle does not see.
	isGiven := func(l *reconcile.Loop) bool { return l.Name() == given }
	for _, loop := range loops {
		if isGiven(loop) {
			run(loop)
			<-loop.FirstPass()
		}
	}
	for _, loop := range slices.DeleteFunc(slices.Clone(loops), isGiven) {
		run(loop)
	}
}

// watches counts the watches that were begun since the last Forget.
func watches(fake *clienttesting.Fake) int {
	n := 0
	for _, action := range fake.Actions() {
		if action.GetVerb() == "watch" {
			n++
		}
	}
	return n
}

// Stop ends the loops and informers as a killed process would, except that running syncs finish.
func (f *Fixture) Stop() {
	f.stop()
	f.done.Wait()
	f.KubeInformers.Shutdown()
	f.Informers.Shutdown()
}

// Create stores an object through the API.
func (f *Fixture) Create(object runtime.Object) {
	f.t.Helper()
	client, gvr, accessor := f.resolve(object)
	action := clienttesting.NewCreateAction(gvr, accessor.GetNamespace(), object.DeepCopyObject())
	if _, err := client.Invokes(action, nil); err != nil {
		f.t.Fatalf("create %s %s: %v", gvr.Resource, accessor.GetName(), err)
	}
}

// Update replaces an object through the API; an empty resource version overwrites. When a controller has written meanwhile what
// Stored returned, the test's changes are made to that.
func (f *Fixture) Update(object runtime.Object) {
	f.t.Helper()
	client, gvr, accessor := f.resolve(object)
	_, err := client.Invokes(clienttesting.NewUpdateAction(gvr, accessor.GetNamespace(), object.DeepCopyObject()), nil)
	if before, ok := f.read.Load(version(gvr, accessor)); ok && apierrors.IsConflict(err) {
		var patch []byte
		if patch, err = reconcile.MergePatch(before, object); err == nil && patch != nil {
			action := clienttesting.NewPatchAction(gvr, accessor.GetNamespace(), accessor.GetName(), types.MergePatchType, patch)
			_, err = client.Invokes(action, nil)
		}
	}
	if err != nil {
		f.t.Fatalf("update %s %s: %v", gvr.Resource, accessor.GetName(), err)
	}
}

// Delete asks the API to delete an object; finalizers hold it as on a real server.
func (f *Fixture) Delete(object runtime.Object) {
	f.t.Helper()
	client, gvr, accessor := f.resolve(object)
	action := clienttesting.NewDeleteAction(gvr, accessor.GetNamespace(), accessor.GetName())
	if _, err := client.Invokes(action, nil); err != nil {
		f.t.Fatalf("delete %s %s: %v", gvr.Resource, accessor.GetName(), err)
	}
}

// Vanish removes an object with no regard for finalizers, as an etcd restored from a backup does.
func (f *Fixture) Vanish(object runtime.Object) {
	f.t.Helper()
	client, gvr, accessor := f.resolve(object)
	if err := client.tracker.Delete(gvr, accessor.GetNamespace(), accessor.GetName()); err != nil {
		f.t.Fatalf("remove %s %s: %v", gvr.Resource, accessor.GetName(), err)
	}
}

// Exists says whether the API still has the object.
func (f *Fixture) Exists(object runtime.Object) bool {
	_, err := f.stored(object)
	return err == nil
}

func (f *Fixture) stored(object runtime.Object) (runtime.Object, error) {
	client, gvr, accessor := f.resolve(object)
	return client.tracker.Get(gvr, accessor.GetNamespace(), accessor.GetName())
}

// Stored reads the API's present state of the object, identified by kind and name.
func Stored[T runtime.Object](f *Fixture, object T) T {
	f.t.Helper()
	stored, err := f.stored(object)
	if err != nil {
		f.t.Fatal(err)
	}
	_, gvr, accessor := f.resolve(stored)
	f.read.Store(version(gvr, accessor), stored.DeepCopyObject())
	return stored.(T)
}

// Edit changes the API's present state of the object, identified by kind and name, as a user does.
func Edit[T runtime.Object](f *Fixture, object T, change func(T)) {
	f.t.Helper()
	stored := Stored(f, object).DeepCopyObject().(T)
	change(stored)
	f.Update(stored)
}

func version(gvr schema.GroupVersionResource, object metav1.Object) string {
	return fmt.Sprint(gvr.GroupResource(), " ", object.GetNamespace(), "/", object.GetName(), " ", object.GetResourceVersion())
}

// Eventually waits until ok, and fails the test with what when that takes too long.
func (f *Fixture) Eventually(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			f.t.Fatalf("not in time: %s\nlast API writes:\n%s", what, strings.Join(f.Writes(), "\n"))
		}
		<-tick.C
	}
}

// Settle waits until the loops have nothing to do and nothing has been written for a while. Keys in backoff do not count.
func (f *Fixture) Settle() {
	f.t.Helper()
	const quiet = 60 * time.Millisecond
	last, since := "", time.Now()
	f.Eventually("the controllers settle", func() bool {
		state := fmt.Sprint(len(f.Kube.Actions()), len(f.KubeOVN.Actions()), f.Transactions())
		idle := !slices.ContainsFunc(f.loops, func(l *reconcile.Loop) bool { return !l.Idle() })
		if state != last || !idle {
			last, since = state, time.Now()
		}
		return time.Since(since) >= quiet
	})
}

// Resync enqueues every key the controllers own rows for, and keys besides.
func (f *Fixture) Resync(keys ...string) {
	for _, loop := range f.loops {
		for _, key := range append(f.NB.Owners(loop.Name()), keys...) {
			loop.Add(key)
		}
	}
}

// Forget empties the list of API calls.
func (f *Fixture) Forget() {
	f.Kube.ClearActions()
	f.KubeOVN.ClearActions()
}

// Writes are the API writes since the start or the last Forget, the test's own included: "patch subnets/net1/status {...}".
func (f *Fixture) Writes() []string {
	var writes []string
	for _, action := range append(f.Kube.Actions(), f.KubeOVN.Actions()...) {
		switch a := action.(type) {
		case clienttesting.PatchActionImpl:
			writes = append(writes, describe(a, a.Name, string(a.Patch)))
		case clienttesting.CreateActionImpl:
			name := a.Name
			if accessor, err := meta.Accessor(a.Object); err == nil && name == "" {
				name = accessor.GetName()
			}
			writes = append(writes, describe(a, name, ""))
		case clienttesting.UpdateActionImpl:
			if accessor, err := meta.Accessor(a.Object); err == nil {
				writes = append(writes, describe(a, accessor.GetName(), ""))
			}
		case clienttesting.DeleteActionImpl:
			writes = append(writes, describe(a, a.Name, ""))
		}
	}
	return writes
}

func describe(action clienttesting.Action, name, body string) string {
	path := []string{action.GetResource().Resource}
	for _, part := range []string{action.GetNamespace(), name, action.GetSubresource()} {
		if part != "" {
			path = append(path, part)
		}
	}
	return strings.TrimSpace(action.GetVerb() + " " + strings.Join(path, "/") + " " + body)
}

type client struct {
	*clienttesting.Fake
	tracker clienttesting.ObjectTracker
}

func (f *Fixture) resolve(object runtime.Object) (client, schema.GroupVersionResource, metav1.Object) {
	f.t.Helper()
	accessor, err := meta.Accessor(object)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, scheme := range []*runtime.Scheme{kubeovnscheme.Scheme, kubescheme.Scheme} {
		kinds, _, err := scheme.ObjectKinds(object)
		if err != nil {
			continue
		}
		gvr := resourceOf(kinds[0])
		if gvr.Group == v1.GroupName {
			return client{&f.KubeOVN.Fake, f.KubeOVN.Tracker()}, gvr, accessor
		}
		return client{&f.Kube.Fake, f.Kube.Tracker()}, gvr, accessor
	}
	f.t.Fatalf("%T is in no scheme", object)
	return client{}, schema.GroupVersionResource{}, nil
}

// testWriter sends log lines to the test that causes them.
type testWriter struct{ t testing.TB }

var _ io.Writer = testWriter{}

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
