package bus

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// WatchRecords hands every record to each, first those that are there, then each change, until ctx is done; ready is
// called once, when each has seen those that were there. A record that was deleted comes as one that knows nothing but its
// service. After an interruption records come again. If the bus lost them and was given others, whose revisions begin anew,
// every record comes as deleted first, with revision 0.
func (b *Bus) WatchRecords(ctx context.Context, each func(r plumbline.Record, revision uint64), ready func()) error {
	var once sync.Once
	told := &told{each: each, services: map[string]bool{}}
	for ctx.Err() == nil {
		err := b.watchRecords(ctx, told, func() { once.Do(ready) })
		if b.conn.IsClosed() && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// Synced is the last moment at which the watch of this process was seen to hold everything, zero if there was none.
func (b *Bus) Synced() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.synced
}

// stamp remembers a moment at which the watch held everything.
func (b *Bus) stamp(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.After(b.synced) {
		b.synced = at
	}
}

// told is what a watch has told, over all interruptions.
type told struct {
	each     func(plumbline.Record, uint64)
	services map[string]bool
	born     time.Time // when the bucket was made
}

// of takes back what came from a bucket that is gone.
func (t *told) of(bucket time.Time) {
	if !t.born.IsZero() && !t.born.Equal(bucket) {
		for service := range t.services {
			t.each(plumbline.Record{Service: service}, 0)
		}
		clear(t.services)
	}
	t.born = bucket
}

func (t *told) tell(r plumbline.Record, revision uint64) {
	t.services[r.Service] = true
	t.each(r, revision)
}

func (b *Bus) watchRecords(ctx context.Context, told *told, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := b.options.Now()
	w := &recordWatch{bus: b, told: told, bad: map[string]bool{}}
	w.ready = func() {
		if w.holds(0) { // all that was there when it was asked for
			b.stamp(asked)
		}
		ready()
	}
	stream, err := b.js.Stream(ctx, "KV_"+b.names.services())
	if err != nil {
		pause(ctx, beat)
		return err
	}
	w.floor = stream.CachedInfo().State.LastSeq
	told.of(stream.CachedInfo().Created)
	var beating sync.WaitGroup
	beating.Go(func() { w.beat(ctx, cancel) })
	defer beating.Wait()
	defer cancel()
	return b.follow(ctx, "KV_"+b.names.services(), jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
		FilterSubject: b.recordSubject(">")}, w.start, w.take)
}

// A recordWatch knows how much of the bucket this process holds.
type recordWatch struct {
	bus   *Bus
	told  *told
	ready func()

	mu       sync.Mutex
	floor    uint64 // last sequence of the stream before the watch began
	complete bool   // what was there at the beginning came
	last     uint64 // the newest revision that came
	bad      map[string]bool
}

func (w *recordWatch) start(there uint64) {
	w.mu.Lock()
	w.complete = there == 0
	w.mu.Unlock()
	if there == 0 {
		w.ready()
	}
}

func (w *recordWatch) take(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
	service := strings.TrimPrefix(m.Subject(), w.bus.recordSubject(""))
	r, err := decodeRecord(service, m.Data())
	switch {
	case deleted(m.Headers()):
		r, err = plumbline.Record{Service: service}, nil
		fallthrough
	case err == nil:
		w.told.tell(r, meta.Sequence.Stream)
	default:
		w.bus.log.Error("a record can't be read", "error", err)
	}
	w.mu.Lock()
	w.last = max(w.last, meta.Sequence.Stream)
	w.bad[service] = err != nil
	complete := !w.complete && meta.NumPending == 0
	w.complete = w.complete || complete
	w.mu.Unlock()
	if complete {
		w.ready()
	}
	return true
}

// newest is the newest revision that came so far.
func (w *recordWatch) newest() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// wentBack says whether the bucket is another one than the watch is of, or has lost what the watch had seen before it
// asked.
func (w *recordWatch) wentBack(bucket *jetstream.StreamInfo, seen uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !bucket.Created.Equal(w.told.born) || bucket.State.LastSeq < seen
}

// holds says whether everything up to a sequence came and could be read.
func (w *recordWatch) holds(sequence uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, bad := range w.bad {
		if bad {
			return false
		}
	}
	return w.complete && sequence <= max(w.last, w.floor)
}

func (w *recordWatch) beat(ctx context.Context, restart func()) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for behind := 0; behind < patience; {
		asked, seen := w.bus.options.Now(), w.newest()
		attempt, cancel := context.WithTimeout(ctx, beat)
		stream, err := w.bus.js.Stream(attempt, "KV_"+w.bus.names.services())
		cancel()
		switch {
		case err != nil: // cut off: a new watch wouldn't fare better
		case w.wentBack(stream.CachedInfo(), seen):
			behind = patience
		case w.holds(stream.CachedInfo().State.LastSeq):
			behind = 0
			w.bus.stamp(asked)
		default:
			behind++
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
	w.bus.log.Warn("the watch of the records is behind, beginning anew")
	restart()
}
