package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// The versions of the story.
const (
	firstVersion = "2026.11.1"
	badVersion   = "2026.11.2"
	goodVersion  = "2026.11.3"
	nextVersion  = "2026.11.4"
)

// leastRequests is how many user requests the story must have stood, none of them failed.
const leastRequests = 2000

// A color of the story answers in time, or is so slow that it doesn't on any machine; a busy one takes a while to answer.
const (
	storyInTime = time.Second
	storySlow   = 1100 * time.Millisecond
)

// actTimeout bounds each step of the story.
const actTimeout = time.Minute

// A told is one verdict of the story.
type told struct {
	verdict plumbline.Verdict
	at      time.Time // when it was durable
	event   time.Time // when its event was published; zero for events of the clock and the switch
	awaited bool
}

// seconds is the time to the verdict: from its event, or from the start of a run that nobody asked for here.
func (t told) seconds() float64 {
	if t.event.IsZero() {
		return t.at.Sub(t.verdict.StartedAt).Seconds()
	}
	return t.at.Sub(t.event).Seconds()
}

// A story plays releases on a stage and holds what happens against what it tells.
type story struct {
	*stage
	mu    sync.Mutex
	told  []told
	asked map[string]time.Time // events that were published here, by run

	staying    bool // nobody follows the story any more: a standby is worth a line only when it changes
	standbyWas string
	standbyAt  time.Time
}

// playStory plays everything, shows the table, and fails if anything went otherwise.
func (a *app) playStory(ctx context.Context, s *stage) error {
	st := &story{stage: s, asked: map[string]time.Time{}}
	verdicts := background(ctx, st.collect)
	defer verdicts()
	for _, act := range []func(context.Context) error{st.halted, st.outage, st.recovered, st.standby, st.promotedAgain, st.rolledBack, st.enoughUsers} {
		bounded, cancel := context.WithTimeoutCause(ctx, actTimeout, fmt.Errorf("the story stood still for %s", actTimeout))
		err := act(bounded)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			st.live.Title("")
			return &exit{exitFail, fmt.Errorf("the story went otherwise: %w", err)}
		}
	}
	st.live.Title("")
	return st.conclude(a)
}

// playOpening releases once, and stays up.
func (a *app) playOpening(ctx context.Context, s *stage) error {
	st := &story{stage: s, asked: map[string]time.Time{}}
	verdicts := background(ctx, st.collect)
	defer verdicts()
	bounded, cancel := context.WithTimeout(ctx, actTimeout)
	err := st.promoted(bounded)
	cancel()
	if err != nil {
		return err
	}
	st.live.Title("")
	fmt.Fprint(a.Out, st.hints(a))
	st.stay(ctx)
	return nil
}

// stay keeps a line about standby and users on the terminal until ctx ends.
func (s *story) stay(ctx context.Context) {
	s.mu.Lock()
	s.staying = true
	s.mu.Unlock()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		users := s.sandbox.Traffic.Stats()
		s.live.Note(fmt.Sprintf("live: %s · %s · %d user requests, %d failed", s.sandbox.Switch.Live(), s.wayBack(time.Now()), users.Sent, users.Failed))
	}
}

// wayBack says how the standby is, if there is one.
func (s *story) wayBack(now time.Time) string {
	record, _ := s.daemon.Record("plum")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case record.RoleAt(record.Live.Other(), now) != plumbline.RoleStandby:
		return "no standby"
	case s.standbyAt.IsZero():
		return "no standby was asked yet"
	}
	return fmt.Sprintf("standby: %s %s", s.standbyWas, ago(s.standbyAt, now))
}

func (s *story) releaseAndMove(ctx context.Context, color plumbline.Color, version string) error {
	v, err := s.release(ctx, color, version, sandbox.Faults{})
	if err != nil {
		return err
	}
	if !v.Passed() {
		return fmt.Errorf("%s failed, want a pass: %s", version, v.Reason)
	}
	return s.moved(ctx, color)
}

// release deploys a version with these faults, tells the switch to promote it when it may, and has it validated.
func (s *story) release(ctx context.Context, color plumbline.Color, version string, faults sandbox.Faults) (plumbline.Verdict, error) {
	release := plumbline.Release{Version: version}
	if err := s.sandbox.Environment(color).Deploy(release, faults); err != nil {
		return plumbline.Verdict{}, err
	}
	if err := s.sandbox.Switch.Want(color, version); err != nil {
		return plumbline.Verdict{}, err
	}
	s.log.say("release", "%s is deployed to %s", version, color)
	return s.ask(ctx, plumbline.Event{Kind: plumbline.EventDeployed, Color: color, Release: release})
}

// ask publishes an event and waits for its verdict.
func (s *story) ask(ctx context.Context, e plumbline.Event) (plumbline.Verdict, error) {
	e.Service, e.Source = "plum", "/plumbline/dev"
	begun := time.Now()
	s.live.Title(fmt.Sprintf("plum %s", e.Color))
	e.ID = uuid.NewString()
	s.mu.Lock()
	s.asked[plumbline.RunID("plumbline.event.plum", e.Source, e.ID)] = begun
	s.mu.Unlock()
	sent, err := s.daemon.Bus().Publish(ctx, e)
	if err != nil {
		return plumbline.Verdict{}, err
	}
	following := background(ctx, func(ctx context.Context) {
		_ = s.daemon.Bus().WatchResults(ctx, "plum", e.Color, sent.Run, s.live.Result) // for the eye alone
	})
	v, err := s.daemon.Bus().WaitVerdict(ctx, "plum", e.Color, sent.Run)
	took := time.Since(begun)
	following()
	if err != nil {
		return plumbline.Verdict{}, err
	}
	s.live.Title("")
	s.log.verdict(v, took)
	return v, nil
}

// decided asks a gate until it knows: a verdict is durable before the daemon's record takes it in.
func (s *story) decided(ctx context.Context, color plumbline.Color, version string) (plumbline.Gate, error) {
	ask := sandbox.HTTPGate(nil, "http://"+s.daemon.Address(), "plum", "")
	for {
		gate, err := ask(ctx, color, plumbline.PurposePromote, version)
		if err == nil && gate.Gate != plumbline.GateWaiting {
			return gate, nil
		}
		if late := rest(ctx); late != nil {
			return gate, fmt.Errorf("the gate of %s is still waiting: %w", color, errors.Join(err, late))
		}
	}
}

// moved waits until traffic is on a color and plumbline knows it.
func (s *story) moved(ctx context.Context, color plumbline.Color) error {
	for {
		record, known := s.daemon.Record("plum")
		if s.sandbox.Switch.Live() == color && known && record.Live == color {
			return nil
		}
		if err := rest(ctx); err != nil {
			return fmt.Errorf("traffic did not move to %s: %w", color, err)
		}
	}
}

func rest(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
