package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// await plans the interface, again at every change of a pod or subnet, until nothing is missing. The pod is returned with an
// error too when it is known.
func (s *Server) await(ctx context.Context, req api.Request) (*corev1.Pod, port.Spec, error) {
	deadline, cancel := context.WithTimeout(ctx, s.cfg.WaitTimeout)
	defer cancel()
	look := lookup{Server: s, req: req}
	for {
		// Taken before the look, so that no change between the two is missed.
		changed := s.changes.next()
		since := time.Now()
		pod, spec, err := look.plan(deadline)
		var missing *port.WaitError
		var wrong *port.InvalidError
		switch {
		case err == nil:
			return pod, spec, nil
		case errors.As(err, &wrong):
			return pod, spec, &fault{status: http.StatusInternalServerError, code: api.CodeInvalidConfig, err: err}
		case !errors.As(err, &missing):
			return pod, spec, err
		}
		select {
		case <-changed:
			s.waited(missing.For, since)
		case <-deadline.Done():
			s.waited(missing.For, since)
			return pod, spec, fmt.Errorf("%w (waited %s)", missing, s.cfg.WaitTimeout)
		}
	}
}

func (s *Server) waited(what port.WaitFor, since time.Time) {
	counter := waitAddress
	if what == port.ForRoute {
		counter = waitRoute
	}
	counter.WithLabelValues(s.cfg.NodeName).Add(time.Since(since).Seconds())
}

// lookup finds the pod of one request and remembers whether the API server was asked for it.
type lookup struct {
	*Server
	req   api.Request
	asked bool // and it answered
}

func (l *lookup) plan(ctx context.Context) (*corev1.Pod, port.Spec, error) {
	pod, err := l.pod(ctx)
	if err != nil {
		return nil, port.Spec{}, err
	}
	in := port.Inputs{Request: l.req, Pod: pod, Defaults: l.cfg.Defaults}
	if in.Subnet, err = l.subnet(pod); err != nil {
		return pod, port.Spec{}, err
	}
	in.Node, err = l.cfg.Nodes.Lister().Get(l.cfg.NodeName)
	if err != nil && !apierrors.IsNotFound(err) {
		return pod, port.Spec{}, fmt.Errorf("get node %s: %w", l.cfg.NodeName, err)
	}
	spec, err := port.Plan(in)
	return pod, spec, err
}

// pod is the pod that the request means. Another pod of the same name, before or after it, is not.
func (l *lookup) pod(ctx context.Context) (*corev1.Pod, error) {
	pod, err := l.cfg.Pods.Lister().Pods(l.req.PodNamespace).Get(l.req.PodName)
	if err == nil && l.meant(pod) {
		l.asked = false
		return pod, nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("get pod %s/%s: %w", l.req.PodNamespace, l.req.PodName, err)
	}
	unseen := &port.WaitError{For: port.ForAddress, What: fmt.Sprintf("pod %s/%s has not been seen by the daemon of node %s",
		l.req.PodNamespace, l.req.PodName, l.cfg.NodeName)}
	if l.asked || l.cfg.LookupPod == nil {
		return nil, unseen
	}
	pod, err = l.cfg.LookupPod(ctx, l.req.PodNamespace, l.req.PodName)
	l.asked = err == nil
	if apierrors.IsNotFound(err) || err == nil && !l.meant(pod) {
		return nil, &fault{
			status: http.StatusInternalServerError, code: api.CodeUnknownContainer,
			err: fmt.Errorf("pod %s/%s is gone", l.req.PodNamespace, l.req.PodName),
		}
	}
	if err != nil {
		// The informer may still bring the pod.
		unseen.What += fmt.Sprintf(", and the API server says: %v", err)
	}
	return nil, unseen
}

// meant compares UIDs where the runtime tells one. That of a static pod is in an annotation of its mirror.
func (l *lookup) meant(pod *corev1.Pod) bool {
	uid := l.req.PodUID
	return uid == "" || string(pod.UID) == uid || pod.Annotations[corev1.MirrorPodAnnotationKey] == uid
}

// subnet is the one that the annotations name, with the spec in effect; nil when it is not known (yet).
func (l *lookup) subnet(pod *corev1.Pod) (*kubeovnv1.Subnet, error) {
	name := port.SubnetName(l.req, pod.Annotations)
	if name == "" {
		return nil, nil
	}
	subnet, err := l.cfg.Subnets.Lister().Get(name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get subnet %s: %w", name, err)
	}
	return util.Effective(subnet), nil
}
