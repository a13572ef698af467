package ovs_test

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
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// selfSigned writes a key and certificate for 127.0.0.1, which is its own authority.
func selfSigned(t *testing.T) (keyFile, certFile string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ovn"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile, certFile = filepath.Join(dir, "key"), filepath.Join(dir, "cert")
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{keyFile: keyPEM, certFile: certPEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return keyFile, certFile, pair
}

func TestTLS(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	key, cert, pair := selfSigned(t)
	s.Stop(t)
	endpoint := s.ListenTLS(t, key, cert)
	s.Restart(t)
	roots := x509.NewCertPool()
	if pair.Leaf == nil {
		t.Fatal("no leaf certificate")
	}
	roots.AddCert(pair.Leaf)
	c := s.Connect(t, func(cfg *ovs.Config) {
		cfg.Endpoints, cfg.TLS = []string{endpoint}, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	})
	small(t, c)
	same(t, s, smallDump)
	_, err := ovs.Connect(t.Context(), ovs.Northbound, ovs.Config{Endpoints: []string{endpoint}, TLS: &tls.Config{RootCAs: roots}, MaxRetry: 1})
	if err == nil {
		t.Error("connected without a client certificate")
	}
	_, err = ovs.Connect(t.Context(), ovs.Northbound, ovs.Config{Endpoints: []string{endpoint}, MaxRetry: 1,
		TLS: &tls.Config{Certificates: []tls.Certificate{pair}}})
	if err == nil {
		t.Error("connected to a server that nobody vouches for")
	}
}
