package plumbline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestAttribute(t *testing.T) {
	failed := plumbline.Result{Outcome: plumbline.Failed, Class: plumbline.ClassOutage}
	for name, c := range map[string]struct {
		control *plumbline.Control
		alike   bool
		want    plumbline.Attribution
	}{
		"nobody was asked":        {nil, false, plumbline.AttributedUnknown},
		"it passes there":         {&plumbline.Control{Outcome: plumbline.Passed}, false, plumbline.AttributedRelease},
		"it passes, asked alike":  {&plumbline.Control{Outcome: plumbline.Passed}, true, plumbline.AttributedRelease},
		"the same class":          {&plumbline.Control{Outcome: plumbline.Failed, Class: plumbline.ClassOutage}, false, plumbline.AttributedShared},
		"errored in that class":   {&plumbline.Control{Outcome: plumbline.Errored, Class: plumbline.ClassOutage}, false, plumbline.AttributedShared},
		"asked alike":             {&plumbline.Control{Outcome: plumbline.Failed, Class: plumbline.ClassOutage}, true, plumbline.AttributedUnknown},
		"another class":           {&plumbline.Control{Outcome: plumbline.Failed, Class: plumbline.ClassCredential}, false, plumbline.AttributedUnknown},
		"no class":                {&plumbline.Control{Outcome: plumbline.Failed}, false, plumbline.AttributedUnknown},
		"nobody is there":         {&plumbline.Control{Outcome: plumbline.Errored, Class: plumbline.ClassOutage, Unreached: true}, false, plumbline.AttributedUnknown},
		"it could not be asked":   {&plumbline.Control{Outcome: plumbline.Skipped, Class: plumbline.ClassOutage}, false, plumbline.AttributedUnknown},
		"an outcome that is none": {&plumbline.Control{Class: plumbline.ClassOutage}, false, plumbline.AttributedUnknown},
	} {
		if got := plumbline.Attribute(failed, c.control, !c.alike); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	none := plumbline.Result{Outcome: plumbline.Failed}
	if got := plumbline.Attribute(none, &plumbline.Control{Outcome: plumbline.Failed}, true); got != plumbline.AttributedUnknown {
		t.Errorf("two failures without a class are %s, want unknown", got)
	}
}

// provider is a critical check that asks one.
func provider(name string, policy plumbline.OnShared) plumbline.Check {
	c := critical(name)
	c.Effect, c.Connection, c.OnShared = plumbline.EffectNone, "acme", policy
	return c
}

// attributed is a failed answer of a class, with the control that proves its attribution.
func attributed(name string, a plumbline.Attribution, class plumbline.Class) plumbline.Result {
	r := answer(name, plumbline.Failed)
	r.Class, r.Attribution = class, a
	switch a {
	case plumbline.AttributedRelease:
		r.Control = &plumbline.Control{Color: plumbline.Blue, Outcome: plumbline.Passed}
	case plumbline.AttributedShared:
		r.Control = &plumbline.Control{Color: plumbline.Blue, Outcome: plumbline.Failed, Class: class}
	}
	return r
}

func TestJudgeOfSharedFailures(t *testing.T) {
	const release, shared, unknown = plumbline.AttributedRelease, plumbline.AttributedShared, plumbline.AttributedUnknown
	claimed := attributed("b", shared, plumbline.ClassOutage)
	claimed.Control = nil
	lasting := provider("b", plumbline.SharedWarn)
	lasting.Effect = plumbline.EffectLasting
	plain := provider("b", plumbline.SharedWarn)
	plain.Connection = ""
	needed := answer("c", plumbline.Skipped)
	needed.Attribution = shared
	outage := plumbline.ClassOutage
	for name, c := range map[string]struct {
		checks  []plumbline.Check
		results []plumbline.Result
		want    string
		whose   plumbline.Attribution
		reason  string
	}{
		"shared and blocked":        {[]plumbline.Check{critical("a"), provider("b", "")}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", shared, outage)}, "fail", shared, "it is not the release: blue fails the same way"},
		"shared and waited for":     {[]plumbline.Check{critical("a"), provider("b", plumbline.SharedWait)}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", shared, outage)}, "fail", shared, "it is not the release"},
		"shared and only told":      {[]plumbline.Check{critical("a"), provider("b", plumbline.SharedWarn)}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", shared, outage)}, "pass", "", "1 failed as they do on the live color"},
		"nothing else was asked":    {[]plumbline.Check{provider("b", plumbline.SharedWarn)}, []plumbline.Result{attributed("b", shared, outage)}, "fail", shared, "blue fails the same way"},
		"a class that doesn't pass": {[]plumbline.Check{critical("a"), provider("b", plumbline.SharedWarn)}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", shared, plumbline.ClassCredential)}, "fail", shared, ""},
		"no provider":               {[]plumbline.Check{critical("a"), plain}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", shared, outage)}, "fail", shared, ""},
		"it leaves something":       {[]plumbline.Check{critical("a"), lasting}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", shared, outage)}, "fail", unknown, ""},
		"claimed without proof":     {[]plumbline.Check{critical("a"), provider("b", plumbline.SharedWarn)}, []plumbline.Result{answer("a", plumbline.Passed), claimed}, "fail", unknown, ""},
		"the release's":             {[]plumbline.Check{critical("a"), provider("b", plumbline.SharedWarn)}, []plumbline.Result{answer("a", plumbline.Passed), attributed("b", release, outage)}, "fail", release, "it is the release: blue passes the same"},
		"the worst counts":          {[]plumbline.Check{provider("a", ""), provider("b", "")}, []plumbline.Result{attributed("a", shared, outage), attributed("b", release, outage)}, "fail", release, ""},
		"unknown before shared":     {[]plumbline.Check{provider("a", ""), provider("b", "")}, []plumbline.Result{attributed("a", shared, outage), answer("b", plumbline.Failed)}, "fail", unknown, "can't be told"},
		"what needs it":             {[]plumbline.Check{provider("b", ""), critical("c")}, []plumbline.Result{attributed("b", shared, outage), needed}, "fail", shared, ""},
	} {
		v := plumbline.Judge(plumbline.Plan{Checks: c.checks}, c.results, begin)
		if v.Outcome != c.want || v.Attribution != c.whose || !strings.Contains(v.Reason, c.reason) {
			t.Errorf("%s: %s of %q: %q, want %s of %q with %q", name, v.Outcome, v.Attribution, v.Reason, c.want, c.whose, c.reason)
		}
		if waved := v.Counts.Waved; (waved > 0) != (c.want == "pass") {
			t.Errorf("%s: %d waved", name, waved)
		}
	}
}

func TestJudgeOfKeptAnswers(t *testing.T) {
	kept := answer("b", plumbline.Passed)
	kept.AskedAt = begin.Add(-20 * time.Minute)
	plan := plumbline.Plan{Checks: []plumbline.Check{critical("a"), critical("b")}, ValidFor: 30 * time.Minute}
	v := plumbline.Judge(plan, []plumbline.Result{answer("a", plumbline.Passed), kept}, begin)
	if want := begin.Add(10 * time.Minute).UTC(); !v.Passed() || !v.ExpiresAt.Equal(want) {
		t.Errorf("%s until %s, want a pass until %s", v.Outcome, v.ExpiresAt, want)
	}
	plan.Checks = plan.Checks[1:]
	if v := plumbline.Judge(plan, []plumbline.Result{kept}, begin); v.Passed() || v.Reason != "no critical check was asked in this very run" {
		t.Errorf("kept answers alone: %s: %s", v.Outcome, v.Reason)
	}
}

func TestUnreached(t *testing.T) {
	away := answer("a", plumbline.Errored)
	away.Control = &plumbline.Control{Color: plumbline.Blue, Outcome: plumbline.Errored, Unreached: true}
	plan := plumbline.Plan{Checks: []plumbline.Check{provider("a", ""), provider("b", "")}}
	if v := plumbline.Judge(plan, []plumbline.Result{away, answer("b", plumbline.Passed)}, begin); !v.Unreached || v.Attribution != plumbline.AttributedUnknown {
		t.Errorf("unreached %t, %s", v.Unreached, v.Attribution)
	}
	if v := plumbline.Judge(plan, []plumbline.Result{away, answer("b", plumbline.Failed)}, begin); v.Unreached {
		t.Error("one was answered, and the verdict says that none was")
	}
	if v := plumbline.Judge(plan, []plumbline.Result{answer("a", plumbline.Passed), answer("b", plumbline.Passed)}, begin); v.Unreached {
		t.Error("a pass is unreached")
	}
}
