package daemon

import (
	"encoding/json"
	"net/http"
	"sync/atomic"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// gate is the handler of the CNI socket while the daemon starts: it answers at once that it is too early, instead of letting
// the runtime wait, and passes requests on as the parts that serve them come up.
type gate struct {
	why    func() error // what is missing; never nil before the gate is open
	passed atomic.Pointer[passed]
}

// passed is where requests go.
type passed struct {
	next http.Handler
	all  bool // ADD too
}

// open passes requests on: all, or all but those that make an interface.
func (g *gate) open(next http.Handler, all bool) { g.passed.Store(&passed{next, all}) }

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := g.passed.Load()
	if p != nil && (p.all || r.URL.Path != api.PathAdd) {
		p.next.ServeHTTP(w, r)
		return
	}
	reply := api.Response{Error: "the daemon is starting", Code: api.CodeTryAgainLater}
	if r.URL.Path == api.PathStatus {
		reply.Code = api.CodePluginUnavailable
	}
	if err := g.why(); err != nil {
		reply.Details = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(reply) // the other side may have gone
}
