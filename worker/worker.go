package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/failpoint"
	"github.com/plumbline-dev/plumbline/runner"
)

// MaxAttempts is how often a run may be started before its verdict is a fail.
const MaxAttempts = 10

// A Worker owns a run from its event to its verdict.
type Worker struct {
	Name     string // of this daemon, in verdicts
	Tool     string // name and version, in verdicts
	AckWait  time.Duration
	Runner   *runner.Runner
	Records  Records
	Settings func(service string) (Settings, bool)
	// Plan resolves what was pinned into checks. An error hands the event back, until the deadline.
	Plan func(ctx context.Context, run plumbline.RunRef) (plumbline.Plan, error)
	// Begin records that a run starts and says how often it was started before: of several who start it at once, one is
	// the first.
	Begin func(ctx context.Context, plan plumbline.Plan) (before int, err error)
	// Begun says how often a run was started. Nil, as where nothing leaves anything behind, says never.
	Begun func(ctx context.Context, plan plumbline.Plan) (int, error)
	// Watch hears of the checks that are asked here. It may be empty.
	Watch runner.Watcher
	// Heard publishes a result as it comes. It doesn't block.
	Heard func(plumbline.Plan, plumbline.Result)
	// Publish makes a verdict durable and returns the one that counts: of two, the first.
	Publish func(context.Context, plumbline.Verdict) (plumbline.Verdict, error)
	// Judged finds the verdict of a run, if there is one.
	Judged func(ctx context.Context, service string, color plumbline.Color, run string) (plumbline.Verdict, bool, error)
	// BeginsAfter says whether the events of a service begin after this one, which no state handler is given. Nil says no.
	BeginsAfter func(ctx context.Context, service string, sequence uint64) (bool, error)
	Say         func(context.Context, plumbline.Entry) error
	Now         func() time.Time
	Log         *slog.Logger

	mu   sync.Mutex
	kept map[string]error // verdicts that could not be published yet, by run
}

// Ready says why the worker should get no more work: verdicts that it can't publish.
func (w *Worker) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for run, err := range w.kept {
		return fmt.Errorf("%d verdicts could not be published and are kept, that of run %s: %w", len(w.kept), run, err)
	}
	return nil
}

func (w *Worker) keep(run string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		delete(w.kept, run)
		return
	}
	if w.kept == nil {
		w.kept = map[string]error{}
	}
	w.kept[run] = err
}

// Settings are what the configuration says of a service's runs.
type Settings struct {
	Deadline time.Duration // from event to verdict
	ValidFor time.Duration // how long a pass opens a gate

	ConfigDigest string // of the configuration that says so
}

var (
	errDeadline  = errors.New("the deadline of the service passed")
	errNotAsked  = errors.New("nothing was asked")
	errElsewhere = errors.New("the service isn't configured here any more")
	errUnapplied = errors.New("its event isn't applied yet")
	errOvertaken = errors.New("somebody else was given it meanwhile")
)

// superseded is the end of a run whose color changed under it, and says how.
type superseded string

func (s superseded) Error() string { return string(s) }

// retoldWithin is how long after a verdict whoever is given its event again tells the ledger, which takes the same entry once
// an hour: before that, somebody may have died with the entry on the lips.
const retoldWithin = 30 * time.Minute

// Handle takes an event to its verdict. The message is settled only when the verdict is durable and noted.
func (w *Worker) Handle(ctx context.Context, d Delivery) {
	pulse := startPulse(w.AckWait/3, func() {
		if err := d.Working(); err != nil && ctx.Err() == nil {
			w.Log.Warn("a run could not say that it is still working", "service", d.Service(), "error", err)
		}
	})
	err := w.handle(ctx, d, pulse)
	pulse.stop()
	switch {
	case err == nil:
		return
	case errors.Is(err, errSlept), errors.Is(err, errOvertaken):
		w.Log.Warn("a run is given up and comes again", "service", d.Service(), "error", err)
		return // to hand it back would take it from whoever has it by now
	case ctx.Err() != nil:
		_ = d.Later(0) // another daemon may go on at once; if it is lost, the time-out does the same
		return
	}
	w.Log.Warn("a run could not be ended and comes again", "service", d.Service(), "error", err)
	if err := d.Later(w.pause(d)); err != nil {
		w.Log.Warn("a run could not be handed back and waits for its time-out", "service", d.Service(), "error", err)
	}
}

// pause is how long a run rests that could not be ended, and no longer than until its deadline, which ends it.
func (w *Worker) pause(d Delivery) time.Duration {
	rest := backoff(d.Deliveries())
	event, err := d.Event()
	settings, known := w.Settings(event.Service)
	if left := event.At.Add(settings.Deadline).Sub(w.Now()); err == nil && known && left > 0 {
		return min(rest, left)
	}
	return rest
}

func backoff(deliveries int) time.Duration {
	return min(retryDelay<<min(max(deliveries-1, 0), 5), 30*time.Second)
}

func (w *Worker) handle(ctx context.Context, d Delivery, pulse *pulse) error {
	event, err := d.Event()
	if err != nil {
		return d.Done(ctx) // the state handler writes the dead letter
	}
	failpoint.Reach(failpoint.RunTaken)
	settings, known := w.Settings(event.Service)
	if !known {
		return errElsewhere // a reload took it away, and another daemon may have it
	}
	record, err := w.applied(ctx, event)
	if errors.Is(err, errUnapplied) && w.neverApplied(ctx, event) {
		return d.Done(ctx)
	}
	if err != nil {
		return err
	}
	verdict, err := w.verdict(ctx, record, event, settings, d.Deliveries() > 1, pulse)
	if errors.Is(err, errNotAsked) {
		return d.Done(ctx)
	}
	if err != nil {
		return err
	}
	if verdict.Run != event.Run || verdict.Service != event.Service || verdict.Color != event.Color || verdict.Event.Sequence != event.Sequence {
		return fmt.Errorf("the verdict that is kept for run %s is about run %s of %s %s", event.Run, verdict.Run, verdict.Service, verdict.Color)
	}
	failpoint.Reach(failpoint.VerdictWritten)
	if err := w.note(ctx, verdict); err != nil {
		return err
	}
	failpoint.Reach(failpoint.VerdictTold)
	defer failpoint.Reach(failpoint.RunSettled)
	return d.Done(ctx)
}

// verdict finds or reaches the verdict of an event, and makes it durable.
func (w *Worker) verdict(ctx context.Context, record plumbline.Record, event plumbline.Event, settings Settings, redelivered bool, pulse *pulse) (plumbline.Verdict, error) {
	run, pending := record.Find(event.Run)
	if pending && run.Event.Sequence != event.Sequence {
		return plumbline.Verdict{}, errNotAsked // the same event again: the run belongs to the first
	}
	if !pending || redelivered {
		verdict, judged, err := w.Judged(ctx, event.Service, event.Color, event.Run)
		switch {
		case err != nil:
			return verdict, err
		case judged && (verdict.Event.Sequence != event.Sequence || !pending && !redelivered && w.Now().Sub(verdict.FinishedAt) > retoldWithin):
			return plumbline.Verdict{}, errNotAsked // the same event again, or a queue that was made anew: all is said
		case judged:
			return verdict, nil
		}
	}
	if !pending {
		if run, pending = forgotten(record, event); !pending {
			return plumbline.Verdict{}, errNotAsked
		}
	}
	verdict, err := w.run(ctx, record, run, settings)
	if err != nil {
		return plumbline.Verdict{}, err
	}
	if pulse.faltered() {
		return plumbline.Verdict{}, errSlept
	}
	return w.publish(ctx, verdict)
}

// publish repeats until the verdict is durable or ctx ends: a verdict is never lost to a full or absent store.
func (w *Worker) publish(ctx context.Context, verdict plumbline.Verdict) (plumbline.Verdict, error) {
	defer w.keep(verdict.Run, nil)
	for n := 1; ; n++ {
		stored, err := w.Publish(ctx, verdict)
		if err == nil {
			return stored, nil
		}
		if ctx.Err() != nil {
			return plumbline.Verdict{}, context.Cause(ctx)
		}
		w.keep(verdict.Run, err)
		w.Log.Error("a verdict could not be published and is kept", "run", verdict.Run, "error", err)
		select {
		case <-time.After(backoff(n)):
		case <-ctx.Done():
			return plumbline.Verdict{}, context.Cause(ctx)
		}
	}
}

// note tells the record and the ledger of a durable verdict.
func (w *Worker) note(ctx context.Context, v plumbline.Verdict) error {
	_, err := w.Records.Change(ctx, v.Service, func(r plumbline.Record) (plumbline.Record, bool) {
		return r.Note(v, w.Now()), true
	})
	if err != nil {
		return err
	}
	failpoint.Reach(failpoint.VerdictNoted)
	w.Records.Memory.Progress(v.Run, 0, 0)
	log := w.Log.With("service", v.Service, "color", v.Color, "version", v.Release.Version, "trigger", v.Trigger, "outcome", v.Outcome)
	if v.Cause != "" {
		log = log.With("cause", v.Cause)
	}
	log.Info("verdict", "reason", v.Reason, "run", v.Run)
	return w.Say(ctx, plumbline.Entry{
		Schema: plumbline.LedgerSchema, Kind: plumbline.EntryVerdict, Service: v.Service, Color: v.Color, At: v.FinishedAt,
		Sequence: v.Event.Sequence, Event: v.Event.ID, Run: v.Run, Release: v.Release, Outcome: v.Outcome,
		Text: fmt.Sprintf("%s of %s on %s: %s: %s", v.Trigger, v.Release, v.Color, v.Outcome, v.Reason),
	})
}
