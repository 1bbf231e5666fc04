package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// The files of a server's home. AuthorityCertificate is that by which its users and kubelets are known, and AccountKey signs the
// tokens of ServiceAccounts. The last two are who the server is to a kubelet.
const (
	AuthorityCertificate = "ca.crt"
	AccountKey           = "account.key"
	serverCertificate    = "server.crt"
	serverKey            = "server.key"
	kubeletCertificate   = "kubelet-client.crt"
	kubeletKey           = "kubelet-client.key"
)

// authority signs the certificates of the server and of its users.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificateFor(pkix.Name{CommonName: "fairlead test"})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: certificate, key: key, pem: encodePEM("CERTIFICATE", der)}, nil
}

// certificateFor holds a day: longer than any test, and from an hour ago for clocks that differ.
func certificateFor(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// sign makes a key and its certificate, both in PEM.
func (a *authority) sign(template *x509.Certificate) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return encodePEM("CERTIFICATE", der), encodePEM("EC PRIVATE KEY", keyDER), nil
}

// user makes the certificate with which a client is the user of that name and those groups.
func (a *authority) user(name string, groups []string) (certificate, key []byte, err error) {
	template := certificateFor(pkix.Name{CommonName: name, Organization: groups})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(template)
}

// writeServer writes what the server needs to dir: its certificate for the addresses, that with which it asks kubelets, and the key
// that signs the tokens of ServiceAccounts.
func (a *authority) writeServer(dir string, addresses ...netip.Addr) error {
	template := certificateFor(pkix.Name{CommonName: "kube-apiserver"})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	template.DNSNames = []string{"localhost"}
	certificate, key, err := a.sign(template)
	if err != nil {
		return err
	}
	_, account, err := a.user("tokens", nil)
	if err != nil {
		return err
	}
	asks, askKey, err := a.user("kube-apiserver-kubelet-client", []string{"system:masters"})
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		AuthorityCertificate: a.pem, AccountKey: account, serverCertificate: certificate, serverKey: key,
		kubeletCertificate: asks, kubeletKey: askKey,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("write file: %w", err)
		}
	}
	return nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
