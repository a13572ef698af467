package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"go4.org/netipx"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Config says where a control plane runs. Prepare writes its files, Programs names its processes.
type Config struct {
	Dir         string       // state: pki/, etcd/, log/, *.kubeconfig
	Programs    string       // folder of etcd, kube-apiserver, ...
	Address     netip.Addr   // the API server's; etcd is always on loopback
	APIPort     uint16       //
	EtcdPorts   [2]uint16    // clients, peers
	Secure      [2]uint16    // secure ports of controller manager and scheduler
	ServiceCIDR netip.Prefix // its first address is the API server's Service
	Controllers []string     // of the controller manager, `*` and `-name` as in --controllers; empty is all
}

// Program is one process of a control plane.
type Program struct {
	Name string // also the name of its log file
	Path string
	Args []string
}

// User is a subject with a kubeconfig of its own.
type User struct {
	Name     string // of the certificate and `<name>.kubeconfig`
	Identity Identity
}

func users() []User {
	return []User{
		{"admin", Identity{User: "kubernetes-admin", Groups: []string{"system:masters"}}},
		{"kube-controller-manager", Identity{User: "system:kube-controller-manager"}},
		{"kube-scheduler", Identity{User: "system:kube-scheduler"}},
	}
}

// PKI is the folder of the control plane's certificates.
func (c Config) PKI() (*PKI, error) { return NewPKI(filepath.Join(c.Dir, "pki")) }

// Server is the URL of the API server.
func (c Config) Server() string {
	return "https://" + netip.AddrPortFrom(c.Address, c.APIPort).String()
}

// Kubeconfig is the path of the named user's kubeconfig; "admin" may do everything.
func (c Config) Kubeconfig(user string) string { return filepath.Join(c.Dir, user+".kubeconfig") }

// Prepare writes certificates and kubeconfigs that are missing.
func (c Config) Prepare() error {
	for _, dir := range []string{"etcd", "log"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, dir), 0o700); err != nil {
			return err
		}
	}
	pki, err := c.PKI()
	if err != nil {
		return err
	}
	service := c.ServiceCIDR.Addr().Next()
	server := Identity{
		User:      "kube-apiserver",
		Names:     []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
		Addresses: []netip.Addr{c.Address, service, netip.MustParseAddr("127.0.0.1")},
	}
	err = errors.Join(
		pki.Issue("ca", "apiserver", server),
		pki.Issue("ca", "apiserver-kubelet-client", Identity{User: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}}),
		pki.Issue("front-proxy-ca", "front-proxy-client", Identity{User: "front-proxy-client"}),
	)
	if err != nil {
		return err
	}
	for _, u := range users() {
		if err := c.AddUser(u); err != nil {
			return err
		}
	}
	return nil
}

// AddUser writes the certificate and the kubeconfig of a user.
func (c Config) AddUser(u User) error {
	pki, err := c.PKI()
	if err != nil {
		return err
	}
	if err := pki.Issue("ca", u.Name, u.Identity); err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: c.Server(), CertificateAuthority: pki.Cert("ca")}
	config.AuthInfos[u.Name] = &clientcmdapi.AuthInfo{ClientCertificate: pki.Cert(u.Name), ClientKey: pki.Key(u.Name)}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: u.Name}
	config.CurrentContext = "lab"
	if err := clientcmd.WriteToFile(*config, c.Kubeconfig(u.Name)); err != nil {
		return fmt.Errorf("kubeconfig of %s: %w", u.Name, err)
	}
	return nil
}

// REST is the administrator's client configuration, without a client-side rate limit worth the name.
func (c Config) REST() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig("admin"))
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of admin: %w", err)
	}
	config.QPS, config.Burst = 10000, 10000
	return config, nil
}

// Etcd keeps the objects. It does not wait for the disk: a lab that loses power starts afresh.
func (c Config) Etcd() Program {
	client, peer := "http://"+loopback(c.EtcdPorts[0]), "http://"+loopback(c.EtcdPorts[1])
	return c.program("etcd",
		"--name=default",
		"--data-dir="+filepath.Join(c.Dir, "etcd"),
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=default="+peer,
		"--unsafe-no-fsync",
		"--quota-backend-bytes=4294967296",
		"--log-level=warn",
	)
}

// APIServer is the API server with RBAC, node authorization and the aggregation layer.
func (c Config) APIServer() Program {
	pki := &PKI{dir: filepath.Join(c.Dir, "pki")}
	args := []string{
		"--etcd-servers=http://" + loopback(c.EtcdPorts[0]),
		"--bind-address=" + c.Address.String(),
		"--secure-port=" + strconv.Itoa(int(c.APIPort)),
		"--tls-cert-file=" + pki.Cert("apiserver"), "--tls-private-key-file=" + pki.Key("apiserver"),
		"--client-ca-file=" + pki.Cert("ca"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + filepath.Join(pki.dir, "sa.pub"), "--service-account-signing-key-file=" + pki.Key("sa"),
		"--service-cluster-ip-range=" + c.ServiceCIDR.String(),
		"--kubelet-client-certificate=" + pki.Cert("apiserver-kubelet-client"), "--kubelet-client-key=" + pki.Key("apiserver-kubelet-client"),
		"--kubelet-certificate-authority=" + pki.Cert("ca"),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--requestheader-client-ca-file=" + pki.Cert("front-proxy-ca"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + pki.Cert("front-proxy-client"), "--proxy-client-key-file=" + pki.Key("front-proxy-client"),
		"--enable-aggregator-routing=true",
		"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000",
	}
	if c.Address.IsLoopback() {
		args = append(args, "--endpoint-reconciler-type=none") // a loopback address may not be advertised
	} else {
		args = append(args, "--advertise-address="+c.Address.String())
	}
	return c.program("kube-apiserver", args...)
}

// ControllerManager runs the controllers of Kubernetes itself.
func (c Config) ControllerManager() Program {
	pki := &PKI{dir: filepath.Join(c.Dir, "pki")}
	kubeconfig := c.Kubeconfig("kube-controller-manager")
	args := []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(int(c.Secure[0])),
		"--leader-elect=false",
		"--kube-api-qps=500", "--kube-api-burst=500",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + pki.Key("sa"), "--root-ca-file=" + pki.Cert("ca"),
		"--cluster-signing-cert-file=" + pki.Cert("ca"), "--cluster-signing-key-file=" + pki.Key("ca"),
		"--service-cluster-ip-range=" + c.ServiceCIDR.String(),
		"--allocate-node-cidrs=false",
		"--node-monitor-grace-period=16s", "--node-monitor-period=1s", // four of the kubelets' signs of life
	}
	for _, name := range c.Controllers {
		args = append(args, "--controllers="+name)
	}
	return c.program("kube-controller-manager", args...)
}

// Scheduler binds pods to nodes; at the default 50 requests a second it would be the slowest part of the lab.
func (c Config) Scheduler() Program {
	kubeconfig := c.Kubeconfig("kube-scheduler")
	return c.program("kube-scheduler",
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(int(c.Secure[1])),
		"--leader-elect=false",
		"--kube-api-qps=1000", "--kube-api-burst=1000",
	)
}

func (c Config) program(name string, args ...string) Program {
	return Program{Name: name, Path: filepath.Join(c.Programs, name), Args: args}
}

// validate reports what Prepare cannot make sense of.
func (c Config) validate() error {
	if !c.Address.IsValid() || !c.ServiceCIDR.IsValid() {
		return errors.New("address and service CIDR are required")
	}
	if r := netipx.RangeOfPrefix(c.ServiceCIDR); r.From() == r.To() {
		return fmt.Errorf("service CIDR %s holds no address for the API server", c.ServiceCIDR)
	}
	return nil
}

func loopback(port uint16) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) }
