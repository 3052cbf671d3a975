package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

func steady() runner.Options {
	return runner.Options{Jitter: func(d time.Duration) time.Duration { return d }}
}

func check(name string, probe plumbline.ProberFunc) plumbline.Check {
	return plumbline.Check{Name: name, Suite: "s", Timeout: 30 * time.Second, Effect: plumbline.EffectNone, Prober: probe}
}

func after(d time.Duration, err error) plumbline.ProberFunc {
	return func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
		select {
		case <-time.After(d):
			return plumbline.Answer{}, err
		case <-ctx.Done():
			return plumbline.Answer{}, ctx.Err()
		}
	}
}

func plan(checks ...plumbline.Check) plumbline.Plan {
	return plumbline.Plan{Run: "r", Site: plumbline.Site{URL: "http://green.test"}, Checks: checks}
}

func TestAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []plumbline.Check
		for i := range 16 {
			checks = append(checks, check(fmt.Sprint(i), after(2*time.Second, nil)))
		}
		begun := time.Now()
		results := runner.New(steady()).Run(t.Context(), plan(checks...), runner.Watcher{})
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("16 checks of 2s took %s, want 2s", took)
		}
		for i, r := range results {
			if r.Name != fmt.Sprint(i) || r.Outcome != plumbline.Passed || time.Duration(r.Seconds) != 2*time.Second {
				t.Errorf("result %d: %+v", i, r)
			}
		}
	})
}

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		name    string
		options runner.Options
		hosts   int
		most    int64
	}{
		{"run", runner.Options{Concurrency: 3, PerHost: 100}, 4, 3},
		{"host", runner.Options{Concurrency: 100, PerHost: 2}, 1, 2},
		{"two hosts", runner.Options{Concurrency: 100, PerHost: 2}, 2, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var now, most atomic.Int64
				var checks []plumbline.Check
				for i := range 20 {
					checks = append(checks, plumbline.Check{Name: fmt.Sprint(i), Suite: "s", Prober: hosted{
						host: fmt.Sprint(i % test.hosts),
						ProberFunc: func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
							if n := now.Add(1); n > most.Load() {
								most.Store(n)
							}
							time.Sleep(time.Second)
							now.Add(-1)
							return plumbline.Answer{}, nil
						}}})
				}
				r := runner.New(test.options)
				r.Run(t.Context(), plan(checks...), runner.Watcher{})
				if most.Load() != test.most {
					t.Errorf("%d at once, want %d", most.Load(), test.most)
				}
				most.Store(0)
				r.Limit(1, 0)
				if r.Run(t.Context(), plan(checks...), runner.Watcher{}); most.Load() != 1 {
					t.Errorf("%d at once after the bound became 1", most.Load())
				}
			})
		})
	}
}

type hosted struct {
	host string
	plumbline.ProberFunc
}

func (h hosted) Host(plumbline.Site) string { return h.host }

// twin asks both colors.
type twin struct{ plumbline.ProberFunc }

func (twin) AsksLive() bool { return true }

func TestBothColorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		r := runner.New(runner.Options{PerHost: 1})
		green, blue := plumbline.Site{URL: "http://green"}, plumbline.Site{URL: "http://blue"}
		var running sync.WaitGroup
		for i := range 10 { // of two services, each held against the other's color
			p := plan()
			p.Site, p.Live = green, blue
			if i%2 == 0 {
				p.Site, p.Live = blue, green
			}
			for n := range 3 {
				p.Checks = append(p.Checks, plumbline.Check{Name: fmt.Sprint(n), Suite: "s", Timeout: time.Hour, Prober: twin{
					func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
						most.Store(max(most.Load(), now.Add(1)))
						time.Sleep(time.Second)
						now.Add(-1)
						return plumbline.Answer{}, nil
					}}})
			}
			running.Go(func() {
				for _, result := range r.Run(t.Context(), p, runner.Watcher{}) {
					if result.Outcome != plumbline.Passed {
						t.Errorf("%s: %s", result.Outcome, result.Reason)
					}
				}
			})
		}
		running.Wait()
		if most.Load() != 1 {
			t.Errorf("%d at once, want 1", most.Load())
		}
	})
}

func TestEnds(t *testing.T) {
	flaky := func(errs ...error) plumbline.ProberFunc {
		var mu sync.Mutex
		return func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			err := errs[0]
			if len(errs) > 1 {
				errs = errs[1:]
			}
			return plumbline.Answer{Status: 500}, err
		}
	}
	wrong := plumbline.Failf("answered 500, want 2xx")
	for _, test := range []struct {
		name     string
		check    plumbline.Check
		outcome  plumbline.Outcome
		reason   string
		attempts int
		took     time.Duration
	}{
		{"passes", check("c", after(0, nil)), plumbline.Passed, "", 1, 0},
		{"fails", check("c", flaky(wrong)), plumbline.Failed, "answered 500, want 2xx", 1, 0},
		{"wrapped failure", check("c", flaky(fmt.Errorf("step login: %w", wrong))), plumbline.Failed, "step login: answered 500, want 2xx", 1, 0},
		{"errors", check("c", flaky(errors.New("connection refused"))), plumbline.Errored, "connection refused", 1, 0},
		{"panics", check("c", func(context.Context, plumbline.Ask) (plumbline.Answer, error) { panic("no such tenant") }),
			plumbline.Errored, "the check itself broke: no such tenant at runner_test.go", 1, 0},
		{"times out", check("c", after(time.Hour, nil)), plumbline.Errored, "timed out after 30s", 1, 30 * time.Second},
		{"hangs", check("c", func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
			time.Sleep(time.Minute)
			return plumbline.Answer{}, nil
		}), plumbline.Errored, "did not come back within 500ms of its time limit of 30s", 1, 30*time.Second + 500*time.Millisecond},
		{"errored is retried", retried(check("c", flaky(errors.New("reset"), nil)), 2), plumbline.Passed, "", 2, 100 * time.Millisecond},
		{"pauses double", retried(check("c", flaky(errors.New("reset"))), 3), plumbline.Errored, "reset", 4, 700 * time.Millisecond},
		{"failed isn't retried", retried(check("c", flaky(wrong, nil)), 2), plumbline.Failed, "answered 500, want 2xx", 1, 0},
		{"failed is retried on request", on(retried(check("c", flaky(wrong, nil)), 2), plumbline.RetryRule{Failed: true}), plumbline.Passed, "", 2, 100 * time.Millisecond},
		{"status is retried on request", on(retried(check("c", flaky(wrong, nil)), 2), plumbline.RetryRule{Statuses: []int{500}}), plumbline.Passed, "", 2, 100 * time.Millisecond},
		{"attempts share the time", retried(check("c", after(time.Hour, nil)), 2), plumbline.Errored, "timed out after 10s", 3, 30 * time.Second},
		{"nothing to ask", check("c", nil), plumbline.Errored, "has nothing to ask", 0, 0},
		{"skipped", skipped(check("c", after(0, nil)), "until the tenant is moved"), plumbline.Skipped, "until the tenant is moved", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if test.name == "nothing to ask" {
					test.check.Prober = nil
				}
				begun := time.Now()
				r := runner.New(steady()).Run(t.Context(), plan(test.check), runner.Watcher{})[0]
				took := time.Since(begun)
				if r.Outcome != test.outcome || len(r.Attempts) != test.attempts {
					t.Errorf("%s after %d attempts (%s), want %s after %d", r.Outcome, len(r.Attempts), r.Reason, test.outcome, test.attempts)
				}
				if !strings.HasPrefix(r.Reason, test.reason) || test.reason == "" && r.Reason != "" {
					t.Errorf("reason %q, want %q", r.Reason, test.reason)
				}
				if r.Flaky != (test.outcome == plumbline.Passed && test.attempts > 1) {
					t.Errorf("flaky: %t after %d attempts", r.Flaky, len(r.Attempts))
				}
				if took < test.took || took > test.took+time.Second/10 {
					t.Errorf("took %s, want %s", took, test.took)
				}
				time.Sleep(time.Hour) // what hangs may end
			})
		})
	}
}

func retried(c plumbline.Check, n int) plumbline.Check { c.Retries = n; return c }
func on(c plumbline.Check, rule plumbline.RetryRule) plumbline.Check {
	c.RetryOn = rule
	return c
}
func skipped(c plumbline.Check, why string) plumbline.Check { c.Skip = why; return c }
func needing(c plumbline.Check, names ...string) plumbline.Check {
	c.Needs = names
	return c
}

func TestOrderByNeedsAndCaptures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login := check("login", func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
			time.Sleep(time.Second)
			return plumbline.Answer{Captures: map[string]any{"token": "t-1"}}, nil
		})
		order := needing(check("order", func(_ context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
			if ask.Captures["token"] != "t-1" || ask.Run != "r" {
				return plumbline.Answer{}, plumbline.Failf("asked with %v of run %q", ask.Captures, ask.Run)
			}
			return plumbline.Answer{}, nil
		}), "login")
		broken := check("broken", after(0, plumbline.Failf("answered 500")))
		results := runner.New(steady()).Run(t.Context(), plan(
			order, login, broken, needing(check("after broken", after(0, nil)), "broken"),
			needing(check("after that", after(0, nil)), "after broken"), needing(check("lost", after(0, nil)), "nobody"),
		), runner.Watcher{})
		want := []string{"passed ", "passed ", "failed answered 500", `skipped needs "broken", which failed`,
			`skipped needs "after broken", which was skipped`, `skipped needs "nobody", which is not part of this run`}
		for i, r := range results {
			if got := string(r.Outcome) + " " + r.Reason; got != want[i] {
				t.Errorf("%s: %s, want %s", r.Name, got, want[i])
			}
		}
	})
}

func TestSuiteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, other := check("slow", after(time.Hour, nil)), check("other", after(5*time.Second, nil))
		other.Suite = "patient"
		p := plan(slow, other)
		p.Timeouts = map[string]time.Duration{"s": 2 * time.Second}
		results := runner.New(steady()).Run(t.Context(), p, runner.Watcher{})
		if results[0].Outcome != plumbline.Errored || results[1].Outcome != plumbline.Passed {
			t.Errorf("slow %s, other %s; want errored and passed", results[0].Outcome, results[1].Outcome)
		}
		if want := "was cut off: the suite took longer than 2s"; results[0].Reason != want {
			t.Errorf("reason %q, want %q", results[0].Reason, want)
		}
	})
}

func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(errors.New("superseded"))
		}()
		results := runner.New(runner.Options{Concurrency: 1}).Run(ctx, plan(
			check("running", after(time.Hour, nil)), check("queued", after(time.Hour, nil)),
			needing(check("waiting", after(time.Hour, nil)), "running"),
		), runner.Watcher{})
		for _, r := range results {
			if r.Outcome == plumbline.Passed || !strings.Contains(r.Reason, "superseded") && r.Outcome == plumbline.Errored {
				t.Errorf("%s: %s %q, want an end that says superseded", r.Name, r.Outcome, r.Reason)
			}
		}
	})
}

func TestTakeoverAsksNothingTwiceThatStays(t *testing.T) {
	lasting := check("order", after(0, nil))
	lasting.Effect = plumbline.EffectLasting
	marked := lasting
	marked.Name, marked.Repeatable = "marked order", true
	p := plan(lasting, marked, check("read", after(0, nil)))
	p.Takeover = true
	results := runner.New(steady()).Run(t.Context(), p, runner.Watcher{})
	if results[0].Outcome != plumbline.Errored || !strings.Contains(results[0].Reason, "$(run.id)") {
		t.Errorf("lasting: %s %q", results[0].Outcome, results[0].Reason)
	}
	if results[1].Outcome != plumbline.Passed || results[2].Outcome != plumbline.Passed {
		t.Errorf("marked %s, read %s; want both passed", results[1].Outcome, results[2].Outcome)
	}
}

func TestPanicIsRedactedAndWatched(t *testing.T) {
	o := steady()
	o.Redact = func(s string) string { return strings.ReplaceAll(s, "hunter2", "[redacted]") }
	var started, finished []string
	results := runner.New(o).Run(t.Context(), plan(
		check("leaky", func(context.Context, plumbline.Ask) (plumbline.Answer, error) { panic("password hunter2") }),
	), runner.Watcher{
		Started:  func(c plumbline.Check) { started = append(started, c.Name) },
		Finished: func(r plumbline.Result) { finished = append(finished, r.Name+" "+string(r.Outcome)) },
	})
	if strings.Contains(results[0].Reason, "hunter2") {
		t.Errorf("the reason leaks: %s", results[0].Reason)
	}
	if fmt.Sprint(started, finished) != "[leaky] [leaky errored]" {
		t.Errorf("watched %v %v", started, finished)
	}
}

func TestProbersKnowWhenTheRunIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []time.Time
		asks := check("c", func(_ context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
			told = append(told, ask.Ends)
			return plumbline.Answer{}, nil
		})
		over := time.Now().Add(30 * time.Minute)
		bounded, cancel := context.WithDeadline(t.Context(), over)
		defer cancel()
		runner.New(steady()).Run(bounded, plan(asks), runner.Watcher{})
		runner.New(steady()).Run(t.Context(), plan(asks), runner.Watcher{})
		if len(told) != 2 || !told[0].Equal(over) || !told[1].IsZero() {
			t.Errorf("told %v, want %v and nothing", told, over)
		}
	})
}
