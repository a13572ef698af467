package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// secret writes what Secret kube-ovn-tls mounts: an authority and the one certificate that all programs share.
func secret(t *testing.T) string {
	t.Helper()
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	shared := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: util.TLSServerName}, DNSNames: []string{util.TLSServerName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	authorityKey, sharedKey := newKey(t), newKey(t)
	dir := t.TempDir()
	write := func(name, kind string, der []byte, err error) {
		t.Helper()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	write(util.TLSCACertFile, "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, shared, authority, sharedKey.Public(), authorityKey)
	write(util.TLSCertFile, "CERTIFICATE", der, err)
	der, err = x509.MarshalECPrivateKey(sharedKey)
	write(util.TLSKeyFile, "EC PRIVATE KEY", der, err)
	return dir
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// client is the TLS configuration that the program makes of a mounted secret.
func client(t *testing.T, dir string, args ...string) (*tls.Config, error) {
	t.Helper()
	o, err := parse(append(args, "--ovn-nb-addr=ssl:[10.0.0.1]:6641", "--ovn-sb-addr=ssl:[10.0.0.1]:6642"), env("OVN_TLS_DIR", dir))
	if err != nil {
		return nil, err
	}
	if o.config.Southbound.TLS == nil {
		t.Error("no TLS to the southbound database")
	}
	return o.config.Northbound.TLS, nil
}

// handshake connects to a server that presents the secret of dir and wants a client certificate of it.
func handshake(t *testing.T, config *tls.Config, dir string) error {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, util.TLSCertFile), filepath.Join(dir, util.TLSKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12})
		_ = server.HandshakeContext(t.Context())
	}()
	return tls.Client(near, config).HandshakeContext(t.Context())
}

func TestTLSToTheDatabases(t *testing.T) {
	ours, foreign := secret(t), secret(t)
	// The manifest gives the settings that it leaves open as empty values.
	config, err := client(t, ours, "--tls-min-version=", "--tls-max-version=", "--tls-cipher-suites=")
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, config, ours); err != nil {
		t.Errorf("our own server: %v", err)
	}
	if err := handshake(t, config, foreign); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a server of another authority: %v", err)
	}
	newer, err := client(t, ours, "--tls-min-version=TLS13")
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, newer, ours); err == nil {
		t.Error("a server with TLS 1.2 is accepted though 1.3 is the lowest")
	}
}

func TestBadTLSSettings(t *testing.T) {
	dir := secret(t)
	for want, args := range map[string][]string{
		"want TLS10, TLS11, TLS12 or TLS13": {"--tls-min-version=SSL3"},
		"in order":                          {"--tls-min-version=TLS13", "--tls-max-version=TLS12"},
		`unknown cipher suite "NONE"`:       {"--tls-cipher-suites=NONE"},
	} {
		if _, err := client(t, dir, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, util.TLSCACertFile), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, dir); err == nil || !strings.Contains(err.Error(), "no certificate in") {
		t.Errorf("authority without certificate: %v", err)
	}
}
