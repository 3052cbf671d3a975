package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// EventKind says what a switch did or saw.
type EventKind string

// The kinds of events of a switch.
const (
	Wanted    EventKind = "wanted"    // it was told which release to promote
	Answered  EventKind = "answered"  // a gate says something else than before
	Unasked   EventKind = "unasked"   // a gate could not be asked: traffic stays
	Advised   EventKind = "advised"   // plumbline advises to go back
	Moved     EventKind = "moved"     // traffic moved
	Published EventKind = "published" // plumbline was told of it
	Delayed   EventKind = "delayed"   // plumbline could not be told: it is tried again
)

// An Event is one thing that happened at a switch.
type Event struct {
	At      time.Time
	Kind    EventKind
	Color   plumbline.Color // that it is about
	Version string
	Reason  plumbline.SwitchReason // of a move and what follows it
	Gate    plumbline.Gate         // of an answer and a move
	Text    string                 // one line for a person
}

func (s *Switch) observe(e Event) {
	if s.options.Observe == nil {
		return
	}
	s.observing.Lock()
	defer s.observing.Unlock()
	e.At = s.options.Clock()
	s.options.Observe(e)
}

// Watch follows plumbline until ctx ends: it promotes the wanted release when its gate opens, and goes back when the
// gate of the live color advises it and the rollback gate of the other color is open.
func (s *Switch) Watch(ctx context.Context) {
	for {
		// Until plumbline knows of the last move its answers are about the roles before it.
		if s.outbox.empty() {
			s.look(ctx)
		}
		if wait(ctx, s.options.Poll) != nil {
			return
		}
	}
}

func (s *Switch) look(ctx context.Context) {
	live := s.Live()
	gate, err := s.ask(ctx, live, plumbline.PurposePromote, "")
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.tell(Event{Kind: Unasked, Color: live, Text: err.Error()})
		return
	}
	if gate.Advice == plumbline.AdviceRollback {
		s.tell(Event{Kind: Advised, Color: live, Version: gate.Release.Version, Gate: gate, Text: gate.Reason})
		s.follow(ctx, live.Other(), plumbline.PurposeRollback, "")
		return
	}
	s.forget(live)
	if w := s.isWanted(); w != nil && w.Color == live.Other() {
		s.follow(ctx, w.Color, plumbline.PurposePromote, w.Version)
	}
}

// follow asks one gate, tells what it said if that differs from before, and moves if it is open.
func (s *Switch) follow(ctx context.Context, to plumbline.Color, purpose plumbline.Purpose, version string) {
	s.deciding.Lock()
	defer s.deciding.Unlock()
	if s.Live() == to {
		return // somebody moved it by hand meanwhile
	}
	gate, err := s.ask(ctx, to, purpose, version)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.tell(Event{Kind: Unasked, Color: to, Version: version, Text: err.Error()})
	default:
		s.tell(Event{Kind: Answered, Color: to, Version: version, Gate: gate, Text: gate.Reason})
		if gate.Gate == plumbline.GateOpen {
			s.move(to, purpose, gate)
		}
	}
}

// tell observes what differs from what the same gate said before.
func (s *Switch) tell(e Event) {
	topic := string(e.Color)
	saying := fmt.Sprint(e.Kind, e.Version, e.Gate.Gate, e.Text)
	s.mu.Lock()
	known := s.said[topic] == saying
	s.said[topic] = saying
	s.mu.Unlock()
	if !known {
		s.observe(e)
	}
}

// forget makes the next trouble with a color worth telling again.
func (s *Switch) forget(color plumbline.Color) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.said, string(color))
}

// An announcement is a move that plumbline has to hear of.
type announcement struct {
	to     plumbline.Color
	reason plumbline.SwitchReason
}

// An outbox keeps announcements in order until they are out.
type outbox struct {
	mu    sync.Mutex
	queue []announcement
	wake  chan struct{} // holds one
}

func (o *outbox) add(a announcement) {
	o.mu.Lock()
	o.queue = append(o.queue, a)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) first() (announcement, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return announcement{}, false
	}
	return o.queue[0], true
}

func (o *outbox) done() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = o.queue[1:]
}

func (o *outbox) empty() bool {
	_, due := o.first()
	return !due
}

const (
	publishTimeout = 5 * time.Second
	publishFirst   = 100 * time.Millisecond // wait before the second try, then twice as long each time
	publishMost    = 5 * time.Second
	lastWords      = 2 * time.Second // to publish what is left when the switch ends
)

// Run publishes the moves of the switch, each until it is out, in order, until ctx ends. Then it tries once more, and
// its error names a move that nobody was told of.
func (s *Switch) Run(ctx context.Context) error {
	defer s.idle()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.outbox.wake:
			s.publishAll(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	for a, due := s.outbox.first(); due; a, due = s.outbox.first() {
		if err := s.publish(last, a); err != nil {
			return fmt.Errorf("the switch to %s (%s) was never published: %w", a.to, a.reason, err)
		}
	}
	return nil
}

func (s *Switch) publishAll(ctx context.Context) {
	pause := publishFirst
	for a, due := s.outbox.first(); due; a, due = s.outbox.first() {
		err := s.publish(ctx, a)
		if err == nil {
			pause = publishFirst
			continue
		}
		if ctx.Err() == nil {
			s.observe(Event{Kind: Delayed, Color: a.to, Reason: a.reason, Text: err.Error()})
		}
		if wait(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, publishMost)
	}
}

func (s *Switch) publish(ctx context.Context, a announcement) error {
	if s.options.Publish == nil {
		s.outbox.done()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	err := s.options.Publish(ctx, a.to, a.reason)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer for %s", publishTimeout)
	}
	if err == nil {
		s.outbox.done()
		s.observe(Event{Kind: Published, Color: a.to, Reason: a.reason})
	}
	return err
}
