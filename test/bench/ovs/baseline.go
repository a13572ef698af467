package ovsbench

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/ovn-org/libovsdb/client"
	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// Baseline adds n pods the usual way: libovsdb's own cache over a monitor of whole rows, one transaction per write (port
// and switch, then port group).
func Baseline(tb ovstest.TB, size, n int) Cost {
	s := prepare(tb, size)
	defer s.Stop(tb)
	c := connectBaseline(tb, s.Endpoint, func(c client.Client) []client.MonitorOption {
		return []client.MonitorOption{client.WithTable(&ovnnb.LogicalSwitch{}), client.WithTable(&ovnnb.LogicalSwitchPort{}),
			client.WithTable(&ovnnb.PortGroup{})}
	})
	defer c.Close()
	return writeBaseline(tb, c, n)
}

// LeanBaseline is the same writer with libovsdb's cache kept lean, to tell what the monitor costs and what the cache.
func LeanBaseline(tb ovstest.TB, size, n int) Cost {
	s := prepare(tb, size)
	defer s.Stop(tb)
	c := connectBaseline(tb, s.Endpoint, func(c client.Client) []client.MonitorOption {
		sw, port, pg := &ovnnb.LogicalSwitch{}, &ovnnb.LogicalSwitchPort{}, &ovnnb.PortGroup{}
		return []client.MonitorOption{client.WithTable(sw, &sw.Name, &sw.ExternalIDs),
			client.WithTable(port, &port.Name, &port.Addresses, &port.ExternalIDs, &port.Options, &port.Type, &port.Up),
			client.WithTable(pg, &pg.Name, &pg.ExternalIDs)}
	})
	defer c.Close()
	return writeBaseline(tb, c, n)
}

func connectBaseline(tb ovstest.TB, endpoint string, tables func(client.Client) []client.MonitorOption) client.Client {
	m, err := model.NewClientDBModel(string("OVN_Northbound"), map[string]model.Model{
		ovnnb.LogicalSwitchTable: &ovnnb.LogicalSwitch{}, ovnnb.LogicalSwitchPortTable: &ovnnb.LogicalSwitchPort{},
		ovnnb.PortGroupTable: &ovnnb.PortGroup{}})
	if err != nil {
		tb.Fatal(err)
	}
	silent := logr.Discard()
	c, err := client.NewOVSDBClient(m, client.WithEndpoint(endpoint), client.WithLogger(&silent))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		tb.Fatal(err)
	}
	if _, err := c.Monitor(ctx, c.NewMonitor(tables(c)...)); err != nil {
		tb.Fatal(err)
	}
	return c
}

func writeBaseline(tb ovstest.TB, c client.Client, n int) Cost {
	start, used := time.Now(), cpu()
	var switches []ovnnb.LogicalSwitch
	if err := c.List(tb.Context(), &switches); err != nil || len(switches) != 1 {
		tb.Fatalf("find the switch: %v (%d)", err, len(switches))
	}
	pg := &ovnnb.PortGroup{Name: group}
	if err := c.Get(tb.Context(), pg); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		port := baselinePort(i)
		ops := must(tb)(c.Create(port))
		ops = append(ops, must(tb)(c.Where(&switches[0]).Mutate(&switches[0],
			model.Mutation{Field: &switches[0].Ports, Mutator: ovsdb.MutateOperationInsert, Value: []string{port.UUID}}))...)
		created := transact(tb, c, ops)
		ops = must(tb)(c.Where(pg).Mutate(pg,
			model.Mutation{Field: &pg.Ports, Mutator: ovsdb.MutateOperationInsert, Value: []string{created}}))
		transact(tb, c, ops)
	}
	return Cost{Pods: n, Elapsed: time.Since(start), CPU: cpu() - used, Transactions: 2 * n}
}

func baselinePort(i int) *ovnnb.LogicalSwitchPort {
	row := podRow(i)
	return &ovnnb.LogicalSwitchPort{UUID: fmt.Sprintf("port%d", i), Name: row.Name, Addresses: row.Addresses,
		ExternalIDs: map[string]string{"vendor": "kube-ovn", "ls": network, "pod": row.ExternalIDs["pod"]}}
}

func must(tb ovstest.TB) func([]ovsdb.Operation, error) []ovsdb.Operation {
	return func(ops []ovsdb.Operation, err error) []ovsdb.Operation {
		if err != nil {
			tb.Fatal(err)
		}
		return ops
	}
}

// transact sends one transaction and returns the UUID that its first operation made.
func transact(tb ovstest.TB, c client.Client, ops []ovsdb.Operation) string {
	results, err := c.Transact(tb.Context(), ops...)
	if err == nil {
		_, err = ovsdb.CheckOperationResults(results, ops)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return results[0].UUID.GoUUID
}
