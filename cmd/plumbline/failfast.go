package main

import (
	"context"
	"fmt"

	"github.com/plumbline-dev/plumbline"
)

// fast ends a run with the first critical check that goes wrong, if that is enough. Calls of finished don't overlap.
type fast struct {
	enough bool
	stop   context.CancelCauseFunc
	late   map[string]bool // teardowns, by their ids: nothing cuts them off

	why   string
	cutBy map[string]bool // checks that were cut off, by their ids
}

func newFast(enough bool, plan plumbline.Plan, stop context.CancelCauseFunc) *fast {
	f := &fast{enough: enough, stop: stop, late: map[string]bool{}}
	for _, c := range plan.Checks {
		f.late[c.ID()] = c.Phase == plumbline.PhaseTeardown
	}
	return f
}

// finished says how a check ended: what could not be asked once the run was over was cut off by that.
func (f *fast) finished(r plumbline.Result) plumbline.Result {
	switch {
	case !f.enough, f.late[r.ID()]:
	case f.why == "" && r.Severity != plumbline.Advisory && (r.Outcome == plumbline.Failed || r.Outcome == plumbline.Errored):
		f.why, f.cutBy = fmt.Sprintf("--fail-fast: %s went wrong before", r.Name), map[string]bool{}
		f.stop(fmt.Errorf("%s went wrong, and --fail-fast ends the run there", r.Name))
	case f.why != "" && r.Outcome == plumbline.Errored && r.Phase != plumbline.PhaseTeardown && !mayHaveBeenSent(r):
		f.cutBy[r.ID()] = true
		return f.cut(r)
	}
	return r
}

// mayHaveBeenSent says whether a check was cut off after it may have left something behind.
func mayHaveBeenSent(r plumbline.Result) bool {
	return len(r.Attempts) > 0 && r.Effect != "" && r.Effect != plumbline.EffectNone
}

func (f *fast) cut(r plumbline.Result) plumbline.Result {
	r.Outcome, r.Reason, r.Detail, r.Attempts, r.Steps = plumbline.Skipped, f.why, "", nil, nil
	return r
}

// settled is what a run came to.
func (f *fast) settled(results []plumbline.Result) []plumbline.Result {
	for i, r := range results {
		if f.cutBy[r.ID()] {
			results[i] = f.cut(r)
		}
	}
	return results
}
