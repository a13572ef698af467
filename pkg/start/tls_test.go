package start

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// certificates makes what install.sh puts into the secret kube-ovn-tls: a CA, and one certificate that all programs share.
func certificates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	authority, authorityKey := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "kube-ovn-ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf, leafKey := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ovn"}, DNSNames: []string{util.TLSServerName},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
		authority, authorityKey)
	key, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		util.TLSCACertFile: {Type: "CERTIFICATE", Bytes: authority.Raw},
		util.TLSCertFile:   {Type: "CERTIFICATE", Bytes: leaf.Raw},
		util.TLSKeyFile:    {Type: "EC PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// issue signs a certificate; without a parent it signs itself.
func issue(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func TestOnlyTheClusterReachesTheDatabases(t *testing.T) {
	needs(t, "ovsdb-server", "ovn-northd", "ovn-nbctl")
	s := newSettings(t, map[string]string{"POD_IP": "127.0.0.1", "ENABLE_SSL": "true", "OVN_TLS_DIR": certificates(t), "TLS_MIN_VERSION": "TLS12"})
	r, _ := startCentral(t, s)
	r.eventually("health", healthy(s))
	client := func(dir string) []string {
		return []string{"-p", filepath.Join(dir, "key"), "-c", filepath.Join(dir, "cert"), "-C", filepath.Join(dir, "cacert")}
	}
	ours, others := client(s["OVN_TLS_DIR"]), client(certificates(t))
	for _, test := range []struct {
		name, remote string
		options      []string
		allowed      bool
	}{
		{"with the cluster's certificate", "ssl:127.0.0.1:6641", ours, true},
		{"over IPv6", "ssl:[::1]:6641", ours, true},
		{"without TLS", "tcp:127.0.0.1:6641", nil, false},
		{"with another authority's certificate", "ssl:127.0.0.1:6641", append(append([]string{}, others[:4]...), ours[4:]...), false},
		{"with an old version of TLS", "ssl:127.0.0.1:6641", append([]string{"--ssl-protocols=TLSv1.1"}, ours...), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			argv := append([]string{"ovn-nbctl", "-t", "2", "--db=" + test.remote}, test.options...)
			_, err := run(ctx, append(argv, "ls-list")...)
			if (err == nil) != test.allowed {
				t.Errorf("allowed: %t, want %t (%v)", err == nil, test.allowed, err)
			}
			if err != nil && strings.Contains(err.Error(), "unrecognized option") {
				t.Errorf("the test asks wrongly: %v", err)
			}
		})
	}

	// Renewed files are taken up by the running servers.
	renewed := certificates(t)
	for _, name := range []string{util.TLSKeyFile, util.TLSCertFile, util.TLSCACertFile} {
		if err := os.Rename(filepath.Join(renewed, name), filepath.Join(s["OVN_TLS_DIR"], name)); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("the renewed certificate", func(ctx context.Context) error {
		_, err := run(ctx, append(append([]string{"ovn-nbctl", "-t", "2", "--db=ssl:127.0.0.1:6641"}, ours...), "ls-list")...)
		return err
	})
}
