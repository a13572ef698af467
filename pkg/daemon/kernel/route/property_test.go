package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// Any set of routes follows any other while another device keeps its own.
func TestRoutesConverge(t *testing.T) {
	kerneltest.NewNetns(t)
	kerneltest.Veth(t, "ovn0", "peer", netns.None())
	kerneltest.Veth(t, "eth0", "far", netns.None())
	kerneltest.AddAddr(t, "ovn0", "100.64.0.4/16")
	kerneltest.AddAddr(t, "eth0", "192.168.123.23/24")
	kerneltest.Run(t, "ip", "route", "add", "10.3.0.0/16", "dev", "eth0")
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 40 {
		want := Device{Name: "ovn0", Routes: parseAll("100.64.0.0/16 src 100.64.0.4")}
		var expect []string
		for _, n := range r.Perm(8)[:r.IntN(9)] {
			text := fmt.Sprintf("10.%d.0.0/16 via 100.64.0.%d", n, 1+r.IntN(2))
			if r.IntN(2) == 0 {
				text += " src 192.168.123.23"
			}
			want.Routes = append(want.Routes, parse(text))
			if n != 3 {
				expect = append(expect, parse(text).text("ovn0"))
			}
		}
		if err := (Driver{}).Sync(want); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		var got []string
		for line := range strings.Lines(kerneltest.Run(t, "ip", "-4", "route", "show")) {
			if strings.Contains(line, " via ") && strings.Contains(line, "dev ovn0") {
				got = append(got, strings.Join(strings.Fields(line), " "))
			}
		}
		slices.Sort(got)
		slices.Sort(expect)
		if !slices.Equal(got, expect) {
			t.Fatalf("step %d: got\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(expect, "\n"))
		}
	}
	if got := kerneltest.Run(t, "ip", "route", "show", "10.3.0.0/16"); strings.TrimSpace(got) != "10.3.0.0/16 dev eth0 scope link" {
		t.Errorf("the route of another device became %q", got)
	}
}
