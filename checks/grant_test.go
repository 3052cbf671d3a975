package checks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

const jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// A registrar gives tokens for assertions that it can verify.
type registrar struct {
	t        *testing.T
	public   any
	want     map[string]string // claims
	keyID    string
	mu       sync.Mutex
	logins   []string // assertions
	refusing bool
}

func (g *registrar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/oauth/token" {
		if r.Header.Get("Authorization") != "Bearer token-for-an-assertion" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = r.ParseForm()
	assertion := r.PostForm.Get("assertion")
	g.logins = append(g.logins, assertion)
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(assertion, claims, func(*jwt.Token) (any, error) { return g.public, nil },
		jwt.WithValidMethods([]string{"RS256", "ES256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil || g.refusing {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":%q}`, "invalid_grant "+assertion)
		return
	}
	for name, want := range g.want {
		if claims[name] != want {
			g.t.Errorf("claim %s is %v, want %s", name, claims[name], want)
		}
	}
	if kid, _ := token.Header["kid"].(string); kid != g.keyID || r.PostForm.Get("grant_type") != jwtGrant || r.PostForm.Get("scope") != "read write" {
		g.t.Errorf("asked with %v, key %q", r.PostForm, kid)
	}
	if id, _ := claims["jti"].(string); len(id) < 20 {
		g.t.Errorf("jti %q can be guessed", id)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, `{"access_token":"token-for-an-assertion","token_type":"Bearer"}`)
}

func asserting(key string) checks.Connection {
	return checks.Connection{Name: "signed", Kind: checks.OAuth2, Grant: checks.JWTBearer, TokenURL: "/oauth/token", Scopes: []string{"read", "write"},
		Assertion: &checks.Assertion{Key: secretly(key), Issuer: "plumbline", Subject: "robot"}}
}

func TestJWTBearer(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]struct {
		text     string
		public   any
		audience string
		keyID    string
	}{
		"RS256":                  {keyPEM(t, rsaKey), &rsaKey.PublicKey, "", ""},
		"ES256":                  {keyPEM(t, ecKey), &ecKey.PublicKey, "", "2026-11"},
		"ES256 for somebody":     {keyPEM(t, ecKey), &ecKey.PublicKey, "https://login.example.com", ""},
		"a key behind some text": {"Key of robot\n" + keyPEM(t, ecKey), &ecKey.PublicKey, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := &registrar{t: t, public: key.public, keyID: key.keyID}
			url := serve(t, g.ServeHTTP)
			g.want = map[string]string{"iss": "plumbline", "sub": "robot", "aud": key.audience}
			if key.audience == "" {
				g.want["aud"] = url + "/oauth/token"
			}
			connection := asserting(key.text)
			connection.Assertion.Audience, connection.Assertion.KeyID = key.audience, key.keyID
			clients := connected(t, connection)
			for range 3 {
				if _, err := probe(t, compile(t, clients, "{get: /, auth: signed}"), askOf(url)); err != nil {
					t.Fatal(err)
				}
			}
			if len(g.logins) != 1 {
				t.Errorf("%d logins, want 1", len(g.logins))
			}
			g.refusing = true
			clients = connected(t, connection)
			_, err := probe(t, compile(t, clients, "{get: /, auth: signed}"), askOf(url))
			if want := "auth signed: token endpoint /oauth/token answered 400, want 200"; err == nil || err.Error() != want || !errors.Is(err, plumbline.ErrFailed) {
				t.Errorf("got %v, want %s", err, want) // its words have the assertion in them
			}
			if leak := redact.Leaks(fmt.Sprint(err), key.text, g.logins[1]); leak != "" {
				t.Error(leak)
			}
			if g.logins[0] == g.logins[1] {
				t.Error("an assertion was sent twice")
			}
		})
	}
}

func TestJWTBearerWithAKeyThatWontDo(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip(err)
	}
	large, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string]string{
		"no private key in PEM":                             "this-is-no-key",
		"a private key that can't be read":                  "-----BEGIN PRIVATE KEY-----\nbm90aGluZyBhdCBhbGwgaGVyZQ==\n-----END PRIVATE KEY-----",
		"a private key with a passphrase, want one without": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nbm90aGluZw==\n-----END ENCRYPTED PRIVATE KEY-----",
		"an RSA key of 1024 bits, want at least 2048":       keyPEM(t, short),
		"an ECDSA key on P-384, want P-256":                 keyPEM(t, large),
	} {
		_, err := probe(t, compile(t, connected(t, asserting(key)), "{get: /, auth: signed}"), askOf("http://127.0.0.1:1"))
		if err == nil || err.Error() != "auth signed: "+want || errors.Is(err, plumbline.ErrFailed) {
			t.Errorf("got %v, want auth signed: %s", err, want)
		}
		if leak := redact.Leaks(fmt.Sprint(err), key); leak != "" {
			t.Error(leak)
		}
	}
}

// The client says who it is in the body, or in a header.
func TestWhereTheClientsSecretGoes(t *testing.T) {
	for where, want := range map[string]string{"": "plumbline cl1ent/s3cret,", checks.InBody: "plumbline cl1ent/s3cret,", checks.InHeader: " ,plumbline:cl1ent%2Fs3cret"} {
		var got string
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth/token" {
				_ = r.ParseForm()
				got = r.PostForm.Get("client_id") + " " + r.PostForm.Get("client_secret") + ","
				if user, password, is := r.BasicAuth(); is {
					got += user + ":" + password
				}
				answering(200, "application/json", `{"access_token":"any-token"}`)(w, r)
			}
		})
		connection := oauth()
		connection.ClientAuth = where
		if _, err := probe(t, compile(t, connected(t, connection), "{get: /, auth: plum-api}"), askOf(url)); err != nil || got != want {
			t.Errorf("%q: %v, sent %q, want %q", where, err, got, want)
		}
	}
}

// A token of another origin than the environment's comes from there, too, if the URL doesn't say where.
func TestATokenURLIsRelativeToItsOrigin(t *testing.T) {
	g := &plum{life: 3600}
	provider := serve(t, g.ServeHTTP)
	environment := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the environment was asked %s", r.URL) })
	ask := askOf(environment)
	ask.Captures = map[string]any{"provider": provider}
	if _, err := probe(t, compile(t, connected(t, oauth(provider)), `{get: "$(captures.provider)/x", auth: plum-api}`), ask); err != nil || g.fetched != 1 {
		t.Errorf("%v, %d tokens", err, g.fetched)
	}
	_, err := probe(t, compile(t, connected(t, oauth(provider)), "{get: /, auth: plum-api}"), askOf(environment))
	if err == nil || !strings.Contains(err.Error(), "its secret is for "+provider+" and is not sent to "+environment) {
		t.Errorf("got %v", err)
	}
}

func TestTokensAreTheColors(t *testing.T) {
	blue, green := &plum{life: 3600}, &plum{life: 3600}
	at := map[plumbline.Color]string{plumbline.Blue: serve(t, blue.ServeHTTP), plumbline.Green: serve(t, green.ServeHTTP)}
	check := compile(t, connected(t, oauth()), "{get: /, auth: plum-api}")
	for range 2 {
		for color, url := range at {
			ask := askOf(url)
			ask.Site.Color = color
			if _, err := probe(t, check, ask); err != nil {
				t.Error(err)
			}
		}
	}
	if blue.fetched != 1 || green.fetched != 1 {
		t.Errorf("%d tokens of blue and %d of green, want 1 each", blue.fetched, green.fetched)
	}
}
