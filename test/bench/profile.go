package main

import (
	"os"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// profile starts the profiles that were asked for; the returned function ends them and writes the files.
func (b *bench) profile(c *testbed.Process, o options) func() error {
	type result struct {
		text string
		err  error
	}
	cpu := make(chan result, 1)
	if o.cpuProfile != "" {
		go func() {
			text, err := c.Get("/debug/pprof/profile?seconds=15")
			cpu <- result{text, err}
		}()
	}
	return func() error {
		if o.cpuProfile != "" {
			r := <-cpu
			if r.err != nil {
				return r.err
			}
			if err := os.WriteFile(o.cpuProfile, []byte(r.text), 0o600); err != nil {
				return err
			}
		}
		if o.heapProfile != "" {
			text, err := c.Get("/debug/pprof/heap?gc=1")
			if err != nil {
				return err
			}
			return os.WriteFile(o.heapProfile, []byte(text), 0o600)
		}
		return nil
	}
}
