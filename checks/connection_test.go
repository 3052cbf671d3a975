package checks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

const clientSecret = "cl1ent/s3cret"

func secretly(s string) func() string { return func() string { return s } }

func oauth(origins ...string) checks.Connection {
	return checks.Connection{Name: "plum-api", Kind: checks.OAuth2, TokenURL: "/oauth/token", ClientID: "plumbline", Scopes: []string{"read"},
		Secret: secretly(clientSecret), Origins: origins}
}

func TestATokenIsFetchedOnce(t *testing.T) {
	inBubble(t, &plum{life: 3600, holds: true}, func(t *testing.T, b bubbled) {
		for _, err := range b.askAtOnce(t, 100) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if b.plum.fetched != 1 {
			t.Errorf("%d tokens were fetched, want 1", b.plum.fetched)
		}
	})
}

func TestARefusedLoginIsToldToAllWhoWait(t *testing.T) {
	inBubble(t, &plum{status: 401, holds: true}, func(t *testing.T, b bubbled) {
		for _, err := range b.askAtOnce(t, 100) {
			want := "auth plum-api: token endpoint /oauth/token answered 401, want 200: invalid_client"
			if !errors.Is(err, plumbline.ErrFailed) || err.Error() != want {
				t.Fatalf("got %v, want %s", err, want)
			}
		}
		if b.plum.fetched != 1 {
			t.Errorf("%d logins, want 1", b.plum.fetched)
		}
	})
}

func TestATokenEnds(t *testing.T) {
	inBubble(t, &plum{life: 60}, func(t *testing.T, b bubbled) {
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {49 * time.Second, 1}, {2 * time.Second, 2}} {
			time.Sleep(step.wait)
			if errs := b.askAtOnce(t, 1); errs[0] != nil || b.plum.fetched != step.want {
				t.Errorf("after %s: %v, %d tokens, want %d", step.wait, errs[0], b.plum.fetched, step.want)
			}
		}
	})
}

func TestARefusedTokenIsFetchedAgainOnce(t *testing.T) {
	inBubble(t, &plum{life: 3600}, func(t *testing.T, b bubbled) {
		b.askAtOnce(t, 1)
		b.plum.valid = nil // as after a restart
		if errs := b.askAtOnce(t, 1); errs[0] != nil || b.plum.fetched != 2 {
			t.Errorf("got %v after %d tokens, want none after 2", errs[0], b.plum.fetched)
		}
	})
	inBubble(t, &plum{life: 3600}, func(t *testing.T, b bubbled) {
		b.askAtOnce(t, 1)
		b.plum.valid = nil
		if errs := b.askAtOnce(t, 100); errors.Join(errs...) != nil || b.plum.fetched != 2 {
			t.Errorf("got %v after %d tokens, want none after 2: a new token was thrown away with the old", errors.Join(errs...), b.plum.fetched)
		}
	})
	// A resource that refuses every token is asked twice, not for ever.
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			answering(200, "application/json", `{"access_token":"never-good-enough"}`)(w, r)
			return
		}
		asked.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{oauth()}, clients.Transport, nil)
	_, err := probe(t, compile(t, clients, "{get: /, auth: plum-api}"), askOf(url))
	if !errors.Is(err, plumbline.ErrFailed) || err.Error() != "status: got 401, want 2xx" || asked.Load() != 2 {
		t.Errorf("got %v after %d requests, want a 401 after 2", err, asked.Load())
	}
}

// A check that gives up waiting for a token doesn't take it from the others.
func TestGivingUpOnATokenHarmsNobody(t *testing.T) {
	inBubble(t, &plum{life: 3600, holds: true}, func(t *testing.T, b bubbled) {
		check := compile(t, b.clients, "{get: /, auth: plum-api}")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := check.Probe(ctx, askOf("http://green.plum"))
		if want := "timed out after 1s waiting for the token endpoint of plum-api"; !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if errs := b.askAtOnce(t, 3); errors.Join(errs...) != nil || b.plum.fetched != 1 {
			t.Errorf("got %v after %d tokens", errs, b.plum.fetched)
		}
	})
}

func TestCredentials(t *testing.T) {
	var got atomic.Value
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	green := plumbline.Green
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{
		{Name: "key", Kind: checks.Bearer, Secret: secretly("for-everybody")},
		{Name: "key", Service: "plum", Kind: checks.Bearer, Secret: secretly("for-plum")},
		{Name: "key", Service: "plum", Color: green, Kind: checks.Bearer, Secret: secretly("for-green-plum")},
		{Name: "key", Service: "pear", Color: green, Kind: checks.Bearer, Secret: secretly("for-green-pear")},
		{Name: "pair", Kind: checks.Basic, Username: "ann", Secret: secretly("pass-word")},
		{Name: "far", Kind: checks.Bearer, Secret: secretly("for-another-host"), Origins: []string{"https://api.example.com/x"}},
		{Name: "odd", Kind: "saml", Secret: secretly("whatever")},
		{Name: "bare", Kind: checks.Bearer},
	}, clients.Transport, nil)
	tests := []struct {
		auth   string
		color  plumbline.Color
		header string
		want   string
	}{
		{"key", green, "Bearer for-green-plum", ""},
		{"key", plumbline.Blue, "Bearer for-plum", ""},
		{"pair", green, "Basic YW5uOnBhc3Mtd29yZA==", ""},
		{"none", green, "", ""},
		{"far", green, "", "auth far: its secret is for https://api.example.com and is not sent to " + url},
		{"odd", green, "", `auth odd: a connection of kind "saml", want oauth2, bearer, basic, header, mtls or sigv4`},
		{"bare", green, "", "auth bare: the connection has no secret"},
		{"gone", green, "", "auth gone: no such connection for plum green"},
	}
	for _, test := range tests {
		t.Run(test.auth+" "+string(test.color), func(t *testing.T) {
			got.Store("")
			ask := askOf(url)
			ask.Site.Color = test.color
			answer, err := probe(t, compile(t, clients, "{get: /, auth: "+test.auth+", expect: {status: 200, body: {length: 1}}}"), ask)
			if got.Load() != test.header {
				t.Errorf("sent %q, want %q", got.Load(), test.header)
			}
			if test.want != "" && (err == nil || err.Error() != test.want || errors.Is(err, plumbline.ErrFailed)) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			told := fmt.Sprintf("%v %+v", err, answer)
			if leak := redact.Leaks(told, "for-green-plum", "for-plum", "pass-word", "ann:pass-word", "for-another-host"); leak != "" {
				t.Error(leak)
			}
		})
	}
}

// A URL from somewhere else never decides where a secret goes.
func TestASecretStaysWithItsOrigin(t *testing.T) {
	thief := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("somebody else was asked, with %q", r.Header.Get("Authorization"))
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{oauth()}, clients.Transport, nil)
	ask := askOf("http://127.0.0.1:1")
	ask.Captures = map[string]any{"next": thief + "/"}
	_, err := probe(t, compile(t, clients, "{get: $(captures.next), auth: plum-api}"), ask)
	if err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "is not sent to "+thief) {
		t.Errorf("got %v, want it kept back", err)
	}
}

func TestTokenEndpointsThatMisbehave(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		failed  bool
		want    string
		status  int
	}{
		"server error": {answering(503, "text/plain", clientSecret), true, "token endpoint /oauth/token answered 503, want 200", 503},
		"no token":     {answering(200, "application/json", "{}"), true, "token endpoint /oauth/token answered without a token", 0},
		"no JSON":      {answering(200, "application/json", "<html>"), true, "token endpoint /oauth/token answered without a token", 0},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, true, "answered 307, want 200", 307},
		"gone": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		}, false, "token endpoint /oauth/token: connection closed waiting for headers", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clients := clientsOf(t)
			clients.Connections = checks.NewConnections([]checks.Connection{oauth()}, clients.Transport, nil)
			answer, err := probe(t, compile(t, clients, "{get: /, auth: plum-api}"), askOf(serve(t, test.handler)))
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, plumbline.ErrFailed) != test.failed || answer.Status != test.status {
				t.Errorf("got %v, status %d, want %s, status %d", err, answer.Status, test.want, test.status)
			}
			if leak := redact.Leaks(fmt.Sprint(err), clientSecret); leak != "" {
				t.Error(leak)
			}
		})
	}
}
