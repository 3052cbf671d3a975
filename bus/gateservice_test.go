package bus_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestGateService(t *testing.T) {
	e := embedded(t)
	asker, daemon := connect(t, e), connect(t, e)
	if _, err := asker.AskGate(t.Context(), "plum", "green", nil); !errors.Is(err, bus.ErrNoDaemon) {
		t.Fatalf("nobody listens: %v", err)
	}
	var log logged
	other := connect(t, e, func(o *bus.Options) { o.Log = log.logger() })
	answer := func(_ context.Context, service, color string, body []byte) ([]byte, error) {
		switch string(body) {
		case "refuse":
			return nil, &bus.GateError{Status: 404, Text: "no service " + service}
		case "break":
			return nil, errors.New("secret detail")
		}
		return []byte(service + " " + color + " " + string(body)), nil
	}
	for _, b := range []*bus.Bus{daemon, other} {
		background(t, func(ctx context.Context) error { return b.ServeGate(ctx, answer) })
	}
	eventually(t, "somebody answers", func() bool {
		_, err := asker.AskGate(t.Context(), "plum", "green", nil)
		return err == nil
	})
	for range 10 {
		if got := must(asker.AskGate(t.Context(), "plum", "green", []byte("now")))(t); string(got) != "plum green now" {
			t.Errorf("got %q", got)
		}
	}
	var refusal *bus.GateError
	if _, err := asker.AskGate(t.Context(), "plum", "green", []byte("refuse")); !errors.As(err, &refusal) || refusal.Status != 404 || refusal.Text != "no service plum" {
		t.Errorf("refused: %v", err)
	}
	if _, err := asker.AskGate(t.Context(), "plum", "green", []byte("break")); !errors.As(err, &refusal) || refusal.Status != 500 || strings.Contains(err.Error(), "secret") {
		t.Errorf("broken: %v", err)
	}
	if _, err := asker.AskGate(t.Context(), "plum", "green", bytes.Repeat([]byte("x"), bus.MaxEvent+1)); !errors.As(err, &refusal) || refusal.Status != 400 {
		t.Errorf("too large: %v", err)
	}
	misled := must(asker.Conn().SubscribeSync("$JS.FC.>"))(t)
	for range 10 {
		if err := asker.Conn().PublishRequest("plumbline.gate.plum.green", "$JS.FC.somebody", []byte("now")); err != nil {
			t.Fatal(err)
		}
		must(asker.AskGate(t.Context(), "plum", "green", []byte("now")))(t)
	}
	if n, _, err := misled.Pending(); n > 0 || err != nil {
		t.Errorf("%d answers went where none belongs, %v", n, err)
	}
	for _, q := range [][2]string{{"plum", "red"}, {"plum.x", "green"}, {"*", "green"}, {"plum", ">"}} {
		if _, err := asker.AskGate(t.Context(), q[0], q[1], nil); !errors.As(err, &refusal) || refusal.Status != 404 {
			t.Errorf("%v: %v", q, err)
		}
	}
}

func TestASilentDaemonLeavesTheQuestionToAnother(t *testing.T) {
	e := embedded(t)
	asker, daemon := connect(t, e), connect(t, e)
	var asked atomic.Int32
	background(t, func(ctx context.Context) error {
		return daemon.ServeGate(ctx, func(context.Context, string, string, []byte) ([]byte, error) {
			if asked.Add(1) == 1 {
				return nil, bus.ErrSilent
			}
			return []byte("open"), nil
		})
	})
	eventually(t, "the gate listens", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := asker.AskGate(ctx, "plum", "green", nil)
		if err != nil && !errors.Is(err, bus.ErrNoDaemon) && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		return asked.Load() > 0
	})
	if got := must(asker.AskGate(t.Context(), "plum", "green", nil))(t); string(got) != "open" {
		t.Errorf("got %q", got)
	}
}
