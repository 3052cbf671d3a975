package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/worker"
)

// A process stops in the middle of its last step, others go on, and hours later it wakes up: its verdict is not a second
// one, and nothing that happened in the meantime is undone.
func TestLateVerdictChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		wake, sleeping := make(chan struct{}), make(chan struct{})
		late := h.process("late", 0, "")
		publish := late.worker.Publish
		late.worker.Publish = func(ctx context.Context, v plumbline.Verdict) (plumbline.Verdict, error) {
			close(sleeping)
			<-wake
			return publish(ctx, v)
		}
		first := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), first.copy())
		late.worker.Records.Memory.Set(h.now(), h.revision)
		sleeper, ended := first.copy(), make(chan struct{})
		go func() { late.worker.Handle(t.Context(), sleeper); close(ended) }()
		<-sleeping // with a pass in its hands

		h.probe = func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
			return plumbline.Answer{}, plumbline.Failf("answered 500, want 2xx")
		}
		h.worker.Handle(t.Context(), first.again())
		h.probe = func(context.Context, plumbline.Ask) (plumbline.Answer, error) { return plumbline.Answer{}, nil }
		second := h.event(plumbline.EventDeployed, plumbline.Green, "e2", "3")
		h.serve(second)
		time.Sleep(3 * time.Hour)
		wrote := h.wrote
		close(wake)
		<-ended
		if v, _ := h.verdict(first.event.Run); v.Passed() || h.wrote != wrote || wrote != 2 {
			t.Errorf("%d verdicts, the first is %s; want 2 as before, and a fail", h.wrote, v.Outcome)
		}
		after := h.now().Colors[plumbline.Green]
		if after.Last == nil || after.Last.Run != second.event.Run || after.Last.Outcome != plumbline.Pass || len(after.Pending) != 0 {
			t.Errorf("the record has %+v", after)
		}
		if sleeper.done != 1 || len(sleeper.later) != 0 {
			t.Errorf("the late message was settled %d times and handed back %d times", sleeper.done, len(sleeper.later))
		}
	})
}

// A state handler that stops in the middle of an event and wakes up behind two switches moves nothing back.
func TestLateStateChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		wake, sleeping, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		late := h.process("late", 0, "")
		update := late.state.Records.Update
		late.state.Records.Update = func(ctx context.Context, r plumbline.Record, revision uint64) (uint64, error) {
			select {
			case <-sleeping:
			default:
				close(sleeping)
				<-wake
			}
			return update(ctx, r, revision)
		}
		forth := h.event(plumbline.EventSwitched, plumbline.Green, "forth", "")
		sleeper := forth.copy()
		go func() { late.state.Handle(t.Context(), sleeper); close(ended) }()
		<-sleeping
		h.state.Handle(t.Context(), forth.again())
		back := h.event(plumbline.EventSwitched, plumbline.Blue, "back", "")
		h.state.Handle(t.Context(), back)
		time.Sleep(3 * time.Hour)
		before, told := h.now(), len(h.entries)
		close(wake)
		<-ended
		if r := h.now(); r.Live != plumbline.Blue || r.Switched != back.event.Sequence || r.Applied != before.Applied || len(h.entries) != told {
			t.Errorf("%s is live since %d, %d entries; want blue since %d and %d", r.Live, r.Switched, len(h.entries), back.event.Sequence, told)
		}
		if sleeper.done != 1 {
			t.Errorf("the late message was settled %d times", sleeper.done)
		}
	})
}

// In the middle of an upgrade a run is pinned to a suite that the older daemon can't read: it hands the event back as often
// as it gets it, and the newer one asks. Hand-backs are no attempts.
func TestOlderDaemonHandsBackWhatItCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		older := h.process("older", 0, "")
		older.worker.Plan = unreadable
		older.worker.Records.Memory = h.worker.Records.Memory
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		for range 3 * worker.MaxAttempts { // it is the quicker one
			older.worker.Handle(t.Context(), d)
			if len(d.later) != 1 || d.later[0] <= 0 || d.later[0] > 30*time.Second || d.done != 0 {
				t.Fatalf("delivery %d was handed back %v and settled %d times", d.times, d.later, d.done)
			}
			time.Sleep(d.later[0])
			d = d.again()
		}
		h.worker.Handle(t.Context(), d)
		if v, _ := h.verdict(d.event.Run); !v.Passed() || v.Worker != "w1" || h.started[d.event.Run] != 1 {
			t.Errorf("the newer daemon: %s %s %q, started %d times", v.Outcome, v.Cause, v.Reason, h.started[d.event.Run])
		}
	})
}

// If no daemon can read it, the deadline ends the run, no later than it is over, and says what was missing.
func TestUnreadablePlanEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.worker.Plan = unreadable
		began := time.Now()
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		for h.worker.Handle(t.Context(), d); d.done == 0; h.worker.Handle(t.Context(), d) {
			time.Sleep(d.later[0])
			d = d.again()
		}
		v, _ := h.verdict(d.event.Run)
		if took := time.Since(began); v.Cause != plumbline.CauseDeadline || took != 30*time.Minute || h.started[d.event.Run] != 0 {
			t.Errorf("%s %s %q after %s, started %d times; want deadline after exactly 30m and none", v.Outcome, v.Cause, v.Reason, took, h.started[d.event.Run])
		}
		if !strings.Contains(v.Reason, "within 30m0s") || !strings.Contains(v.Reason, `unknown kind "workday"`) {
			t.Errorf("the reason is %q", v.Reason)
		}
	})
}

func unreadable(context.Context, plumbline.RunRef) (plumbline.Plan, error) {
	return plumbline.Plan{}, errors.New(`suite smoke was pinned and can't be read by this daemon: smoke.yaml:3:5: unknown kind "workday"`)
}

// A reload took the service away while its message was on its way: another daemon may have it.
func TestServiceThatWentIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		settings := h.worker.Settings
		h.worker.Settings = func(string) (worker.Settings, bool) { return worker.Settings{}, false }
		h.worker.Handle(t.Context(), d)
		if d.done != 0 || len(d.later) != 1 || h.wrote != 0 {
			t.Errorf("settled %d times, handed back %d times, %d verdicts", d.done, len(d.later), h.wrote)
		}
		h.worker.Settings = settings
		h.worker.Handle(t.Context(), d.again())
		if v, _ := h.verdict(d.event.Run); !v.Passed() {
			t.Errorf("where it is configured: %s %q", v.Outcome, v.Reason)
		}
	})
}

// What was put aside before anybody served the service is waited for by no run; what is only late is.
func TestRunOfAnEventFromBeforeTheService(t *testing.T) {
	for name, c := range map[string]struct {
		first   uint64 // of the state handler's events
		applied uint64 // on the bus
		err     error
		done    int
	}{
		"before the service": {first: 2, done: 1},
		"late":               {first: 1},
		"applied, by a record that isn't heard of yet": {first: 2, applied: 2},
		"nobody knows": {first: 2, err: errLost},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.worker.BeginsAfter = func(_ context.Context, _ string, sequence uint64) (bool, error) { return sequence < c.first, c.err }
				record := h.now()
				record.Applied = c.applied
				if _, err := h.write(record, h.revision); err != nil {
					t.Fatal(err)
				}
				d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				h.worker.Handle(t.Context(), d)
				if d.done != c.done || len(d.later) != 1-c.done || h.wrote != 0 {
					t.Errorf("settled %d times, handed back %d times, %d verdicts", d.done, len(d.later), h.wrote)
				}
			})
		})
	}
}
