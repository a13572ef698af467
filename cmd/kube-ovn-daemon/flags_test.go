package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) string {
	return func(key string) string {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == key {
				return v
			}
		}
		return ""
	}
}

func TestDefaults(t *testing.T) {
	o, err := parse(nil, env("NODE_NAME=node1", "POD_IPS=10.0.0.1,fd00::1"))
	if err != nil {
		t.Fatal(err)
	}
	c := o.config
	got := map[string]any{
		"node": c.NodeName, "socket": c.Socket, "conf": c.CNIConf.Dir + " " + c.CNIConf.Source + " " + c.CNIConf.Name,
		"router": c.Node.ClusterRouter, "switch": c.Node.NodeSwitch, "type": c.Node.NetworkType, "csum": c.Node.EncapChecksum,
		"dpdk": c.Node.DPDKIface, "port": c.Serving.Port, "metrics": c.Serving.Metrics, "pprof": c.Serving.Pprof, "addresses": len(c.Serving.Addresses),
		"services": c.ServiceCIDRs[0].String(), "ovs": o.ovsEndpoint, "arp": c.DetectConflicts, "mirror": c.MirrorIface, "unused": len(o.unused),
		"gateway": c.Node.GatewaySwitch, "fallback": c.Node.MACLearningFallback,
		"ips": c.Node.PodIPs[1].String(),
	}
	want := map[string]any{
		"node": "node1", "socket": "/run/openvswitch/kube-ovn-daemon.sock",
		"conf":   "/etc/cni/net.d /kube-ovn/01-kube-ovn.conflist 01-kube-ovn.conflist",
		"router": "ovn-cluster", "switch": "join", "type": "geneve", "csum": true, "dpdk": "br-phy", "port": 10665, "metrics": true, "pprof": false,
		"addresses": 0, "services": "10.96.0.0/12", "ovs": "unix:/run/openvswitch/db.sock", "arp": true, "mirror": "mirror0", "unused": 0,
		"gateway": "external", "fallback": false,
		"ips": "fd00::1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
}

// Every flag of the contract is accepted, as the manifests of others pass them.
func TestAllFlags(t *testing.T) {
	args := []string{
		"--cni-conf-dir=/a", "--cni-conf-file=/b", "--cni-conf-name=c", "--iface=eth1,^ens", "--host-tunnel-src=true", "--dpdk-tunnel-iface=br-phy",
		"--mtu=1400", "--enable-mirror=true", "--mirror-iface=mirror1", "--bind-socket=/s", "--ovs-socket=/o", "--kubeconfig=/k",
		"--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112", "--cluster-router=r", "--node-switch=j", "--encap-checksum=false",
		"--enable-pprof=true", "--pprof-port=1", "--mac-learning-fallback=true", "--network-type=vxlan", "--default-provider-name=provider",
		"--default-interface-name=eth2", "--external-gateway-config-ns=net", "--external-gateway-switch=external204", "--enable-metrics=false",
		"--enable-arp-detect-ip-conflict=false", "--kubelet-dir=/var/lib/kubelet", "--enable-verbose-conn-check=false", "--tcp-conn-check-port=8100",
		"--udp-conn-check-port=8101", "--enable-tproxy=true", "--ovs-vsctl-concurrency=50", "--enable-ovn-ipsec=false", "--cert-manager-ipsec-cert=false",
		"--cert-manager-issuer-name=kube-ovn", "--ovn-ipsec-cert-duration=63072000", "--set-vxlan-tx-off=true", "--log-perm=600",
		"--tls-min-version=", "--tls-max-version=", "--tls-cipher-suites=", "--non-primary-cni-mode=true", "--node-name=old", "--secure-serving=false",
		"--logtostderr=false", "--alsologtostderr=true", "--log_file=/l", "--log_file_max_size=200", "--v=3",
	}
	o, err := parse(args, env("POD_IP=10.0.0.1", "ENABLE_BIND_LOCAL_IP=true", "POD_NAME=p", "POD_NAMESPACE=ns", "SYSCTL_NET_DIR=/host/net"))
	if err != nil {
		t.Fatal(err)
	}
	c := o.config
	if c.NodeName != "old" || c.Node.MTU != 1400 || !c.NonPrimary || !c.SetVxlanTxOff || c.DetectConflicts || len(c.ServiceCIDRs) != 2 ||
		o.ovsEndpoint != "unix:/o" || !slices.Equal(c.Serving.Addresses, []netip.Addr{netip.MustParseAddr("10.0.0.1")}) {
		t.Errorf("options %+v", o)
	}
	if !c.Node.MACLearningFallback || c.Node.GatewaySwitch != "external204" || c.Pod.String() != "ns/p" || c.SysctlDir != "/host/net" {
		t.Errorf("options of networks %+v", o)
	}
	want := []string{"--default-interface-name", "--enable-tproxy", "--ovs-vsctl-concurrency"}
	slices.Sort(o.unused)
	if !slices.Equal(o.unused, want) {
		t.Errorf("flags without effect: %v, want %v", o.unused, want)
	}
}

func TestRefusedFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--nosuch=1":                 "nosuch",
		"extra":                      "extra",
		"--network-type=gre":         "network-type",
		"--mtu=10":                   "mtu",
		"--external-gateway-switch=": "external-gateway-switch",
		"--external-gateway-switch=way-too-long-name": "external-gateway-switch",
		"--pprof-port=70000":                          "pprof-port",
		"--service-cluster-ip-range=10.0.0/8":         "service-cluster-ip-range",
		"--log-perm=999":                              "log-perm",
	} {
		if _, err := parse([]string{args}, env("NODE_NAME=n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error about %s, got %v", args, want, err)
		}
	}
	if _, err := parse(nil, env("POD_IPS=here")); err == nil || !strings.Contains(err.Error(), "POD_IPS") {
		t.Errorf("want an error about POD_IPS, got %v", err)
	}
}

func TestAPIAddresses(t *testing.T) {
	for host, want := range map[string]string{
		"https://172.30.16.11:6443": "172.30.16.11",
		"https://[fd00::1]:6443":    "fd00::1",
		"10.96.0.1:443":             "10.96.0.1",
		"https://api.example:6443":  "",
		"":                          "",
	} {
		got := ""
		if ips := apiAddresses(host); len(ips) > 0 {
			got = ips[0].String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestInstallOnly(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"--install-cni-config", "--cni-conf-dir=" + dir, "--cni-conf-file=" + source, "--cni-conf-name=a.conflist"}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a.conflist")); err != nil || string(got) != "{}" {
		t.Errorf("installed %q, %v", got, err)
	}
}
