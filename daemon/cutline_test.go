package daemon_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/gate"
	"github.com/plumbline-dev/plumbline/internal/cutproxy"
)

// behind is a house whose daemon reaches its bus through a proxy, and a client that needs none.
func behind(t *testing.T) (*house, *cutproxy.Proxy, *bus.Bus) {
	t.Helper()
	h, server := apart(t)
	proxy, err := cutproxy.Listen("127.0.0.1:0", func() string { return strings.TrimPrefix(server.URL(), "nats://") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	h.Stop()
	if err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	direct := h.client(t)
	text, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.config, strings.ReplaceAll(string(text), server.URL(), "nats://"+proxy.Address()))
	h.Daemon = start(t, h.config)
	write(t, h.config, string(text)) // for those that are started later
	return h, proxy, direct
}

// However the line to the bus is torn, the daemon soon knows that it knows nothing. Once the line is whole again, what
// another daemon saw meanwhile holds here, too: an answer is never older than the silence that is borne.
func TestGateBehindATornLineSaysNothing(t *testing.T) {
	for _, line := range []cutproxy.Line{cutproxy.Cut, cutproxy.Hung, cutproxy.Deaf} {
		t.Run(string(line), func(t *testing.T) {
			t.Parallel()
			h, proxy, direct := behind(t)
			h.opened(t, direct)
			if err := proxy.Set(line); err != nil {
				t.Fatal(err)
			}
			until(t, "the gate says that it doesn't know", func() bool {
				status, _ := h.gate(t, "green?version=2")
				return status == http.StatusServiceUnavailable
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if m, err := direct.Conn().RequestWithContext(ctx, "plumbline.gate.plum.green", []byte(`{"version":"2"}`)); err == nil {
				t.Errorf("over NATS: %s, want silence", m.Data)
			}
			other := &house{Daemon: start(t, h.config), blue: h.blue, green: h.green}
			until(t, "another daemon knows", func() bool { _, g := other.gate(t, "green?version=2"); return g.Gate == plumbline.GateOpen })
			other.release(t, direct, plumbline.Green, "3", "")
			until(t, "another daemon knows better", func() bool { _, g := other.gate(t, "green?version=2"); return g.Gate == plumbline.GateClosed })
			better := time.Now()
			if err := proxy.Set(cutproxy.Whole); err != nil {
				t.Fatal(err)
			}
			until(t, "the gate knows better, too", func() bool {
				asked := time.Now()
				_, g := h.gate(t, "green?version=2")
				if g.Gate == plumbline.GateOpen && asked.Sub(better) > gate.CutOffAfter {
					t.Fatalf("the gate is open on what was out of date %s ago: %s", asked.Sub(better), g.Reason)
				}
				return g.Gate == plumbline.GateClosed
			})
		})
	}
}
