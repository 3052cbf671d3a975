package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/suites"
	"github.com/plumbline-dev/plumbline/worker"
)

// undoing is a plan with a check whose effect is taken back. What is asked is written down.
func undoing(h *house, takes time.Duration, undo error) *[]string {
	var mu sync.Mutex
	asked := &[]string{}
	probe := func(name string, err error) plumbline.ProberFunc {
		return func(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			intent := slices.ContainsFunc(h.said(), func(e plumbline.Entry) bool { return e.Kind == plumbline.EntryIntent && e.Run == ask.Run })
			*asked = append(*asked, fmt.Sprintf("%s (intent %t)", name, intent))
			select {
			case <-time.After(takes):
			case <-ctx.Done():
			}
			return plumbline.Answer{}, err
		}
	}
	h.worker.Plan = func(context.Context, plumbline.RunRef) (plumbline.Plan, error) {
		return plumbline.Plan{Checks: []plumbline.Check{
			{Name: "order", Suite: "smoke", Timeout: time.Hour, Effect: plumbline.EffectUndone, Prober: probe("order", nil)},
			{Name: "undo order", Suite: "smoke", Timeout: time.Hour, Effect: plumbline.EffectLasting, Severity: plumbline.Advisory,
				Phase: plumbline.PhaseTeardown, Undoes: "order", Prober: probe("undo", undo)},
		}}, nil
	}
	return asked
}

func (h *house) said() []plumbline.Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []plumbline.Entry
	for _, e := range h.entries {
		all = append(all, e)
	}
	return all
}

func TestIntentComesBeforeTheEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		asked := undoing(h, 0, nil)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.serve(d)
		if want := []string{"order (intent true)", "undo (intent true)"}; !slices.Equal(*asked, want) {
			t.Errorf("asked %q, want %q", *asked, want)
		}
		said := h.said()
		i := slices.IndexFunc(said, func(e plumbline.Entry) bool { return e.Kind == plumbline.EntryIntent })
		want := "release of 2 on green leaves behind, and takes back by run " + d.event.Run + ": smoke/order"
		if e := said[i]; e.Text != want || e.Sequence != 1 || e.Color != plumbline.Green {
			t.Errorf("got %+v, want %s", e, want)
		}
		h.worker.Say = func(context.Context, plumbline.Entry) error { return errors.New("the ledger is away") }
		d = h.event(plumbline.EventDeployed, plumbline.Green, "e2", "3")
		if h.serve(d); len(*asked) != 2 || d.done != 0 || len(d.later) != 1 {
			t.Errorf("asked %q without a record of the intent; settled %d times, handed back %d times", *asked, d.done, len(d.later))
		}
	})
}

// A run that was begun, and cut off by a crash, comes to another worker.
func TestWhatACrashLeftIsTakenBack(t *testing.T) {
	const took = "order (intent true)"
	for _, test := range []struct {
		name    string
		act     func(*house, *delivery)
		undo    error
		cause   plumbline.Cause
		asked   []string
		checks  int
		outcome string
	}{
		{"taken over", func(*house, *delivery) {}, nil, "", []string{"undo (intent true)", took, "undo (intent true)"}, 2, plumbline.Pass},
		{"can't be taken back", func(*house, *delivery) {}, plumbline.Failf("answered 500"), plumbline.CauseChecks,
			[]string{"undo (intent true)", "undo (intent true)"}, 2, plumbline.Fail},
		{"superseded", func(h *house, _ *delivery) {
			h.state.Handle(h.t.Context(), h.event(plumbline.EventDeployed, plumbline.Green, "newer", "3"))
		}, nil, plumbline.CauseSuperseded, []string{"undo (intent false)"}, 1, plumbline.Fail},
		{"past its deadline", func(*house, *delivery) { time.Sleep(31 * time.Minute) }, nil, plumbline.CauseDeadline, []string{"undo (intent false)"}, 1, plumbline.Fail},
		{"started too often", func(h *house, d *delivery) { h.started[d.event.Run] = 10 }, nil, plumbline.CauseUnfinished, []string{"undo (intent false)"}, 1, plumbline.Fail},
		{"never begun", func(h *house, d *delivery) { delete(h.started, d.event.Run); time.Sleep(31 * time.Minute) }, nil, plumbline.CauseDeadline, nil, 0, plumbline.Fail},
	} {
		for _, late := range []bool{false, true} { // the first delivery was on its way while the second was begun, and comes behind it
			t.Run(fmt.Sprintf("%s/late %t", test.name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t)
					asked := undoing(h, 0, test.undo)
					d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
					h.state.Handle(t.Context(), d.copy())
					h.started[d.event.Run] = 1
					if !late {
						d = d.again()
					}
					test.act(h, d)
					h.worker.Handle(t.Context(), d)
					if !slices.Equal(*asked, test.asked) {
						t.Errorf("asked %q, want %q", *asked, test.asked)
					}
					v, _ := h.verdict(d.event.Run)
					if v.Outcome != test.outcome || v.Cause != test.cause || len(v.Checks) != test.checks {
						t.Errorf("%s, cause %q, %d checks, %q; want %s, cause %q, %d checks", v.Outcome, v.Cause, len(v.Checks), v.Reason, test.outcome, test.cause, test.checks)
					}
				})
			})
		}
	}
}

// A worker is cut off from the bus for so long that another one is given its run, which begins it and dies. What that one left
// behind is taken back by the next.
func TestWhoWasOvertakenSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		asked := undoing(h, time.Second, nil)
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		time.AfterFunc(1500*time.Millisecond, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.started[d.event.Run]++
		})
		h.worker.Handle(t.Context(), d)
		if h.wrote != 0 || d.done != 0 || len(d.later) != 0 {
			t.Errorf("%d verdicts, settled %d times, handed back %d times; want to leave it to who has it", h.wrote, d.done, len(d.later))
		}
		was, next := len(*asked), d.again()
		h.worker.Handle(t.Context(), next)
		if v, _ := h.verdict(d.event.Run); !v.Passed() || next.done != 1 || !strings.HasPrefix((*asked)[was], "undo") {
			t.Errorf("%s, settled %d times, asked %q; want what was left to be taken back, and a pass", v.Outcome, next.done, (*asked)[was:])
		}
	})
}

// Whoever is given a message late finds the verdict that somebody else reached, and asks nothing.
func TestALateFirstDeliveryAsksNothingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		asked := undoing(h, 0, nil)
		late := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), late.copy())
		behind := worker.NewMemory() // of a process that heard nothing since the event was applied
		behind.Watched(h.now(), h.revision)
		h.worker.Handle(t.Context(), late.again())
		was := len(*asked)
		h.worker.Records.Memory = behind
		if h.worker.Handle(t.Context(), late); late.done != 1 || len(*asked) != was || h.wrote != 1 {
			t.Errorf("settled %d times, asked %q, %d verdicts; want what the other asked alone", late.done, *asked, h.wrote)
		}
	})
}

func TestWhatCannotBeTakenBackIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.worker.Plan = func(context.Context, plumbline.RunRef) (plumbline.Plan, error) {
			return plumbline.Plan{}, errors.New("no such suite")
		}
		d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
		h.state.Handle(t.Context(), d.copy())
		h.started[d.event.Run] = 1
		time.Sleep(31 * time.Minute)
		h.worker.Handle(t.Context(), d.again())
		if v, _ := h.verdict(d.event.Run); !strings.Contains(v.Reason, "what it may have left behind was not taken back: the plan of run") {
			t.Errorf("%s %q", v.Cause, v.Reason)
		}
	})
}

func TestShutdownTakesBackAndSupersessionToo(t *testing.T) {
	for name, cut := range map[string]func(h *house, stop func()){
		"shutdown": func(_ *house, stop func()) { stop() },
		"superseded": func(h *house, _ func()) {
			h.state.Handle(h.t.Context(), h.event(plumbline.EventDeployed, plumbline.Green, "newer", "3"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				asked := undoing(h, 10*time.Second, nil)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				h.state.Handle(t.Context(), d.copy())
				time.AfterFunc(time.Second, func() { cut(h, cancel) })
				h.worker.Handle(ctx, d)
				if want := []string{"order (intent true)", "undo (intent true)"}; !slices.Equal(*asked, want) {
					t.Errorf("asked %q, want %q", *asked, want)
				}
				if _, judged := h.verdict(d.event.Run); judged != (name == "superseded") {
					t.Errorf("judged %t", judged)
				}
			})
		})
	}
}

// What a suite says of its requests decides what a takeover may ask again.
func TestTakeoverAsksAgainWhatCarriesTheRun(t *testing.T) {
	const text = `
suite: smoke
checks:
  - {name: unmarked, post: /unmarked, json: {reference: probe}}
  - {name: marked, post: /marked, json: {lines: [{reference: "plumbline-$(run.id)"}]}}
  - {name: expected alone, post: /expected, expect: {$.run: $(run.id)}}
  - {name: escaped, post: /escaped, json: {reference: $$(run.id)}}
  - name: marked steps
    steps: [{get: /read}, {post: /first/$(run.id)}, {put: /second, headers: {X-Run: $(string run.id)}}]
  - name: half marked steps
    steps: [{post: /third/$(run.id)}, {post: /fourth}]
  - name: taken back
    post: /project
    effect: undone
    teardown: [{delete: /project?run=$(run.id)}]
  - get: /read
`
	h := newHouse(t)
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Method+" "+strings.ReplaceAll(r.URL.Path, h.run(), "RUN")]++
		_, _ = io.WriteString(w, `{"run":"`+h.run()+`"}`)
	}))
	defer server.Close()
	s, err := suites.Parse("smoke.yaml", []byte(text), suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.worker.Plan = func(_ context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
		return plumbline.Plan{Checks: s.ChecksFor(run.Release, time.Now()), Site: plumbline.Site{URL: server.URL}}, nil
	}
	d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
	h.state.Handle(t.Context(), d.copy())
	h.started[d.event.Run] = 1
	h.worker.Handle(t.Context(), d.again())
	v, _ := h.verdict(d.event.Run)
	outcomes := map[string]plumbline.Outcome{}
	for _, c := range v.Checks {
		outcomes[c.Name] = c.Outcome
	}
	want := map[string]plumbline.Outcome{"unmarked": plumbline.Errored, "marked": plumbline.Passed, "expected alone": plumbline.Errored, "escaped": plumbline.Errored,
		"marked steps": plumbline.Passed, "half marked steps": plumbline.Errored, "taken back": plumbline.Passed, "undo taken back": plumbline.Passed, "GET /read": plumbline.Passed}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", outcomes, want)
	}
	const requests = "map[DELETE /project:2 GET /read:2 POST /first/RUN:1 POST /marked:1 POST /project:1 PUT /second:1]"
	if got := fmt.Sprint(asked); got != requests {
		t.Errorf("asked %s\nwant  %s", got, requests)
	}
}

// run is the id of the first event's run.
func (h *house) run() string { return plumbline.RunID("plumbline.event.plum", "/test", "e1") }
