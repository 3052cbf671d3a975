package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

// A diary is what was asked, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) probe(name string, takes time.Duration, err error) plumbline.ProberFunc {
	return func(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
		d.mu.Lock()
		d.lines = append(d.lines, name)
		d.mu.Unlock()
		return after(takes, err)(ctx, ask)
	}
}

func (d *diary) check(name string, err error, needs ...string) plumbline.Check {
	c := check(name, d.probe(name, time.Second, err))
	c.Needs = needs
	return c
}

func (d *diary) undone(name string, err error, needs ...string) []plumbline.Check {
	c, u := d.check(name, err, needs...), check("undo "+name, d.probe("undo "+name, time.Second, nil))
	c.Effect = plumbline.EffectUndone
	u.Phase, u.Undoes, u.Effect = plumbline.PhaseTeardown, name, plumbline.EffectLasting
	return []plumbline.Check{u, c} // however they stand
}

func (d *diary) last(name string, err error) plumbline.Check {
	c := check(name, d.probe(name, time.Second, err))
	c.Phase, c.Effect = plumbline.PhaseTeardown, plumbline.EffectLasting
	return c
}

func outcomes(results []plumbline.Result) string {
	var all []string
	for _, r := range results {
		all = append(all, r.Name+" "+string(r.Outcome))
	}
	return strings.Join(all, ", ")
}

func TestTeardownComesLastWhateverHappens(t *testing.T) {
	wrong := plumbline.Failf("answered 500, want 2xx")
	superseded := errors.New("superseded")
	for _, test := range []struct {
		name   string
		err    error
		after  time.Duration // until the run is cut off; 0: it isn't
		asked  string
		result string
	}{
		{"all is well", nil, 0, "project, order, look, undo order, undo project, clean, sweep",
			"undo project passed, project passed, undo order passed, order passed, look passed, clean passed, sweep passed"},
		{"a check fails", wrong, 0, "project, order, undo order, undo project, clean, sweep",
			"undo project passed, project passed, undo order passed, order failed, look skipped, clean passed, sweep passed"},
		{"the run is cut off", nil, 1500 * time.Millisecond, "project, order, undo order, undo project, clean, sweep",
			"undo project passed, project passed, undo order passed, order errored, look skipped, clean passed, sweep passed"},
		{"the run is cut off before", nil, 500 * time.Millisecond, "project, undo project, clean, sweep",
			"undo project passed, project errored, undo order skipped, order skipped, look skipped, clean passed, sweep passed"},
		{"the run is cut off at once", nil, -1, "", "undo project skipped, project errored, undo order skipped, order skipped, look skipped, clean skipped, sweep skipped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				checks := slices.Concat(d.undone("project", nil), d.undone("order", test.err, "project"),
					[]plumbline.Check{d.check("look", nil, "order"), d.last("clean", nil), d.last("sweep", nil)})
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				switch {
				case test.after < 0:
					cancel(superseded)
				case test.after > 0:
					time.AfterFunc(test.after, func() { cancel(superseded) })
				}
				results := runner.New(steady()).Run(ctx, plan(checks...), runner.Watcher{})
				if got := strings.Join(d.lines, ", "); got != test.asked {
					t.Errorf("asked %s\nwant  %s", got, test.asked)
				}
				if got := outcomes(results); got != test.result {
					t.Errorf("got  %s\nwant %s", got, test.result)
				}
			})
		})
	}
}

func TestTeardownHasItsOwnGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		slow := d.last("slow", nil)
		slow.Prober, slow.Timeout = after(time.Hour, nil), time.Hour
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("the deadline passed"))
		defer cancel()
		o, begun := steady(), time.Now()
		o.Grace = 7 * time.Second
		results := runner.New(o).Run(ctx, plan(d.check("first", nil), slow), runner.Watcher{})
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %s, want 3s and 7s of grace", took)
		}
		if results[1].Outcome != plumbline.Errored || !strings.Contains(results[1].Reason, "the grace for taking back is over") {
			t.Errorf("%s %q", results[1].Outcome, results[1].Reason)
		}
	})
}

func TestOneSuitesTeardownDoesNotWaitForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		other := check("long", d.probe("long", 20*time.Second, nil))
		other.Suite = "other"
		p := plan(d.check("short", nil), d.last("clean", nil), other)
		p.Timeouts = map[string]time.Duration{"s": 500 * time.Millisecond}
		var ends []string
		results := runner.New(steady()).Run(t.Context(), p, runner.Watcher{Finished: func(r plumbline.Result) { ends = append(ends, r.Name) }})
		if got := outcomes(results); got != "short errored, clean passed, long passed" || strings.Join(ends, " ") != "short clean long" {
			t.Errorf("%s, in the order %v", got, ends)
		}
	})
}

func TestTakeoverTakesBackFirst(t *testing.T) {
	for _, test := range []struct {
		name       string
		undo       error
		repeatable bool
		needs      error
		asked      string
		outcome    plumbline.Outcome
		reason     string
	}{
		{"taken back", nil, false, nil, "login, undo order, order, undo order", plumbline.Passed, ""},
		{"can't be taken back", plumbline.Failf("answered 500"), false, nil, "login, undo order, undo order", plumbline.Errored,
			"may have been sent already by a run that was cut off, and could not be taken back: answered 500"},
		{"can't be taken back, and is recognized", plumbline.Failf("answered 500"), true, nil, "login, undo order, order, undo order", plumbline.Passed, ""},
		{"is not asked again", nil, false, plumbline.Failf("answered 401"), "login, undo order", plumbline.Skipped, `needs "login", which failed`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				checks := append(d.undone("order", nil, "login"), d.check("login", test.needs))
				checks[0].Prober, checks[1].Repeatable = d.probe("undo order", time.Second, test.undo), test.repeatable
				p := plan(checks...)
				p.Takeover = true
				results := runner.New(runner.Options{Concurrency: 1, PerHost: 1}).Run(t.Context(), p, runner.Watcher{})
				if got := strings.Join(d.lines, ", "); got != test.asked {
					t.Errorf("asked %s, want %s", got, test.asked)
				}
				if results[1].Outcome != test.outcome || results[1].Reason != test.reason {
					t.Errorf("%s %q, want %s %q", results[1].Outcome, results[1].Reason, test.outcome, test.reason)
				}
			})
		})
	}
}

func TestUndoAsksNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		checks := slices.Concat(d.undone("project", nil), d.undone("order", nil, "project"), []plumbline.Check{d.check("look", nil), d.last("clean", nil)})
		p := plan(checks...)
		if !runner.LeavesBehind(p) || runner.LeavesBehind(plan(d.check("look", nil), d.last("clean", nil))) {
			t.Error("only what is undone is left behind")
		}
		results := runner.New(steady()).Undo(t.Context(), p, runner.Watcher{})
		slices.Sort(d.lines)
		if got := fmt.Sprint(d.lines, outcomes(results)); got != "[undo order undo project]undo project passed, undo order passed" {
			t.Errorf("got %s", got)
		}
	})
}

func TestNothingWaitsForATeardown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		results := runner.New(steady()).Run(t.Context(), plan(d.check("odd", nil, "clean"), d.check("even", nil), d.last("clean", nil)), runner.Watcher{})
		if want := `needs "clean", which comes behind all others`; results[0].Reason != want || results[2].Outcome != plumbline.Passed {
			t.Errorf("%s: %q, want %q", outcomes(results), results[0].Reason, want)
		}
	})
}

// Plans that no suite makes end all the same.
func TestTeardownsNeverWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		p := plan(slices.Concat(d.undone("a", nil, "b"), d.undone("b", nil, "a"), d.undone("c", nil), d.undone("c", nil),
			[]plumbline.Check{d.last("clean", nil), d.last("clean", nil)})...)
		for _, p.Takeover = range []bool{false, true} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the deadline passed"))
			results := runner.New(steady()).Run(ctx, p, runner.Watcher{})
			cancel()
			for _, r := range results {
				if r.Outcome == "" {
					t.Errorf("%s has no outcome", r.Name)
				}
			}
		}
	})
}
