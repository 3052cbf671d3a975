package worker_test

import (
	"context"
	"fmt"
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
		a := h.stranger("a")
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		a.state.Handle(t.Context(), d)
		if len(d.later) != 1 || d.later[0] > time.Second || len(h.letters) != 0 || d.done != 0 {
			t.Fatalf("handed back after %v, %d dead letters", d.later, len(h.letters))
		}
		if h.serve(d.again()); h.wrote != 1 {
			t.Errorf("%d verdicts", h.wrote)
		}
		foreign := h.event(plumbline.EventDeployed, plumbline.Green, "e3", "3")
		foreign.event.Service = "pear"
		if a.state.Handle(t.Context(), foreign); foreign.done != 1 {
			t.Error("an event about a service without a record held up those behind it")
		}
	})
}

// stranger is a daemon that doesn't serve the service of the house.
func (h *house) stranger(name string) *process {
	p := h.process(name, 0, "")
	p.state.Policy = func(string) (plumbline.Policy, bool) { return plumbline.Policy{}, false }
	return p
}

// offer gives an event to those who don't serve it, one after the other as they stand in line, until one settles it.
func (h *house) offer(d *delivery, line ...*process) (settled *delivery, times int) {
	for ; ; times++ {
		line[times%len(line)].state.Handle(h.t.Context(), d)
		if d.done > 0 {
			return d, times
		}
		time.Sleep(d.later[0])
		d = d.again()
	}
}

// Whoever serves a service may be the last in line of many who don't.
func TestManyWhoDontServeAServiceLeaveItToTheOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var line []*process
		for i := range 30 {
			line = append(line, h.stranger(fmt.Sprint(i)))
		}
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		if _, times := h.offer(d, line...); times < 2*len(line) {
			t.Errorf("put aside after it was offered %d times among %d", times, len(line))
		}
	})
}

// What nobody takes is a dead letter, and its run isn't waited for by whoever serves the service one day.
func TestEventThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		lost := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		d, _ := h.offer(lost, h.stranger("a"))
		if len(h.letters) != 1 {
			t.Errorf("%d dead letters", len(h.letters))
		}
		h.state.Records.Memory.Set(h.now(), h.revision) // as the watch does
		if h.worker.Handle(t.Context(), d); d.done != 2 || h.wrote != 0 {
			t.Errorf("its run is settled %d times, with %d verdicts", d.done-1, h.wrote)
		}
		if h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")); h.wrote != 1 {
			t.Errorf("sent again, it has %d verdicts", h.wrote)
		}
	})
}

// Who serves a service may be starting again: its events wait for minutes, but not each of them, and only seconds where
// this very process was told to serve it no more.
func TestHowLongAnEventWaitsForWhoServesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		a := h.stranger("a")
		n := 0
		wait := func() time.Duration {
			n++
			began := time.Now()
			h.offer(h.event(plumbline.EventDeployed, plumbline.Green, fmt.Sprint("e", n), "2"), a)
			return time.Since(began)
		}
		if first, second := wait(), wait(); first < 2*time.Minute || first > 3*time.Minute || second > 3*time.Second {
			t.Errorf("the first waits %s, the one behind it %s", first, second)
		}
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "served", "3"))
		if again := wait(); again < 2*time.Minute {
			t.Errorf("one that comes after somebody served the service waits %s", again)
		}
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "served again", "4"))
		a.state.Dropped = func(string) bool { return true }
		if dropped := wait(); dropped > 6*time.Second || len(h.letters) != 4 {
			t.Errorf("of a service that was dropped it waits %s; %d dead letters: %q", dropped, len(h.letters), h.letters)
		}
	})
}

// Who served a service died with what an event did to it on the lips: it isn't put aside, and the ledger hears it.
func TestEventThatHadItsEffectIsNoDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		say := h.state.Say
		h.state.Say = func(context.Context, plumbline.Entry) error { return errDied }
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d)
		h.state.Say = say
		h.offer(d.again(), h.stranger("a"))
		if len(h.letters) != 0 || len(h.entries) != 1 {
			t.Errorf("%d dead letters, %d ledger entries", len(h.letters), len(h.entries))
		}
		if h.worker.Handle(t.Context(), d.again()); h.wrote != 1 {
			t.Errorf("%d verdicts", h.wrote)
		}
	})
}

// Whoever sends an event again that was judged before the record was lost gets no run that nothing ends.
func TestJudgedEventThatTheRecordLost(t *testing.T) {
	for name, lose := range map[string]func(*house) plumbline.Record{
		"the record is lost":       func(h *house) plumbline.Record { return plumbline.Begin("plum", plumbline.Policy{}) },
		"the event stream is lost": func(h *house) plumbline.Record { return h.now().StartOver(1, time.Now()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
				adopted, _, err := lose(h).Adopt(plumbline.Blue, "1", "it was lost", time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := h.state.Records.Change(t.Context(), "plum", func(plumbline.Record) (plumbline.Record, bool) { return adopted, true }); err != nil {
					t.Fatal(err)
				}
				d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				h.serve(d)
				if pending := h.now().Colors[plumbline.Green].Pending; len(pending) != 0 || d.done != 1 || h.started[d.event.Run] != 1 {
					t.Errorf("settled %d times after %d starts, pending %+v", d.done, h.started[d.event.Run], pending)
				}
				if gate := h.gate(plumbline.Green); gate.Gate != plumbline.GateClosed {
					t.Errorf("the gate is %s because %s", gate.Gate, gate.Because)
				}
			})
		})
	}
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
