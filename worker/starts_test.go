package worker_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// mails is a plan with a check that sends what can't be taken back, and waits.
func mails(h *house, sent *int) {
	h.worker.Plan = func(context.Context, plumbline.RunRef) (plumbline.Plan, error) {
		return plumbline.Plan{Checks: []plumbline.Check{{Name: "mail", Suite: "smoke", Timeout: time.Hour, Effect: plumbline.EffectLasting,
			Prober: plumbline.ProberFunc(func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
				*sent++
				<-ctx.Done()
				return plumbline.Answer{}, ctx.Err()
			})}}}, nil
	}
}

// A server that is killed may lose the results of a moment, and a run's start among them. Whoever comes next knows of it by
// the record: what stays isn't sent twice, what was left behind is taken back.
func TestAStartThatTheResultsLost(t *testing.T) {
	cutOff := func(t *testing.T, h *house) *delivery {
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		h.worker.Handle(ctx, d)
		if h.wrote != 0 {
			t.Fatalf("%d verdicts of a run that was cut off", h.wrote)
		}
		clear(h.started)
		return d.again()
	}
	t.Run("sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			sent := 0
			mails(h, &sent)
			d := cutOff(t, h)
			h.worker.Handle(t.Context(), d)
			if v, _ := h.verdict(d.event.Run); sent != 1 || v.Passed() || !strings.Contains(v.Reason, "may have been sent already") {
				t.Errorf("sent %d times, %s %q", sent, v.Outcome, v.Reason)
			}
		})
	})
	t.Run("left behind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			asked := undoing(h, time.Minute, nil)
			d := cutOff(t, h)
			was := len(*asked)
			h.state.Handle(t.Context(), h.event(plumbline.EventDeployed, plumbline.Green, "newer", "3"))
			h.worker.Handle(t.Context(), d)
			if v, _ := h.verdict(d.event.Run); v.Cause != plumbline.CauseSuperseded || len(*asked) != was+1 || !strings.HasPrefix((*asked)[was], "undo") {
				t.Errorf("cause %q, asked %q", v.Cause, *asked)
			}
		})
	})
	t.Run("ended in the meantime", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			sent := 0
			mails(h, &sent)
			d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
			h.state.Handle(t.Context(), d.copy())
			h.worker.Begin = func(ctx context.Context, p plumbline.Plan) (int, error) { // whoever was first is just done
				v, err := h.publish(ctx, plumbline.Refuse(p, plumbline.CauseUnfinished, "the other's", nil, time.Now()))
				if err != nil {
					return 0, err
				}
				_, err = h.worker.Records.Change(ctx, "plum", func(r plumbline.Record) (plumbline.Record, bool) { return r.Note(v, time.Now()), true })
				return 0, err
			}
			h.worker.Handle(t.Context(), d.again())
			if v, _ := h.verdict(d.event.Run); sent != 0 || v.Reason != "the other's" {
				t.Errorf("sent %d times, %q", sent, v.Reason)
			}
		})
	})
}
