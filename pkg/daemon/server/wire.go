package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// fault is an error with the HTTP status and the CNI code that it is answered with.
type fault struct {
	status  int
	code    uint
	err     error
	details string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// malformed is a request that no repetition can make work.
func malformed(format string, args ...any) error {
	return &fault{status: http.StatusBadRequest, code: api.CodeInvalidConfig, err: fmt.Errorf(format, args...)}
}

// handle registers a call: decode, act, answer. Whatever happens, the answer is JSON or an empty 204.
func handle[T any](mux *http.ServeMux, s *Server, path string, do func(context.Context, T) (any, error)) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		var reply any
		var err error
		defer func() {
			if p := recover(); p != nil {
				klog.FromContext(r.Context()).Error(fmt.Errorf("%v", p), "Panic in a CNI request", "path", path, "stack", string(debug.Stack()))
				err = &fault{status: http.StatusInternalServerError, code: api.CodeTryAgainLater, err: errors.New("internal error, see the log of the daemon")}
			}
			status := answer(w, reply, err)
			opLatency.WithLabelValues(s.cfg.NodeName, strings.TrimPrefix(path, "/api/v1/"), strconv.Itoa(status)).
				Observe(time.Since(start).Seconds())
		}()
		var req T
		if req, err = decode[T](r); err == nil {
			reply, err = do(r.Context(), req)
		}
	})
}

// decode reads one JSON value from the body and nothing after it.
func decode[T any](r *http.Request) (T, error) {
	var req T
	if r.Method != http.MethodPost {
		return req, &fault{status: http.StatusMethodNotAllowed, code: api.CodeInvalidConfig, err: fmt.Errorf("method %q is not POST", r.Method)}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return req, malformed("read the request: %w", err)
	}
	if len(body) > maxBody {
		return req, &fault{status: http.StatusRequestEntityTooLarge, code: api.CodeInvalidConfig, err: fmt.Errorf("the request is longer than %d bytes", maxBody)}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return req, malformed("parse the request: %w", err)
	}
	return req, nil
}

// answer writes the reply, or the error in the shape of an Add's reply, and returns the HTTP status.
func answer(w http.ResponseWriter, reply any, err error) int {
	status := http.StatusOK
	if err != nil {
		f := &fault{status: http.StatusInternalServerError, code: api.CodeTryAgainLater, err: err}
		errors.As(err, &f)
		status, reply = f.status, api.Response{Error: f.err.Error(), Code: f.code, Details: f.details}
	}
	if reply == nil {
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The other side may have gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(reply)
	return status
}

const (
	maxName  = 253
	maxIfLen = 15
)

// The alphabets of the CNI specification and of Kubernetes names.
var (
	idPattern       = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	providerPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
)

// validateInterface checks what every verb about one interface needs.
func validateInterface(req api.Request) error {
	if !idPattern.MatchString(req.ContainerID) || len(req.ContainerID) > maxName {
		return malformed("container_id %q is not valid", clip(req.ContainerID))
	}
	name := req.IfName
	if name == "" || name == "." || name == ".." || len(name) > maxIfLen || strings.ContainsAny(name, "/: \t\n\v\f\r\x00") {
		return malformed("if_name %q is not valid", clip(name))
	}
	return nil
}

// validateAdd checks everything before it gets near a file system path, a database or an API request.
func validateAdd(req api.Request) error {
	if err := validateInterface(req); err != nil {
		return err
	}
	if problems := validation.IsDNS1123Subdomain(req.PodName); len(problems) != 0 {
		return malformed("pod_name %q is not valid: %s", clip(req.PodName), problems[0])
	}
	if problems := validation.IsDNS1123Label(req.PodNamespace); len(problems) != 0 {
		return malformed("pod_namespace %q is not valid: %s", clip(req.PodNamespace), problems[0])
	}
	if !filepath.IsAbs(req.NetNS) || len(req.NetNS) > 4096 || strings.ContainsRune(req.NetNS, 0) {
		return malformed("net_ns %q is no absolute path", clip(req.NetNS))
	}
	if req.Provider != "" && (!providerPattern.MatchString(req.Provider) || len(req.Provider) > maxName) {
		return malformed("provider %q is not valid", clip(req.Provider))
	}
	if req.Network != "" && (!idPattern.MatchString(req.Network) || len(req.Network) > maxName) {
		return malformed("network %q is not valid", clip(req.Network))
	}
	return nil
}

// clip keeps a hostile name from filling the log.
func clip(text string) string {
	if len(text) > maxName {
		return text[:maxName] + "..."
	}
	return text
}
