package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// readDatabases makes the client configurations of both databases.
func (o *options) readDatabases(r raw, getenv func(string) string) error {
	if r.inactivity <= r.connectTimeout {
		return fmt.Errorf("--ovsdb-inactivity-timeout %d must exceed --ovsdb-con-timeout %d", r.inactivity, r.connectTimeout)
	}
	base := ovs.Config{
		ConnectTimeout:  time.Duration(r.connectTimeout) * time.Second,
		MaxRetry:        r.connectRetries,
		Inactivity:      time.Duration(r.inactivity) * time.Second,
		TransactTimeout: time.Duration(r.ovnTimeout) * time.Second,
	}
	o.config.Northbound, o.config.Southbound = base, base
	o.config.Northbound.Endpoints, o.config.Southbound.Endpoints = list(r.nb), list(r.sb)
	if len(o.config.Northbound.Endpoints) == 0 || len(o.config.Southbound.Endpoints) == 0 {
		return errors.New("--ovn-nb-addr and --ovn-sb-addr must be given")
	}
	if !strings.Contains(r.nb+r.sb, "ssl:") {
		return nil
	}
	dir := getenv("OVN_TLS_DIR")
	if dir == "" {
		dir = util.TLSDir
	}
	config, err := tlsConfig(dir, r)
	if err != nil {
		return fmt.Errorf("TLS to the databases: %w", err)
	}
	o.config.Northbound.TLS, o.config.Southbound.TLS = config, config
	return nil
}

var tlsVersions = map[string]uint16{
	"": 0, "TLS10": tls.VersionTLS10, "TLS11": tls.VersionTLS11, "TLS12": tls.VersionTLS12, "TLS13": tls.VersionTLS13,
}

// tlsConfig presents our certificate and accepts servers that present the one that all programs share.
func tlsConfig(dir string, r raw) (*tls.Config, error) {
	lowest, ok1 := tlsVersions[r.minTLS]
	highest, ok2 := tlsVersions[r.maxTLS]
	if !ok1 || !ok2 || highest != 0 && lowest > highest {
		return nil, fmt.Errorf("versions %q to %q: want TLS10, TLS11, TLS12 or TLS13 in order", r.minTLS, r.maxTLS)
	}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, util.TLSCertFile), filepath.Join(dir, util.TLSKeyFile))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(dir, util.TLSCACertFile))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("no certificate in %s", filepath.Join(dir, util.TLSCACertFile))
	}
	suites, err := cipherSuites(r.ciphers)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		RootCAs:      roots,
		ServerName:   util.TLSServerName,
		MinVersion:   lowest,
		MaxVersion:   highest,
		CipherSuites: suites,
	}, nil
}

func cipherSuites(names []string) ([]uint16, error) {
	var ids []uint16
	for _, name := range names {
		id := uint16(0)
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if suite.Name == strings.TrimSpace(name) {
				id = suite.ID
			}
		}
		if id == 0 {
			return nil, fmt.Errorf("unknown cipher suite %q", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
