package plumbline_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestBefore(t *testing.T) {
	for _, test := range []struct {
		version, other string
		want           bool
	}{
		{"2026.9.1", "2026.11", true}, {"2026.11", "2026.9.1", false}, {"2026.11", "2026.11.0", false}, {"2026.11.0", "2026.11", false},
		{"2026.11", "2026.11.1", true}, {"v1.9", "1.10", true}, {"1.10.0-rc1+build.7", "1.10", false}, {"1.9+build", "1.10", true},
		{"", "1", false}, {"main", "1", false}, {"1.x", "2", false}, {"1..2", "3", false}, {"1", "soon", false}, {"-1", "1", false},
		{"99999999999999999999", "1", false},
	} {
		if got := (plumbline.Release{Version: test.version}).Before(test.other); got != test.want {
			t.Errorf("%q before %q: got %t, want %t", test.version, test.other, got, test.want)
		}
	}
}

// What sets up and tears down proves nothing, and spoils a verdict where it is critical.
func TestJudgePhases(t *testing.T) {
	const passed, failed = plumbline.Passed, plumbline.Failed
	for _, test := range []struct {
		name                   string
		setup, check, teardown plumbline.Outcome
		severity               plumbline.Severity // of the check
		last                   plumbline.Severity // of the teardown
		want                   string
		cause                  plumbline.Cause
	}{
		{"all passed", passed, passed, passed, plumbline.Critical, plumbline.Critical, plumbline.Pass, ""},
		{"setup failed", failed, plumbline.Skipped, passed, plumbline.Critical, plumbline.Advisory, plumbline.Fail, plumbline.CauseChecks},
		{"teardown failed, advisory", passed, passed, failed, plumbline.Critical, plumbline.Advisory, plumbline.Pass, ""},
		{"teardown failed, critical", passed, passed, failed, plumbline.Critical, plumbline.Critical, plumbline.Fail, plumbline.CauseChecks},
		{"nothing critical but what sets up", passed, passed, passed, plumbline.Advisory, plumbline.Critical, plumbline.Fail, plumbline.CauseRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan := plumbline.Plan{Checks: []plumbline.Check{
				{Name: "setup", Suite: "s", Phase: plumbline.PhaseSetup}, {Name: "check", Suite: "s", Severity: test.severity},
				{Name: "teardown", Suite: "s", Phase: plumbline.PhaseTeardown, Severity: test.last}}}
			results := []plumbline.Result{{Name: "setup", Suite: "s", Outcome: test.setup}, {Name: "check", Suite: "s", Outcome: test.check},
				{Name: "teardown", Suite: "s", Outcome: test.teardown}}
			v := plumbline.Judge(plan, results, time.Now())
			if v.Outcome != test.want || v.Cause != test.cause {
				t.Errorf("got %s, cause %q (%s), want %s, cause %q", v.Outcome, v.Cause, v.Reason, test.want, test.cause)
			}
			if v.Checks[0].Phase != plumbline.PhaseSetup || v.Checks[2].Phase != plumbline.PhaseTeardown {
				t.Errorf("phases %q and %q", v.Checks[0].Phase, v.Checks[2].Phase)
			}
		})
	}
}
