package checks_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

// A notary signs certificates for tests.
type notary struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newNotary(t testing.TB) *notary {
	a := &notary{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Root", Organization: []string{"Plumb"}}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(1000 * time.Hour)}
	a.cert, a.key = a.sign(template, nil, nil)
	a.pool.AddCert(a.cert)
	return a
}

func (a *notary) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// server is what a server named so speaks TLS with, whose certificate ends after a while.
func (a *notary) server(ends time.Duration, selfSigned bool, names ...string) *tls.Config {
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(min(-time.Hour, ends-time.Hour)), NotAfter: time.Now().Add(ends)}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	parent, by := a.cert, a.key
	if selfSigned {
		parent, by = nil, nil
	}
	cert, key := a.sign(template, parent, by)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}}
}

// trusting are clients that trust the notary.
func (a *notary) trusting(t testing.TB) checks.Clients {
	clients := clientsOf(t)
	clients.Transport.TLSClientConfig = &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}
	return clients
}

// listen talks to each connection until the test ends.
func listen(t testing.TB, talk func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); talk(conn) }()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// secure is talk over TLS.
func secure(config *tls.Config, talk func(conn net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		s := tls.Server(conn, config)
		if s.Handshake() == nil {
			talk(s)
		}
		_ = s.Close()
	}
}

// lines answers each line with what is made of it.
func lines(answer func(line string) string) func(net.Conn) {
	return func(conn net.Conn) {
		for in := bufio.NewScanner(conn); in.Scan(); {
			_, _ = io.WriteString(conn, answer(in.Text()))
		}
	}
}

var lapses = regexp.MustCompile(`after [0-9.]+(m|µ)?s`)

// ends holds the end of a probe against what is wanted: nothing for right, otherwise what it begins with.
func ends(t testing.TB, err error, want string, failed bool) {
	t.Helper()
	got := lapses.ReplaceAllString(fmt.Sprint(err), "after 1s")
	switch {
	case want == "" && err == nil:
	case want == "" || err == nil || !strings.HasPrefix(got, want) || errors.Is(err, plumbline.ErrFailed) != failed:
		t.Errorf("got %v (failed %v)\nwant %s (failed %v)", got, errors.Is(err, plumbline.ErrFailed), want, failed)
	}
}

// timeFor is how long a probe may take that is to end like this. What is to time out has to come as far as it says, on a
// machine that is busy with other things; nothing else waits for its time.
func timeFor(want string) time.Duration {
	if strings.Contains(want, "timed out") {
		return 2 * time.Second
	}
	return time.Minute
}

// within probes in the time that there is for such an end.
func within(t testing.TB, want string, c checks.Compiled, ask plumbline.Ask) (plumbline.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeFor(want))
	defer cancel()
	return c.Probe(ctx, ask)
}

func TestTCP(t *testing.T) {
	a := newNotary(t)
	echo := listen(t, lines(func(line string) string { return "+" + line + "\r\n" }))
	greeting := listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9\r\nmore\r\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	bye := listen(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "bye") })
	silent := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	slow := listen(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "half"); _, _ = io.Copy(io.Discard, conn) })
	mute := listen(t, func(net.Conn) {})
	endless := listen(t, func(conn net.Conn) { _, _ = io.Copy(conn, letters{}) })
	locked := listen(t, secure(a.server(100*time.Hour, false, "127.0.0.1"), lines(func(line string) string { return `{"pong":"` + line + "\"}\n" })))
	closed := closedAddress(t)
	tests := map[string]struct {
		check, want string
		failed      bool
	}{
		"connects":        {"{tcp: '" + silent + "'}", "", false},
		"environment's":   {"{tcp: ':" + port(silent) + "'}", "", false},
		"of a URL":        {"{tcp: 'http://" + silent + "'}", "", false},
		"answers":         {`{tcp: {address: '` + echo + `', send: "PING $(run.id)\r\n"}, expect: {body: {matches: "^\\+PING run1\r\n$"}, latency: {lt: 5s}, size: 12}}`, "", false},
		"answers wrongly": {`{tcp: {address: '` + echo + `', send: "PING\r\n"}, expect: {body: {starts_with: +PONG}}}`, `body: got "+PING\r\n", want it to start with "+PONG"`, true},
		"greets":          {`{tcp: '` + greeting + `', expect: {body: "SSH-2.0-OpenSSH_9\r\n"}}`, "", false},
		"until":           {`{tcp: {address: '` + greeting + `', until: "more"}, expect: {body: {ends_with: more, length: 23}}}`, "", false},
		"says and leaves": {`{tcp: '` + bye + `', expect: {body: bye}}`, "", false},
		"leaves":          {`{tcp: '` + mute + `', expect: {body: bye}}`, mute + ": connection closed waiting for an answer", false},
		"is silent":       {`{tcp: '` + silent + `', expect: {body: bye}}`, silent + ": timed out after 1s waiting for an answer", false},
		"says half":       {`{tcp: '` + slow + `', expect: {body: {starts_with: half}}}`, slow + `: timed out after 1s waiting for "\n", got "half"`, false},
		"never ends":      {`{tcp: '` + endless + `', expect: {body: x}}`, "body: got more than 64 KiB", true},
		"refuses":         {`{tcp: '` + closed + `'}`, closed + ": connection refused by " + closed, false},
		"TLS":             {`{tcp: {address: '` + locked + `', tls: true, send: "x\n"}, expect: {$.pong: x, certificate: {days: {gte: 3, lte: 4}, chain: verified}}}`, "", false},
		"no TLS":          {`{tcp: {address: '` + echo + `', tls: true}}`, echo + ": ", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients := a.trusting(t)
			clients.BodyLimit = 64 << 10
			_, err := within(t, test.want, compile(t, clients, test.check), askOf("http://127.0.0.1:1/base"))
			ends(t, err, test.want, test.failed)
		})
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// closedAddress is where nobody listens. Linux has millions of loopback hosts: on one of its own nobody begins to.
func closedAddress(t testing.TB) string {
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+mathrand.N(254), mathrand.N(255), 1+mathrand.N(254))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func TestEffectsOfKinds(t *testing.T) {
	for check, want := range map[string]plumbline.Effect{
		"{tcp: 'a:1'}": plumbline.EffectNone, "{tcp: {address: 'a:1', send: x}}": plumbline.EffectLasting, "{tls: a}": plumbline.EffectNone, "{dns: a}": plumbline.EffectNone,
		"{grpc: 'a:1'}": plumbline.EffectNone, "{grpc: {address: 'a:1', call: a.B/C}}": plumbline.EffectLasting, "{websocket: /a}": plumbline.EffectNone,
		"{websocket: {url: /a, send: x}}": plumbline.EffectLasting, "{graphql: '{ a }'}": plumbline.EffectNone, "{graphql: 'mutation { a }'}": plumbline.EffectLasting,
		"{graphql: {query: 'query A { a } mutation B { b }', operation: A}}": plumbline.EffectNone, "{graphql: {query: 'query A { a } mutation B { b }', operation: B}}": plumbline.EffectLasting,
	} {
		if got := compile(t, clientsOf(t), check).Effect; got != want {
			t.Errorf("%s: got effect %s, want %s", check, got, want)
		}
	}
}

// Whom a check asks bounds how many ask at once.
func TestHosts(t *testing.T) {
	for check, want := range map[string]string{
		"{tcp: 'db:6379'}": "db:6379", "{tls: host}": "host:443", "{tls: ':8443'}": "blue.example:8443", "{tls: $(env.url)}": "blue.example:443",
		"{dns: {name: a, resolver: 10.0.0.53}}": "10.0.0.53:53", "{dns: a}": "the system's resolver", "{websocket: /ws}": "blue.example:443", "{websocket: wss://push.example/ws}": "push.example:443", "{grpc: '[::1]:50051'}": "[::1]:50051",
	} {
		host, is := compile(t, clientsOf(t), check).Prober.(interface{ Host(plumbline.Site) string })
		if !is || host.Host(plumbline.Site{URL: "https://blue.example/base"}) != want {
			t.Errorf("%s: want host %s", check, want)
		}
	}
}

func TestTLS(t *testing.T) {
	a, stranger := newNotary(t), newNotary(t)
	idle := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	old := a.server(100*time.Hour, false, "plum.internal")
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	good := listen(t, secure(a.server(100*time.Hour, false, "plum.internal", "127.0.0.1"), idle))
	servers := map[string]string{
		"good": good, "expired": listen(t, secure(a.server(-25*time.Hour, false, "plum.internal"), idle)), "self": listen(t, secure(a.server(time.Hour, true, "plum.internal"), idle)),
		"stranger": listen(t, secure(stranger.server(time.Hour, false, "plum.internal"), idle)), "old": listen(t, secure(old, idle)),
		"plain": listen(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }), "silent": listen(t, idle), "closed": closedAddress(t),
	}
	tests := []struct {
		server, name, expect, want string
		failed                     bool
	}{
		{"good", "", "", "", false},
		{"good", "plum.internal", ", expect: {certificate: {days: {gt: 3}, names: {contains: plum.internal, length: 2}, issuer: {contains: Test Root}, subject: CN=plum.internal, protocol: TLS 1.3}, latency: {lt: 9s}}", "", false},
		{"good", "", ", expect: {certificate: {days: {gt: 14}, names: [a], issuer: {contains: Encrypt}}}",
			`certificate.days: got 4, want > 14; certificate.names: got ["plum.internal","127.0.0.1"], want ["a"]; certificate.issuer: got "CN=Test Root,O=Plumb", want it to contain "Encrypt"`, true},
		{"good", "other.internal", "", `certificate.chain: got "wrong name", want "verified"`, true},
		{"good", "other.internal", ", expect: {certificate: {chain: wrong name}}", "", false},
		{"expired", "plum.internal", "", `certificate.chain: got "expired", want "verified"`, true},
		{"expired", "plum.internal", ", expect: {certificate: {chain: expired, days: {lt: 0}}}", "", false},
		{"expired", "plum.internal", ", expect: {certificate: {days: {gt: 7}}}", `certificate.chain: got "expired", want "verified"; certificate.days: got -2, want > 7`, true},
		{"self", "plum.internal", "", `certificate.chain: got "self-signed", want "verified"`, true},
		{"stranger", "plum.internal", "", `certificate.chain: got "unknown authority", want "verified"`, true},
		{"old", "plum.internal", "", `certificate.protocol: got "TLS 1.1", want one of ["TLS 1.2","TLS 1.3"]`, true},
		{"old", "plum.internal", ", expect: {certificate: {protocol: TLS 1.1}}", "", false},
		{"plain", "", "", "ADDRESS: TLS: the server doesn't speak TLS", false},
		{"silent", "", "", "ADDRESS: timed out after 1s in the TLS handshake", false},
		{"closed", "", "", "ADDRESS: connection refused by ", false},
	}
	for _, test := range tests {
		t.Run(test.server+" "+test.expect, func(t *testing.T) {
			t.Parallel()
			name := ""
			if test.name != "" {
				name = ", name: " + test.name
			}
			check := "{tls: {address: '" + servers[test.server] + "'" + name + "}" + test.expect + "}"
			answer, err := within(t, test.want, compile(t, a.trusting(t), check), askOf("http://x"))
			ends(t, err, strings.ReplaceAll(test.want, "ADDRESS", servers[test.server]), test.failed)
			if test.server == "expired" && test.failed && !strings.Contains(answer.Detail, "valid from") {
				t.Errorf("got detail %q", answer.Detail)
			}
		})
	}
}
