package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestLook(t *testing.T) {
	b := connect(t, embedded(t), func(o *bus.Options) { o.Now = func() time.Time { return time.Now().Add(-time.Hour) } })
	must(b.Ensure(t.Context()))(t)
	js := must(jetstream.New(b.Conn()))(t)
	if ahead, give, err := b.Clock(t.Context()); err != nil || (ahead-time.Hour).Abs() > give+time.Minute {
		t.Errorf("the bus is ahead by %s ± %s, %v; want an hour", ahead, give, err)
	}
	if n := must(b.Daemons(t.Context(), 100*time.Millisecond))(t); n != 0 {
		t.Errorf("%d daemons", n)
	}
	if _, there, err := b.Backlog(t.Context(), "reporter-x"); err != nil || there {
		t.Errorf("a reporter that nobody started: %t, %v", there, err)
	}
	for range 2 {
		background(t, func(ctx context.Context) error {
			return b.ServeGate(ctx, func(context.Context, string, string, []byte) ([]byte, error) { return nil, bus.ErrSilent })
		})
	}
	eventually(t, "two daemons answer", func() bool { return must(b.Daemons(t.Context(), 200*time.Millisecond))(t) == 2 })
	must(js.CreateConsumer(t.Context(), "PLUMBLINE_VERDICTS", jetstream.ConsumerConfig{Durable: "reporter-x"}))(t)
	if _, _, err := b.PublishVerdict(t.Context(), verdict(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one verdict waits", func() bool { // the server counts what waits a moment after it took it
		n, there, err := b.Backlog(t.Context(), "reporter-x")
		return err == nil && there && n == 1
	})
}
