package main

import (
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
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
)

// certificateAge is how long the certificates of bus certificates hold.
const certificateAge = 397 * 24 * time.Hour

func (a *app) busCertificatesCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "certificates HOST… --output DIR",
		Short: "make certificates for the servers of a cluster, where nobody else does",
		Long: `Writes ca.pem, and for each host HOST.pem and HOST.key, for that name and for this machine. The authority's own key is
thrown away: for another host, or when they end after 397 days, make all of them anew. It overwrites nothing.`,
		Example: "  plumbline bus certificates nats-1 nats-2 nats-3 --output .cluster",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, hosts []string) error {
			if len(hosts) == 0 || dir == "" {
				return usagef("bus certificates wants hosts and --output: for whom, and where to?")
			}
			return a.makeCertificates(hosts, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "output", "", "the `DIR` that they are written to")
	return cmd
}

var hostRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func (a *app) makeCertificates(hosts []string, dir string) error {
	files := []string{filepath.Join(dir, "ca.pem")}
	for _, host := range hosts {
		if net.ParseIP(host) == nil && !hostRule.MatchString(host) {
			return usagef("%q is no name of a host", host)
		}
		files = append(files, filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key"))
	}
	for _, file := range files {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return usagef("%s is there already: name another --output", file)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- keys in it are for their owner alone
		return usagef("%w", err)
	}
	authority, err := newAuthority(time.Now())
	if err != nil {
		return err
	}
	if err := a.writePEM(files[0], "CERTIFICATE", authority.certificate.Raw, 0o644); err != nil {
		return err
	}
	for i, host := range hosts {
		certificate, key, err := authority.sign(host)
		if err != nil {
			return err
		}
		if err := a.writePEM(files[1+2*i], "CERTIFICATE", certificate, 0o644); err != nil {
			return err
		}
		if err := a.writePEM(files[2+2*i], "PRIVATE KEY", key, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) writePEM(file, kind string, der []byte, mode fs.FileMode) error {
	return a.writeNew(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// An authority signs the certificates of one cluster, and is forgotten.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "plumbline bus"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateAge),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

// sign makes a certificate for a host, under which it is reached from this machine, too, and by which it knows the others.
func (a *authority) sign(host string) (certificate, privateKey []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: host}, NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else {
		template.DNSNames = append(template.DNSNames, host)
	}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key); err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", host, err)
	}
	privateKey, err = x509.MarshalPKCS8PrivateKey(key)
	return certificate, privateKey, err
}

// serial is a number that no other certificate has.
func serial() *big.Int {
	number := make([]byte, 16)
	_, _ = rand.Read(number) // it never fails
	return new(big.Int).SetBytes(number)
}
