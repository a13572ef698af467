package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"
)

// serve answers on a unix socket and returns its path.
func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cni.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: answer, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return path
}

// What goes over the wire is a contract with daemons and plugins of other versions, names of fields included.
func TestRequestOnTheWire(t *testing.T) {
	var got string
	socket := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.WriteHeader(http.StatusNoContent)
	})
	client := NewClient(socket)
	full := Request{
		CNIType: "kube-ovn", PodName: "web", PodNamespace: "default", PodUID: "u", ContainerID: "c", NetNS: "/ns", IfName: "eth0", Network: "n",
		Provider: "ovn", Routes: []Route{{Destination: "10.0.0.0/8", Gateway: "10.1.1.1"}}, DNS: types.DNS{Domain: "d"},
		VfDriver: "v", DeviceID: "d", VhostUserSocketVolumeName: "a", VhostUserSocketName: "b", VhostUserSocketConsumption: "c",
	}
	for name, c := range map[string]struct {
		call func() error
		want string
	}{
		"add": {
			func() error { _, err := client.Add(t.Context(), full); return err },
			`POST /api/v1/add application/json {"cni_type":"kube-ovn","pod_name":"web","pod_namespace":"default","pod_uid":"u","container_id":"c","net_ns":"/ns",` +
				`"if_name":"eth0","network":"n","provider":"ovn","routes":[{"dst":"10.0.0.0/8","gw":"10.1.1.1"}],"dns":{"domain":"d"},"vf_driver":"v","deviceID":"d",` +
				`"vhost_user_socket_volume_name":"a","vhost_user_socket_name":"b","vhost_user_socket_consumption":"c"}`,
		},
		"del": {
			func() error { return client.Del(t.Context(), Request{ContainerID: "c", IfName: "eth0"}) },
			`POST /api/v1/del application/json {"cni_type":"","pod_name":"","pod_namespace":"","container_id":"c","net_ns":"","if_name":"eth0","provider":"","routes":null,` +
				`"dns":{},"vf_driver":"","deviceID":"","vhost_user_socket_volume_name":"","vhost_user_socket_name":"","vhost_user_socket_consumption":""}`,
		},
		"check": {
			func() error {
				return client.Check(t.Context(), Request{Expected: &Expected{MAC: "m", Addresses: []string{"a"}, Routes: []Route{{Gateway: "g"}}}})
			},
			`"expected":{"mac":"m","addresses":["a"],"routes":[{"gw":"g"}]}`,
		},
		"gc": {
			func() error {
				return client.GC(t.Context(), GCRequest{Network: "n", Valid: []Attachment{{ContainerID: "c", IfName: "eth0"}}})
			},
			`POST /api/v1/gc application/json {"network":"n","valid_attachments":[{"container_id":"c","if_name":"eth0"}]}`,
		},
		"status": {func() error { return client.Status(t.Context()) }, `POST /api/v1/status application/json {}`},
	} {
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s sent %s, want %s", name, got, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   Response
		err    error // a *types.Error
		gone   bool  // an *Unreachable
	}{
		"success": {200, `{"ips":[{"protocol":"IPv4","ip":"10.0.0.1","cidr":"10.0.0.0/8","gateway":"10.0.0.2"}],"mac_address":"m","routes":[{"dst":"d","gw":"g"}],"mtu":1400,"nicname":"eth0","dns":{},"error":""}`,
			Response{
				IPs: []IP{{Protocol: "IPv4", IP: "10.0.0.1", CIDR: "10.0.0.0/8", Gateway: "10.0.0.2"}}, MACAddress: "m",
				Routes: []Route{{Destination: "d", Gateway: "g"}}, MTU: 1400, NicName: "eth0",
			}, nil, false},
		"nothing to say":                      {204, "", Response{}, nil, false},
		"a failure with a code":               {400, `{"error":"no","code":7,"details":"because"}`, Response{}, &types.Error{Code: 7, Msg: "no", Details: "because"}, false},
		"a failure of a daemon without codes": {500, `{"error":"no"}`, Response{}, &types.Error{Code: 11, Msg: "no"}, false},
		"an error in a success":               {200, `{"error":"no"}`, Response{}, &types.Error{Code: 11, Msg: "no"}, false},
		"a failure without a reason":          {500, `{}`, Response{}, &types.Error{Code: 11, Msg: "the daemon answered 500 without a reason"}, false},
		"no JSON":                             {502, "<html>", Response{}, nil, true},
		"nothing":                             {200, "", Response{}, nil, true},
		"an answer without end":               {200, strings.Repeat(" ", maxReply+1), Response{}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			client := NewClient(serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			got, err := client.Add(t.Context(), Request{})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			var told *types.Error
			var away *Unreachable
			switch {
			case c.gone:
				if !errors.As(err, &away) {
					t.Errorf("got %v, want that no answer came", err)
				}
			case c.err == nil:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &told) || !cmp.Equal(error(told), c.err):
				t.Errorf("got %#v, want %#v", err, c.err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	var away *Unreachable
	if err := NewClient(filepath.Join(t.TempDir(), "none.sock")).Status(t.Context()); !errors.As(err, &away) || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("no daemon: got %v", err)
	}
	hang := make(chan struct{})
	socket := serve(t, func(http.ResponseWriter, *http.Request) { <-hang })
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := NewClient(socket).Status(ctx); !errors.As(err, &away) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a daemon that hangs: got %v", err)
	}
}

func TestUnwrap(t *testing.T) {
	if err := error(&Unreachable{Err: io.EOF}); !errors.Is(err, io.EOF) {
		t.Errorf("%v hides its cause", err)
	}
}

// An answer may come from anything that listens on the path.
func FuzzDecode(f *testing.F) {
	f.Add(200, []byte(`{"ips":null}`))
	f.Add(500, []byte(`{"error":"x","code":7}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, err := decode(status, body)
		if err != nil && !cmp.Equal(got, Response{}) {
			t.Errorf("an error and %+v", got)
		}
		if err == nil {
			if _, err := json.Marshal(got); err != nil {
				t.Error(err)
			}
		}
	})
}

// A pod is started with its node, a moment before the daemon listens.
func TestAddWaitsForTheDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cni.sock")
	result := make(chan error, 1)
	go func() {
		_, err := NewClient(path).Add(t.Context(), Request{})
		result <- err
	}()
	if err := NewClient(path).Del(t.Context(), Request{}); err == nil {
		t.Error("DEL, which the runtime repeats anyway, waited too")
	}
	select {
	case err := <-result:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	if err := <-result; err != nil {
		t.Error(err)
	}
}
