package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// pingTiming is how the join gateway is watched.
type pingTiming struct {
	timeout  time.Duration // of one ping
	soon     time.Duration // between pings until one is answered
	every    time.Duration // after that
	failures int           // lost in a row before the node is called unreachable
}

func defaultPings() pingTiming {
	return pingTiming{timeout: time.Second, soon: time.Second, every: 5 * time.Second, failures: 5}
}

// watchJoin pings the join gateway until ctx ends. Its answer is what makes the node ready; its silence starts repairs, never
// the end of the process: pods of this node still talk to each other.
func (d *Daemon) watchJoin(ctx context.Context) {
	log := klog.FromContext(ctx)
	var w joinWatch
	for {
		wait := d.pings.soon
		if d.cfg.NonPrimary {
			if d.becomeReady(ctx) {
				return
			}
		} else if j := d.state.Load().Join; j == nil {
			d.health.waiting(fmt.Sprintf("the controller has not given node %s its address in the join network", d.cfg.NodeName))
		} else {
			err := pingAll(ctx, j.Gateways, d.pings.timeout)
			if ctx.Err() != nil {
				return
			}
			wait = d.judge(ctx, &w, j, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			log.V(2).Info("Stopped watching the join gateway")
			return
		case <-timer.C:
		}
	}
}

// joinWatch is what the last pings said.
type joinWatch struct {
	lost  int  // in a row
	up    bool // the last one was answered
	ready bool // one was answered since start
}

// judge turns the result of one round of pings into the node's condition, and returns when to ask again.
func (d *Daemon) judge(ctx context.Context, w *joinWatch, j *node.Join, err error) time.Duration {
	log := klog.FromContext(ctx)
	gateways := util.FormatAddrs(j.Gateways)
	if err == nil {
		if !w.up {
			log.Info("The join gateway answers", "gateway", gateways)
		}
		w.up, w.lost = true, 0
		d.health.join(nil)
		d.publishCondition(ctx, corev1.ConditionFalse, util.ReasonJoinGatewayReachable, fmt.Sprintf("ping check to gateway ip %s succeeded", gateways))
		if !w.ready {
			w.ready = d.becomeReady(ctx)
		}
		return d.pings.every
	}
	w.lost++
	d.mark()
	if w.lost < d.pings.failures {
		return d.pings.soon
	}
	if w.lost == d.pings.failures || w.lost%60 == 0 {
		log.Error(err, "The join gateway does not answer", "lost", w.lost)
	}
	w.up = false
	d.health.join(fmt.Errorf("join gateway: %w", err))
	d.publishCondition(ctx, corev1.ConditionTrue, util.ReasonJoinGatewayUnreachable, fmt.Sprintf("ping check to gateway ip %s failed", gateways))
	if w.lost%d.pings.failures == 0 && d.stuck(j.Port.Name) {
		log.Info("Making the port anew: its device does not work", "port", j.Port.Name)
		if _, err := d.deps.VSwitch.Apply(ctx, d.owner(ownerJoin), nil); err != nil {
			log.Error(err, "The port could not be removed", "port", j.Port.Name)
		}
	}
	return d.pings.soon
}

// stuck says whether a port's device is missing or dead although vswitchd should have it.
func (d *Daemon) stuck(name string) bool {
	o, ok := d.deps.VSwitch.Get("Interface", name)
	if !ok {
		return false // the next pass makes it
	}
	if text, _ := o.Columns["error"].(string); text != "" || !opened(o) {
		return true
	}
	l, err := netlink.LinkByName(name)
	return err != nil || l.Attrs().OperState == netlink.OperDown
}

// becomeReady tells the runtime that this node can run pods. It says whether that worked.
func (d *Daemon) becomeReady(ctx context.Context) bool {
	if err := d.cfg.CNIConf.Install(); err != nil {
		klog.FromContext(ctx).Error(err, "Pods cannot start on this node")
		d.health.waiting(err.Error())
		return false
	}
	d.health.serving()
	klog.FromContext(ctx).Info("Ready to run pods", "conf", d.cfg.CNIConf.Name)
	return true
}

// publishCondition writes the node's condition NetworkUnavailable when it differs.
func (d *Daemon) publishCondition(ctx context.Context, status corev1.ConditionStatus, reason, message string) {
	now := metav1.Now()
	want := corev1.NodeCondition{
		Type: corev1.NodeNetworkUnavailable, Status: status, Reason: reason, Message: message,
		LastTransitionTime: now, LastHeartbeatTime: now,
	}
	n, err := d.watches.nodes.Lister().Get(d.cfg.NodeName)
	if err == nil {
		for _, c := range n.Status.Conditions {
			if c.Type != want.Type {
				continue
			}
			if c.Status == status && c.Reason == reason && c.Message == message {
				return
			}
			if c.Status == status {
				want.LastTransitionTime = c.LastTransitionTime
			}
		}
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{want}}})
	if err == nil {
		_, err = d.deps.Kube.CoreV1().Nodes().PatchStatus(ctx, d.cfg.NodeName, patch)
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "The node's condition could not be written", "node", d.cfg.NodeName)
	}
}
