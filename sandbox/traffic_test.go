package sandbox_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// during runs traffic while something happens, and answers with how users were served.
func during(t *testing.T, s *sandbox.Sandbox, happens func()) sandbox.Stats {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var users sync.WaitGroup
	users.Go(func() { s.Traffic.Run(ctx) })
	happens()
	stop()
	users.Wait()
	stats := s.Traffic.Stats()
	if stats.Sent != stats.OK+stats.Failed {
		t.Errorf("sent %d, answered %d and %d: some were lost", stats.Sent, stats.OK, stats.Failed)
	}
	return stats
}

func allOpen(context.Context, plumbline.Color, plumbline.Purpose, string) (plumbline.Gate, error) {
	return open, nil
}

func TestNoUserNoticesASwitch(t *testing.T) {
	s := start(t, sandbox.Options{Gate: allOpen, Rate: 150})
	if err := s.Blue.SetConfig(sandbox.Config{TokenTTL: sandbox.Wait(20 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	stats := during(t, s, func() {
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			if err := s.Switch.Promote(t.Context(), s.Switch.Live().Other(), "2.0"); err != nil {
				t.Error(err)
			}
		}
		eventually(t, "hundred answers of both colors", func() bool {
			stats := s.Traffic.Stats()
			return stats.OK >= 100 && stats.ByColor[blue] > 0 && stats.ByColor[green] > 0
		})
	})
	if stats.Failed > 0 {
		t.Errorf("%d failed, the first: %+v", stats.Failed, stats.Failures[0])
	}
	money, ledger := s.Accounts(), s.Points()
	if money.Paid != money.Balance+money.Charged || money.Orders == 0 || ledger.Unaccounted != 0 || ledger.Sent == 0 {
		t.Errorf("%+v %+v, want orders and points that add up", money, ledger)
	}
	if stats.P50 <= 0 || stats.P50 > stats.P99 || float64(stats.P99) > float64(stats.Max)*1.06 {
		t.Errorf("p50 %v p99 %v max %v, want them in order", stats.P50, stats.P99, stats.Max)
	}
}

func TestUsersNoticeFaults(t *testing.T) {
	for name, test := range map[string]struct {
		faults sandbox.Faults
		want   string
	}{
		"errors":          {sandbox.Faults{Errors: true}, "answered 500, want 2xx: something broke inside"},
		"empty catalogue": {sandbox.Faults{EmptyCatalogue: true}, "the catalogue has 0 vouchers, want some"},
		"broken login":    {sandbox.Faults{BrokenLogin: true}, "answered 400, want 2xx"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, sandbox.Options{Rate: 300})
			if err := s.Blue.SetFaults(test.faults); err != nil {
				t.Fatal(err)
			}
			during(t, s, func() {
				eventually(t, "failure that says "+test.want, func() bool {
					return slices.ContainsFunc(s.Traffic.Stats().Failures, func(f sandbox.Failure) bool {
						return strings.Contains(f.Reason, test.want) && f.Color == blue && f.Errand != "" && !f.At.IsZero()
					})
				})
			})
		})
	}
}

func TestASlowColorServesItsUsers(t *testing.T) {
	s := start(t, sandbox.Options{Rate: 100})
	if err := s.Blue.SetFaults(sandbox.Faults{Slow: sandbox.Wait(sandbox.DefaultSlow)}); err != nil {
		t.Fatal(err)
	}
	stats := during(t, s, func() {
		eventually(t, "fifty answers", func() bool { return s.Traffic.Stats().OK >= 50 })
	})
	if stats.Failed > 0 || time.Duration(stats.P50) < sandbox.DefaultSlow {
		t.Errorf("%d ok, %d failed, p50 %s, want none failed and all slow", stats.OK, stats.Failed, time.Duration(stats.P50))
	}
}

func TestAnOpenLoopDoesNotWaitForAnswers(t *testing.T) {
	s := start(t, sandbox.Options{Rate: 200})
	ready := login(t, s.BlueURL) // the sandbox is warm
	ready.get("/healthz")
	if err := s.Blue.SetFaults(sandbox.Faults{Slow: sandbox.Wait(time.Second)}); err != nil {
		t.Fatal(err)
	}
	during(t, s, func() {
		eventually(t, "fifty requests at once without an answer", func() bool {
			stats := s.Traffic.Stats()
			return stats.Sent-stats.OK-stats.Failed >= 50
		})
	})
}
