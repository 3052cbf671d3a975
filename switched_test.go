package plumbline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestSwitchToTheIdleColor(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.shift(green)
	s.wantRoles("standby", "live")
	s.wantRun("switched", "live", "after")
	if entry := s.wantSaid(plumbline.EntrySwitch, "traffic moved from blue to green"); entry.Gap {
		t.Errorf("the switch is a gap: %s", entry.Text)
	}
	if want := s.now.Add(72 * time.Hour); !s.record.Window.Equal(want) {
		t.Errorf("the window ends %s, want %s", s.record.Window, want)
	}
	if s.record.Epoch != s.sequence || s.record.Switched != s.sequence {
		t.Errorf("epoch %d, switched at %d, want %d", s.record.Epoch, s.record.Switched, s.sequence)
	}
	s.slot(blue)
	s.wantRun("standby", "standby", "smoke")
}

func TestSwitchNamesItsEpoch(t *testing.T) {
	s := tell(t)
	s.send(plumbline.Event{Kind: plumbline.EventSwitched, Color: green, Epoch: 41})
	if s.record.Epoch != 41 || s.record.Switched != s.sequence || s.gate(green).Epoch != 41 {
		t.Errorf("the epoch is %d, want 41", s.record.Epoch)
	}
}

func TestSwitchesAreFacts(t *testing.T) {
	for name, before := range map[string]func(*story){
		"nothing released": func(*story) {},
		"running":          func(s *story) { s.deploy(green, "v2") },
		"failed":           func(s *story) { s.deploy(green, "v2").says(failed()) },
		"expired":          func(s *story) { s.deploy(green, "v2").says(passed()).wait(time.Hour) },
		"deploying":        func(s *story) { s.deploying(green) },
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			before(s)
			s.shift(green)
			s.wantRoles("standby", "live")
			if entry := s.wantSaid(plumbline.EntrySwitch, "the gate was"); !entry.Gap {
				t.Error("no gap was recorded")
			}
		})
	}
}

func TestSwitchToTheStandbyIsARollback(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.validate(green)
	late := s.run()
	s.shift(green)
	s.slot(blue).says(passed())
	s.shift(blue)
	s.wantRoles("live", "idle")
	s.wantRun("switched", "live", "after")
	if entry := s.wantSaid(plumbline.EntrySwitch, "rollback: traffic moved from green to blue"); entry.Gap {
		t.Errorf("the rollback is a gap: %s", entry.Text)
	}
	s.wantGate(s.gate(blue), "open", plumbline.BecauseAlreadyLive)
	if doc := s.gate(green); doc.Gate != plumbline.GateClosed || doc.Fresh {
		t.Errorf("the former pass of green opens its gate: %+v", doc)
	}
	s.decide(late, passed())
	if doc := s.gate(green); doc.Gate != plumbline.GateClosed {
		t.Errorf("a run that began before the rollback opens the gate: %+v", doc)
	}
	s.validate(green).says(passed())
	s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
}

func TestRollbackVoidsThePassThatIsStillThere(t *testing.T) {
	s := promoted(t, func(p *plumbline.Policy) { p.Suites = p.Suites[:1] }) // nothing answers to switched: green keeps its idle pass
	s.shift(blue)
	s.wantGate(s.gate(green), "closed", plumbline.BecauseVoid)
	s.deploy(green, "v3").says(passed())
	s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
}

func TestSwitchToTheLiveColorIsNothing(t *testing.T) {
	s := promoted(t)
	window, epoch := s.record.Window, s.record.Epoch
	s.shift(green)
	s.wantRun("", "")
	s.wantRoles("standby", "live")
	if !s.record.Window.Equal(window) || s.record.Epoch != epoch {
		t.Errorf("window %s and epoch %d, want %s and %d", s.record.Window, s.record.Epoch, window, epoch)
	}
}

func TestTheWindowEnds(t *testing.T) {
	s := promoted(t)
	run := s.slot(blue).run()
	s.now = s.record.Window.Add(-time.Nanosecond)
	s.wantRoles("standby", "live")
	if _, ended := s.record.EndWindow(s.now); ended {
		t.Error("the window ended early")
	}
	s.now = s.record.Window
	s.wantRoles("idle", "live") // computed, before anybody recorded it
	s.wantGate(s.rollback(blue), "closed", plumbline.BecauseNotStandby)
	if why := s.record.Stale(run, s.now); !strings.Contains(why, "became idle") {
		t.Errorf("the standby run is stale because %q", why)
	}
	next, ended := s.record.EndWindow(s.now)
	if !ended || !next.Window.IsZero() || s.record.Window.IsZero() {
		t.Errorf("the window ends %s, want recorded in the copy alone", next.Window)
	}
	if _, again := next.EndWindow(s.now); again {
		t.Error("the end was recorded twice")
	}
	first := next.Outbox
	s.slot(blue)
	s.wantRun("", "")
	entry := s.wantSaid(plumbline.EntryWindow, "blue is idle")
	if len(first) != 1 || first[0].ID() != entry.ID() || !entry.At.Equal(first[0].At) {
		t.Errorf("two daemons say %+v and %+v, want the same entry", first, entry)
	}
}

// The end of the window is recorded by a clock, and a clock is faster than a stream that is behind.
func TestAnEventFromBeforeTheEndOfTheWindowFindsTheStandby(t *testing.T) {
	behind := func(t *testing.T) *story {
		s := promoted(t)
		end := s.record.Window
		s.record, _ = s.record.EndWindow(end)
		s.now = end.Add(-2 * time.Minute)
		return s
	}
	s := behind(t).shift(blue)
	s.wantSaid(plumbline.EntrySwitch, "rollback: ")
	s.wantRoles("live", "idle")
	s.shift(green)
	s.wantSaid(plumbline.EntrySwitch, "blue is standby until")

	s = behind(t).slot(blue)
	s.wantRun(plumbline.TriggerStandby, plumbline.RoleStandby, "smoke")
	if why := s.record.Stale(s.run(), s.now.Add(time.Minute)); !strings.Contains(why, "became idle") {
		t.Errorf("the standby run is stale because %q", why)
	}

	s = behind(t).deploy(blue, "v3")
	s.wantSaid(plumbline.EntryRelease, "the standby v1 was overwritten")
	s.wantRun(plumbline.TriggerRelease, plumbline.RoleIdle, "smoke")
	s.now = s.now.Add(-30 * time.Second)
	s.shift(blue)
	s.wantRoles("live", "standby") // what was overwritten was no standby any more
}

func TestWithoutRetentionThereIsNoStandby(t *testing.T) {
	s := promoted(t, func(p *plumbline.Policy) { p.Retain = 0 })
	s.wantRoles("idle", "live")
	s.slot(blue)
	s.wantRun("", "")
}
