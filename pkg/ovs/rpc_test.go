package ovs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// peer is the other end of an rpcConn: it reads requests and says what the test tells it to.
type peer struct {
	net.Conn
	dec *json.Decoder
}

func (p *peer) request(t *testing.T) rpcMessage {
	t.Helper()
	var m rpcMessage
	if err := p.dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (p *peer) say(t *testing.T, text string) {
	t.Helper()
	if _, err := p.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func pipe(t *testing.T, notify func(string, json.RawMessage) error) (*rpcConn, *peer) {
	t.Helper()
	a, b := net.Pipe()
	r := newRPC(a, notify)
	t.Cleanup(func() { r.fail(errors.New("test over")); _ = b.Close() })
	if err := b.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return r, &peer{Conn: b, dec: json.NewDecoder(b)}
}

func TestRPC(t *testing.T) {
	tests := []struct {
		name  string
		reply string // %s is the id of the request
		want  string // result, or text of the error
	}{
		{"result", `{"id":%s,"result":[1],"error":null}`, `[1]`},
		{"error text", `{"id":%s,"result":null,"error":"unknown method"}`, "unknown method"},
		{"error object", `{"id":%s,"result":null,"error":{"error":"unknown database"}}`, "unknown database"},
		{"update first", `{"method":"update2","params":["x"],"id":null}{"id":%s,"result":[2],"error":null}`, `[2] after ["x"]`},
		{"late reply of another call", `{"id":999,"result":[3],"error":null}{"id":%s,"result":[4],"error":null}`, `[4]`},
		{"garbage", `nonsense %s`, "not connected"},
		{"foreign id", `{"id":"x%s","result":[5],"error":null}`, "not connected"},
		{"failing notification", `{"method":"bad","params":[],"id":null}%.0s`, "not connected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := ""
			r, p := pipe(t, func(method string, params json.RawMessage) error {
				if method == "bad" {
					return errors.New("does not fit")
				}
				seen = " after " + string(params)
				return nil
			})
			go func() {
				m := p.request(t)
				p.say(t, fmt.Sprintf(tt.reply, m.ID))
			}()
			var result json.RawMessage
			err := r.call(t.Context(), "transact", []any{}, &result)
			got := string(result) + seen
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.Contains(tt.want, "not connected") {
				if !errors.Is(err, ErrDisconnected) {
					t.Errorf("error %v is no ErrDisconnected", err)
				}
				<-r.done
			}
		})
	}
}

func TestRPCAnswersEcho(t *testing.T) {
	_, p := pipe(t, nil)
	p.say(t, `{"id":"echo","method":"echo","params":["are you there"]}`)
	if m := p.request(t); string(m.ID) != `"echo"` || string(m.Result) != `["are you there"]` {
		t.Errorf("answered %s %s", m.ID, m.Result)
	}
}

func TestRPCGivesUp(t *testing.T) {
	r, p := pipe(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		p.request(t)
		cancel()
	}()
	if err := r.call(ctx, "transact", []any{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := r.call(t.Context(), "transact", []any{make(chan int)}, nil); err == nil || errors.Is(err, ErrDisconnected) {
		t.Errorf("what cannot be encoded: error %v", err)
	}
	_ = p.Close()
	<-r.done
	if err := r.call(t.Context(), "transact", []any{}, nil); !errors.Is(err, ErrDisconnected) {
		t.Errorf("error %v after the end", err)
	}
}
