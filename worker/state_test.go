package worker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A record that somebody deleted is begun anew, in a way that opens nothing, and holds nobody up.
func TestDeletedRecordOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
		h.remove(h.state.Records.Memory)
		if _, _, known := h.state.Records.Memory.Get("plum"); known {
			t.Error("memory still knows a record that was deleted")
		}
		d := h.event(plumbline.EventDeployed, plumbline.Blue, "e2", "3")
		h.serve(d)
		if h.missing() {
			t.Fatalf("there is no record; the event was handed back: %v", d.later)
		}
		if r := h.now(); r.Schema != plumbline.RecordSchema || r.Adopted || r.Applied != d.event.Sequence {
			t.Errorf("the record has schema %q, adopted %t, applied %d", r.Schema, r.Adopted, r.Applied)
		}
		if v, _ := h.verdict(d.event.Run); v.Cause != plumbline.CauseRefused {
			t.Errorf("verdict %s %s %q, want refused", v.Outcome, v.Cause, v.Reason)
		}
		for _, c := range plumbline.Colors() {
			if gate := h.gate(c); gate.Gate != plumbline.GateClosed || gate.Because != plumbline.BecauseNoRecord {
				t.Errorf("the gate of %s is %s because %s", c, gate.Gate, gate.Because)
			}
		}
	})
}

// A run that is under way when the record goes ends without an open gate.
func TestRecordDeletedDuringARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		publish := h.worker.Publish
		h.state.Handle(t.Context(), d.copy())
		h.worker.Publish = func(ctx context.Context, v plumbline.Verdict) (plumbline.Verdict, error) {
			h.remove(h.state.Records.Memory)
			return publish(ctx, v)
		}
		h.worker.Handle(t.Context(), d)
		h.worker.Publish = publish
		if d.done != 0 || len(d.later) != 1 {
			t.Errorf("settled %d times, handed back %d times, want handed back", d.done, len(d.later))
		}
		h.serve(h.event(plumbline.EventSwitched, plumbline.Blue, "s", ""))
		h.worker.Handle(t.Context(), d.again())
		if gate := h.gate(plumbline.Green); gate.Gate != plumbline.GateClosed || h.started[d.event.Run] != 1 {
			t.Errorf("the gate is %s because %s, after %d starts", gate.Gate, gate.Because, h.started[d.event.Run])
		}
	})
}

// While daemons are restarted with a service more, those that don't know it leave its events to those that do.
func TestServiceThatAnotherDaemonKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		a := h.process("a", 0, "")
		a.state.Policy = func(string) (plumbline.Policy, bool) { return plumbline.Policy{}, false }
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		a.state.Handle(t.Context(), d)
		if len(d.later) != 1 || d.later[0] > time.Second || len(h.letters) != 0 || d.done != 0 {
			t.Fatalf("handed back after %v, %d dead letters", d.later, len(h.letters))
		}
		if h.serve(d.again()); h.wrote != 1 {
			t.Errorf("%d verdicts", h.wrote)
		}
		lost := h.event(plumbline.EventDeployed, plumbline.Green, "e2", "3")
		for range 9 { // nobody takes it
			lost = lost.again()
			a.state.Handle(t.Context(), lost)
		}
		if len(h.letters) == 0 {
			t.Error("an event that nobody knows is no dead letter")
		}
		foreign := h.event(plumbline.EventDeployed, plumbline.Green, "e3", "3")
		foreign.event.Service = "pear"
		if a.state.Handle(t.Context(), foreign); foreign.done != 1 {
			t.Error("an event about a service without a record held up those behind it")
		}
	})
}

func TestEventsOfAStreamThatWasMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		for range 5 {
			h.serve(h.event(plumbline.EventSwitched, plumbline.Blue, "noise", ""))
		}
		h.sequence = 0
		time.Sleep(time.Hour)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.serve(d)
		if len(h.letters) != 1 || h.wrote != 0 || d.done != 1 {
			t.Errorf("dead letters %q, %d verdicts, settled %d times; want one dead letter", h.letters, h.wrote, d.done)
		}
	})
}
