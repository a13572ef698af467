package ovs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ovn-org/libovsdb/ovsdb"
	"k8s.io/klog/v2"
)

const (
	monitorID       = "rows"
	serverMonitorID = "server"
	serverDB        = "_Server"
	minBackoff      = 250 * time.Millisecond
	maxBackoff      = 10 * time.Second
	firstPause      = 2 * time.Second // between the attempts at start (northbound.md 6.4)
)

// session is one connection from dialling to its end. Updates that arrive before the first content is in wait in deferred.
type session struct {
	client *Client
	rpc    *rpcConn

	mu       sync.Mutex
	filled   bool
	deferred []tableUpdates
}

// firstSession is the patient connect at start.
func (c *Client) firstSession(ctx context.Context) (*rpcConn, error) {
	var err error
	for attempt := 0; attempt < c.cfg.MaxRetry; attempt++ {
		if attempt > 0 && !pause(ctx, firstPause) {
			break
		}
		var rpc *rpcConn
		if rpc, err = c.connectAny(ctx); err == nil {
			return rpc, nil
		}
		klog.FromContext(ctx).Info("Cannot connect", "database", c.db, "attempt", attempt+1, "reason", err.Error())
	}
	return nil, fmt.Errorf("connect to %s at %s: %w", c.db, strings.Join(c.cfg.Endpoints, ","), err)
}

// keepConnected waits for the end of a session and starts the next one, until ctx ends.
func (c *Client) keepConnected(ctx context.Context, rpc *rpcConn) {
	wait := time.Duration(0)
	for rpc != nil {
		start := time.Now()
		select {
		case <-ctx.Done():
			c.disconnected(ctx.Err())
			rpc.fail(ctx.Err())
			return
		case <-rpc.done:
		}
		c.disconnected(rpc.err)
		klog.FromContext(ctx).Info("Connection lost", "database", c.db, "reason", rpc.err.Error())
		if time.Since(start) > maxBackoff {
			wait = 0 // it was good for a while: try again at once
		} else {
			wait = longer(wait)
		}
		rpc = c.reconnect(ctx, wait)
	}
}

// reconnect tries until it has a session; it returns nil when ctx ends.
func (c *Client) reconnect(ctx context.Context, wait time.Duration) *rpcConn {
	logger := klog.FromContext(ctx)
	for pause(ctx, wait) {
		rpc, err := c.connectAny(ctx)
		if err == nil {
			logger.Info("Connected again", "database", c.db)
			return rpc
		}
		c.disconnected(err)
		logger.V(2).Info("Cannot reconnect", "database", c.db, "reason", err.Error())
		wait = longer(wait)
	}
	return nil
}

func longer(wait time.Duration) time.Duration { return min(max(2*wait, minBackoff), maxBackoff) }

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

func (c *Client) disconnected(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rpc != nil {
		c.rpc, c.lost = nil, time.Now()
	}
	c.lastErr = err
}

// connectAny tries every endpoint once.
func (c *Client) connectAny(ctx context.Context) (*rpcConn, error) {
	var errs []error
	for _, ep := range c.cfg.Endpoints {
		rpc, err := c.connect(ctx, ep)
		if err == nil {
			return rpc, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", ep, err))
	}
	return nil, errors.Join(errs...)
}

func (c *Client) connect(ctx context.Context, endpoint string) (*rpcConn, error) {
	conn, err := dial(ctx, endpoint, c.cfg)
	if err != nil {
		return nil, err
	}
	s := &session{client: c}
	ready := make(chan struct{}) // s.rpc is set
	s.rpc = newRPC(conn, func(method string, params json.RawMessage) error {
		<-ready
		return s.notify(method, params)
	})
	close(ready)
	go s.watchdog(ctx)
	// The first content of a large database takes longer than a connect.
	opening, cancel := context.WithTimeout(ctx, c.cfg.TransactTimeout)
	defer cancel()
	if err := s.open(opening); err != nil {
		s.rpc.fail(err)
		return nil, err
	}
	return s.rpc, nil
}

// dial opens an OVSDB connection method (ovsdb(7)): tcp:HOST:PORT, ssl:HOST:PORT or unix:FILE.
func dial(ctx context.Context, endpoint string, cfg Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	method, address, ok := strings.Cut(endpoint, ":")
	if !ok {
		return nil, fmt.Errorf("malformed endpoint %q", endpoint)
	}
	switch method {
	case "unix":
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	case "tcp":
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	case "ssl":
		return (&tls.Dialer{Config: cfg.TLS}).DialContext(ctx, "tcp", address)
	}
	return nil, fmt.Errorf("unknown connection method in %q", endpoint)
}

// open checks the server, asks for the content and puts the new cache in place.
func (s *session) open(ctx context.Context) error {
	c := s.client
	if err := s.requireLeader(ctx); err != nil {
		return err
	}
	var schema ovsdb.DatabaseSchema
	var raw json.RawMessage
	if err := s.rpc.call(ctx, "get_schema", []any{string(c.db)}, &raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		return fmt.Errorf("schema of %s: %w", c.db, err)
	}
	fresh, err := newCache(c.db, schema)
	if err != nil {
		return err
	}
	var content tableUpdates
	if err := s.rpc.call(ctx, ovsdb.ConditionalMonitorRPC, []any{string(c.db), monitorID, fresh.monitorRequests()}, &content); err != nil {
		return err
	}
	if _, err := fresh.apply(content); err != nil {
		return err
	}
	if err := s.learnParents(ctx, fresh); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.deferred {
		if _, err := fresh.apply(u); err != nil {
			return err
		}
	}
	s.filled, s.deferred = true, nil
	c.install(s.rpc, fresh)
	return nil
}

// requireLeader refuses servers whose database is not usable for us: not connected to its cluster or, when there is a
// choice, not its leader. It keeps a monitor on the answer.
func (s *session) requireLeader(ctx context.Context) error {
	var content tableUpdates
	request := map[string]any{"Database": map[string]any{"columns": []string{"name", "model", "leader", "connected"}}}
	if err := s.rpc.call(ctx, ovsdb.ConditionalMonitorRPC, []any{serverDB, serverMonitorID, request}, &content); err != nil {
		return fmt.Errorf("ask for the server's databases: %w", err)
	}
	found := false
	for _, u := range content["Database"] {
		found = found || u.Initial["name"] == string(s.client.db)
		if err := s.usable(u.Initial); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the server has no database %s", s.client.db)
	}
	return nil
}

// usable judges a row of _Server.Database as first sent, where columns with default values are left out.
func (s *session) usable(db map[string]any) error {
	if db["name"] != string(s.client.db) || db["model"] != "clustered" {
		return nil
	}
	if db["connected"] != true {
		return errors.New("the server has lost its cluster")
	}
	if db["leader"] != true && len(s.client.cfg.Endpoints) > 1 {
		return errors.New("the server is not the leader")
	}
	return nil
}

// notify handles what the server sends by itself; an error ends the session.
func (s *session) notify(method string, params json.RawMessage) error {
	if method != "update2" {
		return nil
	}
	var parts [2]json.RawMessage
	if err := json.Unmarshal(params, &parts); err != nil {
		return fmt.Errorf("malformed update: %w", err)
	}
	var id string
	if err := json.Unmarshal(parts[0], &id); err != nil {
		return fmt.Errorf("malformed update: %w", err)
	}
	var updates tableUpdates
	if err := unmarshalNumbers(parts[1], &updates); err != nil {
		return fmt.Errorf("malformed update: %w", err)
	}
	if id == serverMonitorID {
		return s.serverChanged(updates)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.filled {
		s.deferred = append(s.deferred, updates)
		return nil
	}
	return s.client.updated(s.rpc, updates)
}

// serverChanged ends the session when the server lost leadership or its cluster. A modification has only the changed
// columns; the name is missing there, so any database of this server counts.
func (s *session) serverChanged(updates tableUpdates) error {
	for _, u := range updates["Database"] {
		if u.Modify == nil {
			continue
		}
		if u.Modify["leader"] == false && len(s.client.cfg.Endpoints) > 1 {
			return errors.New("the server lost leadership")
		}
		if u.Modify["connected"] == false {
			return errors.New("the server has lost its cluster")
		}
	}
	return nil
}

// watchdog ends a session whose server is silent: it must answer an echo within the inactivity time.
func (s *session) watchdog(ctx context.Context) {
	ticker := time.NewTicker(max(s.client.cfg.Inactivity/4, time.Millisecond))
	defer ticker.Stop()
	var asked time.Time
	for {
		select {
		case <-s.rpc.done:
			return
		case <-ticker.C:
		}
		silence := s.rpc.silence()
		if silence < s.client.cfg.Inactivity {
			asked = time.Time{}
			continue
		}
		if asked.IsZero() {
			asked = time.Now()
			go s.echo(ctx)
		} else if time.Since(asked) >= s.client.cfg.Inactivity {
			s.rpc.fail(fmt.Errorf("the server is silent for %s", silence.Round(time.Millisecond)))
			return
		}
	}
}

func (s *session) echo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.client.cfg.Inactivity)
	defer cancel()
	var reply []any
	_ = s.rpc.call(ctx, "echo", []any{"kube-ovn"}, &reply) // silence decides, not this answer
}
