package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

// A witness answers by color, and keeps who asked it what.
type witness struct {
	alike bool // both colors are asked at the same place, as the same account
	say   map[plumbline.Color]func(n int, ask plumbline.Ask) (plumbline.Answer, error)

	mu    sync.Mutex
	asked map[plumbline.Color]int
}

func (w *witness) Independent(a, b plumbline.Site) bool { return !w.alike }

func (w *witness) Probe(_ context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	w.mu.Lock()
	if w.asked == nil {
		w.asked = map[plumbline.Color]int{}
	}
	w.asked[ask.Site.Color]++
	n := w.asked[ask.Site.Color]
	w.mu.Unlock()
	say := w.say[ask.Site.Color]
	if say == nil {
		return plumbline.Answer{}, nil
	}
	return say(n, ask)
}

func always(answer plumbline.Answer, err error) func(int, plumbline.Ask) (plumbline.Answer, error) {
	return func(int, plumbline.Ask) (plumbline.Answer, error) { return answer, err }
}

func saying(green, blue func(int, plumbline.Ask) (plumbline.Answer, error)) *witness {
	return &witness{say: map[plumbline.Color]func(int, plumbline.Ask) (plumbline.Answer, error){plumbline.Green: green, plumbline.Blue: blue}}
}

var (
	outage  = plumbline.Answer{Class: plumbline.ClassOutage}
	refused = plumbline.Failf("answered 503, want 200")
	errAway = fmt.Errorf("connection refused: %w", plumbline.ErrUnreached)
)

// ofBoth is a plan that is held against blue.
func ofBoth(checks ...plumbline.Check) plumbline.Plan {
	p := plan(checks...)
	p.Service, p.Color, p.Release = "plum", plumbline.Green, plumbline.Release{Version: "2"}
	p.Site = plumbline.Site{Service: "plum", Color: plumbline.Green, URL: "http://green.test"}
	p.Live = plumbline.Site{Service: "plum", Color: plumbline.Blue, URL: "http://blue.test", Release: plumbline.Release{Version: "1"}}
	return p
}

func asking(name string, w *witness) plumbline.Check {
	c := check(name, nil)
	c.Prober = w
	return c
}

func TestWhoseFault(t *testing.T) {
	for name, test := range map[string]struct {
		witness *witness
		change  func(*plumbline.Check)
		want    plumbline.Attribution
		asked   int // how often blue is
	}{
		"blue passes":              {saying(always(outage, refused), nil), nil, plumbline.AttributedRelease, 1},
		"blue fails alike":         {saying(always(outage, refused), always(outage, refused)), nil, plumbline.AttributedShared, 1},
		"blue can't be reached":    {saying(always(outage, refused), always(outage, errAway)), nil, plumbline.AttributedUnknown, 1},
		"green can't, blue passes": {saying(always(plumbline.Answer{}, errAway), nil), nil, plumbline.AttributedRelease, 1},
		"both can't":               {saying(always(plumbline.Answer{}, errAway), always(plumbline.Answer{}, errAway)), nil, plumbline.AttributedUnknown, 1},
		"blue fails otherwise":     {saying(always(outage, refused), always(plumbline.Answer{Class: plumbline.ClassCredential}, refused)), nil, plumbline.AttributedUnknown, 1},
		"the same place":           {&witness{alike: true, say: saying(always(outage, refused), always(outage, refused)).say}, nil, plumbline.AttributedUnknown, 1},
		"green passes":             {saying(nil, always(outage, refused)), nil, "", 0},
		"control: false":           {saying(always(outage, refused), nil), func(c *plumbline.Check) { c.Uncontrolled = true }, "", 0},
		"advisory":                 {saying(always(outage, refused), nil), func(c *plumbline.Check) { c.Severity = plumbline.Advisory }, "", 0},
		"it leaves something":      {saying(always(outage, refused), nil), func(c *plumbline.Check) { c.Effect = plumbline.EffectLasting }, "", 0},
		"its effect isn't known":   {saying(always(outage, refused), nil), func(c *plumbline.Check) { c.Effect = "" }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := asking("a", test.witness)
			if test.change != nil {
				test.change(&c)
			}
			r := runner.New(steady()).Run(t.Context(), ofBoth(c), runner.Watcher{})[0]
			if r.Attribution != test.want || test.witness.asked[plumbline.Blue] != test.asked || (r.Control != nil) != (test.asked > 0) {
				t.Errorf("%q, blue was asked %d times, control %+v; want %q, %d times", r.Attribution, test.witness.asked[plumbline.Blue], r.Control, test.want, test.asked)
			}
		})
	}
}

func TestControlWithoutALiveColor(t *testing.T) {
	p := ofBoth(asking("a", saying(always(outage, refused), nil)))
	p.Live = plumbline.Site{}
	if r := runner.New(steady()).Run(t.Context(), p, runner.Watcher{})[0]; r.Control != nil || r.Attribution != "" {
		t.Errorf("%q, %+v", r.Attribution, r.Control)
	}
}

// What a control needs is asked of the live color as well, once for all, with the release that runs there; what only
// comes before it isn't.
func TestControlHasItsOwnCaptures(t *testing.T) {
	token := func(_ int, ask plumbline.Ask) (plumbline.Answer, error) {
		return plumbline.Answer{Captures: map[string]any{"token": string(ask.Site.Color) + ask.Release.Version}}, nil
	}
	login := saying(token, token)
	first := saying(nil, nil)
	var mu sync.Mutex
	seen := map[plumbline.Color][]any{}
	using := func() *witness {
		say := func(_ int, ask plumbline.Ask) (plumbline.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[ask.Site.Color] = append(seen[ask.Site.Color], ask.Captures["token"])
			if ask.Site.Color == plumbline.Green {
				return outage, refused
			}
			return plumbline.Answer{}, nil
		}
		return saying(say, say)
	}
	a, b := asking("a", using()), asking("b", using())
	for _, c := range []*plumbline.Check{&a, &b} {
		c.Needs, c.Uses = []string{"first", "login"}, []string{"login"}
	}
	results := runner.New(steady()).Run(t.Context(), ofBoth(asking("first", first), asking("login", login), a, b), runner.Watcher{})
	for _, r := range results[2:] {
		if r.Attribution != plumbline.AttributedRelease {
			t.Errorf("%s: %q, %+v", r.Name, r.Attribution, r.Control)
		}
	}
	if got := fmt.Sprint(seen); got != "map[blue:[blue1 blue1] green:[green2 green2]]" {
		t.Errorf("captures: %s", got)
	}
	if login.asked[plumbline.Blue] != 1 || first.asked[plumbline.Blue] != 0 {
		t.Errorf("blue was asked for a token %d times, and for what comes before %d times; want 1 and 0", login.asked[plumbline.Blue], first.asked[plumbline.Blue])
	}
}

func TestControlThatWouldLeaveSomethingBehind(t *testing.T) {
	order := asking("order", saying(nil, nil))
	order.Effect = plumbline.EffectLasting
	c := asking("a", saying(always(outage, refused), nil))
	c.Needs, c.Uses = []string{"order"}, []string{"order"}
	r := runner.New(steady()).Run(t.Context(), ofBoth(order, c), runner.Watcher{})[1]
	if r.Attribution != plumbline.AttributedUnknown || r.Control == nil || r.Control.Reason != `needs "order", which leaves something behind` {
		t.Errorf("%q, %+v", r.Attribution, r.Control)
	}
}

func TestWhatNeedsAFailureSharesItsAttribution(t *testing.T) {
	needing := asking("b", saying(nil, nil))
	needing.Needs = []string{"a"}
	r := runner.New(steady()).Run(t.Context(), ofBoth(asking("a", saying(always(outage, refused), always(outage, refused))), needing), runner.Watcher{})[1]
	if r.Outcome != plumbline.Skipped || r.Attribution != plumbline.AttributedShared {
		t.Errorf("%s, %q", r.Outcome, r.Attribution)
	}
}

// A shared failure that is waited for keeps the run pending until it has passed, is somebody's fault or took too long.
func TestWaitingForASharedFailure(t *testing.T) {
	until := func(n int) func(int, plumbline.Ask) (plumbline.Answer, error) {
		return func(asked int, _ plumbline.Ask) (plumbline.Answer, error) {
			if asked < n {
				return outage, refused
			}
			return plumbline.Answer{}, nil
		}
	}
	for name, test := range map[string]struct {
		witness *witness
		outcome plumbline.Outcome
		whose   plumbline.Attribution
		took    time.Duration
	}{
		"it passes":           {saying(until(4), until(3)), plumbline.Passed, "", 30 * time.Second},
		"only blue recovers":  {saying(always(outage, refused), until(3)), plumbline.Failed, plumbline.AttributedRelease, 30 * time.Second},
		"it goes on":          {saying(always(outage, refused), always(outage, refused)), plumbline.Failed, plumbline.AttributedShared, 60 * time.Second},
		"blue is fine":        {saying(always(outage, refused), nil), plumbline.Failed, plumbline.AttributedRelease, 0},
		"it is fine at once":  {saying(nil, nil), plumbline.Passed, "", 0},
		"nobody can be asked": {saying(always(plumbline.Answer{}, errAway), always(plumbline.Answer{}, errAway)), plumbline.Errored, plumbline.AttributedUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := asking("a", test.witness)
				c.OnShared, c.WaitFor = plumbline.SharedWait, time.Minute
				p := ofBoth(c)
				p.Timeouts = map[string]time.Duration{"s": 5 * time.Second} // which the wait comes on top of
				begun := time.Now()
				r := runner.New(steady()).Run(t.Context(), p, runner.Watcher{})[0]
				if took := time.Since(begun); r.Outcome != test.outcome || r.Attribution != test.whose || took != test.took {
					t.Errorf("%s of %q after %s (%s), want %s of %q after %s", r.Outcome, r.Attribution, took, r.Reason, test.outcome, test.whose, test.took)
				}
				if n := max(len(r.Attempts), r.Asked); n != test.witness.asked[plumbline.Green] {
					t.Errorf("%d attempts, and green was asked %d times", n, test.witness.asked[plumbline.Green])
				}
			})
		})
	}
}

// Who throttles is left alone for as long as it says, within the check's time, and that is no retry.
func TestThrottled(t *testing.T) {
	throttled := plumbline.Answer{Class: plumbline.ClassThrottled, RetryAfter: 7 * time.Second}
	twice := func(n int, _ plumbline.Ask) (plumbline.Answer, error) {
		if n <= 2 {
			return throttled, plumbline.Failf("answered 429")
		}
		return plumbline.Answer{}, nil
	}
	for name, test := range map[string]struct {
		say     func(int, plumbline.Ask) (plumbline.Answer, error)
		effect  plumbline.Effect
		outcome plumbline.Outcome
		took    time.Duration
	}{
		"it lets in":          {twice, plumbline.EffectNone, plumbline.Passed, 14 * time.Second},
		"it goes on":          {always(throttled, plumbline.Failf("answered 429")), plumbline.EffectNone, plumbline.Failed, 28 * time.Second},
		"it leaves something": {twice, plumbline.EffectLasting, plumbline.Failed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := asking("a", saying(test.say, nil))
				c.Effect, c.Uncontrolled = test.effect, true
				begun := time.Now()
				r := runner.New(steady()).Run(t.Context(), ofBoth(c), runner.Watcher{})[0]
				if took := time.Since(begun); r.Outcome != test.outcome || took != test.took || r.Flaky {
					t.Errorf("%s after %s, flaky %t; want %s after %s", r.Outcome, took, r.Flaky, test.outcome, test.took)
				}
			})
		})
	}
}

func TestControlEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(_ int, _ plumbline.Ask) (plumbline.Answer, error) {
			time.Sleep(time.Hour)
			return plumbline.Answer{}, nil
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("enough"))
		defer cancel()
		begun := time.Now()
		r := runner.New(steady()).Run(ctx, ofBoth(asking("a", saying(always(outage, refused), hangs))), runner.Watcher{})[0]
		if took := time.Since(begun); took > 6*time.Second || r.Attribution != plumbline.AttributedUnknown {
			t.Errorf("%q after %s, want unknown after 5 s", r.Attribution, took)
		}
		time.Sleep(2 * time.Hour) // for what hangs
	})
}

func TestKeptAnswersServeStandbyRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := saying(nil, nil), saying(nil, nil)
		other := saying(nil, nil)
		checks := []plumbline.Check{asking("a", a), asking("b", b), asking("now", other)}
		checks[0].MaxAge, checks[1].MaxAge = time.Hour, time.Hour
		run := runner.New(steady())
		of := func(trigger plumbline.Trigger, deployment uint64, checks ...plumbline.Check) []plumbline.Result {
			p := ofBoth(checks...)
			p.Trigger, p.Deployment, p.Suites = trigger, deployment, []plumbline.SuiteRef{{Name: "s", Digest: "sha256:1"}}
			return run.Run(t.Context(), p, runner.Watcher{})
		}
		expect := func(what string, results []plumbline.Result, kept string) {
			t.Helper()
			var got []string
			for _, r := range results {
				if !r.AskedAt.IsZero() {
					got = append(got, r.Name)
				}
				if r.Outcome != plumbline.Passed {
					t.Errorf("%s: %s %s", what, r.Name, r.Outcome)
				}
			}
			if strings.Join(got, " ") != kept {
				t.Errorf("%s: kept %q, want %q", what, got, kept)
			}
		}
		begun := time.Now()
		expect("the release asks everything", of(plumbline.TriggerRelease, 1, checks...), "")
		expect("again", of(plumbline.TriggerRelease, 1, checks...), "")
		time.Sleep(10 * time.Minute)
		served := of(plumbline.TriggerStandby, 1, checks...)
		expect("the standby", served, "a b")
		if !served[0].AskedAt.Equal(begun) {
			t.Errorf("asked at %s, want %s", served[0].AskedAt, begun)
		}
		expect("another deployment", of(plumbline.TriggerStandby, 2, checks...), "")
		expect("one is asked, the oldest", of(plumbline.TriggerStandby, 1, checks[0], checks[1]), "b")
		time.Sleep(55 * time.Minute)
		expect("too old", of(plumbline.TriggerStandby, 1, checks...), "a") // which was asked ten minutes later
		a.say[plumbline.Green] = always(outage, refused)
		of(plumbline.TriggerRelease, 1, checks...)
		a.say[plumbline.Green] = nil
		expect("it failed since", of(plumbline.TriggerStandby, 1, checks...), "b")
	})
}
