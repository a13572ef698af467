package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/types"
)

// maxReply bounds what the client reads of one answer, in bytes.
const maxReply = 1 << 20

// patience is how long Add waits for a daemon that does not listen.
const patience = 15 * time.Second

// Client speaks to the daemon of this node.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the daemon that listens on a unix socket. It does not connect yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Add configures an interface and returns what it got. Errors are *types.Error with a code of the CNI specification. A daemon
// that does not listen yet is waited for.
func (c *Client) Add(ctx context.Context, req Request) (Response, error) {
	c.await(ctx)
	return c.post(ctx, PathAdd, req)
}

// await returns when the daemon listens or patience ends. On a node that boots, pods are started before the daemon, and the
// kubelet tries again later and later.
func (c *Client) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", c.socket)
		if err == nil {
			_ = conn.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
	}
}

// Del removes an interface; a missing one is no error.
func (c *Client) Del(ctx context.Context, req Request) error {
	_, err := c.post(ctx, PathDel, req)
	return err
}

// Check compares an interface with what Add answered.
func (c *Client) Check(ctx context.Context, req Request) error {
	_, err := c.post(ctx, PathCheck, req)
	return err
}

// GC removes every interface of a network that is not listed.
func (c *Client) GC(ctx context.Context, req GCRequest) error {
	_, err := c.post(ctx, PathGC, req)
	return err
}

// Status says whether the daemon can serve an Add now.
func (c *Client) Status(ctx context.Context) error {
	_, err := c.post(ctx, PathStatus, struct{}{})
	return err
}

// Unreachable says that no answer came, as opposed to an answer that reports a failure.
type Unreachable struct{ Err error }

func (e *Unreachable) Error() string { return e.Err.Error() }
func (e *Unreachable) Unwrap() error { return e.Err }

func (c *Client) post(ctx context.Context, path string, body any) (Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return Response{}, fmt.Errorf("encode the request for %s: %w", path, err)
	}
	// The server ignores the host: the socket is the address.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dummy"+path, bytes.NewReader(data))
	if err != nil {
		return Response{}, fmt.Errorf("build the request for %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return Response{}, &Unreachable{Err: fmt.Errorf("ask the daemon on %s: %w", c.socket, err)}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err == nil && len(text) > maxReply {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return Response{}, &Unreachable{Err: fmt.Errorf("read the daemon's answer from %s: %w", c.socket, err)}
	}
	return decode(res.StatusCode, text)
}

// decode turns an answer into a response or the error it reports.
func decode(status int, text []byte) (Response, error) {
	var r Response
	if status == http.StatusNoContent {
		return r, nil
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Response{}, &Unreachable{Err: fmt.Errorf("the daemon answered %d with no JSON: %w", status, err)}
	}
	if status == http.StatusOK && r.Error == "" {
		return r, nil
	}
	code := r.Code
	if code == 0 {
		code = CodeTryAgainLater
	}
	if r.Error == "" {
		r.Error = fmt.Sprintf("the daemon answered %d without a reason", status)
	}
	return Response{}, &types.Error{Code: code, Msg: r.Error, Details: r.Details}
}
