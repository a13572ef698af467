// Command bench measures the product and prints one "name value unit" line per figure.
//
// The controller runs as a process of its own against a real kube-apiserver, etcd and ovsdb-server, with nodes and pods that
// are only objects. Beside it runs the floor, a null loop that makes the same API writes with the same concurrency and
// nothing else: the rate that the API server allows on this machine. The engine and the address books are measured alone.
//
//	go run ./test/bench                         everything
//	go run ./test/bench -only controller        ipam, ovs, cni, controller or nat
//	go run ./test/bench -only controller -cpuprofile cpu.out -heapprofile heap.out
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	ovsbench "github.com/kubeovn/kube-ovn/test/bench/ovs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == floorVerb {
		exit(floor(ctx, os.Args[2:]))
	}
	only := flag.String("only", "", "comma list of ipam, ovs, cni, controller, nat; empty: all")
	var o options
	flag.IntVar(&o.pods, "pods", 5000, "size of the large controller run")
	flag.IntVar(&o.workers, "workers", 48, "concurrency of the floor: that of the controller's pod queue")
	flag.StringVar(&o.cpuProfile, "cpuprofile", "", "write the controller's CPU profile of the run here")
	flag.StringVar(&o.heapProfile, "heapprofile", "", "write the controller's heap profile after the run here")
	flag.Parse()
	exit(run(ctx, strings.Split(*only, ","), o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run makes the chosen parts in order.
func run(ctx context.Context, only []string, o options) error {
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"ipam", ipamReport},
		{"ovs", func() error { return ovsbench.Report(ctx, os.Stdout) }},
		{"cni", func() error { return cniReport(ctx) }},
		{"controller", func() error { return controllerReport(ctx, o) }},
		{"nat", func() error { return natReport(ctx, o) }},
	} {
		chosen := only[0] == ""
		for _, name := range only {
			chosen = chosen || name == part.name
		}
		if !chosen {
			continue
		}
		if err := part.run(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
	}
	return nil
}

// line prints one figure.
func line(name string, value float64, unit string) { fmt.Printf("%s %.4g %s\n", name, value, unit) }
