package plumbline_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func critical(name string) plumbline.Check {
	return plumbline.Check{Suite: "smoke", Name: name, Severity: plumbline.Critical, Kind: "http", Owner: "shop"}
}

func advisory(name string) plumbline.Check {
	c := critical(name)
	c.Severity = plumbline.Advisory
	return c
}

func skip(c plumbline.Check) plumbline.Check {
	c.Skip = "known"
	return c
}

func answer(name string, o plumbline.Outcome) plumbline.Result {
	return plumbline.Result{Suite: "smoke", Name: name, Outcome: o, Severity: plumbline.Critical, Reason: "because"}
}

func TestJudge(t *testing.T) {
	const (
		yes  = plumbline.Passed
		no   = plumbline.Failed
		err  = plumbline.Errored
		skpd = plumbline.Skipped
	)
	type checks = []plumbline.Check
	type results = []plumbline.Result
	for name, c := range map[string]struct {
		checks  checks
		results results
		want    string
		cause   plumbline.Cause
		counts  plumbline.Counts
	}{
		"nothing planned":           {nil, nil, "fail", plumbline.CauseRefused, plumbline.Counts{}},
		"all pass":                  {checks{critical("a"), critical("b")}, results{answer("a", yes), answer("b", yes)}, "pass", "", plumbline.Counts{Passed: 2}},
		"order doesn't matter":      {checks{critical("a"), critical("b")}, results{answer("b", yes), answer("a", yes)}, "pass", "", plumbline.Counts{Passed: 2}},
		"one fails":                 {checks{critical("a"), critical("b")}, results{answer("a", yes), answer("b", no)}, "fail", "checks", plumbline.Counts{Passed: 1, Failed: 1}},
		"one could not be asked":    {checks{critical("a"), critical("b")}, results{answer("a", yes), answer("b", err)}, "fail", "checks", plumbline.Counts{Passed: 1, Errored: 1}},
		"one is missing":            {checks{critical("a"), critical("b")}, results{answer("a", yes)}, "fail", "checks", plumbline.Counts{Passed: 1, Errored: 1}},
		"all are missing":           {checks{critical("a")}, nil, "fail", "checks", plumbline.Counts{Errored: 1}},
		"one panicked":              {checks{critical("a"), critical("b")}, results{answer("a", yes), answer("b", "")}, "fail", "checks", plumbline.Counts{Passed: 1, Errored: 1}},
		"an outcome nobody knows":   {checks{critical("a"), critical("b")}, results{answer("a", yes), answer("b", "PASSED")}, "fail", "checks", plumbline.Counts{Passed: 1, Errored: 1}},
		"skipped for a need":        {checks{critical("a"), critical("b")}, results{answer("a", yes), answer("b", skpd)}, "fail", "checks", plumbline.Counts{Passed: 1, Skipped: 1}},
		"skipped on purpose":        {checks{critical("a"), skip(critical("b"))}, results{answer("a", yes), answer("b", skpd)}, "pass", "", plumbline.Counts{Passed: 1, Skipped: 1}},
		"a planned skip unanswered": {checks{critical("a"), skip(critical("b"))}, results{answer("a", yes)}, "fail", "checks", plumbline.Counts{Passed: 1, Errored: 1}},
		"only skipped on purpose":   {checks{skip(critical("a"))}, results{answer("a", skpd)}, "fail", plumbline.CauseRefused, plumbline.Counts{Skipped: 1}},
		"only advisory ones pass":   {checks{advisory("a")}, results{answer("a", yes)}, "fail", plumbline.CauseRefused, plumbline.Counts{Passed: 1}},
		"advisory ones may fail":    {checks{critical("a"), advisory("b"), advisory("c")}, results{answer("a", yes), answer("b", no), answer("c", err)}, "pass", "", plumbline.Counts{Passed: 1, Failed: 1, Errored: 1, AdvisoryFailed: 2}},
		"advisory ones may be gone": {checks{critical("a"), advisory("b")}, results{answer("a", yes)}, "pass", "", plumbline.Counts{Passed: 1, Errored: 1, AdvisoryFailed: 1}},
		"a foreign result":          {checks{critical("a")}, results{answer("z", yes)}, "fail", "checks", plumbline.Counts{Errored: 1}},
		"foreign failures":          {checks{critical("a")}, results{answer("a", yes), answer("z", no)}, "pass", "", plumbline.Counts{Passed: 1}},
		"another suite's answer":    {checks{critical("a")}, results{{Suite: "other", Name: "a", Outcome: yes}}, "fail", "checks", plumbline.Counts{Errored: 1}},
		"passed, then failed":       {checks{critical("a")}, results{answer("a", yes), answer("a", no)}, "fail", "checks", plumbline.Counts{Errored: 1}},
		"failed, then passed":       {checks{critical("a")}, results{answer("a", no), answer("a", yes)}, "fail", "checks", plumbline.Counts{Errored: 1}},
		"one answer for two checks": {checks{critical("a"), critical("a")}, results{answer("a", yes)}, "fail", "checks", plumbline.Counts{Passed: 1, Errored: 1}},
		"severity is the plan's":    {checks{{Suite: "smoke", Name: "a"}}, results{{Suite: "smoke", Name: "a", Outcome: no, Severity: plumbline.Advisory}}, "fail", "checks", plumbline.Counts{Failed: 1}},
		"an unknown severity":       {checks{critical("a"), {Suite: "smoke", Name: "b", Severity: "minor"}}, results{answer("a", yes), answer("b", no)}, "fail", "checks", plumbline.Counts{Passed: 1, Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			v := plumbline.Judge(plumbline.Plan{Checks: c.checks}, c.results, begin)
			if v.Outcome != c.want || v.Cause != c.cause || v.Passed() != (c.want == "pass") {
				t.Errorf("the verdict is %q for %q (%s), want %q for %q", v.Outcome, v.Cause, v.Reason, c.want, c.cause)
			}
			if v.Counts != c.counts {
				t.Errorf("counted %+v, want %+v", v.Counts, c.counts)
			}
			if v.Reason == "" || strings.Contains(v.Reason, "\n") || len(v.Checks) != len(c.checks) {
				t.Errorf("%d checks with reason %q, want %d and a line", len(v.Checks), v.Reason, len(c.checks))
			}
			if again := plumbline.Judge(plumbline.Plan{Checks: c.checks}, c.results, begin); !reflect.DeepEqual(again, v) {
				t.Errorf("the same question gave another verdict: %+v, want %+v", again, v)
			}
		})
	}
}

func TestZeroVerdictSaysNo(t *testing.T) {
	if (plumbline.Verdict{}).Passed() {
		t.Error("the zero verdict passed")
	}
}

func TestJudgeCopiesThePlan(t *testing.T) {
	plan := plumbline.Plan{
		Run: "run", Service: "plum", Color: green, Role: plumbline.RoleIdle, Trigger: plumbline.TriggerRelease, Deployment: 1234,
		Release: plumbline.Release{Version: "v2", Digest: "sha256:1"}, Change: plumbline.Change{ID: "CHG1"}, Tool: "plumbline 0.3.0",
		Event: plumbline.EventRef{ID: "e", Sequence: 1234}, Suites: []plumbline.SuiteRef{suite("smoke", plumbline.TriggerRelease)},
		ConfigDigest: "sha256:c", Checks: []plumbline.Check{critical("a")}, StartedAt: begin, ValidFor: 30 * time.Minute, Worker: "w",
	}
	at := begin.Add(time.Minute).In(time.FixedZone("IST", 19800))
	v := plumbline.Judge(plan, []plumbline.Result{answer("a", plumbline.Passed)}, at)
	want := plumbline.Verdict{
		Schema: "plumbline.verdict/v1", Run: "run", Service: "plum", Color: green, Role: "idle", Trigger: "release", Deployment: 1234,
		Release: plan.Release, Change: &plan.Change, Outcome: "pass", Reason: "1 of 1 checks passed", Counts: plumbline.Counts{Passed: 1},
		Checks: []plumbline.Result{{Name: "a", Suite: "smoke", Severity: "critical", Outcome: "passed"}},
		Suites: []plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:smoke"}}, ConfigDigest: "sha256:c", Tool: "plumbline 0.3.0",
		Event: plan.Event, StartedAt: begin, FinishedAt: at.UTC(), ExpiresAt: at.Add(30 * time.Minute).UTC(), Worker: "w",
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got\n%+v, want\n%+v", v, want)
	}
}

func TestJudgeKeepsReasonsInALine(t *testing.T) {
	r := answer("a", plumbline.Failed)
	r.Reason = "first\r\n  second\t" + strings.Repeat("ü", 5000)
	v := plumbline.Judge(plumbline.Plan{Checks: []plumbline.Check{critical("a")}}, []plumbline.Result{r}, begin)
	if strings.ContainsAny(v.Reason, "\r\n\t") || len(v.Reason) > 1200 || !strings.Contains(v.Reason, "first second ü") || strings.ContainsRune(v.Reason, '\uFFFD') {
		t.Errorf("the reason has %d bytes and is %.80q", len(v.Reason), v.Reason)
	}
}

func TestJudgeNamesTheFirstFailures(t *testing.T) {
	var checks []plumbline.Check
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		checks = append(checks, critical(name))
	}
	v := plumbline.Judge(plumbline.Plan{Checks: checks}, []plumbline.Result{answer("e", plumbline.Passed)}, begin)
	const want = "4 of 5 critical checks failed: a: was not asked; b: was not asked; c: was not asked; and 1 more"
	if v.Reason != want || v.Attribution != plumbline.AttributedUnknown {
		t.Errorf("the reason is %q (%s), want %q", v.Reason, v.Attribution, want)
	}
}

func TestRefuseNeverPasses(t *testing.T) {
	plan := plumbline.Plan{Run: "run", Checks: []plumbline.Check{critical("a")}}
	for _, cause := range []plumbline.Cause{plumbline.CauseSuperseded, plumbline.CauseDeadline, plumbline.CauseUnfinished, plumbline.CauseRefused} {
		v := plumbline.Refuse(plan, cause, "why", []plumbline.Result{answer("a", plumbline.Passed)}, begin)
		if v.Passed() || v.Outcome != plumbline.Fail || v.Cause != cause || v.Reason != "why" || v.Counts.Passed != 1 {
			t.Errorf("%s: got %+v, want a fail", cause, v)
		}
	}
}
