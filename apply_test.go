package plumbline_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestRedeliveredEventsChangeNothing(t *testing.T) {
	s := tell(t)
	var told []plumbline.Event
	for _, e := range []plumbline.Event{
		{Kind: plumbline.EventDeploying, Color: green},
		{Kind: plumbline.EventDeployed, Color: green, Release: plumbline.Release{Version: "v2"}},
		{Kind: plumbline.EventSwitched, Color: green},
		{Kind: plumbline.EventSlot, Color: blue},
		{Kind: plumbline.EventSwitched, Color: blue},
		{Kind: plumbline.EventDeployed, Color: green, Release: plumbline.Release{Version: "v3"}},
	} {
		s.send(e)
		e.Service, e.Sequence, e.At, e.Hash = "plum", s.sequence, s.now, "0011223344556677"
		e.ID = s.record.Recent[len(s.record.Recent)-1].Run // anything: the sequence alone decides
		told = append(told, e)
	}
	want := s.record
	for _, e := range told {
		if m := want.Apply(e, s.policy); m.Changed || m.Run != nil || m.DeadLetter != "" || !reflect.DeepEqual(m.Record, want) {
			t.Errorf("%s at %d, redelivered, changed the record", e.Kind, e.Sequence)
		}
	}
}

func TestSameEventSentAgain(t *testing.T) {
	s := tell(t)
	release := plumbline.Event{Kind: plumbline.EventDeployed, ID: "rel-1", Color: green, Release: plumbline.Release{Version: "v2"}}
	s.send(release).says(passed())
	deployment := s.record.Colors[green].Deployment
	for range 2 {
		s.send(release)
		s.wantRun("", "")
		if s.moved.DeadLetter != "" || s.record.Colors[green].Deployment != deployment || s.record.Applied != s.sequence {
			t.Errorf("the event moved the record: %+v", s.moved)
		}
	}
	s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
}

func TestOldSwitchSentAgain(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	old := plumbline.Event{Kind: plumbline.EventSwitched, ID: "switch-1", Color: green}
	s.send(old).shift(blue).send(old)
	s.wantRoles("live", "idle")
}

func TestUsedIDWithOtherDataIsADeadLetter(t *testing.T) {
	s := tell(t)
	s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: "rel-1", Color: green, Release: plumbline.Release{Version: "v2"}, Hash: "a"})
	first := s.sequence
	s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: "rel-1", Color: green, Release: plumbline.Release{Version: "v3"}, Hash: "b"})
	s.wantRun("", "")
	if !strings.Contains(s.moved.DeadLetter, `"rel-1"`) || !s.moved.Changed || s.record.Applied != s.sequence {
		t.Errorf("the move is %+v, want a dead letter that is applied once", s.moved)
	}
	if got := s.record.Colors[green]; got.Release.Version != "v2" || got.Deployment != first {
		t.Errorf("green runs %s of %d, want v2 of %d", got.Release, got.Deployment, first)
	}
	s.deploy(green, "v4") // and the next one is served
	s.wantRun("release", "idle", "smoke")
}

// A request and the announcement of a change have the same data: their type tells them apart.
func TestUsedIDOfAnotherTypeIsADeadLetter(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.send(plumbline.Event{Kind: plumbline.EventRequested, ID: "it", Color: green}).says(passed())
	s.send(plumbline.Event{Kind: plumbline.EventDeploying, ID: "it", Color: green})
	if !strings.Contains(s.moved.DeadLetter, "another type") {
		t.Errorf("the move is %+v, want a dead letter", s.moved)
	}
}

func TestUnfitEventsAreDeadLetters(t *testing.T) {
	for name, e := range map[string]plumbline.Event{
		"another service": {Service: "pear", Kind: plumbline.EventSwitched, Color: green},
		"no service":      {Kind: plumbline.EventSwitched, Color: green},
		"another color":   {Service: "plum", Kind: plumbline.EventSwitched, Color: "purple"},
		"no color":        {Service: "plum", Kind: plumbline.EventDeployed},
		"another kind":    {Service: "plum", Kind: "promoted", Color: green},
		"no kind":         {Service: "plum", Color: green},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			want := s.record.Clone()
			want.Applied, want.AppliedAt = 500, begin
			e.Sequence, e.At = 500, begin
			s.apply(e)
			if s.moved.DeadLetter == "" || s.moved.Run != nil || !reflect.DeepEqual(s.record, want) {
				t.Errorf("the move is %+v, want a dead letter", s.moved)
			}
		})
	}
}

func TestApplyChangesOnlyItsCopy(t *testing.T) {
	s := promoted(t)
	s.deploy(blue, "v3")
	first := s.run().Run
	s.validate(blue).validate(blue)
	before, err := json.Marshal(s.record)
	if err != nil {
		t.Fatal(err)
	}
	record := s.record
	for i, kind := range []plumbline.EventKind{"deploying", "deployed", "switched", "requested", "slot"} {
		for _, c := range plumbline.Colors() {
			record.Apply(plumbline.Event{Kind: kind, Service: "plum", Color: c, Sequence: 900, At: s.now.Add(time.Hour), Run: string(rune('a' + i))}, s.policy)
		}
	}
	record.Note(plumbline.Verdict{Run: first, Service: "plum", Color: blue}, s.now)
	if after, _ := json.Marshal(record); string(after) != string(before) {
		t.Errorf("the original became\n%s, want\n%s", after, before)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	s := tell(t)
	for range 2 * plumbline.MaxRecent {
		s.deploy(green, "v"+time.Duration(s.sequence).String())
	}
	state := s.record.Colors[green]
	if len(s.record.Recent) != plumbline.MaxRecent || len(state.Pending) != plumbline.MaxPending || len(state.Former) != plumbline.MaxFormer {
		t.Errorf("%d recent, %d pending, %d former", len(s.record.Recent), len(state.Pending), len(state.Former))
	}
	if last := state.Pending[len(state.Pending)-1]; last.Deployment != s.sequence {
		t.Errorf("the newest pending run is of %d, want %d", last.Deployment, s.sequence)
	}
	if data, _ := json.Marshal(s.record); len(data) > 512<<10 {
		t.Errorf("the record has %d bytes, which no message carries", len(data))
	}
}

func TestRecordSurvivesItsJSON(t *testing.T) {
	s := promoted(t)
	s.slot(blue).says(passed())
	s.deploy(green, "v9").validate(blue)
	data, err := json.Marshal(s.record)
	if err != nil {
		t.Fatal(err)
	}
	var back plumbline.Record
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, s.record) {
		t.Errorf("got\n%+v, want\n%+v", back, s.record)
	}
}

func TestNote(t *testing.T) {
	t.Run("ends the pending run", func(t *testing.T) {
		s := tell(t)
		s.deploy(green, "v2").says(failed())
		if _, pending := s.record.Find(s.run().Run); pending {
			t.Error("the run is still pending")
		}
	})
	t.Run("an older run doesn't replace a newer one", func(t *testing.T) {
		s := tell(t)
		older := s.deploy(green, "v2").run()
		s.validate(green).says(failed())
		s.decide(older, passed())
		s.wantGate(s.gate(green), "closed", plumbline.BecauseVerdict)
	})
	t.Run("a newer run replaces an older one", func(t *testing.T) {
		s := tell(t)
		s.deploy(green, "v2").says(failed())
		s.validate(green).says(passed())
		s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
	})
	t.Run("superseded says nothing about the release", func(t *testing.T) {
		s := tell(t)
		s.deploy(green, "v2").says(passed())
		s.validate(green).says(ended(plumbline.CauseSuperseded))
		s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
	})
	t.Run("another role", func(t *testing.T) {
		s := tell(t)
		run := s.deploy(green, "v2").run()
		s.shift(green).decide(run, passed())
		if last := s.record.Colors[green].Last; last != nil {
			t.Errorf("the verdict was noted: %+v", *last)
		}
	})
	t.Run("before traffic moved and back", func(t *testing.T) {
		s := tell(t, func(p *plumbline.Policy) { p.Retain = 0 }) // no rollback, nothing void
		run := s.deploy(green, "v2").run()
		s.shift(green).shift(blue)
		if why := s.record.Stale(run, s.now); !strings.HasPrefix(why, "superseded") {
			t.Errorf("the run is stale because %q", why)
		}
		s.decide(run, passed())
		if last := s.record.Colors[green].Last; last != nil {
			t.Errorf("the verdict was noted: %+v", *last)
		}
	})
	t.Run("another service or color", func(t *testing.T) {
		s := tell(t)
		run := s.deploy(green, "v2").run()
		for _, v := range []plumbline.Verdict{{Service: "pear", Color: green}, {Service: "plum", Color: "purple"}, {}} {
			v.Run, v.Outcome, v.Deployment, v.Role = run.Run, plumbline.Pass, run.Deployment, plumbline.RoleIdle
			if next := s.record.Note(v, s.now); !reflect.DeepEqual(next, s.record) {
				t.Errorf("%+v was noted", v)
			}
		}
	})
}

func TestBegin(t *testing.T) {
	for name, c := range map[string]struct {
		policy  plumbline.Policy
		adopted bool
	}{
		"new with a live color":    {plumbline.Policy{New: true, Live: blue, LiveVersion: "v1"}, true},
		"new without one":          {plumbline.Policy{New: true}, false},
		"new with a strange one":   {plumbline.Policy{New: true, Live: "purple"}, false},
		"not new":                  {plumbline.Policy{Live: blue, LiveVersion: "v1"}, false},
		"the zero policy says no":  {plumbline.Policy{}, false},
		"observing adopts nothing": {plumbline.Policy{Live: blue, ObserveUntil: begin.Add(time.Hour)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := plumbline.Begin("plum", c.policy)
			if r.Adopted != c.adopted || (r.Live != "") != c.adopted || r.Schema != plumbline.RecordSchema {
				t.Errorf("the record is %+v, want adopted %t", r, c.adopted)
			}
		})
	}
}
