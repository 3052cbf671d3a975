package bus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func TestDeadLetters(t *testing.T) {
	b := ready(t)
	noise := make([]byte, 1000<<10)
	rand.Read(noise)
	messages := []*nats.Msg{
		{Subject: "plumbline.event.plum", Data: []byte("release plum!"), Header: nats.Header{
			"Content-Type": {"text/plain"}, "Nats-Expected-Stream": {"PLUMBLINE_EVENTS"}, "X-Two": {"a", "b"}}},
		{Subject: "plumbline.event.a.b", Data: noise[:bus.MaxEvent+1]},
		{Subject: "plumbline.event.plum", Data: noise, Header: nats.Header{"Big": {strings.Repeat("h", 20<<10)}, "Other": {"o"}}},
	}
	js := must(jetstream.New(b.Conn()))(t)
	for _, m := range messages {
		must(js.PublishMsg(t.Context(), m))(t)
	}
	must(b.Publish(t.Context(), release("1")))(t)
	served := make(chan plumbline.Event, 1)
	background(t, func(ctx context.Context) error {
		return b.ConsumeStrays(ctx, 1, func(ctx context.Context, d *bus.Delivery) {
			e, err := d.Event()
			if err == nil {
				served <- e
			} else {
				for range 2 { // as after a redelivery
					if err := d.DeadLetter(ctx, err.Error()+"\nsecond line"); err != nil {
						t.Error(err)
					}
				}
			}
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
		})
	})
	if e := receive(t, served); e.Sequence != 4 {
		t.Errorf("served %+v", e)
	}
	letters := must(b.DeadLetters(t.Context(), 10))(t)
	if len(letters) != 3 {
		t.Fatalf("%d dead letters, want 3", len(letters))
	}
	text, large, huge := letters[2], letters[1], letters[0]
	if text.Service != "plum" || text.Sequence != 1 || !strings.Contains(text.Reason, "not JSON") || strings.Contains(text.Reason, "\n") ||
		string(text.Head) != "release plum!" || text.At.IsZero() || text.Subject != "plumbline.event.plum" || len(text.SHA256) != 64 {
		t.Errorf("text: %+v", text)
	}
	if !slices.Equal(text.Headers["X-Two"], []string{"a", "b"}) || text.Headers["Nats-Expected-Stream"] == nil {
		t.Errorf("headers: %v", text.Headers)
	}
	if large.Service != "unknown" || large.Size != bus.MaxEvent+1 || len(large.Head) != 512 || !bytes.Equal(large.Head, noise[:512]) {
		t.Errorf("large: %+v", large)
	}
	raw := must(must(js.Stream(t.Context(), "PLUMBLINE_DEADLETTER"))(t).GetLastMsgForSubject(t.Context(), "plumbline.deadletter.plum"))(t)
	if n := len(raw.Data); n > 900<<10 || n < 850<<10 || raw.Header.Get(bus.HeaderTruncated) != "body" {
		t.Errorf("huge: %d bytes, truncated %q", n, raw.Header.Get(bus.HeaderTruncated))
	}
	if huge.SHA256 == "" || huge.Headers["Other"] == nil || raw.Header.Get("Other") != "" {
		t.Errorf("huge: headers %v", huge.Headers)
	}
	if one := must(b.DeadLetters(t.Context(), 1))(t); len(one) != 1 || one[0].Sequence != 3 {
		t.Errorf("the newest one: %+v", one)
	}
}
