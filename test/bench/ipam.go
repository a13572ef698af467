package main

import (
	"fmt"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ipam"
)

// leases is how many addresses are held while one more is claimed and released.
const leases = 100_000

// ipamReport measures the address books: one claim with its release, and the rebuild at start.
func ipamReport() error {
	books, err := newBooks()
	if err != nil {
		return err
	}
	holdings := make([]ipam.Holding, 0, leases)
	for i := range leases {
		owner, nic := leaseNames(i)
		lease, err := books.Claim("s", ipam.Request{Owner: owner, NIC: nic})
		if err != nil {
			return err
		}
		holdings = append(holdings, ipam.Holding{Lease: lease})
	}
	const rounds = 200_000
	start := time.Now()
	for i := range rounds {
		owner, nic := leaseNames(leases + i%4096)
		if _, err := books.Claim("s", ipam.Request{Owner: owner, NIC: nic}); err != nil {
			return err
		}
		if !books.Release("s", owner, nic) {
			return fmt.Errorf("%s held nothing", nic)
		}
	}
	line("ipam.claim_100k", float64(time.Since(start).Microseconds())/rounds, "us")

	if books, err = newBooks(); err != nil {
		return err
	}
	start = time.Now()
	if failures := books.Rebuild(holdings); len(failures) > 0 {
		return failures[0]
	}
	line("ipam.rebuild_100k", time.Since(start).Seconds(), "s")
	return nil
}

func newBooks() (*ipam.IPAM, error) {
	books := ipam.New()
	return books, books.SetSubnet(ipam.Spec{Name: "s", CIDRBlock: "10.0.0.0/8,fd00::/64"})
}

func leaseNames(i int) (owner, nic string) {
	return fmt.Sprintf("namespace-%d/pod-%d", i%50, i), fmt.Sprintf("pod-%d.namespace-%d", i, i%50)
}
