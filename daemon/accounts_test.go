package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/suites"
)

// A parrot is an environment that gives tokens, and repeats all that it is told.
type parrot struct {
	*httptest.Server
	name  string
	mu    sync.Mutex
	heard []string
	n     int
}

func newParrot(t *testing.T, name string) *parrot {
	p := &parrot{name: name}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = r.ParseForm()
	p.heard = append(p.heard, fmt.Sprint(r.Header, r.PostForm))
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/token" {
		p.n++
		_, _ = fmt.Fprintf(w, `{"access_token":"access-%s-%d","refresh_token":"refresh-%s-%d","token_type":"Bearer"}`, p.name, p.n, p.name, p.n)
		return
	}
	w.Header().Set("X-Said", fmt.Sprint(r.Header))
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, `{"said": %q}`, fmt.Sprint(r.Header))
}

const accountsConfig = `bus: {store: data}
services:
  plum:
    environments:
      blue: {url: "BLUE", connections: {key: blue-key}}
      green: {url: "GREEN", connections: {key: green-key}}
    suites: [suite.yaml]
connections:
  key: {kind: bearer, token: {env: SHARED}}
  blue-key: {kind: bearer, token: {env: OF_BLUE}}
  green-key: {kind: header, name: X-Api-Key, value: {env: OF_GREEN}}
  basic: {kind: basic, username: ann, password: {env: SHARED}}
  client: {kind: oauth2, token_url: /token, client_id: me, client_secret: {env: SHARED}}
  refresh: {kind: oauth2, grant: refresh_token, token_url: /token, client_id: me, client_secret: {env: SHARED}, refresh_token: {file: refresh}}
  jwt: {kind: oauth2, grant: jwt_bearer, token_url: /token, client_id: me, key: {file: key.pem}}
  mtls: {kind: mtls, certificate: certificate.pem, key: {file: key.pem}}
  aws: {kind: sigv4, region: r, service: s, access_key_id: {env: OF_AWS}, secret_access_key: {env: SHARED}, session_token: {env: OF_SESSION}, rate: {per_second: 500}}
`

// accounts loads the configuration for two parrots.
func accounts(t *testing.T, blue, green *parrot) *configs.Config {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plumbline"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4zero}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"key.pem":         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"certificate.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"refresh":         []byte("refresh-at-the-start"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer(`"BLUE"`, blue.URL, `"GREEN"`, green.URL).Replace(accountsConfig)
	config, _, err := configs.Load(configs.Source{File: filepath.Join(dir, "p.yaml"), Data: []byte(text), Environ: []string{"SHARED=shared-s3cret",
		"OF_BLUE=blue-s3cret", "OF_GREEN=green-s3cret", "OF_AWS=AKIDEXAMPLE", "OF_SESSION=session-s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// asked runs checks of the connections against a color, as a daemon does.
func asked(t *testing.T, config *configs.Config, color plumbline.Color, pool *x509.CertPool, names ...string) plumbline.Verdict {
	t.Helper()
	redacted := redact.New(config.Secrets()...).String
	var opened *checks.Connections
	var transport *http.Transport
	options := daemon.SuiteOptions(config, redacted, func(c *checks.Clients) { opened, transport = c.Connections, c.Transport })
	transport.TLSClientConfig.RootCAs = pool
	defer transport.CloseIdleConnections()
	defer opened.Close()
	file, text := filepath.Join(t.TempDir(), "suite.yaml"), "suite: accounts\nchecks:\n"
	for _, name := range names {
		text += "  - {name: " + name + ", get: /, auth: " + name + ", follow: true, expect: {status: 200, headers.X-Said: x, $.said: {eq: x, length: 1}}}\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := suites.Load([]string{file}, options)
	if err != nil {
		t.Fatal(err)
	}
	site, _ := config.Site("plum", color)
	plan := plumbline.Plan{Run: "run1", Service: "plum", Color: color, Site: site, Checks: loaded[0].Checks, Trigger: plumbline.TriggerManual}
	results := runner.New(runner.Options{Redact: redacted}).Run(t.Context(), plan, runner.Watcher{})
	return plumbline.Judge(plan, results, time.Now())
}

func TestVerdictsKeepTheSecretsOfEveryConnection(t *testing.T) {
	blue, green := newParrot(t, "blue"), newParrot(t, "green")
	config := accounts(t, blue, green)
	names := []string{"key", "basic", "client", "refresh", "jwt", "mtls", "aws", "blue-key"}
	verdict := asked(t, config, plumbline.Green, pooled(blue, green), names...)
	text, err := json.Marshal(verdict)
	if err != nil {
		t.Fatal(err)
	}
	told := string(text)
	for _, r := range verdict.Checks {
		if r.Outcome != plumbline.Failed {
			t.Errorf("%s %s: %s", r.Name, r.Outcome, r.Reason)
		}
		told += fmt.Sprintf("%+v", r)
	}
	if len(verdict.Checks) != len(names) || len(green.heard) != len(names)+3 {
		t.Errorf("%d results of %d requests", len(verdict.Checks), len(green.heard))
	}
	secrets := append(config.Secrets(), "refresh-green-1", "refresh-green-2", "refresh-green-3", "access-green-1", "access-green-2", "access-green-3")
	for i, secret := range secrets {
		if secret != "AKIDEXAMPLE" && redact.Leaks(told, secret) != "" {
			t.Errorf("secret %d: %s", i, redact.Leaks(told, secret))
		}
	}
	if kept := config.Connections["refresh"].OAuth2.RefreshToken.File(); !strings.HasPrefix(read(t, kept), "refresh-green-") {
		t.Errorf("kept %s", read(t, kept))
	}
}

// Each color hears of its own account alone, under the one name that suites use.
func TestConnectionsOfAColorStayWithIt(t *testing.T) {
	blue, green := newParrot(t, "blue"), newParrot(t, "green")
	config := accounts(t, blue, green)
	for _, color := range plumbline.Colors() {
		asked(t, config, color, pooled(blue, green), "key")
	}
	if said := strings.Join(blue.heard, "\n"); !strings.Contains(said, "Bearer blue-s3cret") || redact.Leaks(said, "green-s3cret", "shared-s3cret") != "" || len(blue.heard) != 1 {
		t.Errorf("blue heard %q", said)
	}
	if said := strings.Join(green.heard, "\n"); !strings.Contains(said, "green-s3cret") || redact.Leaks(said, "blue-s3cret", "shared-s3cret") != "" || len(green.heard) != 1 {
		t.Errorf("green heard %q", said)
	}
}

func pooled(parrots ...*parrot) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, p := range parrots {
		pool.AddCert(p.Certificate())
	}
	return pool
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
