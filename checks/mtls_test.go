package checks_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// certified is a connection that shows a certificate of the authority, and trusts its servers.
func certified(t testing.TB, name string, by authority) checks.Connection {
	certificate, key := by.issue(t, name)
	return checks.Connection{Name: name, Kind: checks.MutualTLS, Secret: secretly(key),
		Certificate: &checks.ClientCertificate{Chain: certificate, Authorities: by.pem}}
}

func connected(t testing.TB, connections ...checks.Connection) checks.Clients {
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections(connections, clients.Transport, nil)
	t.Cleanup(clients.Connections.Close)
	return clients
}

func TestAClientCertificateIsShownByItsConnectionAlone(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	url := ours.serveTLS(t, tls.RequestClientCert, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
		_, _ = io.WriteString(w, ";")
	})
	trusting := certified(t, "ann", ours)
	stranger := certified(t, "bob", theirs)
	stranger.Certificate.Authorities = ours.pem
	clients := connected(t, trusting, stranger)
	clients.Transport.TLSClientConfig.InsecureSkipVerify = true // for those without a connection
	done := sync.WaitGroup{}
	for check, want := range map[string]string{
		"{get: /, auth: ann, expect: {body: 'ann;', headers.X-Proto: HTTP/1.1}}": "",
		"{get: /, auth: bob, expect: {body: 'bob;'}}":                            "",
		"{get: /, expect: {body: ';'}}":                                          "",
		"{get: /, auth: ann, connection: fresh, expect: {body: 'ann;'}}":         "",
		"{steps: [{get: /, auth: ann, expect: {body: 'ann;'}}, {get: /, name: b, auth: bob, expect: {body: 'bob;'}}, {get: /, name: c, expect: {body: ';'}}]}": "",
	} {
		for range 4 {
			done.Go(func() {
				if _, err := probe(t, compile(t, clients, check), askOf(url)); err != nil || want != "" {
					t.Errorf("%s: %v", check, err)
				}
			})
		}
	}
	done.Wait()
}

func TestClientCertificatesThatWontDo(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	url := ours.serveTLS(t, tls.RequireAndVerifyClientCert, func(http.ResponseWriter, *http.Request) {})
	plain := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	refused := certified(t, "refused", theirs)
	refused.Certificate.Authorities = ours.pem
	_, other := ours.issue(t, "other")
	mixed := certified(t, "mixed", ours)
	mixed.Secret = secretly(other)
	broken := certified(t, "broken", ours)
	broken.Certificate.Chain = "nothing"
	bare := certified(t, "bare", ours)
	bare.Secret = nil
	lost := certified(t, "lost", ours)
	lost.Certificate.Authorities = "nobody"
	clients := connected(t, certified(t, "ann", ours), refused, certified(t, "wary", theirs), mixed, broken, bare, lost)
	for _, test := range []struct{ auth, url, want string }{
		{"ann", url, ""},
		{"refused", url, "TLS: the server refused the handshake: "},
		{"wary", url, "TLS: certificate signed by an unknown authority"},
		{"mixed", url, "auth mixed: its certificate and key: private key does not match public key"},
		{"broken", url, "auth broken: its certificate and key: failed to find any PEM data in certificate input"},
		{"bare", url, "auth bare: the connection has no secret"},
		{"lost", url, "auth lost: its authorities have no certificate"},
		{"ann", plain, "auth ann: a client certificate goes over https alone, not to " + plain},
	} {
		_, err := probe(t, compile(t, clients, "{get: /, auth: "+test.auth+"}"), askOf(test.url))
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%s: %v", test.auth, err)
			}
		case err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, plumbline.ErrFailed):
			t.Errorf("%s: got %v, want %s", test.auth, err, test.want)
		default:
			if leak := redact.Leaks(err.Error(), other, refused.Secret()); leak != "" {
				t.Errorf("%s: %s", test.auth, leak)
			}
		}
	}
}
