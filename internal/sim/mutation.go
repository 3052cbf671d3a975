package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/worker"
)

// A Mutation is a mistake that a world is made with, to see whether it is found. The product knows none of them: the
// simulation makes them at the seams where it joins the rooms.
type Mutation string

// The mutations.
const (
	None               Mutation = ""
	AckBeforePublish   Mutation = "ack before publish"
	NoWriteOnce        Mutation = "no write-once"
	JudgesCancelled    Mutation = "judge on a cancelled context"
	OutOfOrder         Mutation = "state applied out of order"
	NoDedupe           Mutation = "dedupe removed"
	StalePass          Mutation = "stale pass accepted"
	AnswersWhileCutOff Mutation = "gate answers while cut off"
	NoSupersession     Mutation = "supersession ignored"
)

// Mutations lists them all.
func Mutations() []Mutation {
	return []Mutation{AckBeforePublish, NoWriteOnce, JudgesCancelled, OutOfOrder, NoDedupe, StalePass, AnswersWhileCutOff, NoSupersession}
}

// hasten acknowledges an event before its verdict is durable.
func (w *world) hasten(ctx context.Context, d worker.Delivery) worker.Delivery {
	if w.mutation != AckBeforePublish {
		return d
	}
	_ = d.Done(ctx)
	return &settled{d}
}

// settled is a delivery that was acknowledged too early.
type settled struct{ worker.Delivery }

func (*settled) Working() error             { return nil }
func (*settled) Done(context.Context) error { return nil }
func (*settled) Later(time.Duration) error  { return nil }

// weaken makes the streams as somebody would who doesn't know what their settings are for.
func (w *world) weaken(ctx context.Context, b *bus.Bus) error {
	switch w.mutation {
	case NoWriteOnce:
		return update(ctx, b, "PLUMBLINE_VERDICTS", func(c *jetstream.StreamConfig) {
			c.MaxMsgsPerSubject, c.Discard, c.DiscardNewPerSubject = -1, jetstream.DiscardOld, false
		})
	case NoDedupe:
		return update(ctx, b, "PLUMBLINE_EVENTS", func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
	}
	return nil
}

func update(ctx context.Context, b *bus.Bus, name string, change func(*jetstream.StreamConfig)) error {
	js, err := jetstream.New(b.Conn())
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	change(&config)
	_, err = js.UpdateStream(ctx, config)
	return err
}

// deafen keeps the worker from hearing that its process is told to stop. Its probes hear it.
func (w *world) deafen(ctx context.Context) (context.Context, func()) {
	if w.mutation != JudgesCancelled {
		return ctx, func() {}
	}
	deaf, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), errStop) {
			cancel()
		}
	})
	return deaf, func() { stop(); cancel() }
}

// cutShort ends a probe with its process, as it ends anyway.
func (w *world) cutShort(ctx, process context.Context) (context.Context, func()) {
	if w.mutation != JudgesCancelled {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(process, cancel)
	return ctx, func() { stop(); cancel() }
}

// shuffle is how long an event is held up that anybody may apply, where others are applied meanwhile.
func (w *world) shuffle(e *bus.Delivery) time.Duration {
	return time.Duration(w.dice("shuffle", e.Sequence())%4) * 2 * time.Second
}

// forget takes away what an event that comes again is recognized by.
func (w *world) forget(e plumbline.Event) plumbline.Event {
	if w.mutation != NoDedupe || e.Run == "" {
		return e
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first[e.Run] == 0 {
		w.first[e.Run] = e.Sequence
	}
	if w.first[e.Run] != e.Sequence {
		e.Run = plumbline.RunID("", e.Run, fmt.Sprint(e.Sequence))
	}
	return e
}

// trust makes a gate believe in a pass for ever, and after whatever happened since.
func (w *world) trust(r plumbline.Record, p plumbline.Policy) (plumbline.Record, plumbline.Policy) {
	if w.mutation != StalePass {
		return r, p
	}
	const ever = 1000 * time.Hour
	r, p.ValidFor, r.Switched = r.Clone(), ever, 0
	for c, state := range r.Colors {
		if state.Last != nil {
			last := *state.Last
			last.ExpiresAt = last.FinishedAt.Add(ever)
			state.Last = &last
			r.Colors[c] = state
		}
	}
	return r, p
}

// overlook lets a run that was overtaken end as if nothing had happened.
func (w *world) overlook(v plumbline.Verdict) plumbline.Verdict {
	if w.mutation == NoSupersession && v.Cause == plumbline.CauseSuperseded {
		v.Outcome, v.Cause, v.Reason = plumbline.Pass, "", "all checks passed"
	}
	return v
}
