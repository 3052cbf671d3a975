package checks_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/plumbline-dev/plumbline/checks"
)

// pipes is a network in memory, so that a bubble of synctest sees all that waits.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// bubbled asks a plum with a login, all within a bubble of synctest.
type bubbled struct {
	clients checks.Clients
	plum    *plum
}

// plum is an environment with tokens of its own.
type plum struct {
	mu       sync.Mutex
	fetched  int
	life     int // of a token, in seconds; 0 to leave it out
	valid    map[string]bool
	status   int           // of the token endpoint when it refuses
	holds    bool          // the token endpoint waits until askAtOnce lets go
	hold     chan struct{} // of the bubble
	requests atomic.Int32
}

func (p *plum) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/oauth/token" {
		p.requests.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = fmt.Fprintf(w, "you are %s", r.Header.Get("Authorization"))
		return
	}
	p.mu.Lock()
	p.fetched++
	n := p.fetched
	p.mu.Unlock()
	if p.hold != nil {
		<-p.hold
	}
	if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("client_id") != "plumbline" ||
		r.Form.Get("client_secret") != clientSecret || r.Form.Get("scope") != "read" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if p.status != 0 {
		w.WriteHeader(p.status)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s is wrong"}`, clientSecret)
		return
	}
	token := fmt.Sprintf("token-number-%d", n)
	p.mu.Lock()
	p.valid = map[string]bool{token: true}
	p.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"access_token":"%s","token_type":"bearer","expires_in":%d}`, token, p.life)
}

func inBubble(t *testing.T, p *plum, test func(t *testing.T, b bubbled)) {
	synctest.Test(t, func(t *testing.T) {
		network := make(pipes)
		if p.holds {
			p.hold = make(chan struct{})
		}
		server := &http.Server{Handler: p}
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(network) }()
		transport := checks.NewTransport(64)
		transport.DialContext = network.dial
		test(t, bubbled{plum: p, clients: checks.Clients{Transport: transport,
			Connections: checks.NewConnections([]checks.Connection{oauth()}, transport, nil)}})
		synctest.Wait() // for connections that nobody needed in the end
		transport.CloseIdleConnections()
		close(network)
		<-served
		_ = server.Close()
		synctest.Wait()
	})
}

func (b bubbled) askAtOnce(t *testing.T, n int) []error {
	check := compile(t, b.clients, "{get: /, auth: plum-api}")
	errs, done := make([]error, n), sync.WaitGroup{}
	for i := range n {
		done.Go(func() { _, errs[i] = check.Probe(t.Context(), askOf("http://green.plum")) })
	}
	if b.plum.hold != nil {
		synctest.Wait() // until all wait for the one token
		close(b.plum.hold)
	}
	done.Wait()
	return errs
}
