package daemon_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// Told to finish, a daemon isn't ready any more and takes no run, but those under way come to their verdicts and its gates
// answer until then. What it didn't take is the next one's.
func TestFinishLetsRunsEnd(t *testing.T) {
	h, _ := apart(t)
	b := h.client(t)
	answer := h.green.hold(t)
	sent := h.release(t, b, plumbline.Green, "2", "")
	until(t, "the checks are asked", func() bool { return h.green.asked.Load() == 2 })
	h.Finish()
	if status := h.status(t, http.MethodGet, "/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("ready while it ends: %d", status)
	}
	later := publish(t, b, plumbline.Event{Kind: plumbline.EventRequested, Color: plumbline.Blue})
	until(t, "the later event is applied", func() bool { r, _ := h.Record("plum"); return r.Applied >= later.Sequence })
	if status, g := h.gate(t, "green?version=2"); status != http.StatusOK || g.Gate != plumbline.GateWaiting {
		t.Errorf("the gate while the daemon ends: %d %s", status, g.Gate)
	}
	if asked := h.blue.asked.Load(); asked != 0 {
		t.Errorf("a run was begun: blue was asked %d times", asked)
	}
	answer()
	if err := h.Wait(); err != nil {
		t.Error(err)
	}
	v, found, err := b.Verdict(t.Context(), sent.Run)
	if err != nil || !found || !v.Passed() || v.Worker != "d1" {
		t.Errorf("the run that was under way: %s %q of %q (%t, %v)", v.Outcome, v.Reason, v.Worker, found, err)
	}
	more(t, h.config, "d2", nil)
	if v := verdict(t, b, later); !v.Passed() || v.Worker != "d2" {
		t.Errorf("the run that wasn't taken: %s %q of %q", v.Outcome, v.Reason, v.Worker)
	}
}

// What takes longer than the grace is handed back, and another daemon goes on with it at once.
func TestFinishHandsBackWhatTakesLonger(t *testing.T) {
	h, _ := apart(t)
	b := h.client(t)
	config := strings.Replace(read(t, h.config), "services:", "shutdown_grace: 50ms\nservices:", 1)
	write(t, h.config, config)
	if err := h.Reload(t.Context(), load(t, h.config)); err != nil {
		t.Fatal(err)
	}
	answer := h.green.hold(t)
	sent := h.release(t, b, plumbline.Green, "2", "")
	until(t, "the checks are asked", func() bool { return h.green.asked.Load() == 2 })
	more(t, h.config, "d2", nil)
	h.Finish()
	if err := h.Wait(); err != nil {
		t.Error(err)
	}
	if _, found, err := b.Verdict(t.Context(), sent.Run); err != nil || found {
		t.Errorf("a verdict of a run that was handed back: %t, %v", found, err)
	}
	until(t, "another daemon asks", func() bool { return h.green.asked.Load() == 4 })
	answer()
	if v := verdict(t, b, sent); !v.Passed() || v.Worker != "d2" {
		t.Errorf("the run that was handed back: %s %q of %q", v.Outcome, v.Reason, v.Worker)
	}
}

// While the bus is away a daemon isn't ready, from the moment on at which it knows.
func TestReadyNeedsTheBus(t *testing.T) {
	h, server := apart(t)
	until(t, "it is ready", func() bool { return h.status(t, http.MethodGet, "/readyz", "") == http.StatusOK })
	server.Close()
	until(t, "it isn't ready", func() bool { return h.status(t, http.MethodGet, "/readyz", "") == http.StatusServiceUnavailable })
	serve(t, h.store, strings.TrimPrefix(server.URL(), "nats://"))
	until(t, "it is ready again", func() bool { return h.status(t, http.MethodGet, "/readyz", "") == http.StatusOK })
}

// Nor is it where the bus has no events any more.
func TestReadyNeedsTheEvents(t *testing.T) {
	t.Parallel()
	h, _ := apart(t)
	b := h.client(t)
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it is ready", func() bool { return h.status(t, http.MethodGet, "/readyz", "") == http.StatusOK })
	if err := js.DeleteStream(t.Context(), "PLUMBLINE_EVENTS"); err != nil {
		t.Fatal(err)
	}
	until(t, "it isn't ready", func() bool { return h.status(t, http.MethodGet, "/readyz", "") == http.StatusServiceUnavailable })
	if _, err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "it is ready again", func() bool { return h.status(t, http.MethodGet, "/readyz", "") == http.StatusOK })
}
