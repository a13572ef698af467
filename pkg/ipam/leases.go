package ipam

// SubnetLeases are all leases of a subnet, in no order.
func (i *IPAM) SubnetLeases(subnet string) []Lease {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	if !ok {
		return nil
	}
	leases := make([]Lease, 0, len(s.leases))
	for _, l := range s.leases {
		leases = append(leases, l.Lease)
	}
	return leases
}
