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
	batch    = 500  // pods that are made at once
	small    = 1000 // pods of the small run, which is the beginning of the large one
	creators = 16   // concurrent creators of pods
	patience = 2 * time.Minute
)

type options struct {
	pods, workers           int
	cpuProfile, heapProfile string
}

// controllerReport measures the floor and the controller, each with an API server of its own. They take turns, batch by
// batch, so that whatever else the machine does meets both.
func controllerReport(ctx context.Context, o options) error {
	if o.pods < 2*small || o.pods%batch != 0 {
		return fmt.Errorf("-pods: want at least %d, in steps of %d", 2*small, batch)
	}
	return in(ctx, func(s *scope) error {
		bottom, err := startFloor(s, o)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		product, err := startController(s)
		if err != nil {
			return err
		}
		profiled := product.profile(product.under, o)
		before := product.counted()
		for range o.pods / batch {
			bottom.batch()
			product.batch()
		}
		product.settle()
		product.costs(before, o.pods)
		compare(bottom.load, product.load, o.pods)
		if err := profiled(); err != nil {
			return err
		}
		product.restart()
		return nil
	})
}

// compare prints what the controller does beside what the API server allows.
func compare(bottom, product load, pods int) {
	line("controller.floor.pods_1000.rate", bottom.first(small).rate(), "pods/s")
	line("controller.floor.pods_5000.rate", bottom.first(pods).rate(), "pods/s")
	line("controller.pods_1000.rate", product.first(small).rate(), "pods/s")
	line("controller.pods_5000.rate", product.first(pods).rate(), "pods/s")
	line("controller.pods_1000.floor_ratio", product.first(small).rate()/bottom.first(small).rate(), "x")
	line("controller.pods_5000.floor_ratio", product.first(pods).rate()/bottom.first(pods).rate(), "x")
	// The same ratio by the processor time of all programs together.
	line("controller.pods_5000.floor_cpu_ratio", float64(bottom.spent.total())/float64(product.spent.total()), "x")
	line("controller.growth", product.first(small).rate()/product.last(small).rate(), "x")
	line("controller.floor.growth", bottom.first(small).rate()/bottom.last(small).rate(), "x")
	for name, l := range map[string]load{"controller": product, "controller.floor": bottom} {
		for _, program := range slices.Sorted(maps.Keys(l.spent)) {
			line(name+".cpu_per_1000_pods."+program, l.spent[program].Seconds()*1000/float64(pods), "s")
		}
	}
}

// load is what the batches of a run took.
type load struct {
	steps []step
	spent spent // by all programs, while batches ran
}

type step struct {
	pods int
	took time.Duration
}

func (s step) rate() float64 { return float64(s.pods) / s.took.Seconds() }

// first sums the batches until that many pods were served.
func (l load) first(pods int) (sum step) {
	for _, s := range l.steps {
		if sum.pods < pods {
			sum.pods, sum.took = sum.pods+s.pods, sum.took+s.took
		}
	}
	return sum
}

// last sums the batches of the last pods.
func (l load) last(pods int) step {
	reversed := slices.Clone(l.steps)
	slices.Reverse(reversed)
	return load{steps: reversed}.first(pods)
}

// bench is one API server with pods and the program that serves them, seen from outside.
type bench struct {
	*scope
	load
	plane   *testbed.Plane
	central *testbed.Central // of a controller
	start   func() *testbed.Process
	under   *testbed.Process
	served  atomic.Int64
	made    int
}

func newBench(s *scope) (*bench, error) {
	plane, err := testbed.StartPlane(s.ctx)
	if err != nil {
		return nil, err
	}
	b := &bench{scope: s, plane: plane, load: load{spent: spent{}}}
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

// batch makes pods and waits until they are served.
func (b *bench) batch() {
	first, before, all := b.made, b.served.Load(), spending()
	b.made += batch
	began := time.Now()
	failed := make(chan error, creators)
	for worker := range creators {
		go func() {
			for i := first + worker; i < first+batch; i += creators {
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
	b.until(fmt.Sprintf("%d pods are served", b.made), func() error {
		if got := b.served.Load() - before; got < batch {
			return fmt.Errorf("%d of the last %d are", got, batch)
		}
		return nil
	})
	b.steps = append(b.steps, step{batch, time.Since(began)})
	b.spent.add(spending().since(all))
}

// until waits for a state, as long as the program runs.
func (b *bench) until(what string, check func() error) {
	end := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		switch {
		case err == nil:
			return
		case !b.under.Running():
			b.Fatalf("%s: the program ended\n%s", what, b.under.Tail())
		case time.Now().After(end) || b.ctx.Err() != nil:
			b.Fatalf("not in time: %s: %v\n%s", what, err, b.under.Tail())
		}
		<-tick.C
	}
}

func startFloor(s *scope, o options) (*bench, error) {
	b, err := newBench(s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b.watch()
	b.under = testbed.Start(s, floorVerb, nil, self, floorVerb, "-kubeconfig="+b.plane.Kubeconfig, "-workers="+strconv.Itoa(o.workers))
	return b, nil
}

func startController(s *scope) (*bench, error) {
	program, err := testbed.Build(s.ctx, s.TempDir(), "cmd/kube-ovn-controller")
	if err != nil {
		return nil, err
	}
	b, err := newBench(s)
	if err != nil {
		return nil, err
	}
	b.central = testbed.StartCentral(s)
	b.start = func() *testbed.Process {
		return testbed.StartController(s, program, b.plane, b.central, "kube-ovn-controller-bench")
	}
	b.under = b.start()
	b.until("the nodes are served", b.nodesServed)
	b.watch()
	b.settle()
	return b, nil
}

// counts are the running totals of a controller.
type counts struct {
	writes              testbed.Writes
	transactions, syncs int
	cpu                 time.Duration
	rss                 int64
}

func (b *bench) counted() counts {
	c := counts{writes: b.plane.Writes(b), transactions: b.under.Transactions("OVN_Northbound"), syncs: b.under.Syncs("pod")}
	c.cpu, c.rss = b.under.Usage()
	return c
}

// costs prints what the pods have cost since an earlier count.
func (b *bench) costs(before counts, pods int) {
	now, n := b.counted(), float64(pods)
	line("controller.cpu_per_1000_pods", (now.cpu-before.cpu).Seconds()*1000/n, "s")
	line("controller.api_writes_per_pod", (float64(now.writes.Since(before.writes).Total())-n)/n, "count") // the pods themselves are ours
	line("controller.nb_txns_per_pod", float64(now.transactions-before.transactions)/n, "count")
	line("controller.syncs_per_pod", float64(now.syncs-before.syncs)/n, "count")
	line("controller.rss_5000", float64(now.rss)/(1<<20), "MB")
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
func (b *bench) settle() {
	const quiet = 3 * time.Second // more than the delays of a subnet's counters and of an OvnEip's users
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	last, since := "", time.Now()
	b.until("nothing is written any more", func() error {
		<-look.C
		if state := fmt.Sprint(b.plane.Writes(b), b.under.Transactions("OVN_Northbound")); state != last {
			last, since = state, time.Now()
		}
		if time.Since(since) < quiet {
			return errors.New("it was")
		}
		return nil
	})
}

// restart measures two restarts: one with a pod that waits to be served, one in which there is nothing to do.
func (b *bench) restart() {
	b.under.Kill()
	before := b.served.Load()
	if _, err := b.plane.Kube.CoreV1().Pods("default").Create(b.ctx, testbed.Pod("default", "first", "node1"), metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	b.under = b.start()
	b.until("the first pod after the restart is served", func() error {
		if b.served.Load() == before {
			return errors.New("it is not")
		}
		return nil
	})
	line("controller.restart_5000.first_pod", time.Since(began).Seconds(), "s")
	b.settle()

	versions, writes := b.central.Versions(), b.plane.Writes(b)
	b.under.Kill()
	began = time.Now()
	b.under = b.start()
	b.until("the first pass", func() error { return b.under.Passed(int(b.served.Load())) })
	line("controller.restart_5000.first_pass", time.Since(began).Seconds(), "s")
	b.settle()
	cpu, _ := b.under.Usage()
	changed := 0
	if b.central.Versions() != versions {
		changed = 1
	}
	line("controller.restart_5000.nb_writes", float64(max(changed, b.under.Transactions("OVN_Northbound"))), "count")
	line("controller.restart_5000.api_writes", float64(b.plane.Writes(b).Since(writes).Total()), "count")
	line("controller.restart_5000.cpu", cpu.Seconds(), "s")
}
