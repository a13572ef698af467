package ovs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"
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
	// GroupWindow is how long the first Apply of a group waits for company; 0 means the default of a few milliseconds.
	GroupWindow time.Duration
	// DryRun, when set, receives the text of every difference and nothing is written.
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
	Addresses   []string
	ExternalIDs map[string]string
}

// Observation is the status part of one row.
type Observation struct {
	Name        string // identity text of the row
	Columns     map[string]any
	ExternalIDs map[string]string
	Deleted     bool
}

// Client is one connection to one database with its lean cache.
type Client struct{}

// Connect dials, checks the schema, fills the cache and returns; ctx ends the client.
func Connect(ctx context.Context, db Database, cfg Config) (*Client, error) { panic("contract") }

// Apply makes the database hold exactly rows for owner. Equal rows send nothing; the difference is one transaction, shared
// with other callers of the same few milliseconds. An empty set deletes everything of the owner. It returns after the
// cache has the new state. Errors: ErrDisconnected, *MissingError, *OwnedError, *ContradictionError, transaction errors.
func (c *Client) Apply(ctx context.Context, owner Owner, rows []Row) (Result, error) {
	panic("contract")
}

// Owners lists the keys of kind that own at least one row.
func (c *Client) Owners(kind string) []string { panic("contract") }

// OnDrift calls fn with the key when a row of that kind of owner was changed or removed by somebody else, and with every
// affected key after a reconnect that found the database different (emptied, restored). fn must only enqueue.
func (c *Client) OnDrift(kind string, fn func(key string)) { panic("contract") }

// Observe calls fn for every row of a table now and whenever one of its status columns changes (BFD.status,
// Logical_Switch_Port.up, Chassis.hostname, Interface.external_ids, ...). fn must only enqueue.
func (c *Client) Observe(table string, fn func(Observation)) { panic("contract") }

// WaitFor blocks until an observed row satisfies ok, or ctx ends.
func (c *Client) WaitFor(ctx context.Context, table, name string, ok func(Observation) bool) error {
	panic("contract")
}

// Get returns the observed state of one row by identity.
func (c *Client) Get(table, name string) (Observation, bool) { panic("contract") }

// UUID returns the UUID of a row by the identity of the wanted value.
func (c *Client) UUID(r Row) (string, bool) { panic("contract") }

// LivePorts lists the switch ports of the Northbound database.
func (c *Client) LivePorts() []LivePort { panic("contract") }

// Healthy says why the client is not usable, or nil; livez asks it.
func (c *Client) Healthy() error { panic("contract") }

// Close ends the connection.
func (c *Client) Close() { panic("contract") }
