package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"

	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// floorVerb makes this program the null loop.
const floorVerb = "floor"

// nullLoop writes for every pod what the controller writes, and does nothing else: no addresses are kept, no database is
// written, no IP object is watched.
type nullLoop struct {
	kube  kubernetes.Interface
	ovn   versioned.Interface
	queue workqueue.TypedInterface[string]
	pods  cache.Indexer

	mu   sync.Mutex
	next int // number of the next address
}

// floor runs the null loop until it is ended.
func floor(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(floorVerb, flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "of the API server")
	workers := flags.Int("workers", 1, "number of workers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	l := &nullLoop{queue: workqueue.NewTyped[string]()}
	if l.ovn, err = versioned.NewForConfig(config); err != nil {
		return err
	}
	core := rest.CopyConfig(config)
	core.ContentType = "application/vnd.kubernetes.protobuf"
	core.AcceptContentTypes = core.ContentType + ",application/json"
	if l.kube, err = kubernetes.NewForConfig(core); err != nil {
		return err
	}
	return l.run(ctx, *workers)
}

func (l *nullLoop) run(ctx context.Context, workers int) error {
	factory := informers.NewSharedInformerFactory(l.kube, 0)
	informer := factory.Core().V1().Pods().Informer()
	l.pods = informer.GetIndexer()
	added := func(obj any) {
		if pod, ok := obj.(*corev1.Pod); ok {
			l.queue.Add(pod.Namespace + "/" + pod.Name)
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: added}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	failed := make(chan error, workers)
	for range workers {
		go func() { failed <- l.work(ctx) }()
	}
	select {
	case <-ctx.Done():
		l.queue.ShutDown()
		return nil
	case err := <-failed:
		return err
	}
}

func (l *nullLoop) work(ctx context.Context) error {
	for {
		key, shutdown := l.queue.Get()
		if shutdown {
			return nil
		}
		err := l.serve(ctx, key)
		l.queue.Done(key)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("pod %s: %w", key, err)
		}
	}
}

// serve makes the two writes of one pod, of the size that the controller's have.
func (l *nullLoop) serve(ctx context.Context, key string) error {
	object, exists, err := l.pods.GetByKey(key)
	pod, ok := object.(*corev1.Pod)
	if err != nil || !exists || !ok {
		return errors.Join(err, fmt.Errorf("it is not in the cache"))
	}
	if testbed.Served(pod) {
		return nil
	}
	l.mu.Lock()
	l.next++
	n := l.next
	l.mu.Unlock()
	address, mac := fmt.Sprintf("10.16.%d.%d", n>>8, n&255), fmt.Sprintf("00:00:00:00:%02X:%02X", n>>8, n&255)
	lease := util.PortLease{
		Port: util.PodPortName(pod.Name, pod.Namespace, ""), Pod: pod.Name, Namespace: pod.Namespace, Node: pod.Spec.NodeName,
		Subnet: util.DefaultSubnet, V4: address, MAC: mac,
	}
	if _, err := l.ovn.KubeovnV1().IPs().Create(ctx, lease.Object(), metav1.CreateOptions{}); err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"ovn.kubernetes.io/allocated":"true","ovn.kubernetes.io/cidr":"10.16.0.0/16",`+
		`"ovn.kubernetes.io/gateway":"10.16.0.1","ovn.kubernetes.io/ip_address":%q,"ovn.kubernetes.io/logical_router":"ovn-cluster",`+
		`"ovn.kubernetes.io/logical_switch":"ovn-default","ovn.kubernetes.io/mac_address":%q,"ovn.kubernetes.io/pod_nic_type":"veth-pair",`+
		`"ovn.kubernetes.io/routed":"true"}}}`, address, mac)
	_, err = l.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
