package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/miekg/dns"
)

// An elsewhere is an environment that has what the sandbox hasn't, for examples that ask for it: TLS by an authority of its
// own, GraphQL, pages, a WebSocket and orders, and beside it a cache, a resolver and a ledger that speaks gRPC. Everything
// else it hands on to the sandbox.
type elsewhere struct {
	config, authority       string // files
	cache, resolver, ledger string // addresses

	mu     sync.Mutex
	orders map[string]string // references by id
	taken  int               // orders, those that were deleted too
}

func newElsewhere(t *testing.T, sandbox string) *elsewhere {
	t.Helper()
	b := &elsewhere{authority: filepath.Join(t.TempDir(), "authority.pem"), orders: map[string]string{}}
	secrecy := b.certify(t)
	rest, err := url.Parse(sandbox)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(b.site(httputil.NewSingleHostReverseProxy(rest)))
	server.TLS = secrecy.Clone()
	server.StartTLS()
	t.Cleanup(server.Close)
	b.cache, b.resolver, b.ledger = pongs(t), resolves(t), ledgerServer(t, secrecy)
	b.config = filepath.Join(t.TempDir(), "plumbline.yaml")
	writeFile(t, b.config, fmt.Sprintf(`bus: {store: bus}
services:
  plum:
    environments: {blue: {url: %[3]q}, green: {url: %[1]q}}
    live: blue
    new: true
    suites: [shipped:plum]
connections:
  plum-api: {kind: oauth2, token_url: /chef/v1/oauth/token, client_id: plumbline, client_secret: {env: PLUM_CLIENT_SECRET}}
secrets: {plum-client-secret: {env: PLUM_CLIENT_SECRET, hosts: [%[2]q]}}
`, server.URL, hostOf(server.URL), sandbox))
	return b
}

// certify writes the authority's certificate to its file, and returns what a server shows that it signed.
func (b *elsewhere) certify(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begins, ends := time.Now().Add(-time.Hour), time.Now().AddDate(0, 1, 0)
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Plumb Root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: begins, NotAfter: ends}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "plum.internal"}, NotBefore: begins, NotAfter: ends,
		DNSNames: []string{"plum.internal"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	signed := map[*x509.Certificate][]byte{}
	for _, c := range []*x509.Certificate{root, leaf} {
		if signed[c], err = x509.CreateCertificate(rand.Reader, c, root, &key.PublicKey, key); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, b.authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed[root]})))
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{signed[leaf]}, PrivateKey: key}}}
}

func (b *elsewhere) site(rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	says := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, body)
		}
	}
	mux.HandleFunc("GET /login", says("text/html", `<html><head><title>Plum</title></head><body><form><input name="email"><input name="password"></form></body></html>`))
	mux.HandleFunc("GET /feed.xml", says("application/xml", `<feed><order id="17"/><order id="18"/><total>2</total></feed>`))
	mux.HandleFunc("POST /chef/graphql", budgets)
	mux.HandleFunc("GET /push", pushes)
	mux.HandleFunc("POST /orders", b.place)
	mux.HandleFunc("GET /orders", b.find)
	mux.HandleFunc("GET /orders/{id}", says("application/json", `{"status":"delivered"}`))
	mux.HandleFunc("DELETE /orders/{id}", b.takeBack)
	mux.HandleFunc("PUT /orders/{id}/note", says("application/json", `{"text":"for Ann"}`))
	mux.HandleFunc("PATCH /orders/{id}/note", says("application/json", `{"text":"for Bob"}`))
	mux.HandleFunc("OPTIONS /orders", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Allow", "GET, POST") })
	mux.Handle("/", rest)
	return mux
}

// budgets answers one GraphQL query, to those who logged in.
func budgets(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Query     string
		Variables struct{ ID int }
	}
	if json.NewDecoder(r.Body).Decode(&q) != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || q.Variables.ID != 7 {
		_, _ = io.WriteString(w, `{"errors":[{"message":"no such budget"}],"data":null}`)
		return
	}
	_, _ = io.WriteString(w, `{"data":{"budget":{"amount":250000,"currency":"INR"}}}`)
}

// pushes is a WebSocket that greets, and says to what somebody subscribed.
func pushes(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow() //nolint:errcheck // it may have ended
	_, message, err := c.Read(r.Context())
	var asked struct{ Type, Run string }
	if err != nil || json.Unmarshal(message, &asked) != nil || asked.Type != "subscribe" || len(asked.Run) != 26 {
		return
	}
	for _, text := range []string{`{"type":"hello"}`, `{"type":"subscribed","topics":["orders","points"]}`} {
		_ = c.Write(r.Context(), websocket.MessageText, []byte(text))
	}
	<-c.CloseRead(r.Context()).Done()
}

func (b *elsewhere) place(w http.ResponseWriter, r *http.Request) {
	var order struct{ Reference string }
	if json.NewDecoder(r.Body).Decode(&order) != nil || order.Reference == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken++
	id := fmt.Sprint("order-", b.taken)
	b.orders[id] = order.Reference
	_ = json.NewEncoder(w).Encode(map[string]string{"id": id})
}

func (b *elsewhere) find(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []map[string]string{}
	for id, reference := range b.orders {
		if reference == r.FormValue("reference") {
			found = append(found, map[string]string{"id": id})
		}
	}
	_ = json.NewEncoder(w).Encode(found)
}

func (b *elsewhere) takeBack(_ http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.orders, r.PathValue("id"))
}

// left is how many orders were placed, and how many of them are still there.
func (b *elsewhere) left() (placed, left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken, len(b.orders)
}

// pongs is a cache that answers PING.
func pongs(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var talks sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); talks.Wait() })
	talks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talks.Go(func() {
				defer conn.Close()
				if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil && line == "PING\r\n" {
					_, _ = io.WriteString(conn, "+PONG\r\n")
				}
			})
		}
	})
	return l.Addr().String()
}

// resolves is a resolver that knows one name.
func resolves(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan struct{})
	server := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "plum.internal." && q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "plum.internal.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(10, 0, 0, 7)}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.ShutdownContext(context.Background()); <-ended })
	return packets.LocalAddr().String()
}

// run asks an example of this environment, in a process that trusts its authority.
func (b *elsewhere) run(t *testing.T, text, secret string) {
	t.Helper()
	_, port, err := net.SplitHostPort(b.ledger)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer("cache.internal:6379", b.cache, "10.0.0.53", b.resolver, ":50051", ":"+port).Replace(text)
	file := filepath.Join(t.TempDir(), "suite.yaml")
	writeFile(t, file, text)
	plumblineExits(t, 0, []string{"SSL_CERT_FILE=" + b.authority, "PLUM_CLIENT_SECRET=" + secret}, "run", file, "--config", b.config, "--environment", "plum/green")
	if placed, left := b.left(); strings.Contains(text, "effect: undone") && (placed == 0 || left > 0) {
		t.Errorf("%d orders were placed, and %d are left", placed, left)
	}
}
