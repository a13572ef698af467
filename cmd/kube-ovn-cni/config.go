package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// source holds the keys that stand at the top of our own configuration, or below ipam of another plugin's (api.md 6.1).
type source struct {
	ServerSocket string      `json:"server_socket"`
	Provider     string      `json:"provider"`
	Routes       []api.Route `json:"routes"`
}

type ipamConfig struct {
	Type string `json:"type"`
	source
}

type netConf struct {
	CNIVersion string      `json:"cniVersion"`
	Name       string      `json:"name"`
	Type       string      `json:"type"`
	IPAM       *ipamConfig `json:"ipam"`
	DNS        types.DNS   `json:"dns"`
	source

	DeviceID string `json:"deviceID"`
	VfDriver string `json:"vf_driver"`

	VhostUserSocketVolumeName  string `json:"vhost_user_socket_volume_name"`
	VhostUserSocketName        string `json:"vhost_user_socket_name"`
	VhostUserSocketConsumption string `json:"vhost_user_socket_consumption"`

	RawPrevResult    map[string]any       `json:"prevResult"`
	ValidAttachments []types.GCAttachment `json:"cni.dev/valid-attachments"`
}

// podArgs are the keys of CNI_ARGS that a Kubernetes runtime sets.
type podArgs struct {
	types.CommonArgs
	K8S_POD_NAME      types.UnmarshallableString //nolint:revive // the name is the key
	K8S_POD_NAMESPACE types.UnmarshallableString //nolint:revive
	K8S_POD_UID       types.UnmarshallableString //nolint:revive

	K8S_POD_INFRA_CONTAINER_ID types.UnmarshallableString //nolint:revive
}

// ipamOnly says that another plugin makes the interface and asks us for addresses.
func (c *netConf) ipamOnly() bool { return c.Type != api.PluginType && c.IPAM != nil }

// parseConf reads the configuration. Errors carry code 6 (no JSON of the right shape) or 7 (no socket).
func parseConf(stdin []byte) (*netConf, error) {
	conf := &netConf{}
	if err := json.NewDecoder(bytes.NewReader(stdin)).Decode(conf); err != nil {
		return nil, types.NewError(api.CodeDecodingFailure, "cannot parse the network configuration", err.Error())
	}
	if conf.ipamOnly() {
		conf.source = conf.IPAM.source
	}
	if conf.ServerSocket == "" {
		return nil, types.NewError(api.CodeInvalidConfig, "invalid network configuration",
			fmt.Sprintf("network %q names no server_socket", conf.Name))
	}
	return conf, nil
}

// parsePod reads CNI_ARGS; a missing name or namespace is code 7.
func parsePod(args string) (*podArgs, error) {
	pod := &podArgs{}
	if err := types.LoadArgs(args, pod); err != nil {
		return nil, types.NewError(api.CodeInvalidConfig, "invalid CNI_ARGS", err.Error())
	}
	if pod.K8S_POD_NAME == "" || pod.K8S_POD_NAMESPACE == "" {
		return nil, types.NewError(api.CodeInvalidConfig, "invalid CNI_ARGS",
			"K8S_POD_NAME and K8S_POD_NAMESPACE are required")
	}
	return pod, nil
}

// request is what ADD and CHECK send.
func (c *netConf) request(args *skel.CmdArgs, pod *podArgs) api.Request {
	return api.Request{
		CNIType:      c.Type,
		PodName:      string(pod.K8S_POD_NAME),
		PodNamespace: string(pod.K8S_POD_NAMESPACE),
		PodUID:       string(pod.K8S_POD_UID),
		ContainerID:  args.ContainerID,
		NetNS:        args.Netns,
		IfName:       args.IfName,
		Network:      c.Name,
		Provider:     c.Provider,
		Routes:       c.Routes,
		DNS:          c.DNS,

		VfDriver: c.VfDriver,
		DeviceID: c.DeviceID,

		VhostUserSocketVolumeName:  c.VhostUserSocketVolumeName,
		VhostUserSocketName:        c.VhostUserSocketName,
		VhostUserSocketConsumption: c.VhostUserSocketConsumption,
	}
}

// expected is the part of prevResult that belongs to one interface; nil when there is no prevResult.
func (c *netConf) expected(ifName string) (*api.Expected, error) {
	if c.RawPrevResult == nil {
		return nil, nil
	}
	for _, key := range []string{"interfaces", "ips", "routes"} {
		// The library's conversion takes every element to be there.
		if list, ok := c.RawPrevResult[key].([]any); ok && slices.Contains(list, nil) {
			return nil, types.NewError(api.CodeDecodingFailure, "cannot parse prevResult", key+" has an element that is null")
		}
	}
	pc := &types.PluginConf{CNIVersion: c.CNIVersion, RawPrevResult: c.RawPrevResult}
	if err := version.ParsePrevResult(pc); err != nil {
		return nil, types.NewError(api.CodeDecodingFailure, "cannot parse prevResult", err.Error())
	}
	result, err := current.NewResultFromResult(pc.PrevResult)
	if err != nil {
		return nil, types.NewError(api.CodeDecodingFailure, "cannot convert prevResult", err.Error())
	}
	want := &api.Expected{}
	ours := map[int]bool{}
	for i, link := range result.Interfaces {
		if link.Name == ifName && link.Sandbox != "" {
			want.MAC, ours[i] = link.Mac, true
		}
	}
	for _, ip := range result.IPs {
		if ip.Interface == nil || ours[*ip.Interface] {
			want.Addresses = append(want.Addresses, (&net.IPNet{IP: ip.Address.IP, Mask: ip.Address.Mask}).String())
		}
	}
	for _, r := range result.Routes {
		route := api.Route{Destination: r.Dst.String()}
		if r.GW != nil {
			route.Gateway = r.GW.String()
		}
		want.Routes = append(want.Routes, route)
	}
	return want, nil
}
