package cluster

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func testConfig(t *testing.T) Config {
	return Config{
		Dir: t.TempDir(), Programs: "/programs", Address: netip.MustParseAddr("172.30.16.1"), APIPort: 6443,
		EtcdPorts: [2]uint16{2379, 2380}, Secure: [2]uint16{10257, 10259}, ServiceCIDR: netip.MustParsePrefix("10.96.0.0/12"),
	}
}

func TestPrograms(t *testing.T) {
	lab := testConfig(t)
	test := lab
	test.Address = netip.MustParseAddr("127.0.0.1")
	test.Controllers = []string{"*", "-node-lifecycle-controller"}
	tests := []struct {
		name    string
		program Program
		path    string
		want    []string
		wantNot []string
	}{
		{"etcd is on loopback", lab.Etcd(), "/programs/etcd", []string{"--listen-client-urls=http://127.0.0.1:2379", "--unsafe-no-fsync"}, nil},
		{
			"API server on the bridge", lab.APIServer(), "/programs/kube-apiserver",
			[]string{"--bind-address=172.30.16.1", "--advertise-address=172.30.16.1", "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/12"},
			[]string{"--endpoint-reconciler-type=none"},
		},
		{
			"API server on loopback is not advertised", test.APIServer(), "/programs/kube-apiserver",
			[]string{"--endpoint-reconciler-type=none"}, []string{"--advertise-address=127.0.0.1"},
		},
		{"all controllers", lab.ControllerManager(), "/programs/kube-controller-manager", []string{"--secure-port=10257"}, []string{"--controllers=*"}},
		{
			"fake nodes stay ready", test.ControllerManager(), "/programs/kube-controller-manager",
			[]string{"--controllers=*", "--controllers=-node-lifecycle-controller"}, nil,
		},
		{"scheduler", lab.Scheduler(), "/programs/kube-scheduler", []string{"--secure-port=10259", "--kube-api-qps=1000"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.program.Path != tt.path {
				t.Errorf("path %s, want %s", tt.program.Path, tt.path)
			}
			for _, arg := range tt.want {
				if !slices.Contains(tt.program.Args, arg) {
					t.Errorf("no %s in %s", arg, strings.Join(tt.program.Args, " "))
				}
			}
			for _, arg := range tt.wantNot {
				if slices.Contains(tt.program.Args, arg) {
					t.Errorf("unexpected %s", arg)
				}
			}
		})
	}
}

func TestPrepareCertificates(t *testing.T) {
	c := testConfig(t)
	if err := c.Prepare(); err != nil {
		t.Fatal(err)
	}
	pki, err := c.PKI()
	if err != nil {
		t.Fatal(err)
	}
	ca := parse(t, pki.Cert("ca"))
	roots := x509.NewCertPool()
	roots.AddCert(ca)

	server := parse(t, pki.Cert("apiserver"))
	for _, name := range []string{"172.30.16.1", "10.96.0.1", "127.0.0.1", "kubernetes.default.svc", "localhost"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			t.Errorf("API server as %s: %v", name, err)
		}
	}
	admin := parse(t, pki.Cert("admin"))
	if _, err := admin.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("admin as a client: %v", err)
	}
	if _, err := admin.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("the admin's certificate is good for a server")
	}
	if admin.Subject.Organization[0] != "system:masters" {
		t.Errorf("admin's groups: %v", admin.Subject.Organization)
	}
	if _, err := parse(t, pki.Cert("front-proxy-client")).Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("the front proxy's certificate is signed by the cluster's authority")
	}
	info, err := os.Stat(pki.Key("ca"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the authority's key: %v %v", info.Mode(), err)
	}
}

// A second start must not change the keys: kubelets and pods of the first one still hold them.
func TestPrepareTwiceKeepsKeys(t *testing.T) {
	c := testConfig(t)
	read := func() map[string]string {
		if err := c.Prepare(); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		entries, err := os.ReadDir(c.Dir + "/pki")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(c.Dir + "/pki/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = string(data)
		}
		return files
	}
	first, second := read(), read()
	if len(first) == 0 || len(first) != len(second) {
		t.Fatalf("%d files, then %d", len(first), len(second))
	}
	for name, data := range first {
		if second[name] != data {
			t.Errorf("%s changed", name)
		}
	}
}

func TestAddUser(t *testing.T) {
	c := testConfig(t)
	if err := c.AddUser(User{"kubelet-a", Identity{User: "system:node:a", Groups: []string{"system:nodes"}}}); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig("kubelet-a"))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://172.30.16.1:6443" {
		t.Errorf("server %s", config.Host)
	}
	if cert := parse(t, config.CertFile); cert.Subject.CommonName != "system:node:a" || cert.Subject.Organization[0] != "system:nodes" {
		t.Errorf("subject %s", cert.Subject)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"good", func(*Config) {}, ""},
		{"no address", func(c *Config) { c.Address = netip.Addr{} }, "required"},
		{"no service CIDR", func(c *Config) { c.ServiceCIDR = netip.Prefix{} }, "required"},
		{"one address", func(c *Config) { c.ServiceCIDR = netip.MustParsePrefix("10.96.0.0/32") }, "no address for the API server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := testConfig(t)
			tt.change(&c)
			err := c.validate()
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func parse(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
