package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for pair := range slices.Chunk(pairs, 2) {
			if pair[0] == name {
				return pair[1]
			}
		}
		return ""
	}
}

var databases = []string{"--ovn-nb-addr=tcp:[::1]:6641,tcp:10.0.0.1:6641", "--ovn-sb-addr=unix:/sb"}

func TestDefaults(t *testing.T) {
	o, err := parse(databases, env("POD_NAME", "pod-1", "KUBERNETES_SERVICE_HOST", "10.96.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	c := o.config
	if c.DefaultVpc != "ovn-cluster" || c.DefaultSubnet != "ovn-default" || c.JoinSubnet != "join" || c.DefaultCIDR != "10.16.0.0/16" ||
		c.JoinCIDR != "100.64.0.0/16" || c.ServiceCIDR != "10.96.0.0/12" || c.NetworkType != "geneve" || !c.GatewayCheck || !c.EnableLb ||
		c.EnableEcmp || c.NonPrimary || !c.DNATModDLDst || !c.SkipCTLocalPorts || c.PodNicType != "veth-pair" || c.Workers != 3 || c.APIServerIP != "10.96.0.1" {
		t.Errorf("config %+v", c)
	}
	if c.LoadBalancers.SCTPSession != "cluster-sctp-session-loadbalancer" {
		t.Errorf("load balancers %+v", c.LoadBalancers)
	}
	if diff := cmp.Diff([]string{"tcp:[::1]:6641", "tcp:10.0.0.1:6641"}, c.Northbound.Endpoints); diff != "" {
		t.Errorf("endpoints (-want +got)\n%s", diff)
	}
	if c.Southbound.TransactTimeout != time.Minute || c.Southbound.ConnectTimeout != 3*time.Second || c.Southbound.MaxRetry != 60 || c.Southbound.Inactivity != 10*time.Second {
		t.Errorf("database client %+v", c.Southbound)
	}
	if o.namespace != "kube-system" || o.identity != "pod-1" || o.serving.port != 10660 || !o.serving.metrics || o.serving.pprof {
		t.Errorf("lease %s/%s, serving %+v", o.namespace, o.identity, o.serving)
	}
	if o.election != (election{30 * time.Second, 20 * time.Second, 6 * time.Second}) {
		t.Errorf("election %+v", o.election)
	}
	if o.dryRun {
		t.Error("a dry run by default")
	}
	if len(o.unused) > 0 {
		t.Errorf("unused %v", o.unused)
	}
}

func TestLists(t *testing.T) {
	o, err := parse(append(databases, "--default-exclude-ips=10.16.0.2..10.16.0.9, 10.16.1.1", "--node-local-dns-ip=169.254.20.10,fd00::53"), env("ENABLE_BIND_LOCAL_IP", "true", "POD_IPS", "10.0.0.1,fd00::1"))
	if err != nil {
		t.Fatal(err)
	}
	got := [][]string{o.config.DefaultExcludeIPs, o.config.NodeLocalDNSIPs, o.serving.hosts}
	want := [][]string{{"10.16.0.2..10.16.0.9", "10.16.1.1"}, {"169.254.20.10", "fd00::53"}, {"10.0.0.1", "fd00::1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  func(string) string
		want string
	}{
		{"unknown flag", []string{"--no-such-flag"}, nil, "no-such-flag"},
		{"argument", []string{"start"}, nil, `unexpected argument "start"`},
		{"no databases", nil, nil, "--ovn-nb-addr and --ovn-sb-addr must be given"},
		{"overlap", append(databases, "--node-switch-cidr=10.16.0.0/24"), nil, "overlaps default-cidr"},
		{"election", append(databases, "--leader-elect-renew-deadline=7s"), nil, "leader election"},
		{"lease below renew", append(databases, "--leader-elect-lease-duration=20s"), nil, "leader election"},
		{"inactivity", append(databases, "--ovsdb-con-timeout=10"), nil, "must exceed --ovsdb-con-timeout"},
		{"port", append(databases, "--pprof-port=70000"), nil, "--pprof-port 70000"},
		{"secure serving", append(databases, "--secure-serving=true"), nil, "not supported"},
		{"log mode", append(databases, "--log-perm=rw"), nil, "--log-perm"},
		{"underlay", append(databases, "--network-type=vlan"), nil, "needs --default-interface-name"},
		{"two gateways", append(databases, "--network-type=vlan", "--default-interface-name=eth1", "--default-logical-gateway", "--default-u2o-interconnection"),
			nil, "exclude each other"},
		{"pod addresses", databases, env("ENABLE_BIND_LOCAL_IP", "true", "POD_IPS", "x"), "POD_IPS"},
		{"no certificate", []string{"--ovn-nb-addr=ssl:10.0.0.1:6641", "--ovn-sb-addr=ssl:10.0.0.1:6642"}, env("OVN_TLS_DIR", "/nonexistent"), "TLS to the databases"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.env == nil {
				test.env = env()
			}
			if _, err := parse(test.args, test.env); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Flags of later versions and of the manifests are accepted, and named when they ask for something.
func TestLaterFlags(t *testing.T) {
	o, err := parse(append(databases, "--enable-np=true", "--enable-anp=true", "--gc-interval=360", "--bfd-min-tx=50", "--image=x", "--enable-ovn-ipsec=true", "--v=3"), env())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"--bfd-min-tx", "--enable-anp", "--enable-ovn-ipsec"}, o.unused); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Every flag that the manifest gives is known.
func TestManifestFlags(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "dist", "images", "manifests", "kube-ovn-controller.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(databases)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		flag, ok := strings.CutPrefix(line, "- --")
		name, value, _ := strings.Cut(flag, "=")
		if ok && !strings.Contains(value, "${") {
			args = append(args, "--"+name+"="+value)
		} else if ok {
			args = append(args, "--"+name+"="+manifestValue(name))
		}
	}
	if len(args) < 40 {
		t.Fatalf("only %d flags found", len(args))
	}
	if _, err := parse(args, env()); err != nil {
		t.Error(err)
	}
}

// manifestValue is what install.sh puts in by default where an empty value is not one of the flag's type.
func manifestValue(name string) string {
	values := map[string]string{
		"default-cidr": "10.16.0.0/16", "node-switch-cidr": "100.64.0.0/16", "service-cluster-ip-range": "10.96.0.0/12",
		"network-type": "geneve", "pod-nic-type": "veth-pair", "default-vlan-id": "100", "external-gateway-vlanid": "0", "ovsdb-con-timeout": "3", "ovsdb-inactivity-timeout": "10", "v": "3",
		"leader-elect-lease-duration": "30s", "leader-elect-renew-deadline": "20s", "leader-elect-retry-period": "6s",
	}
	if value, ok := values[name]; ok {
		return value
	}
	switches := []string{"default-logical-gateway", "default-u2o-interconnection", "default-exchange-link-name", "check-gateway", "secure-serving", "default-gateway-check", "ls-dnat-mod-dl-dst", "ls-ct-skip-dst-lport-ips", "enable-lb", "enable-eip-snat", "enable-metrics", "external-gateway-former-port-name"}
	if _, ok := laterSwitches[name]; ok || slices.Contains(switches, name) {
		return "false"
	}
	return ""
}

func TestCipherSuites(t *testing.T) {
	ids, err := cipherSuites([]string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"})
	if err != nil || !slices.Equal(ids, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}) {
		t.Errorf("got %v, %v", ids, err)
	}
	if _, err := cipherSuites([]string{"NONE"}); err == nil {
		t.Error("an unknown suite is accepted")
	}
}
