package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A service that was just added has old events in the stream, which went to the dead letters when it wasn't known.
func TestEventsThatNobodyAcceptedGetNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		old := []*delivery{
			h.event(plumbline.EventDeployed, plumbline.Green, "old-1", "1"),
			h.event(plumbline.EventRequested, plumbline.Green, "old-2", ""),
			h.event(plumbline.EventSwitched, plumbline.Green, "old-3", ""),
		}
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		for _, d := range old {
			h.worker.Handle(t.Context(), d)
			if _, judged := h.verdict(d.event.Run); judged || d.done != 1 {
				t.Errorf("%s has a verdict: %t, settled %d times; want no verdict, settled once", d.event.ID, judged, d.done)
			}
		}
		if gate := plumbline.Decide(plumbline.Asked{Color: plumbline.Green}, h.now(), h.policy, time.Now()); gate.Gate != plumbline.GateOpen {
			t.Errorf("the gate is %s: %s", gate.Gate, gate.Reason)
		}
	})
}

func TestEachRequestOfAFloodHasOneVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		flood := []*delivery{h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")}
		for i := range 3 * plumbline.MaxPending {
			flood = append(flood, h.event(plumbline.EventRequested, plumbline.Green, fmt.Sprint("m", i), ""))
		}
		for _, d := range flood {
			h.state.Handle(t.Context(), d.copy())
		}
		asked := 0
		for _, d := range flood {
			h.worker.Handle(t.Context(), d)
			v, judged := h.verdict(d.event.Run)
			if !judged || d.done != 1 {
				t.Fatalf("%s has no verdict, or is settled %d times", d.event.ID, d.done)
			}
			if v.Passed() {
				asked++
			}
		}
		if v, _ := h.verdict(flood[0].event.Run); !v.Passed() || h.wrote != len(flood) || asked != plumbline.MaxPending {
			t.Errorf("the release: %s %q; %d verdicts of %d events, %d of them asked, want %d", v.Outcome, v.Reason, h.wrote, len(flood), asked, plumbline.MaxPending)
		}
		if last := h.now().Colors[plumbline.Green].Last; last == nil || last.Sequence != flood[len(flood)-1].event.Sequence {
			t.Errorf("the last verdict is %+v, want that of the newest request", last)
		}
	})
}

func TestReleasesThatFellOutAreSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var burst []*delivery
		for i := range 2 * plumbline.MaxPending {
			d := h.event(plumbline.EventDeployed, plumbline.Green, fmt.Sprint("e", i), fmt.Sprint(i))
			h.state.Handle(t.Context(), d.copy())
			burst = append(burst, d)
		}
		for i, d := range burst {
			h.worker.Handle(t.Context(), d)
			v, _ := h.verdict(d.event.Run)
			if newest := i == len(burst)-1; v.Passed() != newest || !newest && v.Cause != plumbline.CauseSuperseded {
				t.Errorf("release %d of %d: %s %s %q", i, len(burst), v.Outcome, v.Cause, v.Reason)
			}
		}
	})
}

// The bus knows a message id for an hour. An event that is sent again after that is told to the ledger once all the same.
func TestEventSentAgainIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		told := map[plumbline.EntryKind]int{}
		h.worker.Say = func(ctx context.Context, e plumbline.Entry) error { told[e.Kind]++; return nil }
		first := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.serve(first)
		writes := h.revision
		for range 3 {
			time.Sleep(2 * time.Hour)
			h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		}
		h.worker.Handle(t.Context(), first.copy()) // the queue was made anew: delivered as if for the first time
		if told[plumbline.EntryVerdict] != 1 || h.revision != writes+3 {
			t.Errorf("the verdict was told %d times, with %d more writes of the record; want once, and one for each event", told[plumbline.EntryVerdict], h.revision-writes)
		}
	})
}

// A daemon dies between the record and the ledger, and the queue is made anew: its messages come as if for the first time.
func TestAVerdictIsToldThoughTheQueueWasMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		h.worker.Say = func(context.Context, plumbline.Entry) error { return errDied }
		h.worker.Handle(t.Context(), d.copy())
		h.worker.Say = h.say
		h.worker.Handle(t.Context(), d)
		entry := plumbline.Entry{Service: "plum", Kind: plumbline.EntryVerdict, Sequence: d.event.Sequence, Color: plumbline.Green, Run: d.event.Run}
		if h.entries[entry.ID()].Text == "" || d.done != 1 || h.wrote != 1 {
			t.Errorf("the ledger says %+v; settled %d times, %d verdicts", h.entries, d.done, h.wrote)
		}
	})
}

// gate is what a gate answers at the moment.
func (h *house) gate(c plumbline.Color) plumbline.Gate {
	return plumbline.Decide(plumbline.Asked{Color: c}, h.now(), h.rules(), time.Now())
}

// A newer release, a change or a switch comes while the verdict of an older run is on its way into the stream.
func TestVerdictOvertakenOnItsWay(t *testing.T) {
	overtake := map[string]struct {
		kind  plumbline.EventKind
		color plumbline.Color
	}{
		"newer release": {plumbline.EventDeployed, plumbline.Green},
		"change":        {plumbline.EventDeploying, plumbline.Green},
		"switch":        {plumbline.EventSwitched, plumbline.Green},
	}
	for name, by := range overtake {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				publish := h.worker.Publish
				older := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				newer := h.event(by.kind, by.color, "e2", "3")
				h.worker.Publish = func(ctx context.Context, v plumbline.Verdict) (plumbline.Verdict, error) {
					if v.Run == older.event.Run {
						h.state.Handle(t.Context(), newer.copy())
					}
					return publish(ctx, v)
				}
				h.serve(older)
				v, _ := h.verdict(older.event.Run)
				gate := h.gate(plumbline.Green)
				if !v.Passed() || gate.Because == plumbline.BecauseVerdict || gate.Fresh {
					t.Errorf("a pass of the older run (%s) answers: %s, %s because %s", v.Outcome, gate.Gate, gate.Verdict, gate.Because)
				}
				if _, pending := h.now().Find(older.event.Run); pending || older.done != 1 {
					t.Errorf("the older run is still pending: %t, settled %d times", pending, older.done)
				}
			})
		})
	}
}

// Daemon A applies the events, daemon B runs them with a memory that a slow watch feeds.
func TestWorkerWithALateMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		b := h.process("b", 0, "")
		var running sync.WaitGroup
		run := func(d *delivery) { running.Go(func() { b.worker.Handle(t.Context(), d) }) }
		feed := func(after time.Duration) {
			record, revision := h.now(), h.revision
			running.Go(func() { time.Sleep(after); b.worker.Records.Memory.Set(record, revision) })
		}
		first, second := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"), h.event(plumbline.EventDeployed, plumbline.Green, "e2", "3")
		run(first)
		run(second)
		h.state.Handle(t.Context(), first.copy())
		feed(3 * time.Second)
		h.state.Handle(t.Context(), second.copy())
		feed(2 * time.Second) // overtakes the record before
		running.Wait()
		if v, _ := h.verdict(first.event.Run); v.Cause != plumbline.CauseSuperseded || h.started[first.event.Run] != 0 {
			t.Errorf("the older run: %s %s, started %d times", v.Outcome, v.Cause, h.started[first.event.Run])
		}
		if v, _ := h.verdict(second.event.Run); !v.Passed() {
			t.Errorf("the newer run: %s %q", v.Outcome, v.Reason)
		}
		if gate := h.gate(plumbline.Green); gate.Gate != plumbline.GateOpen || gate.Release.Version != "3" {
			t.Errorf("the gate of %s is %s: %s", gate.Release, gate.Gate, gate.Reason)
		}
	})
}

// The same event comes twice before its run is decided, and the second message reaches a worker first.
func TestRunBelongsToTheFirstMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		first, second := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"), h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), first.copy())
		h.state.Handle(t.Context(), second.copy())
		h.worker.Handle(t.Context(), second)
		if h.wrote != 0 || second.done != 1 {
			t.Errorf("the second message: %d verdicts, settled %d times", h.wrote, second.done)
		}
		h.worker.Handle(t.Context(), first)
		if v, _ := h.verdict(first.event.Run); !v.Passed() || v.Event.Sequence != first.event.Sequence || h.started[first.event.Run] != 1 {
			t.Errorf("the first message: %s of %d, started %d times", v.Outcome, v.Event.Sequence, h.started[first.event.Run])
		}
	})
}

// What lies under the subject of a run and isn't about that run opens no gate, and is no verdict of it.
func TestVerdictOfAnotherRunCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		bad := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.probe = func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
			return plumbline.Answer{}, plumbline.Failf("answered 500, want 2xx")
		}
		h.serve(bad)
		manual := h.event(plumbline.EventRequested, plumbline.Green, "m1", "")
		forged, _ := h.verdict(bad.event.Run)
		forged.Outcome, forged.Cause, forged.Event.Sequence = plumbline.Pass, "", manual.event.Sequence
		h.verdicts[manual.event.Run] = forged
		h.state.Handle(t.Context(), manual.copy())
		h.worker.Handle(t.Context(), manual)
		h.worker.Handle(t.Context(), manual.again())
		if gate := h.gate(plumbline.Green); gate.Gate == plumbline.GateOpen || manual.done != 0 {
			t.Errorf("the gate is %s: %s; the message was settled %d times", gate.Gate, gate.Reason, manual.done)
		}
	})
}
