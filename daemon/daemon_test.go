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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
)

func TestMain(m *testing.M) {
	// A client that is closed right after its first result leaves this one waiting for nothing.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

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

func TestReleaseOpensItsGateAlone(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	if _, g := h.gate(t, "green"); g.Gate != plumbline.GateClosed {
		t.Errorf("before any release the gate is %s", g.Gate)
	}
	v := verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	if !v.Passed() || len(v.Checks) != 2 || v.Worker != "d1" || v.Tool != "plumbline test" || v.ConfigDigest == "" {
		t.Fatalf("verdict %+v", v)
	}
	until(t, "the gate opens", func() bool { _, g := h.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
	for query, want := range map[string]plumbline.GateState{
		"green":                           plumbline.GateOpen,
		"green?version=2&digest=sha256:0": plumbline.GateClosed,
		"green?version=3":                 plumbline.GateWaiting,
		"green?purpose=rollback":          plumbline.GateClosed,
		"blue":                            plumbline.GateOpen, // live already
	} {
		if status, g := h.gate(t, query); status != http.StatusOK || g.Gate != want {
			t.Errorf("%s: %d %s (%s), want %s", query, status, g.Gate, g.Reason, want)
		}
	}
	for query, want := range map[string]int{"green?verison=2": 400, "green?version=2&version=3": 400, "red": 404} {
		if status, _ := h.gate(t, query); status != want {
			t.Errorf("%s: %d, want %d", query, status, want)
		}
	}
	h.green.healthy.Store(false)
	v = verdict(t, b, h.release(t, b, plumbline.Green, "3", ""))
	if v.Passed() || v.Cause != plumbline.CauseChecks || !strings.Contains(v.Reason, "503") {
		t.Errorf("verdict of the broken release: %s %s %q", v.Outcome, v.Cause, v.Reason)
	}
	until(t, "the gate closes", func() bool {
		_, g := h.gate(t, "green")
		return g.Gate == plumbline.GateClosed && g.Verdict == plumbline.Fail
	})
	if _, g := h.gate(t, "green?version=2"); g.Gate != plumbline.GateClosed {
		t.Errorf("the gate for the version before is %s", g.Gate)
	}
}

func TestSameEventThreeTimesIsOneVerdict(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	first := h.release(t, b, plumbline.Green, "2", "event-1")
	verdict(t, b, first)
	body := fmt.Sprintf(`{"specversion":"1.0","id":"event-1","source":"/test","type":"dev.plumbline.release.deployed.v1","data":%s}`,
		`{"service":"plum","color":"green","version":"2"}`)
	for range 2 { // as another client would, without message ids
		if _, err := b.Conn().Request("plumbline.event.plum", []byte(body), patience); err != nil {
			t.Fatal(err)
		}
	}
	last := h.release(t, b, plumbline.Green, "3", "event-2") // applied after the others
	verdict(t, b, last)
	verdicts, err := b.Verdicts(t.Context(), "plum", 10)
	if err != nil || len(verdicts) != 2 {
		t.Errorf("%d verdicts (%v), want one for each of two events", len(verdicts), err)
	}
}

func TestOldSwitchAgainChangesNothing(t *testing.T) {
	h := build(t, "")
	b := h.client(t)
	verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	forth := publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, ID: "forth", Color: plumbline.Green})
	verdict(t, b, forth)
	back := publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, ID: "back", Color: plumbline.Blue, Reason: "rollback"})
	verdict(t, b, back)
	body := `{"specversion":"1.0","id":"forth","source":"/test","type":"dev.plumbline.traffic.switched.v1","data":{"service":"plum","to":"green"}}`
	answer, err := b.Conn().Request("plumbline.event.plum", []byte(body), patience)
	if err != nil {
		t.Fatal(err)
	}
	var ack struct{ Seq uint64 }
	if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Seq == 0 {
		t.Fatalf("%s: %v", answer.Data, err)
	}
	until(t, "the old switch is applied", func() bool { r, _ := h.Record("plum"); return r.Applied >= ack.Seq })
	if r, _ := h.Record("plum"); r.Live != plumbline.Blue || r.Switched != back.Sequence {
		t.Errorf("%s is live since %d, want blue since %d", r.Live, r.Switched, back.Sequence)
	}
}

func TestSwitchStandbyAndRollback(t *testing.T) {
	h := build(t, "    standby: {schedule: \"* * * * * *\"}\n")
	b := h.client(t)
	verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	if v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, Color: plumbline.Green})); !v.Passed() ||
		v.Trigger != plumbline.TriggerSwitched || v.Role != plumbline.RoleLive {
		t.Errorf("the switched run: %s %s %s %q", v.Outcome, v.Trigger, v.Role, v.Reason)
	}
	until(t, "the standby is ready", func() bool {
		_, g := h.gate(t, "blue?purpose=rollback")
		return g.Gate == plumbline.GateOpen && g.Readiness == plumbline.Ready
	})
	until(t, "the clock asks the standby", func() bool {
		vs, err := b.Verdicts(t.Context(), "plum", 10)
		n := 0
		for _, v := range vs {
			if v.Trigger == plumbline.TriggerStandby && v.Color == plumbline.Blue {
				n++
			}
		}
		return err == nil && n >= 3
	})
	h.green.healthy.Store(false)
	if v := verdict(t, b, publish(t, b, plumbline.Event{Kind: plumbline.EventRequested, Color: plumbline.Green})); v.Passed() {
		t.Error("the broken live color passed")
	}
	until(t, "a rollback is advised", func() bool { _, g := h.gate(t, "green"); return g.Advice == plumbline.AdviceRollback })
	h.blue.healthy.Store(false)
	until(t, "the standby is at risk: it fails as the live color does", func() bool {
		_, g := h.gate(t, "blue?purpose=rollback")
		return g.Gate == plumbline.GateOpen && g.Readiness == plumbline.AtRisk
	})
	h.green.healthy.Store(true)
	until(t, "the standby is not ready: the live color passes", func() bool {
		_, g := h.gate(t, "blue?purpose=rollback")
		return g.Gate == plumbline.GateClosed && g.Readiness == plumbline.NotReady
	})
}

func TestNothingIsLostAcrossARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := &house{blue: newSite(t, "1"), green: newSite(t, "2"), config: filepath.Join(dir, "plumbline.yaml")}
	write(t, filepath.Join(dir, "smoke.yaml"), suite)
	write(t, h.config, fmt.Sprintf("bus: {store: bus, listen: 127.0.0.1:0}\nlisten: 127.0.0.1:0\nservices:\n  plum:\n    environments: {blue: {url: %q}, green: {url: %q}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [smoke.yaml]\n", h.blue.URL, h.green.URL))
	loaded, _, err := configs.Load(configs.Source{File: h.config})
	if err != nil {
		t.Fatal(err)
	}
	first, err := daemon.Start(t.Context(), daemon.Options{Config: loaded, Name: "d1", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := first.Bus().Publish(t.Context(), plumbline.Event{Kind: plumbline.EventDeployed, Service: "plum", Source: "/test", Color: plumbline.Green, Release: plumbline.Release{Version: "2"}})
	if err != nil {
		t.Fatal(err)
	}
	first.Stop() // the run may be anywhere between its event and its verdict
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	h.Daemon = start(t, h.config)
	if v := verdict(t, h.client(t), sent); !v.Passed() {
		t.Errorf("after the restart: %s %q", v.Outcome, v.Reason)
	}
	until(t, "the gate opens", func() bool { _, g := h.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
}
