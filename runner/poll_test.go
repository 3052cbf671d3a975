package runner_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

// after n wrong answers, the right one.
func rightAfter(n int, answer plumbline.Answer, wrong error) plumbline.ProberFunc {
	var asked atomic.Int64
	return func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
		if int(asked.Add(1)) > n {
			return plumbline.Answer{}, nil
		}
		return answer, wrong
	}
}

func polled(name string, probe plumbline.ProberFunc) plumbline.Check {
	c := check(name, probe)
	c.Poll = plumbline.Poll{Every: 2 * time.Second, For: time.Minute}
	c.Timeout, c.AttemptTimeout = 70*time.Second, 10*time.Second
	return c
}

func TestPoll(t *testing.T) {
	pending := plumbline.Failf("$.status: got pending, want done")
	hang := func(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
		<-ctx.Done()
		return plumbline.Answer{}, ctx.Err()
	}
	for _, test := range []struct {
		name        string
		check       plumbline.Check
		outcome     plumbline.Outcome
		reason      string
		kept, asked int
		took        time.Duration
	}{
		{"holds at once", polled("c", rightAfter(0, plumbline.Answer{}, nil)), plumbline.Passed, "", 1, 0, 0},
		{"holds later", polled("c", rightAfter(3, plumbline.Answer{}, pending)), plumbline.Passed, "", 4, 0, 6 * time.Second},
		{"could not be asked at first", polled("c", rightAfter(2, plumbline.Answer{}, errors.New("connection refused"))), plumbline.Passed, "", 3, 0, 4 * time.Second},
		{"holds very late", polled("c", rightAfter(29, plumbline.Answer{}, pending)), plumbline.Passed, "", 20, 30, 58 * time.Second},
		{"never holds", polled("c", after(0, pending)), plumbline.Failed,
			"$.status: got pending, want done; still so after 1m0s", 20, 31, time.Minute},
		{"comes to an end", polled("c", rightAfter(9, plumbline.Answer{Final: true}, pending)), plumbline.Failed, "$.status: got pending, want done", 1, 0, 0},
		{"hangs", polled("c", hang), plumbline.Errored, "timed out after 10s; still so after 1m10s", 6, 0, 70 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				r := runner.New(steady()).Run(t.Context(), plan(test.check), runner.Watcher{})[0]
				if r.Outcome != test.outcome || r.Reason != test.reason || r.Flaky {
					t.Errorf("%s %q, flaky %t; want %s %q", r.Outcome, r.Reason, r.Flaky, test.outcome, test.reason)
				}
				if len(r.Attempts) != test.kept || r.Asked != test.asked {
					t.Errorf("%d attempts kept of %d, want %d of %d", len(r.Attempts), r.Asked, test.kept, test.asked)
				}
				for i := 1; i < len(r.Attempts); i++ {
					if !r.Attempts[i].At.After(r.Attempts[i-1].At) {
						t.Error("attempts aren't in order")
					}
				}
				if took := time.Since(begun); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
			})
		})
	}
}

func TestPollIsCutOffWithItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(errors.New("superseded by 2026.11.4")) })
		r := runner.New(steady()).Run(ctx, plan(polled("c", after(0, plumbline.Failf("pending")))), runner.Watcher{})[0]
		if want := "pending; then it was cut off: superseded by 2026.11.4"; r.Outcome != plumbline.Errored || r.Reason != want {
			t.Errorf("%s %q, want errored %q", r.Outcome, r.Reason, want)
		}
	})
}

// Checks that rest between two attempts take no places from others.
func TestPollsLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []plumbline.Check
		for i := range 8 {
			checks = append(checks, polled(fmt.Sprint(i), rightAfter(5, plumbline.Answer{}, plumbline.Failf("pending"))))
		}
		begun := time.Now()
		for _, r := range runner.New(runner.Options{Concurrency: 1, PerHost: 1}).Run(t.Context(), plan(checks...), runner.Watcher{}) {
			if r.Outcome != plumbline.Passed {
				t.Errorf("%s: %s %s", r.Name, r.Outcome, r.Reason)
			}
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %s, want 10s: one after the other would take 80s", took)
		}
	})
}
