package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
)

// A site is an environment that says which version it runs.
type site struct {
	*httptest.Server
	version atomic.Value
	healthy atomic.Bool
	asked   atomic.Int64
	held    atomic.Pointer[chan struct{}] // nothing is answered until it is closed
}

// hold lets everybody wait who asks, until the func that it returns is called.
func (s *site) hold(t *testing.T) (answer func()) {
	held := make(chan struct{})
	s.held.Store(&held)
	answer = sync.OnceFunc(func() { s.held.Store(nil); close(held) })
	t.Cleanup(answer)
	return answer
}

func newSite(t *testing.T, version string) *site {
	s := &site{}
	s.version.Store(version)
	s.healthy.Store(true)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if held := s.held.Load(); held != nil {
			select {
			case <-*held:
			case <-r.Context().Done():
			}
		}
		if !s.healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, `{"version":%q}`, s.version.Load())
	}))
	t.Cleanup(s.Close)
	return s
}

const suite = `suite: smoke
triggers: [release, standby, switched]
checks:
  - name: build
    get: /version
    expect: {$.version: $(release.version)}
  - get: /healthz
`

// A house is a daemon with an embedded bus and two environments.
type house struct {
	*daemon.Daemon
	blue, green *site
	config      string
	store       string // of a bus that isn't the daemon's own
}

func build(t *testing.T, extra string, listen ...string) *house {
	t.Helper()
	return buildWith(t, suite, extra, listen...)
}

func buildWith(t *testing.T, suite, extra string, listen ...string) *house {
	t.Helper()
	listen = append(listen, "127.0.0.1:0")
	dir := t.TempDir()
	h := &house{blue: newSite(t, "1"), green: newSite(t, "0"), config: filepath.Join(dir, "plumbline.yaml")}
	write(t, filepath.Join(dir, "smoke.yaml"), suite)
	write(t, h.config, fmt.Sprintf(`bus: {store: bus, listen: 127.0.0.1:0}
listen: %s
services:
  plum:
    environments: {blue: {url: %q}, green: {url: %q}}
    live: {color: blue, version: "1"}
    new: true
    suites: [smoke.yaml]
%s`, listen[0], h.blue.URL, h.green.URL, extra))
	h.Daemon = start(t, h.config)
	return h
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, config string) *daemon.Daemon {
	t.Helper()
	loaded, _, err := configs.Load(configs.Source{File: config, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Start(t.Context(), daemon.Options{Config: loaded, Name: "d1", Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
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

// client connects as a command would.
func (h *house) client(t *testing.T) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Options{URL: h.BusURL(), Name: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func (h *house) release(t *testing.T, b *bus.Bus, color plumbline.Color, version, id string) plumbline.Event {
	t.Helper()
	map[plumbline.Color]*site{plumbline.Blue: h.blue, plumbline.Green: h.green}[color].version.Store(version)
	return publish(t, b, plumbline.Event{Kind: plumbline.EventDeployed, ID: id, Color: color, Release: plumbline.Release{Version: version}})
}

func publish(t *testing.T, b *bus.Bus, e plumbline.Event) plumbline.Event {
	t.Helper()
	e.Service, e.Source = "plum", "/test"
	sent, err := b.Publish(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func verdict(t *testing.T, b *bus.Bus, e plumbline.Event) plumbline.Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v, err := b.WaitVerdict(ctx, "plum", e.Color, e.Run)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// patience is as long as a busy machine may take. Nothing waits for it that went well.
const patience = time.Minute

// until polls for what another goroutine brings about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func (h *house) gate(t *testing.T, query string) (int, plumbline.Gate) {
	t.Helper()
	answer, err := http.Get("http://" + h.Address() + "/v1/gates/plum/" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var g plumbline.Gate
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &g); err != nil {
			t.Fatal(err)
		}
	}
	return answer.StatusCode, g
}
