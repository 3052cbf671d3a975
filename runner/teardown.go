package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
)

var errGrace = errors.New("the grace for taking back is over")

// withGrace is a context that outlives ctx by the grace. The func ends it.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
		case <-late.Done():
			return
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errGrace)
		case <-late.Done():
		}
	}()
	return late, func() { cancel(nil); <-ended }
}

// publicOf are the captures that may be shown, by suite.
func publicOf(plan plumbline.Plan) map[string]map[string]bool {
	public := map[string]map[string]bool{}
	for _, c := range plan.Checks {
		for _, name := range c.Public {
			if public[c.Suite] == nil {
				public[c.Suite] = map[string]bool{}
			}
			public[c.Suite][name] = true
		}
	}
	return public
}

// Undo takes back what a run that was cut off may have left behind, and asks nothing else. There is a result for every
// check of the plan that takes back the effect of another.
func (r *Runner) Undo(ctx context.Context, plan plumbline.Plan, watch Watcher) []plumbline.Result {
	plan.Takeover = true
	plan.Checks = slices.DeleteFunc(slices.Clone(plan.Checks), func(c plumbline.Check) bool { return !undoes(c) })
	return r.Run(ctx, plan, watch)
}

func undoes(c plumbline.Check) bool { return c.Phase == plumbline.PhaseTeardown && c.Undoes != "" }

// LeavesBehind says whether a run of the plan has something to take back.
func LeavesBehind(plan plumbline.Plan) bool { return slices.ContainsFunc(plan.Checks, undoes) }

// CountsStarts says whether a run of the plan that is begun again does more than one that is begun once.
func CountsStarts(plan plumbline.Plan) bool {
	return LeavesBehind(plan) || slices.ContainsFunc(plan.Checks, func(c plumbline.Check) bool {
		return c.Effect == plumbline.EffectLasting && !c.Repeatable
	})
}

// tearDown asks a check that takes back, behind all that it comes after, however they ended.
func (s *session) tearDown(late context.Context, i int) plumbline.Result {
	c := s.plan.Checks[i]
	result := resultOf(c)
	s.join(s.before(i)) // each of them ends soon after the run does
	switch nothing := s.nothingLeft(c); {
	case c.Skip != "":
		return ended(result, plumbline.Skipped, c.Skip)
	case c.Prober == nil:
		return ended(result, plumbline.Errored, "has nothing to ask")
	case nothing != "":
		return ended(result, plumbline.Skipped, nothing)
	}
	s.join(s.above(c))
	at := s.seat(c)
	if err := at.take(late); err != nil {
		return ended(result, plumbline.Errored, "was not asked: "+context.Cause(late).Error())
	}
	defer at.leave()
	s.begin(c)
	return s.ask(late, at, result)
}

func (s *session) join(checks []int) {
	for _, i := range checks {
		<-s.done[i]
	}
}

// before are the checks that a teardown comes after: what it undoes and all that depends on that; or, if it is the
// suite's, everything of the suite and the teardowns that stand before it.
func (s *session) before(i int) []int {
	c := s.plan.Checks[i]
	var dependent map[string]bool
	if c.Undoes != "" {
		dependent = s.dependent(c.Suite, c.Undoes)
	}
	var before []int
	for j, other := range s.plan.Checks {
		last := other.Phase == plumbline.PhaseTeardown
		comes := c.Undoes == "" && (!last || other.Undoes != "" || j < i) || c.Undoes != "" && !last && dependent[other.Name]
		if other.Suite == c.Suite && j != i && comes {
			before = append(before, j)
		}
	}
	return before
}

// above are the teardowns of what depends on the check that this one undoes: an order goes before its project.
func (s *session) above(c plumbline.Check) []int {
	if c.Undoes == "" {
		return nil
	}
	dependent := s.dependent(c.Suite, c.Undoes)
	var above []int
	for j, other := range s.plan.Checks {
		if other.Suite == c.Suite && undoes(other) && other.Undoes != c.Undoes && dependent[other.Undoes] &&
			!s.dependent(c.Suite, other.Undoes)[c.Undoes] { // they would wait for each other
			above = append(above, j)
		}
	}
	return above
}

// dependent are the names of a check and of all that need it, directly or not.
func (s *session) dependent(suite, name string) map[string]bool {
	dependent := map[string]bool{name: true}
	for grown := true; grown; {
		grown = false
		for _, c := range s.plan.Checks {
			if c.Suite == suite && c.Phase != plumbline.PhaseTeardown && !dependent[c.Name] &&
				slices.ContainsFunc(c.Needs, func(need string) bool { return dependent[need] }) {
				dependent[c.Name], grown = true, true
			}
		}
	}
	return dependent
}

// nothingLeft says why there is nothing to take back. A run that was cut off may have left anything.
func (s *session) nothingLeft(c plumbline.Check) string {
	of := func(name string) string { return plumbline.Check{Suite: c.Suite, Name: name}.ID() }
	switch {
	case s.plan.Takeover:
		return ""
	case c.Undoes != "" && !s.wasAsked(of(c.Undoes)):
		return fmt.Sprintf("%q was not asked: nothing to take back", c.Undoes)
	case !s.wasAsked(c.Suite):
		return "nothing of the suite was asked: nothing to take back"
	}
	for _, name := range c.Needs {
		if !s.wasAsked(of(name)) {
			return fmt.Sprintf("%q was not asked: nothing to take back", name)
		}
	}
	return ""
}

// takeBack undoes what a check may have left behind in a run that was cut off, and says why it can't be asked again.
func (s *session) takeBack(ctx context.Context, c plumbline.Check) string {
	if !s.plan.Takeover || c.Effect != plumbline.EffectUndone {
		return ""
	}
	left := "has no teardown"
	for _, u := range s.plan.Checks {
		if u.Suite == c.Suite && u.Undoes == c.Name && u.Prober != nil {
			at := s.seat(u)
			if err := at.take(ctx); err != nil {
				return "was not asked: " + context.Cause(ctx).Error()
			}
			undone := s.ask(ctx, at, resultOf(u))
			at.leave()
			if undone.Outcome == plumbline.Passed {
				return ""
			}
			left = undone.Reason
		}
	}
	if c.Repeatable {
		return ""
	}
	return "may have been sent already by a run that was cut off, and could not be taken back: " + left
}
