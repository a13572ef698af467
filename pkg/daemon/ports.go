package daemon

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// collect removes the interfaces of pods that are gone, now and every minute.
func (d *Daemon) collect(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		round, cancel := context.WithTimeout(ctx, collectTimeout)
		err := d.ports.Sweep(round, func(p port.Port) bool { return d.gone(round, p) })
		if err == nil && d.userspace {
			err = ingress.Sweep()
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Stale ports are left")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gone says whether the pod of an interface surely does not exist any more on this node. The cache decides only for
// existence; the API server is asked before anything is called gone. A pod of the same name with another UID is another pod.
func (d *Daemon) gone(ctx context.Context, p port.Port) bool {
	if p.Pod == "" || p.Namespace == "" {
		return false
	}
	pods, err := d.watches.pods.Lister().Pods(p.Namespace).List(labels.Everything())
	if err != nil {
		return false
	}
	for _, pod := range pods {
		if p.PodUID != "" && string(pod.UID) == p.PodUID || p.PodUID == "" && pod.Name == p.Pod {
			return false
		}
	}
	pod, err := d.lookupPod(ctx, p.Namespace, p.Pod)
	switch {
	case apierrors.IsNotFound(err):
		return true
	case err != nil:
		return false
	case p.PodUID != "":
		return string(pod.UID) != p.PodUID || pod.Spec.NodeName != d.cfg.NodeName
	}
	return pod.Spec.NodeName != d.cfg.NodeName
}

// followQoS makes running pods follow their bandwidth annotations.
func (d *Daemon) followQoS(ctx context.Context, recorder record.EventRecorder) error {
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.DefaultTypedControllerRateLimiter[string](),
		workqueue.TypedRateLimitingQueueConfig[string]{Name: "qos"})
	_, err := d.watches.pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, now any) {
			a, ok1 := old.(*corev1.Pod)
			b, ok2 := now.(*corev1.Pod)
			if ok1 && ok2 && !b.Spec.HostNetwork && !maps.Equal(a.Annotations, b.Annotations) {
				queue.Add(b.Namespace + "/" + b.Name)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	go func() {
		<-ctx.Done()
		queue.ShutDown()
	}()
	for {
		key, stop := queue.Get()
		if stop {
			return nil
		}
		if err := d.syncQoS(ctx, recorder, key); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Bandwidth is not as annotated", "pod", key)
			queue.AddRateLimited(key)
		} else {
			queue.Forget(key)
		}
		queue.Done(key)
	}
}

func (d *Daemon) syncQoS(ctx context.Context, recorder record.EventRecorder, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	pod, err := d.watches.pods.Lister().Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get pod %s: %w", key, err)
	}
	changed, err := d.ports.SyncQoS(ctx, pod)
	for _, p := range changed {
		recorder.Eventf(pod, corev1.EventTypeNormal, util.EventPodQoSUpdated, "node=%s stage=bandwidth provider=%s interface=%s", d.cfg.NodeName, p.Provider, p.IfName)
	}
	if err != nil {
		recorder.Eventf(pod, corev1.EventTypeWarning, util.EventPodQoSUpdateFailed, "node=%s stage=bandwidth error=%v", d.cfg.NodeName, err)
	}
	return err
}
