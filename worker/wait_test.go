package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A window whose end nobody recorded yet, because the bus is away, must not keep a run busy with looking at it.
func TestRunWaitsQuietlyBesideAWindowThatEnded(t *testing.T) {
	h := newHouse(t)
	h.policy.Retain = 300 * time.Millisecond
	var looks atomic.Int64
	h.worker.Now = func() time.Time { looks.Add(1); return time.Now() }
	h.probe = func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
		time.Sleep(400 * time.Millisecond)
		return plumbline.Answer{}, nil
	}
	h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
	if n := looks.Load(); n > 20 {
		t.Errorf("the clock was looked at %d times in a run of 400ms, want a few", n)
	}
}

// An event that the state handler never applies, because no daemon that knows the service took it, must not keep a
// place of the worker for ever.
func TestUnappliedEventIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		begun := time.Now()
		h.worker.Handle(t.Context(), d)
		if waited := time.Since(begun); waited > 2*time.Minute || len(d.later) != 1 || d.done != 0 {
			t.Errorf("handed back %d times and settled %d times after %s, want handed back once within 2m", len(d.later), d.done, waited)
		}
	})
}
