package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/gate"
)

// apart is a house whose bus is a server of its own.
func apart(t *testing.T) (*house, *bus.Embedded) {
	t.Helper()
	dir, store := t.TempDir(), t.TempDir()
	server := serve(t, store, "127.0.0.1:0")
	h := &house{store: store, blue: newSite(t, "1"), green: newSite(t, "0"), config: filepath.Join(dir, "plumbline.yaml")}
	write(t, filepath.Join(dir, "smoke.yaml"), suite)
	write(t, h.config, fmt.Sprintf("bus: {url: %q}\nlisten: 127.0.0.1:0\nservices:\n  plum:\n    environments: {blue: {url: %q}, green: {url: %q}}\n"+
		"    live: {color: blue, version: \"1\"}\n    new: true\n    suites: [smoke.yaml]\n", server.URL(), h.blue.URL, h.green.URL))
	h.Daemon = start(t, h.config)
	return h, server
}

func serve(t *testing.T, store, address string) *bus.Embedded {
	t.Helper()
	server, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: store, Listen: address, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func (h *house) status(t *testing.T, method, path, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Address()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

const confirm = `{"name":"plum","namespace":"shop","phase":"Progressing","metadata":{"version":"2"}}`

// opened has a release pass, and its gate open.
func (h *house) opened(t *testing.T, b *bus.Bus) {
	t.Helper()
	verdict(t, b, h.release(t, b, plumbline.Green, "2", ""))
	until(t, "the gate opens", func() bool { _, g := h.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
	if status := h.status(t, http.MethodPost, "/v1/gates/plum/green/confirm", confirm); status != http.StatusOK {
		t.Fatalf("Flagger is answered %d while the gate is open", status)
	}
}

// dumb waits until the daemon knows nothing any more, which takes as long as a silent bus is trusted.
func (h *house) dumb(t *testing.T) {
	t.Helper()
	begun := time.Now()
	until(t, "the gate says that it doesn't know", func() bool { status, _ := h.gate(t, "green?version=2"); return status == http.StatusServiceUnavailable })
	if took := time.Since(begun); took > 4*gate.CutOffAfter {
		t.Errorf("it took %s until the daemon was cut off, want about %s", took, gate.CutOffAfter)
	}
	for _, question := range []string{"green", "blue", "blue?purpose=rollback", "green?version=2"} {
		if status, _ := h.gate(t, question); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d, want 503", question, status)
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/v1/services": 503, "/v1/services/plum": 503} {
		if status := h.status(t, http.MethodGet, path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	asked := time.Now()
	if status := h.status(t, http.MethodGet, "/v1/runs/aaaaaaaaaaaaaaaaaaaaaaaaaa", ""); status == http.StatusOK || time.Since(asked) > 4*gate.CutOffAfter {
		t.Errorf("a run: %d after %s", status, time.Since(asked))
	}
	for _, hook := range []string{"confirm", "rollback"} {
		if status := h.status(t, http.MethodPost, "/v1/gates/plum/green/"+hook, confirm); status != http.StatusForbidden {
			t.Errorf("Flagger's %s: %d, want 403", hook, status)
		}
	}
}

func TestGateWithoutABusSaysNothing(t *testing.T) {
	t.Parallel()
	h, server := apart(t)
	b := h.client(t)
	h.opened(t, b)
	server.Close()
	h.dumb(t)
	serve(t, h.store, strings.TrimPrefix(server.URL(), "nats://")) // the same bus, as it was
	until(t, "the gate knows again", func() bool { _, g := h.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "3", "")); !v.Passed() {
		t.Errorf("after the bus came back: %s %q", v.Outcome, v.Reason)
	}
	until(t, "the newer release opens its gate", func() bool { _, g := h.gate(t, "green?version=3"); return g.Gate == plumbline.GateOpen })
}

// The bus is there and its records aren't: who asks over it gets no answer, and another daemon may know. Once there are
// records again, nothing is answered from those that were lost.
func TestGateForgetsRecordsThatWereLost(t *testing.T) {
	for name, service := range map[string]string{"made anew": "plum", "others are there": "pear"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, _ := apart(t)
			b := h.client(t)
			h.opened(t, b)
			js, err := jetstream.New(b.Conn())
			if err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteStream(t.Context(), "KV_PLUMBLINE_SERVICES"); err != nil {
				t.Fatal(err)
			}
			h.dumb(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if m, err := b.Conn().RequestWithContext(ctx, "plumbline.gate.plum.green", []byte(`{"version":"2"}`)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("over NATS: %v (%v), want silence", m, err)
			}
			if _, err := b.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := b.CreateRecord(t.Context(), plumbline.Begin(service, plumbline.Policy{New: true, Live: plumbline.Blue})); err != nil {
				t.Fatal(err)
			}
			until(t, "the gate knows again", func() bool { status, _ := h.gate(t, "green?version=2"); return status == http.StatusOK })
			for range 20 {
				if _, g := h.gate(t, "green?version=2"); g.Gate == plumbline.GateOpen {
					t.Fatalf("the gate is open, from a record that was lost: %s", g.Reason)
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}
