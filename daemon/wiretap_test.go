package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

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
