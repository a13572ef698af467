package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

const (
	nodes    = 3
	small    = 1000 // pods of the small run, which is also the beginning of the large one
	creators = 16   // concurrent creators of pods
	patience = 2 * time.Minute
)

type options struct {
	pods, workers           int
	cpuProfile, heapProfile string
}

// controllerReport measures the floor and the controller, each on a fresh API server.
func controllerReport(ctx context.Context, o options) error {
	if o.pods < 3*small {
		return fmt.Errorf("-pods: want at least %d", 3*small)
	}
	var bottom, product load
	if err := in(ctx, func(s *scope) (err error) { bottom, err = runFloor(s, o); return err }); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	if err := in(ctx, func(s *scope) (err error) { product, err = runController(s, o); return err }); err != nil {
		return err
	}
	line("controller.floor.pods_1000.rate", bottom.rate(small), "pods/s")
	line("controller.floor.pods_5000.rate", bottom.rate(o.pods), "pods/s")
	line("controller.pods_1000.rate", product.rate(small), "pods/s")
	line("controller.pods_5000.rate", product.rate(o.pods), "pods/s")
	line("controller.pods_1000.floor_ratio", product.rate(small)/bottom.rate(small), "x")
	line("controller.pods_5000.floor_ratio", product.rate(o.pods)/bottom.rate(o.pods), "x")
	// The same ratio by what all programs together spend: it does not move with whatever else the machine does.
	line("controller.pods_5000.floor_cpu_ratio", float64(bottom.spent.total())/float64(product.spent.total()), "x")
	line("controller.growth", product.steps[0].rate()/product.last().rate(), "x")
	line("controller.floor.growth", bottom.steps[0].rate()/bottom.last().rate(), "x")
	for name, l := range map[string]load{"controller": product, "controller.floor": bottom} {
		for _, program := range slices.Sorted(maps.Keys(l.spent)) {
			line(name+".cpu_per_1000_pods."+program, l.spent[program].Seconds()*1000/float64(o.pods), "s")
		}
	}
	return nil
}

// load is what a run of pods in three steps took: the first thousand, the middle, the last thousand.
type load struct {
	steps []step
	cpu   time.Duration // of the process under test
	spent spent         // of all programs of the run
}

type step struct {
	pods int
	took time.Duration
}

func (s step) rate() float64 { return float64(s.pods) / s.took.Seconds() }
func (l load) last() step    { return l.steps[len(l.steps)-1] }

// rate is pods per second until that many were served.
func (l load) rate(pods int) float64 {
	sum := step{}
	for _, s := range l.steps {
		if sum.pods < pods {
			sum.pods, sum.took = sum.pods+s.pods, sum.took+s.took
		}
	}
	return sum.rate()
}

// bench is one API server with pods, seen from outside.
type bench struct {
	*scope
	plane  *testbed.Plane
	served atomic.Int64
	made   int
}

func newBench(s *scope) (*bench, error) {
	plane, err := testbed.StartPlane(s.ctx)
	if err != nil {
		return nil, err
	}
	b := &bench{scope: s, plane: plane}
	s.Cleanup(func() { _ = plane.Stop() })
	return b, plane.AddNodes(s.ctx, nodes)
}

// watch counts served pods from now on, with the least that a watch can cost: metadata only.
func (b *bench) watch() {
	ctx, cancel := context.WithCancel(b.ctx)
	b.Cleanup(cancel)
	factory := metadatainformer.NewSharedInformerFactory(b.plane.Meta, 0)
	informer := factory.ForResource(corev1.SchemeGroupVersion.WithResource("pods")).Informer()
	isServed := func(obj any) bool {
		pod, ok := obj.(*metav1.PartialObjectMetadata)
		return ok && testbed.Served(pod)
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(old, new any) {
		if isServed(new) && !isServed(old) {
			b.served.Add(1)
		}
	}}); err != nil {
		b.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
}

// pods makes n more pods and waits until they are served.
func (b *bench) pods(n int, under *testbed.Process) step {
	first, before := b.made, b.served.Load()
	b.made += n
	start := time.Now()
	failed := make(chan error, creators)
	for worker := range creators {
		go func() {
			for i := first + worker; i < first+n; i += creators {
				pod := testbed.Pod("default", fmt.Sprintf("pod-%d", i), fmt.Sprintf("node%d", i%nodes+1))
				if _, err := b.plane.Kube.CoreV1().Pods("default").Create(b.ctx, pod, metav1.CreateOptions{}); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range creators {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	b.until(fmt.Sprintf("%d pods are served", n), under, func() error {
		if got := b.served.Load() - before; got < int64(n) {
			return fmt.Errorf("%d are", got)
		}
		return nil
	})
	return step{n, time.Since(start)}
}

// until waits for a state, as long as the process runs.
func (b *bench) until(what string, under *testbed.Process, check func() error) {
	end := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		switch {
		case err == nil:
			return
		case !under.Running():
			b.Fatalf("%s: the program ended\n%s", what, under.Tail())
		case time.Now().After(end) || b.ctx.Err() != nil:
			b.Fatalf("not in time: %s: %v\n%s", what, err, under.Tail())
		}
		<-tick.C
	}
}

// steps makes all pods in three steps.
func (b *bench) steps(total int, under *testbed.Process) load {
	var l load
	before, _ := under.Usage()
	all := spending()
	for _, n := range []int{small, total - 2*small, small} {
		l.steps = append(l.steps, b.pods(n, under))
	}
	after, _ := under.Usage()
	l.cpu, l.spent = after-before, spending().since(all)
	return l
}

func runFloor(s *scope, o options) (load, error) {
	b, err := newBench(s)
	if err != nil {
		return load{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return load{}, err
	}
	b.watch()
	p := testbed.Start(s, floorVerb, nil, self, floorVerb, "-kubeconfig="+b.plane.Kubeconfig, "-workers="+strconv.Itoa(o.workers))
	return b.steps(o.pods, p), nil
}

func runController(s *scope, o options) (load, error) {
	program, err := testbed.Build(s.ctx, s.TempDir(), "cmd/kube-ovn-controller")
	if err != nil {
		return load{}, err
	}
	b, err := newBench(s)
	if err != nil {
		return load{}, err
	}
	central := testbed.StartCentral(s)
	start := func() *testbed.Process {
		return testbed.StartController(s, program, b.plane, central, "kube-ovn-controller-bench")
	}
	c := start()
	b.until("the nodes are served", c, func() error { return b.nodesServed() })
	b.watch()
	b.settle(c, central)

	profiled := b.profile(c, o)
	writes, transactions, syncs := b.plane.Writes(s), c.Transactions("OVN_Northbound"), c.Syncs("pod")
	l := b.steps(o.pods, c)
	b.settle(c, central)
	_, rss := c.Usage()
	added := b.plane.Writes(s).Since(writes)
	line("controller.cpu_per_1000_pods", l.cpu.Seconds()*1000/float64(o.pods), "s")
	line("controller.api_writes_per_pod", float64(added.Total()-o.pods)/float64(o.pods), "count") // the pods themselves are ours
	line("controller.nb_txns_per_pod", float64(c.Transactions("OVN_Northbound")-transactions)/float64(o.pods), "count")
	line("controller.syncs_per_pod", float64(c.Syncs("pod")-syncs)/float64(o.pods), "count")
	line("controller.rss_5000", float64(rss)/(1<<20), "MB")
	if err := profiled(); err != nil {
		return l, err
	}
	b.restart(c, start, central)
	return l, nil
}

// nodesServed is nil when every node has its join port and the default subnet takes pods.
func (b *bench) nodesServed() error {
	list, err := b.plane.Kube.CoreV1().Nodes().List(b.ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range list.Items {
		if node.Annotations[util.Key(util.OvnProvider, util.Allocated)] != "true" {
			return fmt.Errorf("%s is not", node.Name)
		}
	}
	return nil
}

// settle waits until the controller has written nothing for a while.
func (b *bench) settle(c *testbed.Process, central *testbed.Central) {
	const quiet = 1500 * time.Millisecond // more than the delay of a subnet's counters
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	last, since := "", time.Now()
	b.until("nothing is written any more", c, func() error {
		<-look.C
		if state := fmt.Sprint(b.plane.Writes(b), c.Transactions("OVN_Northbound")); state != last {
			last, since = state, time.Now()
		}
		if time.Since(since) < quiet {
			return errors.New("it was")
		}
		return nil
	})
}

// restart measures two restarts: one with a pod that waits to be served, one in which there is nothing to do.
func (b *bench) restart(c *testbed.Process, start func() *testbed.Process, central *testbed.Central) {
	c.Kill()
	before := b.served.Load()
	if _, err := b.plane.Kube.CoreV1().Pods("default").Create(b.ctx, testbed.Pod("default", "first", "node1"), metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	c = start()
	b.until("the first pod after the restart is served", c, func() error {
		if b.served.Load() == before {
			return errors.New("it is not")
		}
		return nil
	})
	line("controller.restart_5000.first_pod", time.Since(began).Seconds(), "s")
	b.settle(c, central)

	versions, writes := central.Versions(), b.plane.Writes(b)
	c.Kill()
	began = time.Now()
	c = start()
	b.until("the first pass", c, func() error { return c.Passed(int(b.served.Load())) })
	line("controller.restart_5000.first_pass", time.Since(began).Seconds(), "s")
	b.settle(c, central)
	cpu, _ := c.Usage()
	changed := 0
	if central.Versions() != versions {
		changed = 1
	}
	line("controller.restart_5000.nb_writes", float64(max(changed, c.Transactions("OVN_Northbound"))), "count")
	line("controller.restart_5000.api_writes", float64(b.plane.Writes(b).Since(writes).Total()), "count")
	line("controller.restart_5000.cpu", cpu.Seconds(), "s")
}
