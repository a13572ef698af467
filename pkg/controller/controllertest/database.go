package controllertest

import (
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// Database is a Northbound database of its own with the one client a controller process has.
type Database struct {
	Server *ovstest.Server
	NB     *ovs.Client

	t testing.TB
}

// NewDatabase starts an ovsdb-server that lives as long as the test.
func NewDatabase(t testing.TB) *Database {
	t.Helper()
	server := ovstest.Start(t, ovs.Northbound)
	return &Database{Server: server, NB: server.Connect(t), t: t}
}

// Dump is the whole database as stable text.
func (d *Database) Dump() string {
	d.t.Helper()
	return d.Server.Dump(d.t)
}

// Transactions counts what the present client has sent.
func (d *Database) Transactions() int { return d.NB.Stats().Transactions }

// Empty replaces the database by an empty one, behind the client's back.
func (d *Database) Empty() {
	d.t.Helper()
	d.Server.Empty(d.t)
}

// Reconnect makes a new client, as a restarted process does.
func (d *Database) Reconnect() {
	d.t.Helper()
	d.NB.Close()
	d.NB = d.Server.Connect(d.t)
}
