package checks_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/plumbline-dev/plumbline/checks"
)

func socketServer(t testing.TB) http.Handler {
	accept := func(talk func(ctx context.Context, c *websocket.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Node", "n1")
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}, InsecureSkipVerify: true})
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.SetReadLimit(1 << 20)
			talk(r.Context(), c)
		}
	}
	write := func(ctx context.Context, c *websocket.Conn, texts ...string) {
		for _, text := range texts {
			_ = c.Write(ctx, websocket.MessageText, []byte(text))
		}
	}
	wait := func(ctx context.Context, c *websocket.Conn) { <-c.CloseRead(ctx).Done() }
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", accept(func(ctx context.Context, c *websocket.Conn) {
		for {
			_, message, err := c.Read(ctx)
			if err != nil {
				return
			}
			write(ctx, c, string(message))
		}
	}))
	mux.HandleFunc("/chatter", accept(func(ctx context.Context, c *websocket.Conn) {
		write(ctx, c, `{"type":"hello"}`, `{"type":"beat"}`, `{"type":"ack","n":3}`)
		wait(ctx, c)
	}))
	mux.HandleFunc("/silent", accept(wait))
	mux.HandleFunc("/leaving", accept(func(ctx context.Context, c *websocket.Conn) { write(ctx, c, "bye"); _ = c.Close(4001, "no seat") }))
	mux.HandleFunc("/endless", accept(func(ctx context.Context, c *websocket.Conn) {
		for c.Write(ctx, websocket.MessageText, []byte(`{"type":"beat","pad":"`+strings.Repeat("x", 4096)+`"}`)) == nil {
		}
	}))
	mux.HandleFunc("/huge", accept(func(ctx context.Context, c *websocket.Conn) {
		write(ctx, c, strings.Repeat("x", 200<<10))
		wait(ctx, c)
	}))
	mux.HandleFunc("/plain", answering(200, "text/plain", "hello"))
	mux.HandleFunc("/down", answering(503, "text/plain", "down"))
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo", http.StatusFound) })
	mux.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken-of-blue" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		accept(wait)(w, r)
	})
	return mux
}

func TestWebSocket(t *testing.T) {
	server := httptest.NewServer(socketServer(t))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	tests := map[string]struct {
		check, want string
		failed      bool
	}{
		"opens":             {`{websocket: /silent}`, "", false},
		"absolute":          {`{websocket: "ws://` + host + `/silent", expect: {headers.X-Node: n1, latency: {lt: 9s}}}`, "", false},
		"echoes text":       {`{websocket: {url: /echo, send: "ping $(run.id)"}, expect: {body: ping run1, size: 9}}`, "", false},
		"echoes JSON":       {`{websocket: {url: /echo, send: {type: sub, id: $(vars.page)}}, expect: {$.type: sub, $.id: 7}}`, "", false},
		"several":           {`{websocket: {url: /echo, send: [a, {b: 1}], receive: 2}, expect: {messages: [a, '{"b":1}'], $.b: 1}}`, "", false},
		"wrong":             {`{websocket: {url: /echo, send: {a: 1}}, expect: {$.a: 2}}`, "$.a: got 1, want 2", true},
		"until":             {`{websocket: {url: /chatter, until: {$.type: ack}}, expect: {$.n: 3, messages: {length: 3}}, capture: {n: $.n}}`, "", false},
		"never":             {`{websocket: {url: /chatter, until: {$.type: done}}}`, host + ": timed out after 1s waiting for a message", false},
		"not among so many": {`{websocket: {url: /chatter, until: {$.type: done}, receive: 2}}`, "got 2 messages, want one that until describes", true},
		"silent":            {`{websocket: /silent, expect: {body: x}}`, host + ": timed out after 1s waiting for a message", false},
		"leaves":            {`{websocket: {url: /leaving, receive: 2}, expect: {body: x}}`, "got 1 messages, then the server closed with 4001 no seat, want 2", true},
		"endless":           {`{websocket: {url: /endless, until: {$.type: done}}}`, "body: got more than 64 KiB", true},
		"huge":              {`{websocket: /huge, expect: {body: x}}`, "body: got more than 64 KiB", true},
		"protocol":          {`{websocket: {url: /silent, protocols: [chat]}}`, "", false},
		"other protocol":    {`{websocket: {url: /silent, protocols: [graphql-ws]}}`, `protocol: got "", want one of graphql-ws`, true},
		"no WebSocket":      {`{websocket: /plain}`, "status: got 200, want 101: the server opens no WebSocket", true},
		"down":              {`{websocket: /down}`, "status: got 503, want 101", true},
		"redirect":          {`{websocket: /moved}`, "status: got 302, want 101", true},
		"with auth":         {`{websocket: {url: /private, auth: plum}}`, "", false},
		"without auth":      {`{websocket: /private}`, "status: got 401, want 101", true},
		"secret kept":       {`{websocket: {url: "ws://localhost.invalid/private", auth: plum}}`, "localhost.invalid:80: auth plum: its secret is for", false},
		"no certificate":    {`{websocket: /silent, expect: {certificate: {days: {gt: 1}}}}`, "certificate.days: nothing is there, want > 1", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients := clientsOf(t)
			clients.BodyLimit = 64 << 10
			clients.Connections = checks.NewConnections([]checks.Connection{{Name: "plum", Kind: checks.Bearer, Secret: func() string { return "t0ken-of-blue" }}}, clients.Transport, nil)
			compiled, problems := tryCompile(t, clients, test.check)
			if len(problems.Errors()) > 0 {
				t.Fatal(problems)
			}
			answer, err := within(t, test.want, compiled, askOf(server.URL))
			ends(t, err, test.want, test.failed)
			if name == "down" && answer.Status != 503 {
				t.Errorf("got status %d", answer.Status)
			}
		})
	}
}

// A server that would rather speak HTTP/2 is asked in HTTP/1.1.
func TestSecureWebSocket(t *testing.T) {
	server := httptest.NewUnstartedServer(socketServer(t))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	clients := clientsOf(t)
	clients.Transport.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}
	check := compile(t, clients, `{websocket: {url: /echo, send: hi}, expect: {body: hi, certificate: {chain: verified, names: {contains: example.com}}}}`)
	if _, err := probe(t, check, askOf(server.URL)); err != nil {
		t.Error(err)
	}
}
