package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// sharedPause is how long a run that waits for a shared failure to end leaves who fails alone.
const sharedPause = 10 * time.Second

// classOf is the class of a failure: the prober's, or what goes without saying.
func classOf(answer plumbline.Answer, err error) plumbline.Class {
	switch {
	case err == nil:
		return ""
	case answer.Class != "":
		return answer.Class
	case errors.Is(err, plumbline.ErrFailed):
		return plumbline.ClassProtocol
	case errors.Is(err, plumbline.ErrUnreached), errors.Is(err, context.DeadlineExceeded):
		return plumbline.ClassOutage
	}
	return ""
}

// throttled says whether who was asked wants to be asked again later, and may be.
func throttled(c plumbline.Check, answer plumbline.Answer) bool {
	return c.Effect == plumbline.EffectNone && answer.Class == plumbline.ClassThrottled && answer.RetryAfter > 0 && c.Poll.For == 0
}

// attribute finds out whose fault a failure is, by asking the live color the same. Where a shared failure is waited for,
// it asks both colors again until it has passed or the time for that is over.
func (s *session) attribute(ctx context.Context, at *seat, result plumbline.Result) plumbline.Result {
	c, begun := at.check, time.Now()
	if !s.controllable(c) {
		return result
	}
	for shared := false; ; {
		if result.Outcome != plumbline.Failed && result.Outcome != plumbline.Errored || ctx.Err() != nil {
			return result
		}
		at.leave()
		result.Control = s.control(ctx, c)
		result.Attribution = plumbline.Attribute(result, result.Control, s.independent(c))
		waited, was := time.Since(begun)+sharedPause, shared
		shared = result.Attribution == plumbline.AttributedShared
		recovers := was && result.Attribution == plumbline.AttributedRelease // what is over may be over for both
		if !shared && !recovers || c.OnShared != plumbline.SharedWait || waited > c.WaitFor || !at.rest(ctx, sharedPause) {
			return result
		}
		s.forget(c)
		again := s.ask(ctx, at, resultOf(c))
		again.Asked = max(again.Asked, len(again.Attempts)) + max(result.Asked, len(result.Attempts))
		again.Attempts = slices.Concat(result.Attempts, again.Attempts)
		if extra := len(again.Attempts) - maxAttempts; extra > 0 {
			again.Attempts = slices.Delete(again.Attempts, maxAttempts/2, maxAttempts/2+extra)
		}
		result = again
	}
}

// controllable says whether the live color may be asked: what decides, leaves nothing behind, and isn't kept from it.
func (s *session) controllable(c plumbline.Check) bool {
	return s.plan.Live.URL != "" && c.Severity != plumbline.Advisory && c.Effect == plumbline.EffectNone && !c.Uncontrolled &&
		c.Phase != plumbline.PhaseTeardown
}

func (s *session) independent(c plumbline.Check) bool {
	witness, ok := c.Prober.(plumbline.Witness)
	return ok && witness.Independent(s.plan.Site, s.plan.Live)
}

// waits is how much longer a suite may take because it waits for shared failures to end.
func (s *session) waits(suite string) time.Duration {
	longest := time.Duration(0)
	for _, c := range s.plan.Checks {
		if c.Suite == suite && c.OnShared == plumbline.SharedWait && s.controllable(c) {
			longest = max(longest, c.WaitFor)
		}
	}
	return longest
}

// controlled is a check that the live color was asked, once for all that want to know.
type controlled struct {
	done    chan struct{}
	control plumbline.Control
}

// control is what the live color says to a check.
func (s *session) control(ctx context.Context, c plumbline.Check) *plumbline.Control {
	s.mu.Lock()
	known := s.controls[c.ID()]
	if known == nil {
		known = &controlled{done: make(chan struct{})}
		s.controls[c.ID()] = known
		s.mu.Unlock()
		known.control = s.askLive(ctx, c)
		close(known.done)
	} else {
		s.mu.Unlock()
	}
	select {
	case <-known.done:
		control := known.control
		return &control
	case <-ctx.Done():
		return nil
	}
}

// forget lets the live color be asked once more.
func (s *session) forget(c plumbline.Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.controls, c.ID())
}

// askLive asks the live color, and before that the checks whose captures the question needs.
func (s *session) askLive(ctx context.Context, c plumbline.Check) plumbline.Control {
	not := func(format string, args ...any) plumbline.Control {
		return plumbline.Control{Color: s.plan.Live.Color, Outcome: plumbline.Skipped, Reason: fmt.Sprintf(format, args...)}
	}
	for _, name := range c.Uses {
		i, known := s.index[plumbline.Check{Suite: c.Suite, Name: name}.ID()]
		switch {
		case !known:
			return not("needs %q, which is not part of this run", name)
		case s.plan.Checks[i].Effect != plumbline.EffectNone:
			return not("needs %q, which leaves something behind", name)
		}
		needed := s.control(ctx, s.plan.Checks[i])
		switch {
		case needed == nil:
			return not("%s", context.Cause(ctx))
		case needed.Outcome != plumbline.Passed:
			return not("needs %q, which %s there", name, verb(needed.Outcome))
		}
	}
	at := &seat{session: s, side: s.other, check: c}
	if err := at.take(ctx); err != nil {
		return not("%s", context.Cause(ctx))
	}
	defer at.leave()
	return s.askOnce(ctx, at)
}

// askOnce asks with one attempt, or with as many as who throttles wants.
func (s *session) askOnce(ctx context.Context, at *seat) plumbline.Control {
	c := at.check
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	for {
		result, began := resultOf(c), time.Now()
		answer, err := s.attempt(bounded, at.side, c, timeout)
		if err != nil && throttled(c, answer) && at.rest(bounded, answer.RetryAfter) {
			continue
		}
		s.record(&result, c, began, answer, err)
		if err == nil {
			at.side.capture(c.Suite, answer.Captures)
		}
		return plumbline.Control{Color: at.side.site.Color, Outcome: result.Outcome, Class: result.Class, Reason: result.Reason,
			Unreached: errors.Is(err, plumbline.ErrUnreached)}
	}
}
