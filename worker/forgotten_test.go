package worker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/plumbline-dev/plumbline"
)

func TestForgottenRequestIsAboutWhatRanThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		flood := []*delivery{h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")}
		for i := range 2 * plumbline.MaxPending {
			flood = append(flood, h.event(plumbline.EventRequested, plumbline.Green, fmt.Sprint("m", i), ""))
		}
		newer := h.event(plumbline.EventDeployed, plumbline.Green, "e2", "3")
		for _, d := range append(flood, newer) {
			h.state.Handle(t.Context(), d.copy())
		}
		request := flood[1]
		h.worker.Handle(t.Context(), request)
		v, _ := h.verdict(request.event.Run)
		if v.Deployment != flood[0].event.Sequence || v.Release.Version != "2" || v.Cause != plumbline.CauseSuperseded {
			t.Errorf("a verdict about %s of %d: %s %q; want about 2 of %d, superseded", v.Release, v.Deployment, v.Cause, v.Reason, flood[0].event.Sequence)
		}
		if last := h.now().Colors[plumbline.Green].Last; last != nil {
			t.Errorf("the verdict of release 3 is %s of event %d, and it was asked for by %d", last.Outcome, last.Sequence, newer.event.Sequence)
		}
	})
}

// A request was begun and cut off by a crash, and so many came after it that the record has forgotten it. What it left behind
// is taken back, even if its color has another role since, whose suites leave nothing.
func TestWhatAForgottenRequestLeftIsTakenBack(t *testing.T) {
	for _, c := range []struct {
		cause plumbline.Cause
		role  plumbline.Role
		since func(*house)
	}{
		{plumbline.CauseRefused, plumbline.RoleIdle, func(*house) {}},
		{plumbline.CauseSuperseded, plumbline.RoleIdle, func(h *house) {
			h.state.Handle(h.t.Context(), h.event(plumbline.EventSwitched, plumbline.Green, "s", ""))
		}},
	} {
		t.Run(string(c.cause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.policy.Suites = []plumbline.SuiteRef{{Name: "orders", Digest: "sha256:1", Triggers: []plumbline.Trigger{plumbline.TriggerRelease}}}
				asked := undoing(h, 0, nil)
				h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
				was := len(*asked)
				request := h.event(plumbline.EventRequested, plumbline.Green, "m", "")
				h.state.Handle(t.Context(), request.copy())
				h.started[request.event.Run] = 1
				for i := range plumbline.MaxPending {
					h.state.Handle(t.Context(), h.event(plumbline.EventRequested, plumbline.Green, fmt.Sprint("m", i), ""))
				}
				c.since(h)
				plan := h.worker.Plan
				h.worker.Plan = func(ctx context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
					if len(run.Suites) == 0 {
						return plumbline.Plan{}, nil
					}
					return plan(ctx, run)
				}
				h.worker.Handle(t.Context(), request.again())
				v, _ := h.verdict(request.event.Run)
				if got := (*asked)[was:]; !slices.Equal(got, []string{"undo (intent false)"}) || v.Cause != c.cause || v.Role != c.role || len(v.Checks) != 1 {
					t.Errorf("asked %q, cause %q as %s, %d checks; want what was left to be taken back, and %q as %s", got, v.Cause, v.Role, len(v.Checks), c.cause, c.role)
				}
			})
		})
	}
}
