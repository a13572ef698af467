package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/plugins/pkg/ns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// How long a verb waits for the daemon. The daemon bounds every stage of its own; these only end a wait for a dead one.
const (
	addTimeout   = 4 * time.Minute
	otherTimeout = time.Minute
)

func add(args *skel.CmdArgs) error {
	conf, err := parseConf(args.StdinData)
	if err != nil {
		return err
	}
	pod, err := parsePod(args.Args)
	if err != nil {
		return err
	}
	if err := allowIPv6(args.Netns); err != nil {
		return types.NewError(api.CodeTryAgainLater, "cannot prepare the network namespace", err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), addTimeout)
	defer cancel()
	client, req := api.NewClient(conf.ServerSocket), conf.request(args, pod)
	res, err := client.Add(ctx, req)
	if err != nil {
		return rpcFailed(err)
	}
	result, err := buildResult(conf, args, res)
	if err == nil {
		err = types.PrintResult(result, conf.CNIVersion)
	}
	if err != nil {
		// The runtime gets a failure, so the interface must not stay.
		return types.NewError(api.CodeInvalidConfig, "cannot express the result",
			errors.Join(err, client.Del(ctx, req)).Error())
	}
	return nil
}

// del needs neither the pod nor a valid namespace. Without a readable configuration nothing can have been made.
func del(args *skel.CmdArgs) error {
	conf, err := parseConf(args.StdinData)
	if err != nil {
		return err
	}
	pod := &podArgs{}
	// Only for the logs of the daemon: DEL finds the port by container and interface.
	_ = types.LoadArgs(args.Args, pod)
	ctx, cancel := context.WithTimeout(context.Background(), otherTimeout)
	defer cancel()
	return rpcFailed(api.NewClient(conf.ServerSocket).Del(ctx, conf.request(args, pod)))
}

func check(args *skel.CmdArgs) error {
	conf, err := parseConf(args.StdinData)
	if err != nil {
		return err
	}
	pod, err := parsePod(args.Args)
	if err != nil {
		return err
	}
	req := conf.request(args, pod)
	if req.Expected, err = conf.expected(args.IfName); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), otherTimeout)
	defer cancel()
	return rpcFailed(api.NewClient(conf.ServerSocket).Check(ctx, req))
}

func gc(args *skel.CmdArgs) error {
	conf, err := parseConf(args.StdinData)
	if err != nil {
		return err
	}
	req := api.GCRequest{Network: conf.Name, Valid: []api.Attachment{}}
	for _, a := range conf.ValidAttachments {
		req.Valid = append(req.Valid, api.Attachment{ContainerID: a.ContainerID, IfName: a.IfName})
	}
	ctx, cancel := context.WithTimeout(context.Background(), otherTimeout)
	defer cancel()
	return rpcFailed(api.NewClient(conf.ServerSocket).GC(ctx, req))
}

func status(args *skel.CmdArgs) error {
	conf, err := parseConf(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), otherTimeout)
	defer cancel()
	if err := api.NewClient(conf.ServerSocket).Status(ctx); err != nil {
		return types.NewError(api.CodePluginUnavailable, "the daemon cannot serve requests now", err.Error())
	}
	return nil
}

// rpcFailed gives every failure of the daemon the form of the contract: message "RPC failed", the reason in the details, and
// the daemon's code, or 11 when there was no answer.
func rpcFailed(err error) error {
	if err == nil {
		return nil
	}
	var told *types.Error
	if !errors.As(err, &told) {
		return types.NewError(api.CodeTryAgainLater, "RPC failed", err.Error())
	}
	details := told.Msg
	if told.Details != "" {
		details += ": " + told.Details
	}
	return types.NewError(told.Code, "RPC failed", details)
}

// buildResult makes a result of version 1.1.0; the library converts it to the configuration's version.
func buildResult(conf *netConf, args *skel.CmdArgs, res api.Response) (*current.Result, error) {
	result := &current.Result{CNIVersion: current.ImplementedSpecVersion, DNS: res.DNS}
	if !conf.ipamOnly() {
		result.Interfaces = []*current.Interface{
			{Name: res.NicName, Mac: res.MACAddress, Mtu: res.MTU, Sandbox: args.Netns},
		}
	}
	for _, ip := range res.IPs {
		c, err := ipConfig(ip)
		if err != nil {
			return nil, err
		}
		if len(result.Interfaces) != 0 {
			c.Interface = current.Int(0)
		}
		result.IPs = append(result.IPs, c)
	}
	for _, r := range res.Routes {
		route, err := parseRoute(r)
		if err != nil {
			return nil, err
		}
		result.Routes = append(result.Routes, route)
	}
	if len(res.Routes) == 0 {
		for _, ip := range result.IPs {
			if ip.Gateway != nil {
				result.Routes = append(result.Routes, &types.Route{Dst: defaultRoute(ip.Gateway), GW: ip.Gateway})
			}
		}
	}
	return result, nil
}

// allowIPv6 switches IPv6 on and router advertisements off for the interface that is about to appear in the namespace.
func allowIPv6(netns string) error {
	return ns.WithNetNSPath(netns, func(ns.NetNS) error {
		for _, scope := range []string{"all", "default"} {
			for key, value := range map[string]string{"disable_ipv6": "0", "accept_ra": "0"} {
				path := "/proc/sys/net/ipv6/conf/" + scope + "/" + key
				// A kernel without IPv6 has no such file, and there is nothing to switch on.
				if err := os.WriteFile(path, []byte(value), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("set %s=%s: %w", path, value, err)
				}
			}
		}
		return nil
	})
}
