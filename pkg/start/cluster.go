package start

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/klog/v2"
)

// clusterStatus is what cluster/status says of one member.
type clusterStatus struct {
	status  string // "cluster member", "joining cluster", "disconnected from the cluster (...)"
	role    string // leader, follower, candidate
	leader  string // server id, "self" or "unknown"
	servers []raftServer
}

// raftServer is one line of the server list.
type raftServer struct {
	id, address string
	self        bool
	silent      int // milliseconds since its last message; math.MaxInt when it never said anything
}

func (d database) clusterStatus(ctx context.Context) (clusterStatus, error) {
	out, err := run(ctx, "ovs-appctl", "-T", "5", "-t", d.control, "cluster/status", d.name)
	if err != nil {
		return clusterStatus{}, err
	}
	return parseClusterStatus(out)
}

var (
	serverLine = regexp.MustCompile(`^\s+([0-9a-f]{4}) \([0-9a-f]{4} at (\S+)\)`)
	lastMsg    = regexp.MustCompile(`last msg (\d+) ms ago`)
)

func parseClusterStatus(text string) (clusterStatus, error) {
	var s clusterStatus
	for line := range strings.Lines(text) {
		if m := serverLine.FindStringSubmatch(line); m != nil {
			server := raftServer{id: m[1], address: m[2], self: strings.Contains(line, "(self)"), silent: math.MaxInt}
			if last := lastMsg.FindStringSubmatch(line); last != nil {
				server.silent, _ = strconv.Atoi(last[1])
			}
			s.servers = append(s.servers, server)
			continue
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		switch key {
		case "Status":
			s.status = value
		case "Role":
			s.role = value
		case "Leader":
			s.leader = value
		}
	}
	if s.role == "" && s.status == "" {
		return s, errors.New("cluster/status has neither Status nor Role")
	}
	return s, nil
}

func (s clusterStatus) health(db string) error {
	switch {
	case s.status != "cluster member":
		return fmt.Errorf("%s is not in its cluster: %s", db, s.status)
	case s.role == "candidate":
		return fmt.Errorf("%s has no leader", db)
	}
	return nil
}

// ghosts are former selves of a member: it lost its disk and came back at the same address with a new id. Each of them
// would count for the quorum for ever. The one that speaks is the member.
func (s clusterStatus) ghosts() []raftServer {
	living := map[string]raftServer{}
	var out []raftServer
	for _, server := range s.servers {
		other, seen := living[server.address]
		switch {
		case !seen:
			living[server.address] = server
		case server.self || !other.self && server.silent < other.silent:
			living[server.address] = server
			out = append(out, other)
		default:
			out = append(out, server)
		}
	}
	return out
}

// ghostLooks is how often in a row a server must look like a ghost. Right after a member came back its new self may not
// have spoken yet while the last words of the old one still sound fresh; that is over by then.
const ghostLooks = 4

// ghostHunt counts looks by server id. Only a leader hunts.
type ghostHunt map[string]int

func (g ghostHunt) kick(ctx context.Context, d database, s clusterStatus) {
	seen := map[string]bool{}
	for _, ghost := range s.ghosts() {
		seen[ghost.id] = true
		if g[ghost.id]++; g[ghost.id] < ghostLooks {
			continue
		}
		klog.InfoS("Removing the former self of a member from the cluster", "database", d.name, "server", ghost.id, "address", ghost.address)
		if _, err := run(ctx, "ovs-appctl", "-T", "5", "-t", d.control, "cluster/kick", d.name, ghost.id); err != nil {
			klog.ErrorS(err, "Cannot remove a server from the cluster", "database", d.name, "server", ghost.id)
		}
	}
	maps.DeleteFunc(g, func(id string, _ int) bool { return !seen[id] })
}
