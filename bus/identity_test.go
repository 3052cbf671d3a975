package bus_test

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

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/plumbline-dev/plumbline/bus"
)

// An authority signs certificates for 127.0.0.1, and keeps them in a directory.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := must(x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key))(t)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// sign makes NAME.pem and NAME.key.
func (a *authority) sign(name string) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key))(a.t)
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))(a.t))
}

// demanding is what a server shows and demands: a certificate of its own, and one of each client.
func (a *authority) demanding(name string) *tls.Config {
	a.sign(name)
	return must(server.GenTLSConfig(&server.TLSConfigOpts{CertFile: a.file(name + ".pem"), KeyFile: a.file(name + ".key"), CaFile: a.file("ca.pem"), Verify: true}))(a.t)
}

// showing is what a server shows, whoever asks.
func (a *authority) showing(name string) *tls.Config {
	a.sign(name)
	return must(server.GenTLSConfig(&server.TLSConfigOpts{CertFile: a.file(name + ".pem"), KeyFile: a.file(name + ".key")}))(a.t)
}

func TestBothSidesShowCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	ours.sign("client")
	theirs.sign("client")
	s := stock(t, func(o *server.Options) { o.TLSConfig, o.TLSVerify, o.TLSTimeout = ours.demanding("server"), true, 5 })
	whole := bus.TLS{Authorities: ours.file("ca.pem"), Certificate: ours.file("client.pem"), Key: ours.file("client.key")}

	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL(), TLS: whole}))(t)
	defer b.Close()
	must(b.Ensure(t.Context()))(t)
	if !b.Conn().TLSRequired() {
		t.Error("the connection may be in clear")
	}

	unknown, nobody, stranger := whole, whole, whole
	unknown.Authorities = theirs.file("ca.pem")
	nobody.Certificate, nobody.Key = "", ""
	stranger.Certificate, stranger.Key = theirs.file("client.pem"), theirs.file("client.key")
	plain := stock(t, func(*server.Options) {})
	for name, test := range map[string]struct {
		url  string
		tls  bus.TLS
		want string
	}{
		"a server that somebody else vouches for": {s.ClientURL(), unknown, "certificate signed by unknown authority"},
		"a client without certificate":            {s.ClientURL(), nobody, "cannot reach the bus at"},
		"a client that somebody else vouches for": {s.ClientURL(), stranger, "cannot reach the bus at"},
		"a server in clear":                       {plain.ClientURL(), whole, "secure connection not available"},
		"authorities that aren't there":           {s.ClientURL(), bus.TLS{Authorities: "gone.pem"}, "bus.tls.authorities: open gone.pem"},
		"authorities that are a key":              {s.ClientURL(), bus.TLS{Authorities: ours.file("client.key")}, "client.key has no certificate in PEM"},
		"a certificate without key":               {s.ClientURL(), bus.TLS{Certificate: ours.file("client.pem")}, "want both or neither"},
		"a key of another certificate":            {s.ClientURL(), bus.TLS{Certificate: ours.file("client.pem"), Key: theirs.file("client.key")}, "bus.tls.certificate and key: private key does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := bus.Connect(t.Context(), bus.Options{URL: test.url, TLS: test.tls})
			if err == nil {
				b.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q", err, test.want)
			}
		})
	}
}

func TestAnswersComeUnderAPrefix(t *testing.T) {
	pair := must(nkeys.CreateUser())(t)
	public, seed := must(pair.PublicKey())(t), must(pair.Seed())(t)
	s := stock(t, func(o *server.Options) {
		o.Nkeys = []*server.NkeyUser{{Nkey: public, Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_mine.>"}}}}}
	})
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL(), Credentials: file, InboxPrefix: "_INBOX_mine"}))(t)
	defer b.Close()
	must(b.Ensure(t.Context()))(t)
	if e, err := b.Publish(t.Context(), release("1")); err != nil || e.Sequence != 1 {
		t.Errorf("sequence %d, %v", e.Sequence, err)
	}
}
