package daemon_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/daemon"
)

// more starts another daemon of a configuration, which the test's end ends.
func more(t *testing.T, config, name string, log *slog.Logger) *daemon.Daemon {
	t.Helper()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d, err := daemon.Start(t.Context(), daemon.Options{Config: load(t, config), Name: name, Log: log})
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

func ask(t *testing.T, b *bus.Bus, service string, n int) (sent []plumbline.Event) {
	t.Helper()
	for i := range n {
		e, err := b.Publish(t.Context(), plumbline.Event{Kind: plumbline.EventRequested, ID: fmt.Sprint("m", i), Service: service, Color: plumbline.Blue, Source: "/test"})
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, e)
	}
	return sent
}

// Three daemons on one bus share the runs, each of which has one verdict.
func TestDaemonsShareTheRuns(t *testing.T) {
	h, _ := apart(t)
	more(t, h.config, "d2", nil)
	more(t, h.config, "d3", nil)
	b := h.client(t)
	answer := h.blue.hold(t)
	sent := ask(t, b, "plum", 40)
	until(t, "each daemon asks as much as it may of one host", func() bool { return h.blue.asked.Load() == 3*16 })
	answer()
	workers := map[string]bool{}
	for _, e := range sent {
		v, err := b.WaitVerdict(t.Context(), "plum", e.Color, e.Run)
		if err != nil || !v.Passed() || v.Event.Sequence != e.Sequence {
			t.Errorf("%s: %s %q, %v", e.ID, v.Outcome, v.Reason, err)
		}
		workers[v.Worker] = true
	}
	if all := slices.Sorted(maps.Keys(workers)); !slices.Equal(all, []string{"d1", "d2", "d3"}) {
		t.Errorf("verdicts of %v, want of all three", all)
	}
	if verdicts, err := b.Verdicts(t.Context(), "plum", 100); err != nil || len(verdicts) != len(sent) {
		t.Errorf("%d verdicts of %d events, %v", len(verdicts), len(sent), err)
	}
}

// A service whose runs all hang takes nothing from another.
func TestServicesDontStarveEachOther(t *testing.T) {
	pear := newSite(t, "1")
	h := build(t, fmt.Sprintf("  pear:\n    environments: {blue: {url: %q}, green: {url: \"http://127.0.0.1:1\"}}\n    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [smoke.yaml]\n", pear.URL))
	b := h.client(t)
	answer := pear.hold(t)
	sent := ask(t, b, "pear", 40)
	until(t, "pear hangs as much as it can", func() bool { return pear.asked.Load() == 16 })
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "2", "")); !v.Passed() {
		t.Errorf("plum: %s %q", v.Outcome, v.Reason)
	}
	answer()
	for _, e := range sent {
		if v, err := b.WaitVerdict(t.Context(), "pear", e.Color, e.Run); err != nil || !v.Passed() {
			t.Errorf("pear %s: %s %q, %v", e.ID, v.Outcome, v.Reason, err)
		}
	}
}

// What came before anybody served a service is a dead letter, and no run of whoever serves it later waits for it.
func TestServiceThatComesLaterHasNothingToDo(t *testing.T) {
	t.Parallel()
	h, _ := apart(t)
	b := h.client(t)
	sent, err := b.Publish(t.Context(), plumbline.Event{Kind: plumbline.EventDeployed, Service: "pear", Color: plumbline.Green, Source: "/test", Release: plumbline.Release{Version: "2"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WaitDeadLetter(t.Context(), "pear", sent.Sequence); err != nil {
		t.Fatal(err)
	}
	later := filepath.Join(filepath.Dir(h.config), "later.yaml")
	write(t, later, strings.Replace(read(t, h.config), "  plum:\n", "  pear:\n", 1))
	more(t, later, "d2", nil)
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "its runs have nothing to do", func() bool {
		c, err := js.Consumer(t.Context(), "PLUMBLINE_EVENTS", "run-pear")
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
	})
	if _, judged, err := b.Verdict(t.Context(), sent.Run); judged || err != nil {
		t.Errorf("the dead letter has a verdict: %t, %v", judged, err)
	}
}

// The gate of a service that only one of two daemons serves is answered by that one, whichever was asked first.
func TestGateOfAServiceThatAnotherDaemonServes(t *testing.T) {
	t.Parallel()
	h, _ := apart(t)
	b := h.client(t)
	pear := filepath.Join(filepath.Dir(h.config), "pear.yaml")
	write(t, pear, strings.Replace(read(t, h.config), "  plum:\n", "  pear:\n", 1))
	d := more(t, pear, "d2", nil)
	until(t, "both know of both", func() bool {
		_, plum := d.Record("plum")
		_, pear := h.Record("pear")
		return plum && pear
	})
	for range 8 {
		for _, service := range []string{"plum", "pear"} {
			if _, err := b.AskGate(t.Context(), service, "green", nil); err != nil {
				t.Fatalf("%s: %v", service, err)
			}
		}
	}
	var refusal *bus.GateError
	if _, err := b.AskGate(t.Context(), "fig", "green", nil); !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
		t.Errorf("of a service that nobody ever served: %v", err)
	}
}

// In the middle of an upgrade a daemon can't read what a run was pinned to, and leaves it to one that can.
func TestUpgradeHandsBackWhatTheOldCannotRead(t *testing.T) {
	t.Parallel()
	h, _ := apart(t)
	b := h.client(t)
	dir := filepath.Dir(h.config)
	write(t, filepath.Join(dir, "token"), "the-token-of-an-account")
	write(t, filepath.Join(dir, "old.yaml"), strings.Replace(read(t, h.config), "smoke.yaml", "old-smoke.yaml", 1))
	write(t, filepath.Join(dir, "old-smoke.yaml"), read(t, filepath.Join(dir, "smoke.yaml")))
	h.rewrite(t, "plumbline.yaml", "services:", "connections: {api: {kind: bearer, token: {file: token}}}\nservices:")
	h.rewrite(t, "smoke.yaml", "  - get: /healthz\n", "  - {get: /healthz, auth: api}\n")
	h.reload(t, b, "plum")
	answer := h.green.hold(t)
	sent := h.release(t, b, plumbline.Green, "2", "")
	until(t, "the checks are asked", func() bool { return h.green.asked.Load() == 2 })
	log := &logged{}
	more(t, filepath.Join(dir, "old.yaml"), "old", slog.New(slog.NewTextHandler(log, nil)))
	h.Stop()
	if err := h.Wait(); err != nil {
		t.Error(err)
	}
	answer()
	until(t, "the old one hands it back", func() bool { return strings.Contains(log.String(), "can't be read by this daemon") })
	if _, found, err := b.Verdict(t.Context(), sent.Run); err != nil || found {
		t.Errorf("a verdict of who can't read the suite: %t, %v", found, err)
	}
	more(t, h.config, "new", nil)
	if v := verdict(t, b, sent); !v.Passed() || v.Worker != "new" {
		t.Errorf("%s %q of %s, want a pass of the new one", v.Outcome, v.Reason, v.Worker)
	}
}

// logged collects a log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
