package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// add makes an interface, or with another plugin's type only names its addresses.
func (s *Server) add(ctx context.Context, req api.Request) (any, error) {
	if err := validateAdd(req); err != nil {
		return nil, err
	}
	if err := s.providerKnown(req); err != nil {
		return nil, err
	}
	log := klog.FromContext(ctx).WithValues("pod", klog.KRef(req.PodNamespace, req.PodName), "interface", req.IfName, "container", req.ContainerID)
	ctx = klog.NewContext(ctx, log)
	unlock, err := s.busy.lock(ctx, req.ContainerID)
	if err != nil {
		return nil, fmt.Errorf("container %s is busy: %w", req.ContainerID, err)
	}
	defer unlock()
	pod, spec, err := s.await(ctx, req)
	if err != nil {
		s.report(req, pod, "await", err)
		return nil, err
	}
	if s.cfg.BindIP != nil && spec.IfaceID != "" {
		go s.bindIP(context.WithoutCancel(ctx), spec)
	}
	connectivity, err := s.cfg.Ports.Add(ctx, spec)
	waitConnectivity.WithLabelValues(s.cfg.NodeName).Add(connectivity.Seconds())
	if err != nil {
		log.Error(err, "CNI ADD failed")
		s.report(req, pod, "configure", err)
		return nil, err
	}
	log.Info("CNI ADD done", "addresses", spec.Addresses, "port", spec.HostLink())
	s.report(req, pod, "configure", nil)
	return spec.Response(req), nil
}

func (s *Server) bindIP(ctx context.Context, spec port.Spec) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.WaitTimeout)
	defer cancel()
	if err := s.cfg.BindIP(ctx, spec.IfaceID, spec.Subnet); err != nil {
		klog.FromContext(ctx).Error(err, "Did not record the node of an IP object", "ip", spec.IfaceID)
	}
}

// providerKnown refuses a provider that no subnet serves, before anything waits for it.
func (s *Server) providerKnown(req api.Request) error {
	if req.Provider == "" || req.Provider == util.OvnProvider {
		return nil
	}
	subnets, err := s.cfg.Subnets.Lister().List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list subnets: %w", err)
	}
	provider := strings.TrimSuffix(req.Provider, "."+req.IfName)
	for _, subnet := range subnets {
		if subnet.Spec.Provider == provider || subnet.Spec.Provider == req.Provider {
			return nil
		}
	}
	return malformed("provider %s is not bound to any subnet", req.Provider)
}

// del removes an interface. Neither the pod nor the API is needed.
func (s *Server) del(ctx context.Context, req api.Request) (any, error) {
	if err := validateInterface(req); err != nil {
		return nil, err
	}
	unlock, err := s.busy.lock(ctx, req.ContainerID)
	if err != nil {
		return nil, fmt.Errorf("container %s is busy: %w", req.ContainerID, err)
	}
	defer unlock()
	id := port.ID{Container: req.ContainerID, IfName: req.IfName}
	if err := s.cfg.Ports.Remove(ctx, id); err != nil {
		s.reportRemoval(req, err)
		klog.FromContext(ctx).Error(err, "CNI DEL failed", "pod", klog.KRef(req.PodNamespace, req.PodName), "container", req.ContainerID)
		return nil, err
	}
	return nil, nil
}

// check compares an interface with what its Add answered. Addresses of another plugin's interface are that plugin's to check.
func (s *Server) check(ctx context.Context, req api.Request) (any, error) {
	if err := validateAdd(req); err != nil {
		return nil, err
	}
	if !util.IsOvnProvider(req.Provider) && req.CNIType != api.PluginType {
		return nil, nil
	}
	unlock, err := s.busy.lock(ctx, req.ContainerID)
	if err != nil {
		return nil, fmt.Errorf("container %s is busy: %w", req.ContainerID, err)
	}
	defer unlock()
	id := port.ID{Container: req.ContainerID, IfName: req.IfName}
	return nil, s.cfg.Ports.Check(id, req.NetNS, req.Expected)
}

// gc removes the interfaces of a network that the runtime does not know any more.
func (s *Server) gc(ctx context.Context, req api.GCRequest) (any, error) {
	if !idPattern.MatchString(req.Network) {
		return nil, malformed("network %q is not valid", clip(req.Network))
	}
	if req.Valid == nil {
		// An absent list is a mistake; an empty one means that nothing is in use.
		return nil, malformed("valid_attachments is missing")
	}
	valid := make([]port.ID, 0, len(req.Valid))
	for _, a := range req.Valid {
		valid = append(valid, port.ID{Container: a.ContainerID, IfName: a.IfName})
	}
	return nil, s.cfg.Ports.Collect(ctx, req.Network, valid)
}

// status says whether an Add can be served now.
func (s *Server) status(context.Context, struct{}) (any, error) {
	if s.cfg.Ready == nil {
		return nil, nil
	}
	if err := s.cfg.Ready(); err != nil {
		return nil, &fault{status: http.StatusServiceUnavailable, code: api.CodePluginUnavailable, err: err}
	}
	return nil, nil
}

// report leaves an event of an Add on the pod. Without the pod object it names the pod of the request.
func (s *Server) report(req api.Request, pod *corev1.Pod, stage string, err error) {
	if s.cfg.Recorder == nil || errors.Is(err, context.Canceled) {
		return
	}
	if pod == nil {
		pod = namedPod(req)
	}
	if err == nil {
		s.cfg.Recorder.Event(pod, corev1.EventTypeNormal, util.EventPodNetworkConfigured, s.eventText(req, stage, nil))
		return
	}
	s.cfg.Recorder.Event(pod, corev1.EventTypeWarning, util.EventPodNetworkConfigureFailed, s.eventText(req, stage, err))
}

// reportRemoval leaves an event of a Del that failed, where the runtime says which pod it was.
func (s *Server) reportRemoval(req api.Request, err error) {
	if s.cfg.Recorder == nil || req.PodName == "" || req.PodNamespace == "" {
		return
	}
	s.cfg.Recorder.Event(namedPod(req), corev1.EventTypeWarning, util.EventPodNetworkRemoveFailed, s.eventText(req, "remove", err))
}

func namedPod(req api.Request) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: req.PodName, Namespace: req.PodNamespace, UID: types.UID(req.PodUID)}}
}

// eventText leaves out the container id: it differs at each attempt and would keep events from being counted together.
func (s *Server) eventText(req api.Request, stage string, err error) string {
	provider := req.Provider
	if provider == "" {
		provider = util.OvnProvider
	}
	text := fmt.Sprintf("stage=%s provider=%s interface=%s node=%s", stage, provider, req.IfName, s.cfg.NodeName)
	if err != nil {
		text += " error=" + strings.ReplaceAll(err.Error(), req.ContainerID, "<container>")
	}
	return text
}
