package controller

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
)

// Rehearsal is a dry run: the controller does all it would do, and nothing of it happens. What it would write to the databases
// is printed; it goes on as if that had been done, and its writes to the API server, too, so that what follows from them is
// printed as well.
type Rehearsal struct {
	out     io.Writer
	printed atomic.Int64
	store   *pretendedStore
	writing sync.Mutex
}

// NewRehearsal returns a dry run that prints to out. Clients of its controller are made of configurations that went through
// Configure.
func NewRehearsal(out io.Writer) *Rehearsal { return &Rehearsal{out: out, store: newPretendedStore()} }

// Configure keeps writes from the API server.
func (r *Rehearsal) Configure(config *rest.Config) {
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &pretender{next: next, store: r.store, writing: &r.writing}
	})
}

// Write takes what the databases' clients would have written.
func (r *Rehearsal) Write(text []byte) (int, error) {
	r.printed.Add(1)
	return r.out.Write(text)
}

// progress grows with every write that was pretended.
func (r *Rehearsal) progress() int64 { return r.printed.Load() + int64(r.store.writes()) }

// silent is how long nothing is written before a dry run takes that for the end: longer than anything that is looked at later.
const silent = usesDelay + 500*time.Millisecond

// errConnectionLost: a client that connects anew has forgotten what it pretended.
var errConnectionLost = errors.New("the connection to a database was lost during the dry run; run it again")

// finish waits until the loops have nothing left to do, the sweep included.
func (p *process) finish(ctx context.Context, loops []*reconcile.Loop, swept <-chan struct{}) error {
	select {
	case <-swept:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		if err := p.settle(ctx, loops, silent); err != nil {
			return err
		}
		// What a key waits for may be a row, which wakes nobody.
		before := p.Rehearsal.progress()
		for _, loop := range loops {
			loop.Again()
		}
		if err := p.settle(ctx, loops, 0); err != nil {
			return err
		}
		if p.nb.Stats().Sessions > 1 || p.sb.Stats().Sessions > 1 {
			return errConnectionLost
		}
		if p.Rehearsal.progress() == before {
			return nil
		}
	}
}

// settle waits until all loops are idle and nothing was written for a while.
func (p *process) settle(ctx context.Context, loops []*reconcile.Loop, quiet time.Duration) error {
	const look = 20 * time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	seen, since := int64(-1), time.Now()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		idle := true
		for _, loop := range loops {
			idle = idle && loop.Idle()
		}
		if now := p.Rehearsal.progress(); !idle || now != seen {
			seen, since = now, time.Now()
			continue
		}
		if time.Since(since) >= quiet {
			return nil
		}
	}
}
