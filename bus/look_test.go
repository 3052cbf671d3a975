package bus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestLook(t *testing.T) {
	b := connect(t, embedded(t), func(o *bus.Options) { o.Now = func() time.Time { return time.Now().Add(-time.Hour) } })
	if warnings := must(b.Weaker(t.Context()))(t); len(warnings) != 7 || !strings.HasSuffix(warnings[0], "PLUMBLINE_EVENTS isn't there") {
		t.Errorf("on a new bus: %q", warnings)
	}
	must(b.Ensure(t.Context()))(t)
	js := must(jetstream.New(b.Conn()))(t)
	if err := js.DeleteStream(t.Context(), "PLUMBLINE_LEDGER"); err != nil {
		t.Fatal(err)
	}
	must(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PLUMBLINE_LEDGER", Subjects: []string{"plumbline.ledger.*"}, MaxMsgs: 5}))(t)
	if warnings := strings.Join(must(b.Weaker(t.Context()))(t), "\n"); !strings.Contains(warnings, "keeps 5 messages, want no limit") || strings.Contains(warnings, "EVENTS") {
		t.Errorf("a weak ledger: %q", warnings)
	}
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
	if n, there, err := b.Backlog(t.Context(), "reporter-x"); err != nil || !there || n != 1 {
		t.Errorf("%d verdicts wait, %t, %v; want 1", n, there, err)
	}
}
