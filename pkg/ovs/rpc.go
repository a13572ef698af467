package ovs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// rpcConn speaks JSON-RPC 1.0 (RFC 7047 section 4) over one connection. Notifications are handled on the reading
// goroutine, so a reply is delivered only after every update that the server sent before it.
type rpcConn struct {
	conn   net.Conn
	notify func(method string, params json.RawMessage) error

	writing sync.Mutex
	mu      sync.Mutex
	seq     uint64
	pending map[uint64]chan rpcReply
	err     error
	done    chan struct{}

	lastRead atomic.Int64 // unix nanoseconds
}

type rpcReply struct {
	result json.RawMessage
	err    error
}

// rpcError is an error member of a JSON-RPC response.
type rpcError struct{ text string }

func (e *rpcError) Error() string { return e.text }

// newRPC starts reading; notify runs for every notification and ends the connection when it fails.
func newRPC(conn net.Conn, notify func(string, json.RawMessage) error) *rpcConn {
	r := &rpcConn{conn: conn, notify: notify, pending: map[uint64]chan rpcReply{}, done: make(chan struct{})}
	r.lastRead.Store(time.Now().UnixNano())
	go r.read()
	return r
}

type rpcMessage struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// Read notes the time of every arrival for the watchdog; it is the connection's reader as the decoder sees it.
func (r *rpcConn) Read(p []byte) (int, error) {
	n, err := r.conn.Read(p)
	if n > 0 {
		r.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

// silence is the time since the server last said anything.
func (r *rpcConn) silence() time.Duration {
	return time.Duration(time.Now().UnixNano() - r.lastRead.Load())
}

func (r *rpcConn) read() {
	dec := json.NewDecoder(r)
	var err error
	for err == nil {
		var m rpcMessage
		if err = dec.Decode(&m); err == nil {
			err = r.dispatch(m)
		}
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the server closed the connection")
	}
	r.fail(err)
}

func (r *rpcConn) dispatch(m rpcMessage) error {
	switch {
	case m.Method == "echo":
		return r.write(map[string]any{"id": m.ID, "result": m.Params, "error": nil})
	case m.Method != "":
		return r.notify(m.Method, m.Params)
	}
	var id uint64
	if err := json.Unmarshal(m.ID, &id); err != nil {
		return fmt.Errorf("reply with foreign id %s", m.ID)
	}
	r.mu.Lock()
	ch := r.pending[id]
	delete(r.pending, id)
	r.mu.Unlock()
	if ch == nil {
		return nil // the caller gave up
	}
	reply := rpcReply{result: m.Result}
	if len(m.Error) > 0 && !bytes.Equal(m.Error, []byte("null")) {
		reply.err = &rpcError{text: string(m.Error)}
	}
	ch <- reply
	return nil
}

// fail closes the connection and ends every pending call with err; only the first error counts.
func (r *rpcConn) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	r.err = err
	_ = r.conn.Close()
	for id, ch := range r.pending {
		ch <- rpcReply{err: fmt.Errorf("%w: %w", ErrDisconnected, err)}
		delete(r.pending, id)
	}
	close(r.done)
}

func (r *rpcConn) write(msg any) error {
	data, err := json.Marshal(msg)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	if _, err = r.conn.Write(data); err != nil {
		r.fail(err)
	}
	return nil
}

// call sends one request and waits for its reply.
func (r *rpcConn) call(ctx context.Context, method string, params any, result any) error {
	ch := make(chan rpcReply, 1)
	r.mu.Lock()
	if r.err != nil {
		r.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrDisconnected, r.err)
	}
	r.seq++
	id := r.seq
	r.pending[id] = ch
	r.mu.Unlock()
	if err := r.write(map[string]any{"id": id, "method": method, "params": params}); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case reply := <-ch:
		if reply.err != nil {
			return fmt.Errorf("%s: %w", method, reply.err)
		}
		return unmarshalNumbers(reply.result, result)
	case <-ctx.Done():
		r.mu.Lock()
		delete(r.pending, id)
		r.mu.Unlock()
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// unmarshalNumbers keeps integers exact: OVSDB integers have 64 bits.
func unmarshalNumbers(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(into)
}
