package bus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func TestAckWaitPasses(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		began := time.Now()
		type delivery struct {
			n     int
			after time.Duration
		}
		got := make(chan delivery, 10)
		stop := alongside(t, func(ctx context.Context) error {
			return b.ConsumeRuns(ctx, "plum", 4, func(ctx context.Context, d *bus.Delivery) {
				got <- delivery{d.Deliveries(), time.Since(began)}
				switch d.Deliveries() {
				case 1: // dies without a word
				case 2: // works for two AckWaits, and dies
					for range 6 {
						time.Sleep(b.RunAckWait() / 3)
						if err := d.Working(); err != nil {
							t.Error(err)
						}
					}
				default:
					if err := d.Done(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		})
		defer stop()
		if _, err := b.Publish(t.Context(), release("1")); err != nil {
			t.Fatal(err)
		}
		wait := b.RunAckWait()
		for i, want := range []time.Duration{0, wait, 4 * wait} {
			d := <-got
			if d.n != i+1 || d.after < want || d.after > want+2*time.Second {
				t.Errorf("delivery %d after %s, want %d after %s", d.n, d.after, i+1, want)
			}
		}
		time.Sleep(time.Hour)
		select {
		case d := <-got:
			t.Errorf("delivery %d after %s, want none after Done", d.n, d.after)
		default:
		}
	})
}

func TestDuplicatesAreKnownForAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		publish := func(want uint64) {
			t.Helper()
			e, err := b.Publish(t.Context(), release("1"))
			if err != nil || e.Sequence != want {
				t.Fatalf("sequence %d, %v, want %d", e.Sequence, err, want)
			}
		}
		publish(1)
		time.Sleep(50 * time.Minute)
		k.stop()
		k.start()
		publish(1)
		time.Sleep(3 * time.Hour)
		publish(2) // whoever applies it knows the run
	})
}

func TestAVerdictOutlivesItsWindow(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		for range 3 {
			if _, wrote, err := b.PublishVerdict(t.Context(), verdict(1)); err != nil || !wrote {
				t.Fatalf("wrote %t, %v", wrote, err)
			}
			other := verdict(1)
			other.Outcome = plumbline.Fail
			if stored, wrote, err := b.PublishVerdict(t.Context(), other); err != nil || wrote || stored.Outcome != plumbline.Pass {
				t.Fatalf("another: %s, wrote %t, %v", stored.Outcome, wrote, err)
			}
			time.Sleep(3 * time.Hour) // no duplicate is remembered so long: the subject is
		}
	})
}

func TestCutOff(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		ready := make(chan struct{})
		stop := alongside(t, func(ctx context.Context) error {
			return b.WatchRecords(ctx, func(plumbline.Record, uint64) {}, func() { close(ready) })
		})
		defer stop()
		<-ready
		for range 100 {
			time.Sleep(time.Second)
			if age := time.Since(b.Synced()); age > 2*time.Second {
				t.Fatalf("in step %s ago, want at most a heartbeat", age)
			}
		}
		k.stop()
		lost := time.Now()
		time.Sleep(time.Minute)
		if b.Synced().After(lost) {
			t.Error("in step with a bus that is gone")
		}
		k.start()
		back := time.Now()
		time.Sleep(5 * time.Second)
		if !b.Synced().After(back) {
			t.Errorf("not in step 5 s after the bus was back: last at %s", b.Synced())
		}
	})
}

func TestPublishWaitsForTheBus(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		k.stop()
		done := make(chan plumbline.Event, 1)
		go func() {
			e, err := b.Publish(t.Context(), release("1"))
			if err != nil {
				t.Error(err)
			}
			done <- e
		}()
		time.Sleep(10 * time.Minute)
		k.start()
		if e := <-done; e.Sequence != 1 {
			t.Errorf("sequence %d, want 1", e.Sequence)
		}
		time.Sleep(10 * time.Second) // for what other tries left behind
		if e, err := b.Publish(t.Context(), release("2")); err != nil || e.Sequence != 2 {
			t.Errorf("the next one has sequence %d, %v: a try was stored twice", e.Sequence, err)
		}
	})
}

// Who ends hands back what it has, and somebody else gets it at once: not when its AckWait is over.
func TestHandedBackIsTakenAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		one, two := k.connect(), k.connect()
		defer two.Close()
		defer one.Close()
		type taken struct {
			by string
			n  int
			at time.Time
		}
		got := make(chan taken, 10)
		stopOne := alongside(t, func(ctx context.Context) error {
			return one.ConsumeRuns(ctx, "plum", 4, func(ctx context.Context, d *bus.Delivery) {
				got <- taken{"one", d.Deliveries(), time.Now()}
				<-ctx.Done()
				if err := d.Later(0); err != nil {
					t.Error(err)
				}
			})
		})
		if _, err := one.Publish(t.Context(), release("1")); err != nil {
			t.Fatal(err)
		}
		if first := <-got; first.by != "one" {
			t.Fatalf("taken by %s", first.by)
		}
		stopTwo := alongside(t, func(ctx context.Context) error {
			return two.ConsumeRuns(ctx, "plum", 4, func(ctx context.Context, d *bus.Delivery) {
				at := time.Now()
				if err := d.Done(ctx); err != nil {
					t.Error(err)
				}
				got <- taken{"two", d.Deliveries(), at}
			})
		})
		defer stopTwo()
		time.Sleep(time.Second)
		ended := time.Now()
		stopOne()
		if second := <-got; second.by != "two" || second.n < 2 || second.at.Sub(ended) > 2*time.Second {
			t.Errorf("delivery %d to %s after %s, want a later one to two at once", second.n, second.by, second.at.Sub(ended))
		}
	})
}

// Whoever deletes a consumer takes it away from handlers that have yet to acknowledge.
func TestAcknowledgementToAConsumerThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		js, err := jetstream.New(b.Conn())
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 10)
		stop := alongside(t, func(ctx context.Context) error {
			return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
				if len(got) == 0 {
					if err := js.DeleteConsumer(ctx, "PLUMBLINE_EVENTS", "state-plum"); err != nil {
						t.Error(err)
					}
				}
				got <- d.Done(ctx)
			})
		})
		defer stop()
		if _, err := b.Publish(t.Context(), release("1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if len(got) != 2 {
			t.Fatalf("delivered %d times within a minute, want once more, from the consumer that was made anew", len(got))
		}
		if first, second := <-got, <-got; first == nil || second != nil {
			t.Errorf("acknowledged with %v, then with %v; want an error, then none", first, second)
		}
	})
}

// Who reads nothing any more, though the bus is there, is known after a while.
func TestEventsUnread(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		stop := alongside(t, func(ctx context.Context) error {
			return b.ConsumeStrays(ctx, 1, func(context.Context, *bus.Delivery) {})
		})
		time.Sleep(time.Minute)
		if err := b.EventsUnread(0); err != nil {
			t.Errorf("while all is well: %v", err)
		}
		js := must(jetstream.New(b.Conn()))(t)
		if err := js.DeleteStream(t.Context(), "PLUMBLINE_EVENTS"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := b.EventsUnread(5 * time.Second); err == nil || !strings.Contains(err.Error(), "the events can't be read for ") {
			t.Errorf("without a stream: %v", err)
		}
		must(b.Ensure(t.Context()))(t)
		time.Sleep(20 * time.Second)
		if err := b.EventsUnread(0); err != nil {
			t.Errorf("once it is there again: %v", err)
		}
		stop()
		if err := b.EventsUnread(0); err != nil {
			t.Errorf("of one that ended: %v", err)
		}
	})
}
