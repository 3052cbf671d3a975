// Package worker turns events into verdicts: State moves a service's record in stream order, Worker runs what the record
// says was asked, and Clock asks the standby again.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/failpoint"
)

// A Delivery is one message of the event stream in a handler's hands. The handler settles it with Done or Later;
// a message that isn't settled comes again.
type Delivery interface {
	Event() (plumbline.Event, error) // the error is for a person: it names the place and the cure
	Service() string                 // by the message's subject
	Deliveries() int                 // 1 the first time
	Working() error                  // keeps the message from being given to somebody else
	Done(context.Context) error
	Later(time.Duration) error
	DeadLetter(ctx context.Context, reason string) error
}

// retryDelay is how long a message rests that couldn't be handled.
const retryDelay = time.Second

// State applies events to records, one after the other.
type State struct {
	Policy  func(service string) (plumbline.Policy, bool)
	Records Records
	// Judged says whether the run of an event has its verdict already, and which event that is about: the same one, or another
	// with its id. It is asked of events that a record doesn't remember.
	Judged func(context.Context, plumbline.Event) (earlier plumbline.Event, judged bool, err error)
	Say    func(context.Context, plumbline.Entry) error // writes the ledger, the same entry once
	Lost   func(service, reason string)                 // hears of dead letters
	// Dropped says of a service that isn't configured whether it was, earlier in the life of this process. Nil: nobody knows.
	Dropped func(service string) bool
	Log     *slog.Logger

	mu     sync.Mutex
	offers map[string]offer // by service
}

// Handle applies one event. Dead letters, record and ledger are durable before the message is settled, and each of them
// may be repeated without harm.
func (s *State) Handle(ctx context.Context, d Delivery) { s.settle(ctx, d, s.handle) }

// HandleStray puts aside an event of a service that nobody serves. Others are left to Handle, which is given them too.
func (s *State) HandleStray(ctx context.Context, d Delivery) { s.settle(ctx, d, s.handleStray) }

func (s *State) settle(ctx context.Context, d Delivery, handle func(context.Context, Delivery) error) {
	if err := handle(ctx, d); err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("an event could not be applied and comes again", "service", d.Service(), "error", err)
		}
		if err := d.Later(retryDelay); err != nil && ctx.Err() == nil {
			s.Log.Warn("an event could not be handed back and waits for its time-out", "service", d.Service(), "error", err)
		}
	}
}

// handleStray goes by the record: whoever serves a service makes one before anything else, and it stays when the service
// goes.
func (s *State) handleStray(ctx context.Context, d Delivery) error {
	service := d.Service()
	_, served := s.Policy(service)
	if !served && service != "" {
		var err error
		if served, err = s.Records.Exists(ctx, service); err != nil {
			return err
		}
	}
	if served {
		return d.Done(ctx)
	}
	event, err := d.Event()
	if err != nil {
		return s.bury(ctx, d, err.Error())
	}
	return s.bury(ctx, d, notConfigured(event.Service))
}

func notConfigured(service string) string { return "service " + service + " is not configured" }

func (s *State) handle(ctx context.Context, d Delivery) error {
	event, err := d.Event()
	if err != nil {
		return s.bury(ctx, d, err.Error())
	}
	failpoint.Reach(failpoint.EventTaken)
	policy, known := s.Policy(event.Service)
	if !known {
		return s.leave(ctx, d, event)
	}
	record, letter, err := s.apply(ctx, event, policy)
	if err != nil && s.Records.IsMissing(err) {
		if err = s.begin(ctx, event.Service); err == nil {
			record, letter, err = s.apply(ctx, event, policy)
		}
	}
	if err != nil {
		return err
	}
	return s.conclude(ctx, d, event, record, letter)
}

// conclude says what an event did to the record, or why it can't be served, and settles it.
func (s *State) conclude(ctx context.Context, d Delivery, event plumbline.Event, record plumbline.Record, letter string) error {
	if letter != "" {
		return s.bury(ctx, d, letter)
	}
	failpoint.Reach(failpoint.RecordMoved)
	if record.Applied == event.Sequence {
		for _, entry := range record.Outbox {
			if err := s.Say(ctx, entry); err != nil {
				return err
			}
			s.Log.Info(entry.Text, "service", entry.Service, "event", entry.Event)
		}
	}
	failpoint.Reach(failpoint.RecordTold)
	defer failpoint.Reach(failpoint.EventSettled)
	return d.Done(ctx)
}

// apply moves the record by an event, or says why the event can't be served. Every step may be repeated.
func (s *State) apply(ctx context.Context, event plumbline.Event, policy plumbline.Policy) (record plumbline.Record, letter string, err error) {
	var unseen error
	record, err = s.Records.Change(ctx, event.Service, func(r plumbline.Record) (plumbline.Record, bool) {
		var judged bool
		judged, letter, unseen = s.judgedBefore(ctx, r, event)
		switch {
		case unseen != nil, event.Sequence <= r.Applied:
			return r, false
		case judged:
			return r.Ignore(event), true
		}
		move := r.Apply(event, policy)
		return move.Record, move.Changed
	})
	if err == nil && unseen != nil {
		err = fmt.Errorf("its earlier verdict could not be looked up: %w", unseen)
	}
	return record, letter, err
}

// begin makes the record anew of a service that had one when this daemon started. What it said is lost, so nobody
// vouches for the roles.
func (s *State) begin(ctx context.Context, service string) error {
	s.Log.Error("the record of a service is gone: its gates stay closed until somebody says which color is live", "service", service)
	return s.Records.Ensure(ctx, plumbline.Begin(service, plumbline.Policy{}))
}

// judgedBefore recognizes an event that came before and that the record doesn't remember: it had too many since, or it
// was lost or started over. A run that was accepted again would wait for ever, for its verdict is another event's. letter
// says why it can't be served, whether the record remembers it or not.
func (s *State) judgedBefore(ctx context.Context, r plumbline.Record, e plumbline.Event) (judged bool, letter string, err error) {
	letter = r.Clash(e)
	if _, recent := r.SeenRun(e.Run); recent || letter != "" {
		return false, letter, nil
	}
	earlier, judged, err := s.Judged(ctx, e)
	if err == nil && judged && earlier.Mark() != e.Mark() {
		letter = e.UsedBefore(earlier.Sequence)
	}
	return judged, letter, err
}

func (s *State) bury(ctx context.Context, d Delivery, reason string) error {
	if err := s.letter(ctx, d, reason); err != nil {
		return err
	}
	return d.Done(ctx)
}

// letter makes a dead letter of an event, which is still to be settled.
func (s *State) letter(ctx context.Context, d Delivery, reason string) error {
	if err := d.DeadLetter(ctx, reason); err != nil {
		return err
	}
	failpoint.Reach(failpoint.LetterWritten)
	s.Log.Warn("dead letter", "service", d.Service(), "reason", reason)
	if s.Lost != nil {
		s.Lost(d.Service(), reason)
	}
	return nil
}
