package start

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const leaderStatus = `1a2b
Name: OVN_Northbound
Cluster ID: f7d8 (f7d8a001-0000-4000-8000-000000000001)
Server ID: 1a2b (1a2b3c00-0000-4000-8000-000000000002)
Address: tcp:127.0.0.1:6643
Status: cluster member
Role: leader
Term: 2
Leader: self
Vote: self

Connections: ->0000 <-5c6d
Disconnections: 1
Servers:
    1a2b (1a2b at tcp:127.0.0.1:6643) (self) next_index=2 match_index=9
    5c6d (5c6d at tcp:127.0.0.2:6643) next_index=10 match_index=9 last msg 321 ms ago
    7e8f (7e8f at tcp:127.0.0.3:6643) next_index=10 match_index=9
`

func TestParseClusterStatus(t *testing.T) {
	servers := []raftServer{
		{id: "1a2b", address: "tcp:127.0.0.1:6643", self: true, silent: math.MaxInt},
		{id: "5c6d", address: "tcp:127.0.0.2:6643", silent: 321},
		{id: "7e8f", address: "tcp:127.0.0.3:6643", silent: math.MaxInt},
	}
	for _, test := range []struct {
		name, text string
		want       clusterStatus
		healthy    bool
	}{
		{"leader", leaderStatus, clusterStatus{"cluster member", "leader", "self", servers}, true},
		{"follower", strings.ReplaceAll(leaderStatus, "leader", "follower"), clusterStatus{"cluster member", "follower", "self", servers}, true},
		{"candidate", strings.ReplaceAll(leaderStatus, "leader", "candidate"), clusterStatus{"cluster member", "candidate", "self", servers}, false},
		{"joining", "Name: OVN_Northbound\nStatus: joining cluster\nRemotes for joining: tcp:127.0.0.1:6643\nRole: follower\nLeader: unknown\n",
			clusterStatus{"joining cluster", "follower", "unknown", nil}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseClusterStatus(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(clusterStatus{}, raftServer{})); diff != "" {
				t.Fatalf("status (-want +got):\n%s", diff)
			}
			if err := got.health("OVN_Northbound"); (err == nil) != test.healthy {
				t.Errorf("health is %v", err)
			}
		})
	}
	if _, err := parseClusterStatus("no such database"); err == nil {
		t.Error("nonsense is taken for a status")
	}
}

func TestGhosts(t *testing.T) {
	self := raftServer{id: "1111", address: "a", self: true, silent: math.MaxInt}
	living := raftServer{id: "2222", address: "b", silent: 100}
	dead := raftServer{id: "3333", address: "b", silent: 60000}
	mute := raftServer{id: "4444", address: "b", silent: math.MaxInt}
	oldSelf := raftServer{id: "5555", address: "a", silent: 50}
	for _, test := range []struct {
		name    string
		servers []raftServer
		want    []raftServer
	}{
		{"none", []raftServer{self, living}, nil},
		{"the silent one goes", []raftServer{self, dead, living}, []raftServer{dead}},
		{"in any order", []raftServer{living, dead, self}, []raftServer{dead}},
		{"both former selves", []raftServer{mute, self, living, dead}, []raftServer{mute, dead}},
		{"never ourselves", []raftServer{oldSelf, self}, []raftServer{oldSelf}},
		{"never ourselves, in any order", []raftServer{self, oldSelf}, []raftServer{oldSelf}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := clusterStatus{servers: test.servers}.ghosts()
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(raftServer{})); diff != "" {
				t.Errorf("ghosts (-want +got):\n%s", diff)
			}
		})
	}
}
