package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

// late answers well, whatever became of its time.
func late(d time.Duration, err error) plumbline.ProberFunc {
	return func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
		time.Sleep(d)
		return plumbline.Answer{Captures: map[string]any{"x": 1}}, err
	}
}

func TestAnswerAfterItsTimeIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := check("slow", late(2200*time.Millisecond, nil))
		slow.Timeout = 2 * time.Second
		wrong := check("wrong", late(2200*time.Millisecond, plumbline.Failf("answered 500, want 200")))
		wrong.Timeout = 2 * time.Second
		uses := check("uses", after(0, nil))
		uses.Needs = []string{"slow"}
		results := runner.New(steady()).Run(t.Context(), plan(slow, wrong, uses), runner.Watcher{})
		if r := results[0]; r.Outcome != plumbline.Errored || !strings.Contains(r.Reason, "2s") {
			t.Errorf("an answer after 2.2s of 2s: %s %q, want errored", r.Outcome, r.Reason)
		}
		if r := results[1]; r.Outcome != plumbline.Failed || !strings.Contains(r.Reason, "500") {
			t.Errorf("a wrong answer after 2.2s of 2s: %s %q, want what was wrong", r.Outcome, r.Reason)
		}
		if r := results[2]; r.Outcome != plumbline.Skipped {
			t.Errorf("what needs the late one: %s", r.Outcome)
		}
	})
}

func TestTwoChecksOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(check("twin", after(time.Second, nil)), check("twin", after(0, nil)), check("single", after(0, nil)))
		results := runner.New(steady()).Run(t.Context(), p, runner.Watcher{})
		if len(results) != 3 || results[2].Outcome != plumbline.Passed {
			t.Fatalf("results %+v", results)
		}
		if v := plumbline.Judge(p, results, time.Now()); v.Passed() {
			t.Errorf("passed: %s", v.Reason)
		}
	})
}

func TestCheckThatNeedsItselfEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := check("a", after(0, nil)), check("b", after(0, nil))
		a.Needs, b.Needs = []string{"b"}, []string{"a"}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the run is over"))
		defer cancel()
		for _, r := range runner.New(steady()).Run(ctx, plan(a, b), runner.Watcher{}) {
			if r.Outcome == plumbline.Passed || !strings.Contains(r.Reason, "the run is over") {
				t.Errorf("%s: %s %q", r.Name, r.Outcome, r.Reason)
			}
		}
	})
}

func TestNothingThatAProberSaysHasASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "hunter2hunter2"
		o := steady()
		o.Redact = func(s string) string { return strings.ReplaceAll(s, secret, "[redacted]") }
		leaky := check("leaky", func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
			return plumbline.Answer{Detail: secret, Steps: []plumbline.StepResult{{Name: "one", Reason: "saw " + secret}}}, plumbline.Failf("saw %s", secret)
		})
		r := runner.New(o).Run(t.Context(), plan(leaky), runner.Watcher{})[0]
		for _, text := range []string{r.Reason, r.Detail, r.Attempts[0].Reason, r.Steps[0].Reason} {
			if text == "" || strings.Contains(text, secret) {
				t.Errorf("%q, want it redacted", text)
			}
		}
	})
}

// However the checks of a plan end without an answer of their own, the verdict is no pass.
func TestWhatWasNotAnsweredDoesNotPass(t *testing.T) {
	wrong, right := after(0, plumbline.Failf("answered 500, want 2xx")), after(0, nil)
	advisory := check("advisory", wrong)
	advisory.Severity = plumbline.Advisory
	soft := check("soft", right)
	soft.Severity = plumbline.Advisory
	broken := check("broken", func(context.Context, plumbline.Ask) (plumbline.Answer, error) { panic("no") })
	for name, checks := range map[string][]plumbline.Check{
		"needs an advisory check that failed": {advisory, needing(check("c", right), "advisory"), check("other", right)},
		"needs a check of another suite":      {{Name: "far", Suite: "t", Prober: right}, needing(check("c", right), "far"), check("other", right)},
		"needs a check that is skipped":       {skipped(check("gone", right), "until 2027"), needing(check("c", right), "gone"), check("other", right)},
		"all are skipped":                     {skipped(check("a", right), "until 2027"), skipped(check("b", right), "until 2027")},
		"all are advisory":                    {soft},
		"nothing to ask with":                 {{Name: "empty", Suite: "s"}, check("other", right)},
		"one breaks":                          {broken, check("other", right)},
		"none":                                {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := plan(checks...)
				v := plumbline.Judge(p, runner.New(steady()).Run(t.Context(), p, runner.Watcher{}), time.Now())
				if v.Passed() || v.Reason == "" || v.Cause == "" {
					t.Errorf("%s %s %q", v.Outcome, v.Cause, v.Reason)
				}
			})
		})
	}
}
