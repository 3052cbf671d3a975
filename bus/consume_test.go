package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func TestPublishIsTheSameOnceAgain(t *testing.T) {
	b := ready(t)
	first := must(b.Publish(t.Context(), release("1")))(t)
	again := must(b.Publish(t.Context(), release("1")))(t)
	if first.Sequence != 1 || first != again && first.Run != again.Run || again.Sequence != 1 {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if first.Run != plumbline.RunID("plumbline.event.plum", bus.SourceCommand, "release-1") || len(first.Hash) != 16 {
		t.Errorf("run %q, hash %q", first.Run, first.Hash)
	}
	other := release("1")
	other.Release.Version = "2" // the same id with other data isn't the same event: whoever applies it must see it
	if second := must(b.Publish(t.Context(), other))(t); second.Sequence != 2 || second.Run != first.Run || second.Hash == first.Hash {
		t.Errorf("other data: %+v", second)
	}
	if unnamed := must(b.Publish(t.Context(), plumbline.Event{Kind: plumbline.EventRequested, Service: "plum", Color: plumbline.Blue}))(t); unnamed.ID == "" {
		t.Error("no id was made")
	}
}

// The message id is of the data alone: where a request has the id of the announcement of a change, the stream takes it for that.
func TestPublishOfAUsedIDAndAnotherType(t *testing.T) {
	b := ready(t)
	e := plumbline.Event{Kind: plumbline.EventRequested, ID: "it", Service: "plum", Color: plumbline.Green}
	must(b.Publish(t.Context(), e))(t)
	e.Kind = plumbline.EventDeploying
	var bad *bus.BadEvent
	if sent, err := b.Publish(t.Context(), e); !errors.As(err, &bad) || !strings.Contains(err.Error(), `event id "it" was used before`) {
		t.Errorf("%+v, %v", sent, err)
	}
}

func TestPublishRefusesWhatDecodeWould(t *testing.T) {
	b := ready(t)
	for want, e := range map[string]plumbline.Event{
		"unknown kind":         {Service: "plum", Color: plumbline.Green},
		"unknown color":        {Kind: plumbline.EventDeploying, Service: "plum", Color: "red"},
		"names no service":     {Kind: plumbline.EventDeploying, Service: "a.b", Color: plumbline.Green},
		"version is missing":   {Kind: plumbline.EventDeployed, Service: "plum", Color: plumbline.Green},
		"needs its instant":    {Kind: plumbline.EventSlot, Service: "plum", Color: plumbline.Green},
		"unknown reason":       {Kind: plumbline.EventSwitched, Service: "plum", Color: plumbline.Green, Reason: "whim"},
		"want an instant in U": {Kind: plumbline.EventSlot, ID: "noon", Service: "plum", Color: plumbline.Green},
	} {
		if _, err := b.Publish(t.Context(), e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestPublishGivesUpWithItsContext(t *testing.T) {
	b := connect(t, embedded(t)) // no streams
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := b.Publish(ctx, release("1"))
	if err == nil || !strings.Contains(err.Error(), "publish to plumbline.event.plum: context deadline exceeded") {
		t.Errorf("got %v", err)
	}
}

func TestSlotsOfTwoDaemonsAreOne(t *testing.T) {
	e := embedded(t)
	one, two := connect(t, e), connect(t, e)
	must(one.Ensure(t.Context()))(t)
	slot := plumbline.Event{Kind: plumbline.EventSlot, ID: "2026-11-23T13:00:00Z", Service: "plum", Color: plumbline.Blue}
	first := must(one.Publish(t.Context(), slot))(t)
	second := must(two.Publish(t.Context(), slot))(t)
	if first.Sequence != second.Sequence || first.Source != bus.SourceClock {
		t.Errorf("first %+v, second %+v", first, second)
	}
}

func TestLaterComesAgain(t *testing.T) {
	b := ready(t)
	deliveries := make(chan int, 10)
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			deliveries <- d.Deliveries()
			if d.Deliveries() < 3 {
				if err := d.Later(10 * time.Millisecond); err != nil {
					t.Error(err)
				}
				return
			}
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			if err := d.Done(ctx); err != nil {
				t.Error("done once more:", err)
			}
		})
	})
	must(b.Publish(t.Context(), release("1")))(t)
	for want := 1; want <= 3; want++ {
		if got := receive(t, deliveries); got != want {
			t.Errorf("delivery %d, want %d", got, want)
		}
	}
	quiet(t, deliveries, 200*time.Millisecond)
}

func TestRunsShareSlotsAndDontBlock(t *testing.T) {
	b := ready(t)
	const slots = 3
	var busy, most atomic.Int32
	began, finish := make(chan uint64, 20), make(chan struct{})
	ended := atomic.Int32{}
	stop := background(t, func(ctx context.Context) error {
		return b.ConsumeRuns(ctx, "plum", slots, func(_ context.Context, d *bus.Delivery) {
			n := busy.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			began <- d.Sequence()
			<-finish
			busy.Add(-1)
			ended.Add(1)
			if err := d.Done(context.Background()); err != nil {
				t.Error(err)
			}
		})
	})
	for i := range 5 {
		must(b.Publish(t.Context(), release(strings.Repeat("1", i+1))))(t)
	}
	other := release("1")
	other.Service = "pear"
	must(b.Publish(t.Context(), other))(t)
	for range slots {
		receive(t, began)
	}
	quiet(t, began, 100*time.Millisecond) // no slot is free
	finish <- struct{}{}
	receive(t, began)
	go func() {
		time.Sleep(50 * time.Millisecond)
		close(finish)
	}()
	stop() // waits for the handlers under way
	if busy.Load() != 0 || ended.Load() < slots+1 {
		t.Errorf("%d handlers go on, %d ended", busy.Load(), ended.Load())
	}
	if most.Load() != slots {
		t.Errorf("%d at once, want %d", most.Load(), slots)
	}
	consumer := must(must(jetstream.New(b.Conn()))(t).Consumer(t.Context(), "PLUMBLINE_EVENTS", "run-plum"))(t).CachedInfo().Config
	if consumer.MaxAckPending < 1000 || consumer.MaxDeliver != -1 || consumer.AckWait != b.RunAckWait() {
		t.Errorf("consumer %+v", consumer)
	}
}

func TestUnacknowledgedComesAgainToAnother(t *testing.T) {
	e := embedded(t)
	short := func(o *bus.Options) { o.RunAckWait = time.Second }
	one, two := connect(t, e, short), connect(t, e, short)
	must(one.Ensure(t.Context()))(t)
	got := make(chan string, 10)
	lost := background(t, func(ctx context.Context) error {
		return one.ConsumeRuns(ctx, "plum", 1, func(_ context.Context, d *bus.Delivery) { got <- "one" }) // neither Done nor Later
	})
	must(one.Publish(t.Context(), release("1")))(t)
	receive(t, got)
	lost()
	background(t, func(ctx context.Context) error {
		return two.ConsumeRuns(ctx, "plum", 1, func(ctx context.Context, d *bus.Delivery) {
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			got <- "two"
		})
	})
	if receive(t, got) != "two" {
		t.Error("not redelivered to the other")
	}
}

func TestConsumerIsCorrected(t *testing.T) {
	b := ready(t)
	js := must(jetstream.New(b.Conn()))(t)
	must(js.CreateConsumer(t.Context(), "PLUMBLINE_EVENTS", jetstream.ConsumerConfig{Durable: "state-plum", MaxAckPending: 50, MaxDeliver: 3}))(t)
	stop := background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(context.Context, *bus.Delivery) {})
	})
	eventually(t, "the state consumer has its settings", func() bool {
		c := must(js.Consumer(t.Context(), "PLUMBLINE_EVENTS", "state-plum"))(t).CachedInfo().Config
		return c.MaxAckPending == 1 && c.MaxDeliver == -1 && c.AckWait == bus.StateAckWait && len(c.FilterSubjects) == 4
	})
	stop()
}

func TestConsumersSurviveARestartOfTheServer(t *testing.T) {
	dir := store(t)
	start := func(listen string) *bus.Embedded {
		e, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: dir, Listen: listen})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := start("127.0.0.1:0")
	b := must(bus.Connect(t.Context(), bus.Options{URL: e.URL()}))(t)
	t.Cleanup(b.Close)
	must(b.Ensure(t.Context()))(t)
	state, records, synced := make(chan uint64, 10), make(chan string, 10), make(chan struct{})
	background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			if d.Done(ctx) == nil {
				state <- d.Sequence()
			}
		})
	})
	background(t, func(ctx context.Context) error {
		return b.WatchRecords(ctx, func(r plumbline.Record, _ uint64) { records <- r.Service }, func() { close(synced) })
	})
	receive(t, synced)
	must(b.Publish(t.Context(), release("1")))(t)
	receive(t, state)
	listen := strings.TrimPrefix(e.URL(), "nats://")
	e.Close()
	t.Cleanup(start(listen).Close)
	must(b.Publish(t.Context(), release("2")))(t)
	if got := receive(t, state); got != 2 {
		t.Errorf("after the restart came %d, want 2", got)
	}
	must(b.CreateRecord(t.Context(), plumbline.Begin("plum", plumbline.Policy{})))(t)
	if got := receive(t, records); got != "plum" {
		t.Errorf("the watch gave %q", got)
	}
	restarted := time.Now()
	eventually(t, "the watch is in step again", func() bool { return b.Synced().After(restarted) })
}
