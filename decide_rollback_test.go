package plumbline_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestRollback(t *testing.T) {
	enforce := func(s *story) { s.policy.Enforce = true }
	for name, c := range map[string]struct {
		happens []func(*story)
		state   plumbline.GateState
		ready   string
		warns   bool
	}{
		"no run yet":              {nil, open, "at_risk", true},
		"no run yet, enforced":    {[]func(*story){enforce}, closed, "at_risk", false},
		"passed":                  {[]func(*story){slotSays(passed())}, open, "ready", false},
		"passed, enforced":        {[]func(*story){slotSays(passed()), enforce}, open, "ready", false},
		"passed by hand":          {[]func(*story){func(s *story) { s.validate(blue).says(passed()) }}, open, "ready", false},
		"too old":                 {[]func(*story){slotSays(passed()), later(time.Hour)}, open, "at_risk", true},
		"too old, enforced":       {[]func(*story){slotSays(passed()), later(time.Hour), enforce}, closed, "at_risk", false},
		"failed":                  {[]func(*story){slotSays(failed())}, closed, "not_ready", false},
		"passed, then failed":     {[]func(*story){slotSays(passed()), slotSays(failed())}, closed, "not_ready", false},
		"failed, then passed":     {[]func(*story){slotSays(failed()), slotSays(passed())}, open, "ready", false},
		"shared":                  {[]func(*story){slotSays(shared())}, open, "at_risk", true},
		"shared, enforced":        {[]func(*story){slotSays(shared()), enforce}, closed, "at_risk", false},
		"deadline":                {[]func(*story){slotSays(ended(plumbline.CauseDeadline))}, closed, "not_ready", false},
		"unfinished":              {[]func(*story){slotSays(ended(plumbline.CauseUnfinished))}, closed, "not_ready", false},
		"a strange outcome":       {[]func(*story){slotSays(plumbline.Verdict{Outcome: "maybe"})}, closed, "not_ready", false},
		"superseded":              {[]func(*story){slotSays(ended(plumbline.CauseSuperseded))}, open, "at_risk", true},
		"window over":             {[]func(*story){slotSays(passed()), later(72 * time.Hour)}, closed, "not_ready", false},
		"overwritten":             {[]func(*story){slotSays(passed()), func(s *story) { s.deploy(blue, "v3").says(passed()) }}, closed, "not_ready", false},
		"suites changed":          {[]func(*story){slotSays(passed()), func(s *story) { s.policy.Suites[0].Digest = "x" }}, open, "ready", false},
		"the live color is asked": {[]func(*story){slotSays(passed()), func(s *story) { s.validate(green).says(failed()) }}, open, "ready", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := promoted(t)
			for _, happens := range c.happens {
				happens(s)
			}
			doc := s.rollback(blue)
			if doc.Gate != c.state || doc.Readiness != c.ready || (doc.Warning != "") != c.warns {
				t.Errorf("the rollback is %s, %s, warning %q (%s), want %s, %s, warning %t", doc.Gate, doc.Readiness, doc.Warning, doc.Reason, c.state, c.ready, c.warns)
			}
			if doc.Purpose != plumbline.PurposeRollback || doc.Gate == open && doc.Release.Version != "v1" {
				t.Errorf("the document is for %s to %s", doc.Purpose, doc.Release)
			}
			if doc := s.ask(plumbline.Asked{Color: blue, Purpose: plumbline.PurposeRollback, Version: "v0"}); doc.Gate != closed || doc.Readiness != plumbline.NotReady {
				t.Errorf("the rollback to another release is %s, %s", doc.Gate, doc.Readiness)
			}
		})
	}
}

func slotSays(v plumbline.Verdict) func(*story) {
	return func(s *story) { s.slot(blue).says(v) }
}

func later(d time.Duration) func(*story) { return func(s *story) { s.wait(d) } }

func TestAPassOfAnEarlierStandbyIsNoReadiness(t *testing.T) {
	s := promoted(t, func(p *plumbline.Policy) { p.Suites = p.Suites[:1] }) // no switched run replaces the standby's
	s.slot(blue).says(passed())
	s.shift(blue)
	s.validate(green).says(passed())
	s.shift(green)
	if doc := s.rollback(blue); doc.Readiness != plumbline.AtRisk {
		t.Errorf("the rollback is %s: %s, want at_risk", doc.Readiness, doc.Reason)
	}
}

func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*story)
		want    string
	}{
		"nothing said yet":         {func(s *story) {}, "none"},
		"the switched run passed":  {func(s *story) { s.says(passed()) }, "none"},
		"the switched run failed":  {func(s *story) { s.says(failed()) }, "rollback"},
		"failed as the standby":    {func(s *story) { s.says(shared()) }, "none"},
		"deadline":                 {func(s *story) { s.says(ended(plumbline.CauseDeadline)) }, "none"},
		"nothing critical asked":   {func(s *story) { s.says(ended(plumbline.CauseRefused)) }, "none"},
		"a later run failed":       {func(s *story) { s.says(passed()).validate(green).says(failed()) }, "rollback"},
		"a later run passed":       {func(s *story) { s.says(failed()).validate(green).says(passed()) }, "none"},
		"failed, and rolled back":  {func(s *story) { s.says(failed()).shift(blue) }, "none"},
		"failed long after window": {func(s *story) { s.wait(80 * time.Hour).validate(green).says(failed()) }, "rollback"},
	} {
		t.Run(name, func(t *testing.T) {
			s := promoted(t)
			c.happens(s)
			if doc := s.gate(green); doc.Advice != c.want {
				t.Errorf("the advice is %s, want %s", doc.Advice, c.want)
			}
			if doc := s.gate(blue); doc.Advice != "none" {
				t.Errorf("the advice on blue is %s, want none", doc.Advice)
			}
		})
	}
}

func TestNoAdviceBeforeTrafficEverMoved(t *testing.T) {
	s := tell(t)
	s.validate(blue).says(failed())
	if doc := s.gate(blue); doc.Advice != "none" || doc.Verdict != plumbline.Fail {
		t.Errorf("the advice is %s after a %s, want none after a fail", doc.Advice, doc.Verdict)
	}
}
