package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// floorVerb makes this program the null loop.
const floorVerb = "floor"

// nullLoop writes for every pod, OvnEip and OvnFip what the controller writes, and does nothing else: no addresses are kept,
// no database is written, no IP object is watched.
type nullLoop struct {
	kube kubernetes.Interface
	ovn  versioned.Interface
	next atomic.Int64 // number of the last address
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
	l := &nullLoop{}
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
	kube, ovn := informers.NewSharedInformerFactory(l.kube, 0), externalversions.NewSharedInformerFactory(l.ovn, 0)
	failed := make(chan error, 1)
	err := errors.Join(
		answer(ctx, failed, kube.Core().V1().Pods().Informer(), workers, l.pod),
		answer(ctx, failed, ovn.Kubeovn().V1().OvnEips().Informer(), workers, l.eip),
		answer(ctx, failed, ovn.Kubeovn().V1().OvnFips().Informer(), workers, l.fip),
	)
	if err != nil {
		return err
	}
	kube.Start(ctx.Done())
	ovn.Start(ctx.Done())
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// answer calls serve, with so many workers, for every new object of an informer.
func answer[T metav1.Object](ctx context.Context, failed chan<- error, informer cache.SharedIndexInformer, workers int, serve func(context.Context, T) error) error {
	queue := workqueue.NewTyped[string]()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
		if key, err := cache.MetaNamespaceKeyFunc(obj); err == nil {
			queue.Add(key)
		}
	}})
	work := func() {
		for {
			key, shutdown := queue.Get()
			if shutdown {
				return
			}
			object, _, err := informer.GetIndexer().GetByKey(key)
			if typed, ok := object.(T); ok && err == nil {
				err = serve(ctx, typed)
			}
			queue.Done(key)
			if err != nil && ctx.Err() == nil {
				select {
				case failed <- fmt.Errorf("%T %s: %w", object, key, err):
				default:
				}
			}
		}
	}
	for range workers {
		go work()
	}
	context.AfterFunc(ctx, queue.ShutDown)
	return err
}

// address is one that no other object has, with its MAC.
func (l *nullLoop) address(network string) (address, mac string) {
	n := l.next.Add(1)
	return fmt.Sprintf("%s.%d.%d", network, n>>8, n&255), fmt.Sprintf("00:00:00:00:%02X:%02X", n>>8, n&255)
}

// pod makes the two writes of one pod, of the size that the controller's have.
func (l *nullLoop) pod(ctx context.Context, pod *corev1.Pod) error {
	if testbed.Served(pod) {
		return nil
	}
	address, mac := l.address("10.16")
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
	_, err := l.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// eip makes the two writes that give an OvnEip its address. Those that tell who uses it come later and are not waited for.
func (l *nullLoop) eip(ctx context.Context, eip *v1.OvnEip) error {
	address, mac := l.address("10.200")
	spec := fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q,"finalizers":[%q],"labels":{%q:%q,%q:%q,%q:%q}},"spec":{"v4Ip":%q,"macAddress":%q}}`,
		eip.ResourceVersion, util.Finalizer, util.SubnetLabel, outsideSubnet, util.EipTypeLabel, util.EipTypeNAT, util.EipV4Label, address, address, mac)
	status := fmt.Appendf(nil, `{"status":{"conditions":%s,"type":"nat","nat":"","ready":true,"v4Ip":%q,"v6Ip":"","macAddress":%q}}`,
		reconciled(util.ReasonEipReconciled), address, mac)
	api := l.ovn.KubeovnV1().OvnEips()
	if _, err := api.Patch(ctx, eip.Name, types.MergePatchType, spec, metav1.PatchOptions{}); err != nil {
		return err
	}
	_, err := api.Patch(ctx, eip.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status")
	return err
}

// fip makes the two writes of an OvnFip.
func (l *nullLoop) fip(ctx context.Context, fip *v1.OvnFip) error {
	address, _ := l.address("10.200")
	mark := fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q,"finalizers":[%q],"labels":{%q:%q},"annotations":{%q:%q}}}`,
		fip.ResourceVersion, util.Finalizer, util.EipV4Label, address, util.VpcEipAnnotation, fip.Spec.OvnEip)
	status := fmt.Appendf(nil, `{"status":{"conditions":%s,"ready":true,"v4Eip":%q,"v6Eip":"","v4Ip":%q,"v6Ip":"","macAddress":"","vpc":%q}}`,
		reconciled(util.ReasonNatReconciled), address, fip.Spec.V4Ip, fip.Spec.Vpc)
	api := l.ovn.KubeovnV1().OvnFips()
	if _, err := api.Patch(ctx, fip.Name, types.MergePatchType, mark, metav1.PatchOptions{}); err != nil {
		return err
	}
	_, err := api.Patch(ctx, fip.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status")
	return err
}

// reconciled are the conditions of an object that is in effect, as JSON.
func reconciled(reason string) []byte {
	now := time.Now().UTC().Format(time.RFC3339)
	condition := func(kind string) string {
		return fmt.Sprintf(`{"type":%q,"status":"True","reason":%q,"observedGeneration":1,"lastUpdateTime":%q,"lastTransitionTime":%q}`, kind, reason, now, now)
	}
	return fmt.Appendf(nil, "[%s,%s]", condition(v1.ConditionValidated), condition(v1.ConditionReady))
}
