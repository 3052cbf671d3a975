package runner_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

func TestChecksThatWaitTakeNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, most := runtime.NumGoroutine(), atomic.Int64{}
		var all []plumbline.Check
		for i := range 2000 {
			all = append(all, check(fmt.Sprint(i), func(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
				most.Store(max(most.Load(), int64(runtime.NumGoroutine())))
				return after(time.Second, nil)(ctx, ask)
			}))
			if i > 1000 {
				all[i].Needs = []string{"0"}
			}
		}
		begun := time.Now()
		for _, r := range runner.New(runner.Options{Concurrency: 8, PerHost: 8}).Run(t.Context(), plan(all...), runner.Watcher{}) {
			if r.Outcome != plumbline.Passed {
				t.Fatalf("%s: %s %s", r.Name, r.Outcome, r.Reason)
			}
		}
		if took := time.Since(begun); took != 250*time.Second {
			t.Errorf("took %s, want 250s: always 8 at once", took)
		}
		if more := int(most.Load()) - before; more > 40 {
			t.Errorf("%d goroutines for 8 checks at once", more)
		}
	})
}

// A suite that is out of time ends while another one's checks still stand in line at the same host.
func TestQueueEndsWithItsSuite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []plumbline.Check
		for i := range 20 {
			c := check(fmt.Sprint(i), after(10*time.Second, nil))
			if c.Timeout = time.Minute; i%2 == 1 {
				c.Suite = "short"
			}
			all = append(all, c)
		}
		p := plan(all...)
		p.Timeouts = map[string]time.Duration{"short": 5 * time.Second}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("the run is over"))
		defer cancel()
		begun := time.Now()
		runner.New(runner.Options{Concurrency: 1, PerHost: 1}).Run(ctx, p, runner.Watcher{Finished: func(r plumbline.Result) {
			if took := time.Since(begun); r.Suite == "short" && (took > 6*time.Second || r.Outcome != plumbline.Errored) {
				t.Errorf("%s ended after %s: %s %s", r.Name, took, r.Outcome, r.Reason)
			}
		}})
	})
}
