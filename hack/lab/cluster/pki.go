package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// validity of every certificate: longer than any lab lives.
const validity = 10 * 365 * 24 * time.Hour

// PKI is a folder of PEM files `<name>.crt` and `<name>.key`. What exists is kept, so that a second start uses the same keys.
type PKI struct{ dir string }

// Identity is the subject of a certificate. One with Names or Addresses is a server's as well as a client's.
type Identity struct {
	User      string   // common name: the user name to Kubernetes
	Groups    []string // organizations: the groups to Kubernetes
	Names     []string
	Addresses []netip.Addr
}

// NewPKI makes the two authorities ("ca" of the cluster and "front-proxy-ca" of aggregated API servers) and the service account key "sa" in dir.
func NewPKI(dir string) (*PKI, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	p := &PKI{dir: dir}
	for _, name := range []string{"ca", "front-proxy-ca"} {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: name},
			IsCA:                  true,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
		}
		if err := p.create(name, template, ""); err != nil {
			return nil, err
		}
	}
	return p, p.createServiceAccountKey()
}

// Cert is the path of the named certificate.
func (p *PKI) Cert(name string) string { return filepath.Join(p.dir, name+".crt") }

// Key is the path of the named private key.
func (p *PKI) Key(name string) string { return filepath.Join(p.dir, name+".key") }

// Issue makes the named certificate, signed by the named authority, unless it exists.
func (p *PKI) Issue(authority, name string, id Identity) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: id.User, Organization: id.Groups},
		DNSNames:    id.Names,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, a := range id.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
	}
	if len(id.Names)+len(id.Addresses) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return p.create(name, template, authority)
}

// create signs template with the authority's key, or with its own when authority is empty.
func (p *PKI) create(name string, template *x509.Certificate, authority string) error {
	if exists(p.Cert(name)) && exists(p.Key(name)) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("key of %s: %w", name, err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return fmt.Errorf("serial number of %s: %w", name, err)
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.Add(validity)
	parent, signer := template, crypto.Signer(key)
	if authority != "" {
		if parent, signer, err = p.load(authority); err != nil {
			return err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	if err := writeKey(p.Key(name), key); err != nil {
		return err
	}
	return writePEM(p.Cert(name), "CERTIFICATE", der, 0o644)
}

func (p *PKI) load(authority string) (*x509.Certificate, crypto.Signer, error) {
	pair := make(map[string][]byte, 2)
	for _, file := range []string{p.Cert(authority), p.Key(authority)} {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("authority %s: %w", authority, err)
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, nil, fmt.Errorf("authority %s: %s holds no PEM block", authority, file)
		}
		pair[block.Type] = block.Bytes
	}
	cert, err := x509.ParseCertificate(pair["CERTIFICATE"])
	if err != nil {
		return nil, nil, fmt.Errorf("authority %s: %w", authority, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(pair["PRIVATE KEY"])
	if err != nil {
		return nil, nil, fmt.Errorf("authority %s: %w", authority, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("authority %s: key of type %T cannot sign", authority, key)
	}
	return cert, signer, nil
}

func (p *PKI) createServiceAccountKey() error {
	if exists(p.Key("sa")) && exists(filepath.Join(p.dir, "sa.pub")) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("service account key: %w", err)
	}
	if err := writeKey(p.Key("sa"), key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("service account key: %w", err)
	}
	return writePEM(filepath.Join(p.dir, "sa.pub"), "PUBLIC KEY", der, 0o644)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return writePEM(file, "PRIVATE KEY", der, 0o600)
}

func writePEM(file, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
