package ovs

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
)

// Database says which schema a client speaks.
type Database string

// The databases this package knows.
const (
	Northbound    Database = "OVN_Northbound"
	Southbound    Database = "OVN_Southbound"
	OpenVSwitchDB Database = "Open_vSwitch"
)

// Config of a client. Zero durations mean the defaults of api.md 5.1.
type Config struct {
	// Endpoints are OVSDB methods: "tcp:10.0.0.1:6641", "ssl:[::1]:6641", "unix:/run/openvswitch/db.sock". With several,
	// only the raft leader is used.
	Endpoints       []string
	TLS             *tls.Config
	ConnectTimeout  time.Duration
	MaxRetry        int
	Inactivity      time.Duration
	TransactTimeout time.Duration
	// GroupWindow is how long the first Apply of a group waits for company; 0 means the default of a few milliseconds,
	// negative not at all.
	GroupWindow time.Duration
	// UnhealthyAfter is how long the client may be without a usable connection before Healthy fails; 0: 165 s, the
	// 11 echoes of 15 s of northbound.md 6.4.
	UnhealthyAfter time.Duration
	// DryRun, when set, receives the text of every difference and nothing is written. The client goes on as if it had been,
	// from the database as it was when it connected.
	DryRun io.Writer
}

// Errors a caller decides by.
var (
	// ErrDisconnected: the server is away or the cache is refilling; nothing was written.
	ErrDisconnected = errors.New("not connected to the database")
)

// MissingError says that a row refers to another row that does not exist (yet), for example a port to its switch.
type MissingError struct{ Table, Name string }

func (e *MissingError) Error() string { return fmt.Sprintf("%s %q does not exist", e.Table, e.Name) }

// OwnedError says that a wanted row exists and belongs to somebody else.
type OwnedError struct{ Table, Name, Owner string }

func (e *OwnedError) Error() string {
	return fmt.Sprintf("%s %q belongs to %q", e.Table, e.Name, e.Owner)
}

// Result of one Apply.
type Result struct {
	// Operations is the number of OVSDB operations sent for this owner; 0: the database already agreed.
	Operations int
}

// LivePort is a switch port as the database has it, for the rebuild of IPAM at start.
type LivePort struct {
	Name        string
	Switch      string
	Type        string
	Addresses   []string
	ExternalIDs map[string]string
}

// LiveNAT is a NAT row as the database has it, for the rebuild of IPAM at start.
type LiveNAT struct {
	Router      string
	Type        string // as in NAT
	ExternalIP  string
	LogicalIP   string
	ExternalIDs map[string]string
}

// Observation is the status part of one row.
type Observation struct {
	Name        string // identity text of the row
	UUID        string
	Columns     map[string]any
	ExternalIDs map[string]string
	Deleted     bool
}

// Client is one connection to one database with its lean cache. It reconnects by itself until its context ends.
type Client struct {
	db     Database
	cfg    Config
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.RWMutex
	cache    *cache
	rpc      *rpcConn // nil while disconnected
	lost     time.Time
	lastErr  error
	inflight map[string]bool // owners whose transaction is under way
	singles  map[string]bool // owners that want keys in a single row, which carries no mark
	drift    map[string][]func(string)
	watchers map[string][]*watcher

	requests chan *request
	events   *dispatcher
	stats    counters
}

// Connect dials, checks the schema, fills the cache and returns; ctx ends the client.
func Connect(ctx context.Context, db Database, cfg Config) (*Client, error) {
	if tablesOf(db) == nil {
		return nil, fmt.Errorf("unknown database %q", db)
	}
	if len(cfg.Endpoints) == 0 {
		return nil, fmt.Errorf("%s: no endpoint", db)
	}
	cfg.setDefaults()
	ctx, cancel := context.WithCancel(ctx)
	c := &Client{db: db, cfg: cfg, cancel: cancel, ended: make(chan struct{}), lost: time.Now(), inflight: map[string]bool{},
		singles: map[string]bool{}, drift: map[string][]func(string){}, watchers: map[string][]*watcher{},
		requests: make(chan *request), events: newDispatcher()}
	rpc, err := c.firstSession(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	go c.events.run(ctx)
	go c.commitLoop(ctx)
	go func() {
		defer close(c.ended)
		c.keepConnected(ctx, rpc)
	}()
	return c, nil
}

// setDefaults fills in the flags' defaults of api.md 5.1.
func (cfg *Config) setDefaults() {
	for d, def := range map[*time.Duration]time.Duration{&cfg.ConnectTimeout: 3 * time.Second, &cfg.Inactivity: 10 * time.Second,
		&cfg.TransactTimeout: 60 * time.Second, &cfg.GroupWindow: 2 * time.Millisecond, &cfg.UnhealthyAfter: 165 * time.Second} {
		if *d == 0 {
			*d = def
		}
	}
	if cfg.MaxRetry == 0 {
		cfg.MaxRetry = 60
	}
}

// Owners lists the keys of kind that own at least one row.
func (c *Client) Owners(kind string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []string
	for owner := range c.cache.owners {
		if key, ok := strings.CutPrefix(owner, kind+"/"); ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// UUID returns the UUID of a row by the identity of the wanted value.
func (c *Client) UUID(r Row) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if found := c.cached(r); found != nil {
		return found.uuid, true
	}
	return "", false
}

// ExternalIDs returns the external_ids of a row by the identity of the wanted value.
func (c *Client) ExternalIDs(r Row) (map[string]string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if found := c.cached(r); found != nil {
		return maps.Clone(found.get(externalIDs).m), true
	}
	return nil, false
}

// cached is the row of a wanted value's identity, nil when there is none. The caller holds mu.
func (c *Client) cached(r Row) *row {
	w := r.row()[0]
	t := c.cache.tables[w.table]
	if t == nil {
		return nil
	}
	if t.spec.single {
		for _, only := range t.rows {
			return only
		}
		return nil
	}
	return c.cache.lookup(w.table, identity(t, w.parentText(), w.get))
}

// HasColumn says whether the server's schema has a column that only newer releases have, such as ACL.tier or
// Logical_Router_Policy.bfd_sessions (northbound.md R8). Values for columns that it has not are left out by Apply.
func (c *Client) HasColumn(table, column string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.cache.tables[table]
	if t == nil {
		return false
	}
	_, ok := t.index[column]
	return ok
}

// RouterPortMAC is the MAC of a router port as the database has it, of whatever owner. It is false for a port that is not
// there or whose MAC is not a port's.
func (c *Client) RouterPortMAC(name string) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.cache.tables[ovnnb.LogicalRouterPortTable] == nil {
		return "", false
	}
	r := c.cache.lookup(ovnnb.LogicalRouterPortTable, name)
	if r == nil {
		return "", false
	}
	if mac := r.get("mac").scalar(); isPortMAC(mac) {
		return mac, true
	}
	return "", false
}

// LivePorts lists the switch ports of the Northbound database, of every type and owner, by name.
func (c *Client) LivePorts() []LivePort {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.cache.tables[ovnnb.LogicalSwitchPortTable]
	if t == nil {
		return nil
	}
	out := make([]LivePort, 0, len(t.rows))
	for _, r := range t.rows {
		_, sw, _ := strings.Cut(r.parent, "/")
		out = append(out, LivePort{Name: r.name(), Switch: sw, Type: r.get("type").scalar(),
			Addresses: slices.Clone(r.get("addresses").set), ExternalIDs: maps.Clone(r.get(externalIDs).m)})
	}
	slices.SortFunc(out, func(a, b LivePort) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// LiveNATs lists the NAT rows of the Northbound database, of every type and owner, by outside and inside address.
func (c *Client) LiveNATs() []LiveNAT {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.cache.tables[ovnnb.NATTable]
	if t == nil {
		return nil
	}
	out := make([]LiveNAT, 0, len(t.rows))
	for _, r := range t.rows {
		_, router, _ := strings.Cut(r.parent, "/")
		out = append(out, LiveNAT{Router: router, Type: r.get("type").scalar(), ExternalIP: r.get("external_ip").scalar(),
			LogicalIP: r.get("logical_ip").scalar(), ExternalIDs: maps.Clone(r.get(externalIDs).m)})
	}
	slices.SortFunc(out, func(a, b LiveNAT) int {
		return cmp.Or(strings.Compare(a.ExternalIP, b.ExternalIP), strings.Compare(a.LogicalIP, b.LogicalIP), strings.Compare(a.Type, b.Type))
	})
	return out
}

// Healthy says why the client is not usable, or nil; livez asks it.
func (c *Client) Healthy() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.rpc != nil || time.Since(c.lost) < c.cfg.UnhealthyAfter {
		return nil
	}
	return fmt.Errorf("%s: no usable connection for %s: %w", c.db, time.Since(c.lost).Round(time.Second), c.lastErr)
}

// Close ends the connection and waits for it.
func (c *Client) Close() {
	c.cancel()
	<-c.ended
}
