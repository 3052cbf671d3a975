package daemon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// issued is a token that the environment gives out.
const issued = "issued-canary-1c0ffee5"

// canaries are one secret for every place of the configuration that takes one.
func canaries() map[string]string {
	return map[string]string{
		"CANARY_OAUTH":    "oauth-canary-7Yq/+w==k1",
		"CANARY_BEARER":   "bearer-canary-Zk93&<d>",
		"CANARY_BASIC":    "basic canary \"q\" 5150",
		"CANARY_SAP":      "sap-canary:5!{x}%2f#90",
		"CANARY_NAMED":    "named-canary-0xFEEDbeef",
		"CANARY_GATE":     "gate-canary-44d2c6b1e8",
		"CANARY_OBSERVER": "reader-canary-9f3a77c0",
	}
}

// echoing is an environment that repeats whatever it was sent, in every place and many encodings.
func echoing(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, password, _ := r.BasicAuth()
	heard := fmt.Sprint(r.Header, r.URL.RawQuery, string(body), password)
	if strings.HasPrefix(r.URL.Path, "/ccx/") {
		workdayEchoing(w, r, heard, string(body))
		return
	}
	switch r.URL.Path {
	case "/token", "/acme/oauth2/v2.0/token":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3600}`, issued)
	case "/refuse":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, string(body), heard)
	case "/away":
		w.Header().Set("Location", "https://elsewhere.test/?heard="+url.QueryEscape(heard))
		w.WriteHeader(http.StatusFound)
	case "/hangup":
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("X-Heard", strings.ReplaceAll(heard, "\n", " "))
		late := strings.Repeat("x", 470) + r.Header.Get("Authorization") // what is shown of it ends within the secret
		_ = json.NewEncoder(w).Encode(map[string]any{"heard": heard, "authorization": r.Header.Get("Authorization"), "password": password, "late": late,
			"base64": base64.StdEncoding.EncodeToString([]byte(heard)), "hex": hex.EncodeToString([]byte(heard)), "url": url.QueryEscape(heard)})
	}
}

// leaky asks the echoing in every way that carries a secret, and wants something else of every place.
func leaky() string {
	var s strings.Builder
	s.WriteString("suite: leaky\ntriggers: [release]\nchecks:\n  - name: anchor\n    get: /echo\n  - name: refused token\n    get: /echo\n    auth: refused\n")
	wants := `{$.heard: no, $.authorization: {matches: "^$"}, $.password: {eq: no}, $.late: no, $.base64: no, $.hex: {contains: no}, ` +
		`$.url: {length: 1}, headers.X-Heard: no, body: {starts_with: no}, $: {type: string}}`
	for _, auth := range []string{"oauth", "bearer", "basic"} {
		fmt.Fprintf(&s, "  - name: %[1]s\n    get: /echo\n    auth: %[1]s\n    expect: %[2]s\n", auth, wants)
		fmt.Fprintf(&s, "  - name: %[1]s away\n    get: /away\n    follow: true\n    auth: %[1]s\n", auth)
		fmt.Fprintf(&s, "  - name: %[1]s hangs up\n    get: /hangup\n    auth: %[1]s\n", auth)
		fmt.Fprintf(&s, "  - name: %[1]s refused\n    get: /refuse\n    auth: %[1]s\n", auth)
	}
	for name, sends := range map[string]string{"header": "headers: {X-Key: key $(secrets.named)}", "query": "query: {key: $(secrets.named)}"} {
		fmt.Fprintf(&s, "  - name: %s\n    get: /echo\n    %s\n    expect: %s\n", name, sends, wants)
		fmt.Fprintf(&s, "  - name: %s hangs up\n    get: /hangup\n    %s\n", name, sends)
	}
	for name, sends := range map[string]string{"body": "json: {key: $(secrets.named)}", "form": "form: {key: $(secrets.named)}"} {
		fmt.Fprintf(&s, "  - name: %s\n    post: /echo\n    %s\n    expect: %s\n", name, sends, wants)
	}
	s.WriteString("  - successfactors: sap-key\n  - successfactors: sap-basic\n  - name: asked as SAP is\n    get: /echo\n    auth: sap-basic\n    expect: " + wants + "\n")
	s.WriteString(workdayChecks)
	s.WriteString(providerChecks())
	login := "post: /token\n        form: {client_secret: $(secrets.named)}\n        "
	fmt.Fprintf(&s, "  - name: scenario\n    effect: none\n    steps:\n      - %scapture: {token: $.access_token}\n"+
		"      - get: /echo\n        headers: {Authorization: Bearer $(captures.token)}\n        expect: %s\n", login, wants)
	fmt.Fprintf(&s, "  - name: login alone\n    effect: none\n    steps:\n      - %sexpect: {$.access_token: no, body: no}\n", login)
	return s.String()
}

// A wiretap keeps everything that somebody outside could read, by where it was heard.
type wiretap struct {
	mu    sync.Mutex
	texts map[string]*bytes.Buffer
}

func (w *wiretap) hear(where string, text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.texts[where] == nil {
		w.texts[where] = &bytes.Buffer{}
	}
	w.texts[where].Write(append(slices.Clone(text), '\n'))
}

// Write hears the log.
func (w *wiretap) Write(line []byte) (int, error) { w.hear("log", line); return len(line), nil }

// check holds what was heard against the secrets: whole in any encoding, or a large part of one in clear.
func (w *wiretap) check(t *testing.T, secrets map[string]string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for where, buffer := range w.texts {
		text := buffer.String()
		for name, secret := range secrets {
			if leak := redact.Leaks(text, secret); leak != "" {
				t.Errorf("%s gives away %s: %s", where, name, leak)
			}
			if at := strings.Index(text, secret[:12]); at >= 0 {
				t.Errorf("%s gives away the beginning of %s after %q", where, name, text[max(0, at-60):at])
			}
		}
	}
	for _, where := range []string{"log", "Slack", "PLUMBLINE_VERDICTS", "PLUMBLINE_RESULTS", "PLUMBLINE_LEDGER", "PLUMBLINE_DEADLETTER",
		"KV_PLUMBLINE_SERVICES", "OBJ_PLUMBLINE_SUITES", "/metrics", "/v1/gates/plum/green"} {
		if w.texts[where] == nil {
			t.Errorf("nothing was heard of %s", where)
		}
	}
}

func TestNoSecretComesOut(t *testing.T) {
	tap := &wiretap{texts: map[string]*bytes.Buffer{}}
	var assertion, workdays atomic.Value
	environment := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			switch given := r.FormValue("assertion"); {
			case given != "" && r.URL.Path == "/oauth/token":
				assertion.Store(given)
			case given != "":
				workdays.Store(given)
			}
			r.Body = io.NopCloser(strings.NewReader(r.PostForm.Encode()))
		}
		echoing(w, r)
	}))
	environment.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	environment.Start()
	t.Cleanup(environment.Close)
	told := make(chan struct{}, 16)
	slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		tap.hear("Slack", body)
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "no such hook: %s%s", r.Host, r.URL)
		told <- struct{}{}
	}))
	t.Cleanup(slack.Close)
	secrets := canaries()
	maps.Copy(secrets, workdayCanaries())
	secrets["CANARY_HOOK"] = slack.URL + "/services/T0/B0/hookcanaryhookcanary"
	secrets["CANARY_SAP_KEY"] = signingKey(t)
	parts := withProviders(secrets, environment.URL)
	d := startTapped(t, tap, environment.URL, secrets)
	b := (&house{Daemon: d}).client(t)
	secrets["lines of the key"] = strings.Join(strings.Split(secrets["CANARY_SAP_KEY"], "\n")[1:3], "\n")
	delete(secrets, "CANARY_SAP_KEY")
	delete(secrets, "CANARY_HOOK")
	maps.DeleteFunc(secrets, func(name, _ string) bool { return addressCanaries[name] != nil })
	maps.Copy(secrets, parts)
	secrets["path of the hook"], secrets["issued token"] = "hookcanaryhookcanary", issued

	sent := publish(t, b, plumbline.Event{Kind: plumbline.EventDeployed, Color: plumbline.Green, Release: plumbline.Release{Version: "2"}})
	if _, err := b.Conn().Request("plumbline.event.plum", []byte(`{"specversion":"1.0"}`), patience); err != nil {
		t.Fatal(err)
	}
	v := verdict(t, b, sent)
	if want := 25 + workdayChecksCount + len(providersAsked); v.Counts.Passed != 1 || v.Counts.Failed < 20 || v.Counts.Total() != want {
		t.Errorf("of the echoing's answers are %+v, want %d with one that passed", v.Counts, want)
	}
	until(t, "the record has the verdict", func() bool { r, _ := d.Record("plum"); return r.Colors[plumbline.Green].Last != nil })
	select {
	case <-told:
	case <-time.After(patience):
		t.Error("Slack never heard of the verdict")
	}
	secrets["assertion"], _ = assertion.Load().(string)
	if len(secrets["assertion"]) < 1000 {
		t.Fatalf("the assertion is %q", secrets["assertion"])
	}
	secrets["workday's assertion"], _ = workdays.Load().(string)
	if len(secrets["workday's assertion"]) < 300 {
		t.Fatalf("the assertion is %q", secrets["workday's assertion"])
	}
	tapHTTP(t, tap, d, sent.Run)
	tapStreams(t, tap, b)
	tap.check(t, secrets)
}

// signingKey is a private key in PEM.
func signingKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// startTapped starts a daemon with a secret in every place, and a log that doesn't redact.
func startTapped(t *testing.T, tap *wiretap, environment string, secrets map[string]string) *daemon.Daemon {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "plumbline.yaml")
	write(t, filepath.Join(dir, "leaky.yaml"), leaky())
	write(t, config, fmt.Sprintf(`bus: {store: bus, listen: 127.0.0.1:0}
listen: 127.0.0.1:0
services:
  plum:
    environments: {blue: {url: "http://127.0.0.1:9"}, green: {url: %[1]q}}
    live: {color: blue, version: "1"}
    new: true
    suites: [leaky.yaml]
connections:
  oauth: {kind: oauth2, token_url: /token, client_id: me, client_secret: {env: CANARY_OAUTH}}
  refused: {kind: oauth2, token_url: /refuse, client_id: me, client_secret: {env: CANARY_OAUTH}}
  bearer: {kind: bearer, token: {env: CANARY_BEARER}}
  basic: {kind: basic, username: me, password: {env: CANARY_BASIC}}
  sap-key: {kind: successfactors, url: %[1]q, company: ACME, user: me, client_id: id, key: {env: CANARY_SAP_KEY}}
  sap-basic: {kind: successfactors, url: %[1]q, company: ACME, user: me, password: {env: CANARY_SAP}}
`+workdayConnections+`%[3]ssecrets: {named: {env: CANARY_NAMED, hosts: [%[2]q]}}
reporters: {releases: {kind: slack, webhook: {env: CANARY_HOOK}}}
tokens: [{name: ci, roles: [gate], token: {env: CANARY_GATE}}, {name: observer, roles: [release], token: {env: CANARY_OBSERVER}}]
`, environment, strings.TrimPrefix(environment, "http://"), providerConnections(environment)))
	var environ []string
	for name, value := range secrets {
		environ = append(environ, name+"="+value)
	}
	loaded, _, err := configs.Load(configs.Source{File: config, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Start(t.Context(), daemon.Options{Config: loaded, Name: "d1", Version: "test",
		Log: slog.New(slog.NewTextHandler(tap, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Stop()
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func tapHTTP(t *testing.T, tap *wiretap, d *daemon.Daemon, run string) {
	t.Helper()
	for _, path := range []string{"/v1/gates/plum/green", "/v1/gates/plum/green?version=2", "/v1/gates/plum/blue?purpose=rollback", "/v1/gates/pear/green",
		"/v1/runs/" + run, "/v1/services", "/v1/services/plum", "/metrics", "/readyz", "/livez"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Address()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+canaries()["CANARY_GATE"])
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		tap.hear(path, fmt.Append(body, answer.Header))
	}
}

// tapStreams reads every message of every stream, as anybody on the bus may.
func tapStreams(t *testing.T, tap *wiretap, b *bus.Bus) {
	t.Helper()
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		state := stream.CachedInfo().State
		for n := state.FirstSeq; n > 0 && n <= state.LastSeq; n++ {
			if m, err := stream.GetMsg(ctx, n); err == nil { // one in between may be gone
				tap.hear(name, fmt.Append(m.Data, m.Subject, m.Header))
			}
		}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
}
