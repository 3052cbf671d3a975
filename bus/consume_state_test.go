package bus_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func TestStateComesInOrderOneAtATime(t *testing.T) {
	e := embedded(t)
	one, two := connect(t, e), connect(t, e)
	must(one.Ensure(t.Context()))(t)
	const n = 40
	var mu sync.Mutex
	var order []uint64
	var busy, overlaps atomic.Int32
	all := make(chan struct{})
	handle := func(ctx context.Context, d *bus.Delivery) {
		if busy.Add(1) > 1 {
			overlaps.Add(1)
		}
		if d.Service() != "plum" || d.Deliveries() != 1 || d.At().IsZero() {
			t.Errorf("service %q, deliveries %d, at %s", d.Service(), d.Deliveries(), d.At())
		}
		mu.Lock()
		order = append(order, d.Sequence())
		if len(order) == n {
			close(all)
		}
		mu.Unlock()
		busy.Add(-1) // before the server may hand out the next one
		if err := d.Done(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}
	background(t, func(ctx context.Context) error { return one.ConsumeState(ctx, "plum", handle) })
	background(t, func(ctx context.Context) error { return two.ConsumeState(ctx, "plum", handle) })
	for i := range n {
		must(one.Publish(t.Context(), release(strings.Repeat("1", i+1))))(t)
	}
	receive(t, all)
	if !slices.IsSorted(order) || len(order) != n {
		t.Errorf("order %v", order)
	}
	if overlaps.Load() > 0 {
		t.Errorf("%d events were handled beside another", overlaps.Load())
	}
}

func TestConsumerIsMadeAnew(t *testing.T) {
	b := ready(t)
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			got <- d.Sequence()
		})
	})
	must(b.Publish(t.Context(), release("1")))(t)
	receive(t, got)
	js := must(jetstream.New(b.Conn()))(t)
	if err := js.DeleteConsumer(t.Context(), "PLUMBLINE_EVENTS", "state-plum"); err != nil {
		t.Fatal(err)
	}
	must(b.Publish(t.Context(), release("2")))(t)
	for receive(t, got) != 2 { // without a record nobody knows what was applied
	}
}

// A consumer that is made anew gives out nothing that the record has applied, but the last, whose news may be untold.
func TestStateGoesOnWhereTheRecordIs(t *testing.T) {
	b := ready(t)
	for i := range 4 {
		must(b.Publish(t.Context(), release(fmt.Sprint(i))))(t)
	}
	record := plumbline.Begin("plum", plumbline.Policy{})
	record.Applied = 3
	must(b.CreateRecord(t.Context(), record))(t)
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			got <- d.Sequence()
		})
	})
	if first, second := receive(t, got), receive(t, got); first != 3 || second != 4 {
		t.Errorf("events %d and %d, want 3 and 4", first, second)
	}
}

// A record from before the events were lost is ahead of all of them.
func TestStateBeginsAtTheBeginningUnderARecordThatIsAhead(t *testing.T) {
	b := ready(t)
	record := plumbline.Begin("plum", plumbline.Policy{})
	record.Applied = 300
	must(b.CreateRecord(t.Context(), record))(t)
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(_ context.Context, d *bus.Delivery) { got <- d.Sequence() })
	})
	must(b.Publish(t.Context(), release("1")))(t)
	if first := receive(t, got); first != 1 {
		t.Errorf("event %d, want 1", first)
	}
}

// Nor does it say where to begin in events that were made anew, however many there are.
func TestStateBeginsAtTheBeginningOfEventsThatAreNewerThanTheRecord(t *testing.T) {
	b := ready(t)
	record := plumbline.Begin("plum", plumbline.Policy{})
	record.Applied, record.AppliedAt = 2, time.Now().Add(-time.Hour)
	must(b.CreateRecord(t.Context(), record))(t)
	for i := range 4 {
		must(b.Publish(t.Context(), release(fmt.Sprint(i))))(t)
	}
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(_ context.Context, d *bus.Delivery) { got <- d.Sequence() })
	})
	if first := receive(t, got); first != 1 {
		t.Errorf("event %d, want 1", first)
	}
}

// A service that comes later has no part in what was published to its name while nobody served it.
func TestStateOfAServiceThatComesLater(t *testing.T) {
	b := ready(t)
	settled := make(chan uint64, 10)
	stop := background(t, func(ctx context.Context) error {
		return b.ConsumeStrays(ctx, 1, func(ctx context.Context, d *bus.Delivery) {
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			settled <- d.Sequence()
		})
	})
	must(b.Publish(t.Context(), release("1")))(t)
	receive(t, settled)
	stop()
	must(b.Publish(t.Context(), release("2")))(t)
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(_ context.Context, d *bus.Delivery) { got <- d.Sequence() })
	})
	if first := receive(t, got); first != 2 {
		t.Errorf("event %d, want 2", first)
	}
	for sequence, want := range map[uint64]bool{1: true, 2: false, 3: false} {
		if after, err := b.StateBeginsAfter(t.Context(), "plum", sequence); err != nil || after != want {
			t.Errorf("begins after %d: %t, %v", sequence, after, err)
		}
	}
	if _, err := b.StateBeginsAfter(t.Context(), "peach", 1); err == nil || !strings.Contains(err.Error(), "peach") {
		t.Errorf("of a service without a consumer: %v", err)
	}
}

func TestServicesWaitForThemselvesAlone(t *testing.T) {
	b := ready(t)
	busy, served := make(chan string, 1), make(chan string, 1)
	free := make(chan struct{})
	handle := func(told chan<- string, until <-chan struct{}) func(context.Context, *bus.Delivery) {
		return func(ctx context.Context, d *bus.Delivery) {
			told <- d.Service()
			<-until
			_ = d.Done(ctx) // the test may be over
		}
	}
	open := make(chan struct{})
	close(open)
	background(t, func(ctx context.Context) error { return b.ConsumeState(ctx, "plum", handle(busy, free)) })
	background(t, func(ctx context.Context) error { return b.ConsumeState(ctx, "pear", handle(served, open)) })
	must(b.Publish(t.Context(), release("1")))(t)
	if s := receive(t, busy); s != "plum" {
		t.Fatalf("an event of %s", s)
	}
	e := release("1")
	e.Service = "pear"
	must(b.Publish(t.Context(), e))(t)
	if s := receive(t, served); s != "pear" {
		t.Errorf("an event of %s, want pear's while plum is busy", s)
	}
	close(free)
}
