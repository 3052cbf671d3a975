package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func TestRecords(t *testing.T) {
	b := ready(t)
	if _, _, err := b.Record(t.Context(), "plum"); !errors.Is(err, bus.ErrNoRecord) {
		t.Errorf("no record: %v", err)
	}
	r := plumbline.Begin("plum", plumbline.Policy{New: true, Live: plumbline.Blue})
	first := must(b.CreateRecord(t.Context(), r))(t)
	if _, err := b.CreateRecord(t.Context(), r); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	r.Applied = 7
	second := must(b.UpdateRecord(t.Context(), r, first))(t)
	if _, err := b.UpdateRecord(t.Context(), r, first); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("updated an old revision: %v", err)
	}
	got, revision, err := b.Record(t.Context(), "plum")
	if err != nil || revision != second || got.Applied != 7 || got.Live != plumbline.Blue {
		t.Errorf("got %+v at %d, %v", got, revision, err)
	}
	if _, _, err := b.Record(t.Context(), "a.b"); err == nil || errors.Is(err, bus.ErrNoRecord) {
		t.Errorf("a name that is none: %v", err)
	}
	kv := must(must(jetstream.New(b.Conn()))(t).KeyValue(t.Context(), "PLUMBLINE_SERVICES"))(t)
	if err := kv.Delete(t.Context(), "plum"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Record(t.Context(), "plum"); !errors.Is(err, bus.ErrNoRecord) {
		t.Errorf("a deleted record: %v", err)
	}
	must(b.CreateRecord(t.Context(), r))(t)
}

func TestRecordsOneWinnerPerRevision(t *testing.T) {
	e := embedded(t)
	one, two := connect(t, e), connect(t, e)
	must(one.Ensure(t.Context()))(t)
	r := plumbline.Begin("plum", plumbline.Policy{})
	must(one.CreateRecord(t.Context(), r))(t)
	var group sync.WaitGroup
	const each = 25
	for _, b := range []*bus.Bus{one, two} {
		group.Go(func() {
			for n := 0; n < each; {
				r, revision, err := b.Record(t.Context(), "plum")
				if err != nil {
					t.Error(err)
					return
				}
				r.Applied++
				_, err = b.UpdateRecord(t.Context(), r, revision)
				if err == nil {
					n++
				} else if !errors.Is(err, bus.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if r, _, _ := one.Record(t.Context(), "plum"); r.Applied != 2*each {
		t.Errorf("%d updates had an effect, want %d", r.Applied, 2*each)
	}
}

type seen struct {
	record   plumbline.Record
	revision uint64
}

func TestWatchRecords(t *testing.T) {
	b := ready(t)
	for _, service := range []string{"plum", "pear"} {
		must(b.CreateRecord(t.Context(), plumbline.Begin(service, plumbline.Policy{})))(t)
	}
	if !b.Synced().IsZero() {
		t.Error("in step without a watch")
	}
	changes, readied := make(chan seen, 100), make(chan int, 10)
	stop := background(t, func(ctx context.Context) error {
		return b.WatchRecords(ctx, func(r plumbline.Record, revision uint64) { changes <- seen{r, revision} }, func() { readied <- len(changes) })
	})
	if n := receive(t, readied); n != 2 {
		t.Errorf("ready after %d records, want 2", n)
	}
	receive(t, changes)
	receive(t, changes)
	eventually(t, "the watch is in step", func() bool { return !b.Synced().IsZero() })
	r, revision, err := b.Record(t.Context(), "plum")
	if err != nil {
		t.Fatal(err)
	}
	r.Applied = 3
	next := must(b.UpdateRecord(t.Context(), r, revision))(t)
	if c := receive(t, changes); c.record.Applied != 3 || c.revision != next {
		t.Errorf("change %+v", c)
	}
	updated := time.Now()
	eventually(t, "the watch is in step after a change", func() bool { return b.Synced().After(updated) })
	kv := must(must(jetstream.New(b.Conn()))(t).KeyValue(t.Context(), "PLUMBLINE_SERVICES"))(t)
	if err := kv.Delete(t.Context(), "plum"); err != nil {
		t.Fatal(err)
	}
	if c := receive(t, changes); c.record.Service != "plum" || c.record.Adopted || c.record.Live != "" || c.record.Schema != "" {
		t.Errorf("a deleted record: %+v", c)
	}
	stop()
	quiet(t, readied, 0)
}

func TestWatchOfAnEmptyBucketIsReady(t *testing.T) {
	b := ready(t)
	readied := make(chan struct{})
	background(t, func(ctx context.Context) error {
		return b.WatchRecords(ctx, func(r plumbline.Record, _ uint64) { t.Errorf("record %+v", r) }, func() { close(readied) })
	})
	receive(t, readied)
	eventually(t, "the watch is in step", func() bool { return !b.Synced().IsZero() })
}

func TestAnUnreadableRecordIsNotInStep(t *testing.T) {
	b := ready(t)
	kv := must(must(jetstream.New(b.Conn()))(t).KeyValue(t.Context(), "PLUMBLINE_SERVICES"))(t)
	must(kv.Put(t.Context(), "plum", []byte(`{"schema":"plumbline.service/v9","service":"plum"}`)))(t)
	if _, _, err := b.Record(t.Context(), "plum"); err == nil || errors.Is(err, bus.ErrNoRecord) {
		t.Errorf("got %v", err)
	}
	readied := make(chan struct{})
	changes := make(chan plumbline.Record, 10)
	background(t, func(ctx context.Context) error {
		return b.WatchRecords(ctx, func(r plumbline.Record, _ uint64) { changes <- r }, func() { close(readied) })
	})
	receive(t, readied)
	time.Sleep(1500 * time.Millisecond) // longer than a heartbeat
	if !b.Synced().IsZero() || len(changes) > 0 {
		t.Errorf("in step at %s with %d records, want never", b.Synced(), len(changes))
	}
}
