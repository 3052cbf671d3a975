package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestReleaseBecomesAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.serve(d)
		v, ok := h.verdict(d.event.Run)
		if !ok || !v.Passed() || v.Deployment != 1 || v.Role != plumbline.RoleIdle || v.Trigger != plumbline.TriggerRelease || v.Worker != "w1" {
			t.Fatalf("verdict %+v", v)
		}
		if d.done != 1 || len(d.later) != 0 {
			t.Errorf("settled %d times, handed back %d times", d.done, len(d.later))
		}
		gate := plumbline.Decide(plumbline.Asked{Color: plumbline.Green, Version: "2"}, h.now(), h.policy, time.Now())
		if gate.Gate != plumbline.GateOpen {
			t.Errorf("the gate is %s: %s", gate.Gate, gate.Reason)
		}
	})
}

func TestSameEventIsOneVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		first := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.serve(first)
		h.serve(first.again())                                                // redelivered
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")) // sent again
		if h.wrote != 1 || h.started[first.event.Run] != 1 {
			t.Errorf("%d verdicts of %d runs, want one of one", h.wrote, h.started[first.event.Run])
		}
		other := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "3") // the same id, another version
		h.serve(other)
		h.serve(other.again())
		if len(h.letters) != 2 || !strings.Contains(h.letters[0], "used before, with other data") {
			t.Errorf("dead letters %q", h.letters)
		}
		if got := h.now().Colors[plumbline.Green].Release.Version; got != "2" || h.wrote != 1 {
			t.Errorf("green runs %s after %d verdicts, want 2 after one", got, h.wrote)
		}
	})
}

func TestForgottenDuplicateIsRecognized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		for i := range plumbline.MaxRecent + 5 {
			h.serve(h.event(plumbline.EventSwitched, plumbline.Blue, fmt.Sprint("noise", i), ""))
		}
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		if got := h.now().Colors[plumbline.Green].Deployment; got != 1 || h.wrote != 1 || len(h.letters) != 0 {
			t.Errorf("deployment %d after %d verdicts, dead letters %q; want 1 after one", got, h.wrote, h.letters)
		}
		other := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "6.6.6")
		h.serve(other)
		h.serve(other.again())
		if got := h.now().Colors[plumbline.Green].Deployment; got != 1 || h.wrote != 1 || len(h.letters) == 0 || !strings.Contains(h.letters[0], "(stream sequence 1)") {
			t.Errorf("deployment %d after %d verdicts, dead letters %q; want one letter of the forgotten id with other data", got, h.wrote, h.letters)
		}
	})
}

func TestRedeliveredOldSwitchChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		forth := h.event(plumbline.EventSwitched, plumbline.Green, "s1", "")
		h.serve(forth)
		back := h.event(plumbline.EventSwitched, plumbline.Blue, "s2", "")
		h.serve(back)
		before := h.now()
		h.serve(forth.again())
		after := h.now()
		if after.Live != plumbline.Blue || after.Applied != before.Applied || after.Epoch != before.Epoch {
			t.Errorf("live %s epoch %d, want blue and %d", after.Live, after.Epoch, before.Epoch)
		}
	})
}

func TestNewerReleaseSupersedes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var slow atomic.Bool
		slow.Store(true)
		h.probe = func(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
			if slow.Load() {
				<-ctx.Done()
				return plumbline.Answer{}, ctx.Err()
			}
			return plumbline.Answer{}, nil
		}
		older, newer := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"), h.event(plumbline.EventDeployed, plumbline.Green, "e2", "3")
		h.state.Handle(t.Context(), older.copy())
		ended := make(chan struct{})
		go func() { h.worker.Handle(t.Context(), older); close(ended) }()
		time.Sleep(time.Minute)
		if beats := older.beats(); beats < 5 {
			t.Errorf("%d heartbeats in a minute, want one each 10s", beats)
		}
		slow.Store(false)
		h.serve(newer)
		<-ended
		v, _ := h.verdict(older.event.Run)
		if v.Passed() || v.Cause != plumbline.CauseSuperseded || !strings.Contains(v.Reason, "3") || older.done != 1 {
			t.Errorf("the older run: %s %s %q", v.Outcome, v.Cause, v.Reason)
		}
		if v, _ := h.verdict(newer.event.Run); !v.Passed() {
			t.Errorf("the newer run: %s %q", v.Outcome, v.Reason)
		}
		queued := h.event(plumbline.EventDeployed, plumbline.Green, "e3", "4")
		h.state.Handle(t.Context(), queued.copy())
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e4", "5"))
		h.worker.Handle(t.Context(), queued) // comes to the worker when it is old already
		if v, _ := h.verdict(queued.event.Run); v.Cause != plumbline.CauseSuperseded || h.started[queued.event.Run] != 0 {
			t.Errorf("the queued run: %s, started %d times", v.Cause, h.started[queued.event.Run])
		}
	})
}

func TestEndsWithoutAJudgement(t *testing.T) {
	hang := func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
		<-ctx.Done()
		return plumbline.Answer{}, ctx.Err()
	}
	for _, test := range []struct {
		name  string
		act   func(*house, *delivery)
		cause plumbline.Cause
	}{
		{"deadline while asking", func(h *house, d *delivery) { h.probe = hang; h.serve(d) }, plumbline.CauseDeadline},
		{"deadline before asking", func(h *house, d *delivery) { time.Sleep(31 * time.Minute); h.serve(d) }, plumbline.CauseDeadline},
		{"the plan never resolves", func(h *house, d *delivery) {
			h.worker.Plan = func(context.Context, plumbline.RunRef) (plumbline.Plan, error) {
				return plumbline.Plan{}, errors.New("no such suite")
			}
			for h.serve(d); len(d.later) > 0; {
				time.Sleep(d.later[0])
				d = d.again()
				h.worker.Handle(h.t.Context(), d)
			}
		}, plumbline.CauseDeadline},
		{"started too often", func(h *house, d *delivery) {
			h.started[d.event.Run] = 10
			d.times = 11
			h.serve(d)
		}, plumbline.CauseUnfinished},
		{"role changes", func(h *house, d *delivery) {
			h.probe = hang
			go func() {
				time.Sleep(time.Minute)
				h.state.Handle(h.t.Context(), h.event(plumbline.EventSwitched, plumbline.Green, "s", ""))
			}()
			h.serve(d)
		}, plumbline.CauseSuperseded},
		{"the color is changed", func(h *house, d *delivery) {
			h.probe = hang
			go func() {
				time.Sleep(time.Minute)
				h.state.Handle(h.t.Context(), h.event(plumbline.EventDeploying, plumbline.Green, "x", ""))
			}()
			h.serve(d)
		}, plumbline.CauseSuperseded},
		{"release to the live color", func(h *house, d *delivery) { d.event.Color = plumbline.Blue; h.serve(d) }, plumbline.CauseRefused},
		{"no suite", func(h *house, d *delivery) { h.policy.Suites = nil; h.serve(d) }, plumbline.CauseRefused},
		{"no digest", func(h *house, d *delivery) { h.policy.RequireDigest = true; h.serve(d) }, plumbline.CauseRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				test.act(h, d)
				v, ok := h.verdict(d.event.Run)
				if !ok || v.Passed() || v.Cause != test.cause || v.Reason == "" || v.ConfigDigest == "" && v.Cause == plumbline.CauseRefused {
					t.Errorf("verdict %s, cause %q, reason %q; want a fail, cause %s", v.Outcome, v.Cause, v.Reason, test.cause)
				}
			})
		})
	}
}

func TestShutdownIsNotAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.probe = func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
			<-ctx.Done()
			return plumbline.Answer{}, ctx.Err()
		}
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Minute); cancel() }()
		h.worker.Handle(ctx, d)
		if h.wrote != 0 || d.done != 0 || len(d.later) != 1 {
			t.Errorf("%d verdicts, settled %d times, handed back %d times; want 0, 0, 1", h.wrote, d.done, len(d.later))
		}
		h.probe = func(context.Context, plumbline.Ask) (plumbline.Answer, error) { return plumbline.Answer{}, nil }
		h.worker.Handle(t.Context(), d.again())
		if v, _ := h.verdict(d.event.Run); !v.Passed() {
			t.Errorf("after the takeover: %s %q", v.Outcome, v.Reason)
		}
	})
}

func TestVerdictIsKeptUntilItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		publish, full := h.worker.Publish, 5
		h.worker.Publish = func(ctx context.Context, v plumbline.Verdict) (plumbline.Verdict, error) {
			if full--; full >= 0 {
				if ready := h.worker.Ready(); full < 4 && (ready == nil || !strings.Contains(ready.Error(), v.Run)) {
					t.Errorf("ready (%v) with a kept verdict", ready)
				}
				return v, errors.New("the store is full")
			}
			return publish(ctx, v)
		}
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.serve(d)
		if err := h.worker.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if h.wrote != 1 || d.done != 1 || h.started[d.event.Run] != 1 {
			t.Errorf("%d verdicts, settled %d times, started %d times; want one each", h.wrote, d.done, h.started[d.event.Run])
		}
	})
}

func TestBrokenAndForeignEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		broken := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		broken.broken = errors.New(`color "purple": want blue or green`)
		h.serve(broken)
		foreign := h.event(plumbline.EventDeployed, plumbline.Green, "e2", "2")
		foreign.event.Service = "pear"
		h.state.Handle(t.Context(), foreign)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e3", "2"))
		if len(h.letters) != 2 || h.letters[0] != `color "purple": want blue or green` || h.letters[1] != "service pear is not configured" {
			t.Errorf("dead letters %q", h.letters)
		}
		if h.wrote != 1 || broken.done != 1 || foreign.done != 1 {
			t.Errorf("%d verdicts, settled %d and %d times; want one each", h.wrote, broken.done, foreign.done)
		}
	})
}
