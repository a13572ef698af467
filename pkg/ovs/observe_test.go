package ovs_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// observed collects what an observer was told.
type observed struct {
	mu  sync.Mutex
	log []ovs.Observation
}

func observe(c *ovs.Client, table string) *observed {
	o := &observed{}
	c.Observe(table, func(ob ovs.Observation) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.log = append(o.log, ob)
	})
	return o
}

func (o *observed) waitFor(t *testing.T, what string, ok func(ovs.Observation) bool) {
	t.Helper()
	ovstest.Eventually(t, deadline, what, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return slices.ContainsFunc(o.log, ok)
	})
}

func TestObserve(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	ports := observe(c, "Logical_Switch_Port")
	ports.waitFor(t, "the rows that are there", func(o ovs.Observation) bool { return o.Name == "a.default" && o.Columns["up"] == nil })

	s.Transact(t, `{"op":"update","table":"Logical_Switch_Port","where":[["name","==","a.default"]],"row":{"up":true}}`)
	ports.waitFor(t, "up", func(o ovs.Observation) bool { return o.Name == "a.default" && o.Columns["up"] == true })
	got, ok := c.Get("Logical_Switch_Port", "a.default")
	if !ok || got.Columns["up"] != true || got.ExternalIDs["pod"] != "default/a" {
		t.Errorf("Get: %+v, %v", got, ok)
	}

	// Our own change of another column is no status.
	count := func() int { ports.mu.Lock(); defer ports.mu.Unlock(); return len(ports.log) }
	before := count()
	row := podRow("a")
	row.Addresses = []string{"dynamic"}
	apply(t, c, "pod/default/a", row)
	apply(t, c, "pod/default/a")
	ports.waitFor(t, "deleted", func(o ovs.Observation) bool { return o.Name == "a.default" && o.Deleted })
	if got := count(); got != before+1 {
		t.Errorf("%d observations, want only that of the deletion", got-before)
	}
}

// TestObserveAfterReconnect: what changed while the connection was away is observed.
func TestObserveAfterReconnect(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	apply(t, c, "bfd/x", ovs.BFD{LogicalPort: "vpc1-net1", DstIP: "10.0.1.9", MinTX: 100})
	sessions := observe(c, "BFD")
	sessions.waitFor(t, "the row", func(o ovs.Observation) bool { return o.Name == "vpc1-net1 10.0.1.9" })
	s.Empty(t)
	s.Transact(t, `{"op":"insert","table":"BFD","row":{"logical_port":"new","dst_ip":"1.1.1.1","status":"up"}}`)
	sessions.waitFor(t, "the old row is gone", func(o ovs.Observation) bool { return o.Name == "vpc1-net1 10.0.1.9" && o.Deleted })
	sessions.waitFor(t, "the new row is there", func(o ovs.Observation) bool { return o.Name == "new 1.1.1.1" && o.Columns["status"] == "up" })
}

// TestObservationTypes: every kind of column has its Go type, and what is not set is absent.
func TestObservationTypes(t *testing.T) {
	s := ovstest.Start(t, ovs.OpenVSwitchDB)
	s.Transact(t, `{"op":"insert","table":"Open_vSwitch","row":{"ovs_version":"3.1.0","datapath_types":["set",["netdev","system"]],"dpdk_initialized":true,"other_config":["map",[["a","b"]]],"external_ids":["map",[["system-id","x"]]]}}`)
	c := s.Connect(t)
	got, ok := c.Get("Open_vSwitch", "")
	if !ok {
		t.Fatal("no row")
	}
	got.UUID = ""
	want := ovs.Observation{Columns: map[string]any{"ovs_version": "3.1.0", "datapath_types": []string{"netdev", "system"}, "iface_types": []string(nil),
		"dpdk_initialized": true, "other_config": map[string]string{"a": "b"}}, ExternalIDs: map[string]string{"system-id": "x"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("observation (-want +got):\n%s", d)
	}
	if _, ok := c.Get("Interface", "none"); ok {
		t.Error("a row that is not there was found")
	}
	if _, ok := c.Get("NAT", "none"); ok {
		t.Error("a table of another database was found")
	}
}

// TestSingleRowDrift: keys of ours in the single row of NB_Global are restored though the row carries no mark.
func TestSingleRowDrift(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	drift := recordDrift(c, "config")
	global := ovs.NBGlobal{Options: map[string]string{"use_ct_inv_match": "false"}, ExternalIDs: map[string]string{"kube-ovn-version": "1"}}
	apply(t, c, "config/nb", global)
	s.Transact(t, `{"op":"update","table":"NB_Global","where":[],"row":{"nb_cfg":7}}`, `{"op":"update","table":"NB_Global","where":[],"row":{"options":["map",[["theirs","1"]]]}}`)
	drift.waitFor(t, "nb")
	apply(t, c, "config/nb", global)
	same(t, s, "NB_Global : external_ids={kube-ovn-version=1} options={theirs=1, use_ct_inv_match=false}\n")
	if n := apply(t, c, "config/nb"); n != 0 {
		t.Errorf("%d operations for an owner that has no row", n)
	}
}
