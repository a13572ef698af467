package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// leaseName is the lock that the replicas share.
const leaseName = "kube-ovn-controller"

// errLeaseLost ends a leader whose lease another replica may hold by now: only a new process starts from clean caches.
var errLeaseLost = errors.New("the leader's lease is lost")

// elector does the work of the leader while it holds the lease.
type elector struct {
	*options
	kube  kubernetes.Interface
	work  func(context.Context) error
	leads atomic.Bool
}

// run waits for the lease, works while it is held, and returns when either ends. The lease is given back after the work has
// ended, so that two replicas never write at once.
func (e *elector) run(ctx context.Context) error {
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	ended := make(chan error, 1)
	elected, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: leaseName, Namespace: e.namespace},
			Client:     e.kube.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.identity},
		},
		Name:            leaseName,
		LeaseDuration:   e.election.lease,
		RenewDeadline:   e.election.renew,
		RetryPeriod:     e.election.retry,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				e.leads.Store(true)
				defer release()
				ended <- e.lead(ctx, held)
			},
			OnStoppedLeading: func() {},
			OnNewLeader:      func(identity string) { klog.FromContext(ctx).Info("Leader", "identity", identity) },
		},
	})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	// Without work to end first, the end of ctx ends the wait for the lease.
	stop := context.AfterFunc(ctx, func() {
		if !e.leads.Load() {
			release()
		}
	})
	defer stop()
	elected.Run(holding)
	if !e.leads.Load() {
		return context.Cause(ctx)
	}
	return <-ended
}

// lead works until ctx ends or the lease is no longer held.
func (e *elector) lead(ctx, held context.Context) error {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(held, cancel)()
	klog.FromContext(ctx).Info("Leading", "identity", e.identity)
	err := e.work(working)
	switch {
	case err != nil:
		return err
	case ctx.Err() == nil:
		return errLeaseLost
	}
	return nil
}
