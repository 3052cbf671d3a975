package plumbline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

const (
	open    = plumbline.GateOpen
	closed  = plumbline.GateClosed
	waiting = plumbline.GateWaiting
)

func TestZeroQuestionIsClosed(t *testing.T) {
	doc := plumbline.Decide(plumbline.Asked{}, plumbline.Record{}, plumbline.Policy{}, time.Time{})
	if doc.Gate != closed || doc.Reason == "" || doc.Advice != plumbline.AdviceNone || doc.Next == nil {
		t.Errorf("got %+v, want closed", doc)
	}
}

func TestPromotion(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*story)
		state   plumbline.GateState
		because string
		verdict string
		fresh   bool
	}{
		"nothing released":                {func(*story) {}, closed, plumbline.BecauseNoRelease, "pending", false},
		"running":                         {func(s *story) { s.deploy(green, "v2") }, waiting, plumbline.BecauseRunning, "pending", false},
		"passed":                          {func(s *story) { s.deploy(green, "v2").says(passed()) }, open, plumbline.BecauseVerdict, "pass", true},
		"failed":                          {func(s *story) { s.deploy(green, "v2").says(failed()) }, closed, plumbline.BecauseVerdict, "fail", false},
		"failed as the live color":        {func(s *story) { s.deploy(green, "v2").says(shared()) }, closed, plumbline.BecauseVerdict, "fail", false},
		"refused":                         {func(s *story) { s.deploy(green, "v2").says(ended(plumbline.CauseRefused)) }, closed, plumbline.BecauseVerdict, "fail", false},
		"deadline":                        {func(s *story) { s.deploy(green, "v2").says(ended(plumbline.CauseDeadline)) }, closed, plumbline.BecauseVerdict, "fail", false},
		"unfinished":                      {func(s *story) { s.deploy(green, "v2").says(ended(plumbline.CauseUnfinished)) }, closed, plumbline.BecauseVerdict, "fail", false},
		"an outcome nobody knows":         {func(s *story) { s.deploy(green, "v2").says(plumbline.Verdict{Outcome: "PASS"}) }, closed, plumbline.BecauseVerdict, "fail", false},
		"superseded, with nothing left":   {func(s *story) { s.deploy(green, "v2").says(ended(plumbline.CauseSuperseded)) }, closed, plumbline.BecauseNoVerdict, "pending", false},
		"a manual pass after a fail":      {func(s *story) { s.deploy(green, "v2").says(failed()).validate(green).says(passed()) }, open, plumbline.BecauseVerdict, "pass", true},
		"a manual fail after a pass":      {func(s *story) { s.deploy(green, "v2").says(passed()).validate(green).says(failed()) }, closed, plumbline.BecauseVerdict, "fail", false},
		"a re-run leaves the former pass": {func(s *story) { s.deploy(green, "v2").says(passed()).validate(green) }, open, plumbline.BecauseVerdict, "pass", true},
		"a re-run leaves the former fail": {func(s *story) { s.deploy(green, "v2").says(failed()).validate(green) }, closed, plumbline.BecauseVerdict, "fail", false},
		"the version came again":          {func(s *story) { s.deploy(green, "v2").says(passed()).deploy(green, "v2") }, waiting, plumbline.BecauseRunning, "pending", false},
		"a run that traffic overtook":     {func(s *story) { s.deploy(green, "v2").shift(green).shift(blue) }, closed, plumbline.BecauseNoVerdict, "pending", false},
		"on its last moment":              {func(s *story) { s.deploy(green, "v2").says(passed()).wait(30*time.Minute - 1) }, open, plumbline.BecauseVerdict, "pass", true},
		"expired":                         {func(s *story) { s.deploy(green, "v2").says(passed()).wait(30 * time.Minute) }, closed, plumbline.BecauseExpired, "expired", false},
		"the verdict expires sooner": {func(s *story) {
			v := passed()
			v.ExpiresAt = s.now.Add(2 * time.Minute)
			s.deploy(green, "v2").says(v).wait(time.Minute)
		}, closed, plumbline.BecauseExpired, "expired", false},
		"valid_for was shortened": {func(s *story) {
			s.deploy(green, "v2").says(passed()).wait(2 * time.Minute)
			s.policy.ValidFor = time.Minute
		}, closed, plumbline.BecauseExpired, "expired", false},
		"valid_for was lengthened": {func(s *story) {
			s.deploy(green, "v2").says(passed()).wait(time.Hour)
			s.policy.ValidFor = 24 * time.Hour
		}, closed, plumbline.BecauseExpired, "expired", false},
		"valid for nothing": {func(s *story) {
			s.policy.ValidFor = 0
			s.deploy(green, "v2").says(passed())
		}, closed, plumbline.BecauseExpired, "expired", false},
		"a clock a little ahead": {func(s *story) {
			v := passed()
			v.FinishedAt = s.now.Add(time.Minute + 59*time.Second)
			s.deploy(green, "v2").says(v)
		}, open, plumbline.BecauseVerdict, "pass", true},
		"a clock far ahead": {func(s *story) {
			v := passed()
			v.FinishedAt = s.now.Add(2 * time.Minute)
			s.deploy(green, "v2").says(v)
		}, closed, plumbline.BecauseExpired, "expired", false},
		"a suite changed": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.Suites[0].Digest = "sha256:other"
		}, waiting, plumbline.BecauseSuites, "pending", false},
		"a suite was added": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.Suites = append(s.policy.Suites, suite("more", plumbline.TriggerRelease))
		}, waiting, plumbline.BecauseSuites, "pending", false},
		"a suite was renamed to nothing": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.Suites[0].Name, s.policy.Suites[0].Digest = "other", ""
		}, waiting, plumbline.BecauseSuites, "pending", false},
		"all suites are gone": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.Suites = nil
		}, waiting, plumbline.BecauseSuites, "pending", false},
		"a pass without any suite": {func(s *story) {
			s.policy.Suites = nil
			s.deploy(green, "v2").says(passed())
		}, waiting, plumbline.BecauseSuites, "pending", false},
		"a suite of another trigger changed": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.Suites[1].Digest = "sha256:other"
		}, open, plumbline.BecauseVerdict, "pass", true},
		"a changed suite was asked again": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.Suites[0].Digest = "sha256:other"
			s.validate(green).says(passed())
		}, open, plumbline.BecauseVerdict, "pass", true},
		"a digest is required since": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.RequireDigest = true
		}, closed, plumbline.BecauseRefused, "pass", true},
		"a change is required since": {func(s *story) {
			s.deploy(green, "v2").says(passed())
			s.policy.RequireChange = true
		}, closed, plumbline.BecauseRefused, "pass", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			c.happens(s)
			doc := s.gate(green)
			s.wantGate(doc, c.state, c.because)
			if doc.Verdict != c.verdict || doc.Fresh != c.fresh {
				t.Errorf("the verdict is %s, fresh %t, want %s and %t", doc.Verdict, doc.Fresh, c.verdict, c.fresh)
			}
			if doc.Gate != open && doc.Because != plumbline.BecauseRunning && doc.Because != plumbline.BecauseRefused && len(doc.Next) == 0 {
				t.Errorf("%s, and nobody says what to do next", doc.Reason)
			}
			if roll := s.rollback(green); roll.Gate != closed || roll.Readiness != plumbline.NotReady {
				t.Errorf("the rollback of an idle color is %s and %s", roll.Gate, roll.Readiness)
			}
		})
	}
}

func TestAPassOfAnotherKindOfRunOpensNothing(t *testing.T) {
	for _, trigger := range []plumbline.Trigger{plumbline.TriggerStandby, plumbline.TriggerSwitched, "", "replay"} {
		s := tell(t)
		run := s.deploy(green, "v2").run()
		run.Trigger = trigger
		s.decide(run, passed())
		s.wantGate(s.gate(green), closed, plumbline.BecauseVerdict)
	}
}

func TestAPassAboutSomethingElseOpensNothing(t *testing.T) {
	for name, change := range map[string]func(*plumbline.VerdictRef){
		"another deployment": func(v *plumbline.VerdictRef) { v.Deployment-- },
		"another role":       func(v *plumbline.VerdictRef) { v.Role = plumbline.RoleStandby },
		"another version":    func(v *plumbline.VerdictRef) { v.Release.Version = "v3" },
		"another digest":     func(v *plumbline.VerdictRef) { v.Release.Digest = "sha256:3" },
		"no time":            func(v *plumbline.VerdictRef) { v.FinishedAt = time.Time{} },
		"no suites":          func(v *plumbline.VerdictRef) { v.Suites = nil },
		"no outcome":         func(v *plumbline.VerdictRef) { v.Outcome = "" },
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			s.deploy(green, "v2").says(passed())
			s.wantGate(s.gate(green), open, plumbline.BecauseVerdict)
			state := s.record.Colors[green]
			last := *state.Last
			change(&last)
			state.Last = &last
			s.record.Colors[green] = state
			if doc := s.gate(green); doc.Gate == open {
				t.Errorf("the gate is open because %s: %s", doc.Because, doc.Reason)
			}
		})
	}
}

func TestLiveColorSaysHowOldItsPassIs(t *testing.T) {
	s := promoted(t)
	s.validate(green).says(passed())
	if doc := s.gate(green); doc.Verdict != plumbline.Pass || !doc.Fresh {
		t.Errorf("verdict %s, fresh %t", doc.Verdict, doc.Fresh)
	}
	s.wait(24 * time.Hour)
	doc := s.gate(green)
	s.wantGate(doc, open, plumbline.BecauseAlreadyLive)
	if doc.Verdict != plumbline.VerdictExpired || doc.Fresh {
		t.Errorf("a day later: verdict %s, fresh %t", doc.Verdict, doc.Fresh)
	}
}

func TestLiveColorIsOpen(t *testing.T) {
	s := promoted(t)
	s.wantGate(s.gate(green), open, plumbline.BecauseAlreadyLive)
	s.wantGate(s.rollback(green), open, plumbline.BecauseAlreadyLive)
	s.wantGate(s.ask(plumbline.Asked{Color: green, Version: "v2"}), open, plumbline.BecauseAlreadyLive)
	s.wantGate(s.ask(plumbline.Asked{Color: green, Version: "v3"}), waiting, plumbline.BecauseUnknown)
	s.deploy(blue, "v3").says(passed())
	s.shift(blue)
	s.wantGate(s.ask(plumbline.Asked{Color: blue, Version: "v1"}), closed, plumbline.BecauseOtherGone)
}

func TestStandbyIsNotPromoted(t *testing.T) {
	s := promoted(t)
	s.slot(blue).says(passed())
	doc := s.gate(blue)
	s.wantGate(doc, closed, plumbline.BecauseStandby)
	if !strings.Contains(doc.Reason, "ask for rollback") || len(doc.Next) != 1 || doc.Next[0] != "plumbline gate plum blue --purpose rollback" {
		t.Errorf("the reason is %q, next %q", doc.Reason, doc.Next)
	}
}

func TestObserving(t *testing.T) {
	observe := func(s *story) { s.policy.ObserveUntil = s.now.Add(time.Hour) }
	for name, c := range map[string]struct {
		happens func(*story)
		asked   plumbline.Asked
		state   plumbline.GateState
		would   plumbline.GateState
	}{
		"closed":           {func(s *story) { s.deploy(green, "v2").says(failed()) }, plumbline.Asked{Color: green}, open, closed},
		"waiting":          {func(s *story) { s.deploy(green, "v2") }, plumbline.Asked{Color: green}, open, waiting},
		"open anyway":      {func(s *story) { s.deploy(green, "v2").says(passed()) }, plumbline.Asked{Color: green}, open, ""},
		"no such color":    {func(*story) {}, plumbline.Asked{Color: "purple"}, closed, ""},
		"no such purpose":  {func(*story) {}, plumbline.Asked{Color: green, Purpose: "canary"}, closed, ""},
		"no longer":        {func(s *story) { s.policy.ObserveUntil = s.now }, plumbline.Asked{Color: green}, closed, ""},
		"rollback at risk": {func(s *story) { s.shift(green) }, plumbline.Asked{Color: blue, Purpose: "rollback"}, open, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			observe(s)
			c.happens(s)
			doc := s.ask(c.asked)
			if doc.Gate != c.state || doc.WouldBe != c.would {
				t.Errorf("the gate is %s, would be %q (%s), want %s and %q", doc.Gate, doc.WouldBe, doc.Reason, c.state, c.would)
			}
			if loud := strings.HasPrefix(doc.Reason, "OBSERVING"); loud != (c.state == open) {
				t.Errorf("the reason is %q", doc.Reason)
			}
			if c.would != "" && (doc.Because != plumbline.BecauseObserving || !strings.Contains(doc.Warning, string(c.would)) || doc.Fresh) {
				t.Errorf("because %s with warning %q, fresh %t", doc.Because, doc.Warning, doc.Fresh)
			}
		})
	}
}

func TestProgressIsOfTheNewestRun(t *testing.T) {
	s := tell(t)
	first := s.deploy(green, "v2").run().Run
	second := s.validate(green).run().Run
	state := s.record.Colors[green]
	state.Progress = map[string]plumbline.RunStatus{first: {Done: 3, Total: 4}, second: {Done: 7, Total: 12}}
	s.record.Colors[green] = state
	if got := s.gate(green).Progress; got != "7/12" {
		t.Errorf("the progress is %q, want 7/12", got)
	}
	if got := s.gate(blue).Progress; got != "0/0" {
		t.Errorf("the progress of blue is %q, want 0/0", got)
	}
}
