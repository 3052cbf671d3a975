package worker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A drowsy delivery belongs to a process that stands still for a while when it says that it works.
type drowsy struct {
	*delivery
	asleep time.Duration
}

func (d drowsy) Working() error {
	time.Sleep(d.asleep)
	return d.delivery.Working()
}

// A process that was paused wakes up to time-outs that ran on meanwhile, or to an answer of long ago. Neither is a verdict
// about the release: whoever has the run by then reaches it, and the sleeper takes nothing from him.
func TestWhoSleptJudgesNothing(t *testing.T) {
	for _, test := range []struct {
		name   string
		asleep time.Duration
		probe  plumbline.ProberFunc
		judged bool
	}{
		{"time-outs ran on", 25 * time.Second, func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
			time.Sleep(35 * time.Second)
			return plumbline.Answer{}, errors.New("timed out")
		}, false},
		{"the answer is of long ago", 5 * time.Minute, func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
			time.Sleep(10*time.Second + 5*time.Minute)
			return plumbline.Answer{}, nil
		}, false},
		{"a moment", 5 * time.Second, func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
			time.Sleep(35 * time.Second)
			return plumbline.Answer{}, nil
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				awake := h.probe
				h.probe = test.probe
				d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				h.state.Handle(t.Context(), d.copy())
				h.worker.Handle(t.Context(), drowsy{d, test.asleep})
				v, judged := h.verdict(d.event.Run)
				if judged != test.judged || d.done > 0 != test.judged || len(d.later) > 0 {
					t.Errorf("verdict %t: %s %q, settled %d times, handed back %d times, want a verdict %t and else nothing", judged, v.Outcome, v.Reason, d.done, len(d.later), test.judged)
				}
				h.probe = awake
				h.worker.Handle(t.Context(), d.again())
				if v, _ := h.verdict(d.event.Run); !v.Passed() || h.wrote != 1 {
					t.Errorf("in the end %d verdicts, %s %q, want one pass", h.wrote, v.Outcome, v.Reason)
				}
			})
		})
	}
}
