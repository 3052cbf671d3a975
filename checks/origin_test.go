package checks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// everyKind is one connection of each kind and grant for an environment of the authority's, and what must not come to
// light of them.
func everyKind(t *testing.T, by authority) ([]checks.Connection, []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signing, shown := keyPEM(t, key), certified(t, "mtls", by)
	assertion := asserting(signing)
	assertion.Name = "jwt"
	rotating := refreshing(&checks.RefreshGrant{File: tokenFile(t)})
	rotating.Name = "refresh"
	granted := oauth()
	granted.Name = "client"
	aws := awsConnection("service", awsToken)
	return []checks.Connection{granted, rotating, assertion, shown, aws,
			{Name: "bearer", Kind: checks.Bearer, Secret: secretly("bearer-s3cret")},
			{Name: "basic", Kind: checks.Basic, Username: "ann", Secret: secretly("basic-s3cret")},
			{Name: "header", Kind: checks.Header, Header: "X-Api-Key", Secret: secretly("header-s3cret")}},
		[]string{clientSecret, "the-access-token", "refresh-number-0", "refresh-number-1", signing, shown.Secret(), awsSecret, awsToken,
			"bearer-s3cret", "basic-s3cret", "ann:basic-s3cret", "header-s3cret"}
}

// tokenEndpoint gives everybody the same token, and a new refresh token.
func tokenEndpoint(w http.ResponseWriter, _ *http.Request) {
	answering(200, "application/json", `{"access_token":"the-access-token","token_type":"Bearer","refresh_token":"refresh-number-1"}`)(w, nil)
}

var connectionNames = []string{"client", "refresh", "jwt", "mtls", "aws", "bearer", "basic", "header"}

func clientsOfEveryKind(t *testing.T, by authority) (checks.Clients, []string) {
	t.Helper()
	connections, secrets := everyKind(t, by)
	clients := clientsOf(t)
	clients.Transport.TLSClientConfig.InsecureSkipVerify = true
	clients.Connections = checks.NewConnections(connections, clients.Transport, nil)
	t.Cleanup(clients.Connections.Close)
	clients.Secret = func(name string) (checks.Secret, bool) {
		return checks.Secret{Value: "named-s3cret", Hosts: []string{strings.TrimPrefix(name, "for-")}}, true
	}
	return clients, append(secrets, "named-s3cret")
}

// Two servers, one of which must never hear of anything: neither by a redirect, nor by a URL that leads there.
func TestASecretOfEveryKindStaysWithItsOrigin(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "another")
	thief := other.serveTLS(t, tls.RequestClientCert, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("somebody else was asked %s %s %v %s %d", r.Method, r.URL, r.Header, body, len(r.TLS.PeerCertificates))
	})
	var asked atomic.Int32
	url := ours.serveTLS(t, tls.RequestClientCert, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/oauth/token":
			tokenEndpoint(w, r)
		case "/302":
			asked.Add(1)
			http.Redirect(w, r, thief+"/?from=us", http.StatusFound)
		case "/307":
			asked.Add(1)
			http.Redirect(w, r, thief+"/", http.StatusTemporaryRedirect)
		}
	})
	for _, name := range connectionNames {
		for _, check := range []string{
			"get: /302, expect: {status: 302}",
			"get: /302, follow: true",
			"post: /307, json: {a: b}, expect: {status: 307}",
			"post: /307, json: {a: b}, follow: true",
			"get: $(captures.away)/",
			"post: $(captures.away)/, form: {a: b}, follow: true",
			"steps: [{get: /302, follow: true}]",
		} {
			t.Run(name+" "+check, func(t *testing.T) {
				clients, _ := clientsOfEveryKind(t, ours)
				ask := askOf(url)
				ask.Captures = map[string]any{"away": thief}
				with := "{auth: " + name + ", " + check + "}"
				if strings.HasPrefix(check, "steps") {
					with = "{" + strings.Replace(check, "get:", "auth: "+name+", get:", 1) + "}"
				}
				before := asked.Load()
				_, err := probe(t, compile(t, clients, with), ask)
				follows, away := strings.Contains(check, "follow"), strings.Contains(check, "captures")
				switch {
				case away && (err == nil || errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "is not sent to")):
					t.Errorf("got %v, want it kept back", err)
				case !away && follows && (!errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "another origin, which is not followed")):
					t.Errorf("got %v, want it not followed", err)
				case !away && !follows && err != nil:
					t.Error(err)
				case !away && asked.Load() != before+1:
					t.Errorf("asked %d times, want once", asked.Load()-before)
				}
			})
		}
	}
}

// The same of secrets that suites name, wherever in a request they are.
func TestANamedSecretStaysWithItsHosts(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "another")
	thief := other.serveTLS(t, tls.NoClientCert, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("somebody else was asked %s %s %v %s", r.Method, r.URL, r.Header, body)
	})
	var got atomic.Value
	url := ours.serveTLS(t, tls.NoClientCert, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Store(fmt.Sprint(r.URL, r.Header, string(body)))
		http.Redirect(w, r, thief+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	clients, _ := clientsOfEveryKind(t, ours)
	host := strings.TrimPrefix(url, "https://")
	clients.Secret = func(string) (checks.Secret, bool) {
		return checks.Secret{Value: "named-s3cret", Hosts: []string{host}}, true
	}
	for _, where := range []string{
		"headers: {X-Key: $(secrets.key)}", "query: {key: $(secrets.key)}", "json: {a: [{b: $(secrets.key)}]}", "form: {key: $(secrets.key)}",
		"body: key=$(secrets.key)", "headers: {Cookie: key=$(secrets.key)}",
	} {
		for at, want := range map[string]string{
			"/":                 "redirected to " + thief,
			"$(captures.away)/": "a secret of this check is not for " + strings.TrimPrefix(thief, "https://"),
		} {
			got.Store("")
			ask := askOf(url)
			ask.Captures, ask.Public = map[string]any{"away": thief}, map[string]bool{"away": true}
			_, err := probe(t, compile(t, clients, "{post: "+at+", follow: true, "+where+"}"), ask)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s to %s: got %v, want %s", where, at, err, want)
			}
			if sent := got.Load().(string); at == "/" && !strings.Contains(sent, "named-s3cret") {
				t.Errorf("%s: sent %s", where, sent)
			}
		}
	}
}

// Whatever an environment does with what it is sent, nothing of it is told.
func TestNoKindLeaks(t *testing.T) {
	ours := newAuthority(t, "ours")
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Echo", r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"said": %q, "all": %q, "named": "refresh-number-0 refresh-number-1"}`,
				r.Header.Get("Authorization")+r.Header.Get("X-Api-Key")+r.Header.Get("X-Amz-Security-Token"), fmt.Sprint(r.Header))
		}
	}
	hangUp := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	resources := map[string]http.HandlerFunc{"echo 500": echo(500), "echo 401": echo(401), "echo 200": echo(200), "hangs up": hangUp,
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/?"+strings.ReplaceAll(r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"), " ", "+"), http.StatusFound)
		}}
	logins := map[string]http.HandlerFunc{"": tokenEndpoint, "login echoes": func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, r.PostForm.Encode(), r.PostForm.Encode())
	}, "login hangs up": hangUp, "login without token": echo(200)}
	check := `{get: /, auth: NAME, follow: true, expect: {status: 204, headers.X-Echo: x, body: {eq: x, contains: y}, $.said: {eq: x, starts_with: y}, $.all: {length: 1, one_of: [a]}}}`
	for what, resource := range resources {
		for login, endpoint := range logins {
			if login != "" && what != "echo 500" {
				continue
			}
			url := ours.serveTLS(t, tls.RequestClientCert, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/oauth/token" {
					endpoint(w, r)
					return
				}
				resource(w, r)
			})
			for _, name := range connectionNames {
				clients, secrets := clientsOfEveryKind(t, ours)
				answer, err := probe(t, compile(t, clients, strings.Replace(check, "NAME", name, 1)), askOf(url))
				if err == nil {
					t.Errorf("%s %s %s: got no error", what, login, name)
				}
				told := fmt.Sprintf("%v\n%+v", err, answer)
				if leak := redact.Leaks(told, ownSecrets(name, secrets)...); leak != "" {
					t.Errorf("%s %s %s: %s\n%s", what, login, name, leak, told)
				}
			}
		}
	}
}

// ownSecrets leaves out what the connection has nothing to do with, and so can't know.
func ownSecrets(name string, all []string) []string {
	if name == "refresh" {
		return all
	}
	var own []string
	for _, secret := range all {
		if !strings.HasPrefix(secret, "refresh-") {
			own = append(own, secret)
		}
	}
	return own
}
