package main

import (
	"context"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

// What was cut off before it was asked is skipped; what may have been sent is not.
func TestFailFastKeepsWhatMayHaveBeenSent(t *testing.T) {
	_, stop := context.WithCancelCause(t.Context())
	f := newFast(true, plumbline.Plan{}, stop)
	f.finished(plumbline.Result{Name: "bad", Outcome: plumbline.Failed})
	attempts := make([]plumbline.Attempt, 1)
	for name, c := range map[string]struct {
		result plumbline.Result
		want   plumbline.Outcome
	}{
		"a question":       {plumbline.Result{Effect: plumbline.EffectNone, Attempts: attempts}, plumbline.Skipped},
		"an order":         {plumbline.Result{Effect: plumbline.EffectLasting, Attempts: attempts}, plumbline.Errored},
		"an order to come": {plumbline.Result{Effect: plumbline.EffectLasting}, plumbline.Skipped},
		"what is undone":   {plumbline.Result{Effect: plumbline.EffectUndone, Attempts: attempts}, plumbline.Errored},
	} {
		c.result.Name, c.result.Outcome = name, plumbline.Errored
		if got := f.settled([]plumbline.Result{f.finished(c.result)})[0]; got.Outcome != c.want {
			t.Errorf("%s is %s, want %s", name, got.Outcome, c.want)
		}
	}
}
