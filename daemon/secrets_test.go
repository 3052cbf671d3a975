package daemon_test

import (
	"bytes"
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
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
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
	case "/escaped":
		escaping(w, heard, r.Header.Get("Authorization"))
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
		fmt.Fprintf(&s, "  - name: %[1]s escaped\n    get: /escaped\n    auth: %[1]s\n    expect: %[2]s\n", auth, escapesWanted)
		fmt.Fprintf(&s, "  - name: %[1]s away\n    get: /away\n    follow: true\n    auth: %[1]s\n", auth)
		fmt.Fprintf(&s, "  - name: %[1]s hangs up\n    get: /hangup\n    auth: %[1]s\n", auth)
		fmt.Fprintf(&s, "  - name: %[1]s refused\n    get: /refuse\n    auth: %[1]s\n", auth)
	}
	for name, sends := range map[string]string{"header": "headers: {X-Key: key $(secrets.named)}", "query": "query: {key: $(secrets.named)}"} {
		fmt.Fprintf(&s, "  - name: %s\n    get: /echo\n    %s\n    expect: %s\n", name, sends, wants)
		fmt.Fprintf(&s, "  - name: %s escaped\n    get: /escaped\n    %s\n    expect: %s\n", name, sends, escapesWanted)
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

// listening is an echoing that keeps the assertions of SAP's and Workday's logins.
func listening(t *testing.T, assertion, workdays *atomic.Value) *httptest.Server {
	t.Helper()
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
	return environment
}

func TestNoSecretComesOut(t *testing.T) {
	tap := &wiretap{texts: map[string]*bytes.Buffer{}}
	var assertion, workdays atomic.Value
	environment := listening(t, &assertion, &workdays)
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
	if want := 30 + workdayChecksCount + len(providersAsked); v.Counts.Passed != 1 || v.Counts.Failed < 20 || v.Counts.Total() != want {
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
