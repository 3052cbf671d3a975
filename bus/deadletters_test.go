package bus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
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
		{Subject: "plumbline.event.plum", Data: noise[:950<<10], Header: nats.Header{"Big": {strings.Repeat("h", 20<<10)}, "Other": {"o"}, "Bigger": {strings.Repeat("h", 40<<10)}}},
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
	if n := len(raw.Data); n > 900<<10 || n < 850<<10 || raw.Header.Get(bus.HeaderTruncated) != "headers, body" {
		t.Errorf("huge: %d bytes, truncated %q", n, raw.Header.Get(bus.HeaderTruncated))
	}
	if huge.SHA256 == "" || huge.Headers["Other"] == nil || len(huge.Headers["Big"]) != 1 || huge.Headers["Bigger"] != nil || raw.Header.Get("Other") != "" {
		t.Errorf("huge: headers %v", huge.Headers)
	}
	if one := must(b.DeadLetters(t.Context(), 1))(t); len(one) != 1 || one[0].Sequence != 3 {
		t.Errorf("the newest one: %+v", one)
	}
}

// putAside publishes a body that is no event, and makes a dead letter of it.
func putAside(t *testing.T, b *bus.Bus, body []byte) {
	t.Helper()
	js := must(jetstream.New(b.Conn()))(t)
	must(js.Publish(t.Context(), "plumbline.event.plum", body))(t)
	ended := make(chan error, 1)
	stop := background(t, func(ctx context.Context) error {
		return b.ConsumeStrays(ctx, 1, func(ctx context.Context, d *bus.Delivery) {
			bounded, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			err := d.DeadLetter(bounded, "no event")
			if err == nil {
				err = d.Done(bounded)
			}
			ended <- err
		})
	})
	defer stop()
	if err := receive(t, ended); err != nil {
		t.Fatal(err)
	}
}

// An event stream that was made anew counts from one again: what is put aside there is none of the letters from before.
func TestDeadLettersOfAStreamThatWasMadeAnew(t *testing.T) {
	b := ready(t)
	putAside(t, b, []byte("the first"))
	if err := must(jetstream.New(b.Conn()))(t).DeleteStream(t.Context(), "PLUMBLINE_EVENTS"); err != nil {
		t.Fatal(err)
	}
	must(b.Ensure(t.Context()))(t)
	putAside(t, b, []byte("another first"))
	if letters := must(b.DeadLetters(t.Context(), 10))(t); len(letters) != 2 || string(letters[0].Head) != "another first" {
		t.Errorf("%d letters, the newest %+v", len(letters), letters[0])
	}
}

// What a server takes as an event it takes as a dead letter, which is larger.
func TestDeadLetterFitsTheServer(t *testing.T) {
	const most = 300 << 10
	s := stock(t, func(o *server.Options) { o.MaxPayload = most })
	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL()}))(t)
	t.Cleanup(b.Close)
	must(b.Ensure(t.Context()))(t)
	putAside(t, b, make([]byte, most))
	if letters := must(b.DeadLetters(t.Context(), 10))(t); len(letters) != 1 || letters[0].Truncated != "body" {
		t.Errorf("letters %+v", letters)
	}
}
