package worker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/worker"
)

// startClocks runs n daemons' clocks against one house and collects every distinct event they publish.
func startClocks(t *testing.T, h *house, n int, renew time.Duration) (stop func() []string) {
	t.Helper()
	return startClocksIn(t, h, n, renew, "*/10 * * * *")
}

func startClocksIn(t *testing.T, h *house, n int, renew time.Duration, slots string) (stop func() []string) {
	t.Helper()
	schedule, err := cron.ParseStandard(slots)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var published []string
	var running sync.WaitGroup
	for range n {
		clock := &worker.Clock{
			Service: "plum", Timetable: worker.Timetable{Standby: schedule, Renew: renew},
			Policy: func() plumbline.Policy { return h.rules() }, Records: h.state.Records, Say: h.say, Now: time.Now,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Publish: func(_ context.Context, e plumbline.Event) error {
				mu.Lock()
				defer mu.Unlock()
				line := fmt.Sprintf("%s %s %s", e.Kind, e.Color, e.ID)
				if !slices.Contains(published, line) { // as the bus drops an equal message id
					published = append(published, line)
				}
				return nil
			},
		}
		running.Go(func() { clock.Run(ctx) })
	}
	return func() []string { cancel(); running.Wait(); return published }
}

func TestSlotsOfTheWindowOnceForAllDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC 2000-01-01
		h := newHouse(t)
		stop := startClocks(t, h, 3, 0)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		time.Sleep(25 * time.Minute) // no standby yet
		h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
		time.Sleep(2 * time.Hour)
		published := stop()
		want := []string{"slot blue 2000-01-01T00:25:00Z"}
		for at := 30; at < 85; at += 10 {
			want = append(want, fmt.Sprintf("slot blue 2000-01-01T%02d:%02d:00Z", at/60, at%60))
		}
		if !slices.Equal(published, want) {
			t.Errorf("published %q,\nwant %q", published, want)
		}
		if r := h.now(); !r.Window.IsZero() || r.RoleAt(plumbline.Blue, time.Now()) != plumbline.RoleIdle {
			t.Errorf("the window is %s, blue is %s", r.Window, r.RoleAt(plumbline.Blue, time.Now()))
		}
		windows := 0
		for _, e := range h.entries {
			if e.Kind == plumbline.EntryWindow {
				windows++
			}
		}
		if windows != 1 {
			t.Errorf("the end of the window is in the ledger %d times, want once", windows)
		}
	})
}

func TestPassIsRenewedAndChangedSuitesAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		stop := startClocks(t, h, 2, time.Hour)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		time.Sleep(25 * time.Minute) // renewed at four fifths of valid_for: 24 minutes
		h.setSuites(plumbline.SuiteRef{Name: "smoke", Digest: "sha256:2", Triggers: plumbline.SuiteTriggers()})
		h.serve(h.event(plumbline.EventSwitched, plumbline.Blue, "noise", "")) // something happens
		time.Sleep(3 * time.Hour)                                              // too old to be renewed
		published := stop()
		want := []string{
			"requested green 1." + plumbline.PlanDigest([]plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:1"}}) + ".1",
			"requested green 1." + plumbline.PlanDigest([]plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:2"}}) + ".1",
		}
		if len(published) < 2 || published[0] != want[0] || published[1] != want[1] {
			t.Errorf("published %q,\nwant %q", published, want)
		}
	})
}

// The end of a window reaches the ledger even if the daemon that recorded it died before it could say so, and the next
// event came first.
func TestEndOfTheWindowIsToldByWhoeverIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
		time.Sleep(2 * time.Hour)
		ended, _ := h.now().EndWindow(time.Now())
		if _, err := h.state.Records.Update(t.Context(), ended, h.revision); err != nil { // and dies
			t.Fatal(err)
		}
		h.serve(h.event(plumbline.EventDeployed, plumbline.Blue, "e1", "3"))
		stop := startClocks(t, h, 2, 0)
		time.Sleep(time.Minute)
		stop()
		for _, e := range h.entries {
			if e.Kind == plumbline.EntryWindow {
				if outbox := h.now().Outbox; len(outbox) != 1 || outbox[0].Kind != plumbline.EntryRelease {
					t.Errorf("the outbox still has %+v", outbox)
				}
				return
			}
		}
		t.Error("the ledger never heard that the window ended")
	})
}

// Two daemons are restarted with changed suites one after the other: the run that the first one asks for is served by
// the second one with the old suites.
func TestChangedSuitesAreAskedAgainUntilAllDaemonsHaveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		newer := h.policy
		newer.Suites = []plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:2", Triggers: plumbline.SuiteTriggers()}}
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		ctx, cancel := context.WithCancel(t.Context())
		var requests atomic.Int64
		clock := &worker.Clock{Service: "plum", Policy: func() plumbline.Policy { return newer }, Records: h.state.Records, Say: h.say, Now: time.Now,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Publish: func(_ context.Context, e plumbline.Event) error {
				requests.Add(1)
				h.serve(h.event(e.Kind, e.Color, e.ID, ""))
				return nil
			}}
		var running sync.WaitGroup
		running.Go(func() { clock.Run(ctx) })
		time.Sleep(5*time.Minute + time.Second)
		if n := requests.Load(); n < 2 || n > 6 {
			t.Errorf("asked %d times in 5 minutes of disagreement, want about once a minute", n)
		}
		h.setSuites(newer.Suites...) // the second daemon has them as well
		time.Sleep(2 * time.Minute)
		if gate := h.gate(plumbline.Green); gate.Gate != plumbline.GateOpen {
			t.Errorf("with the same suites everywhere the gate is %s: %s", gate.Gate, gate.Reason)
		}
		settled := requests.Load()
		time.Sleep(10 * time.Minute)
		if n := requests.Load(); n != settled {
			t.Errorf("asked %d more times though nothing changed", n-settled)
		}
		cancel()
		running.Wait()
	})
}

// A release that traffic was taken from again is not made ready for traffic by a clock.
func TestRolledBackReleaseIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.setSuites(plumbline.SuiteRef{Name: "smoke", Digest: "sha256:1", Triggers: []plumbline.Trigger{plumbline.TriggerRelease}})
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
		h.serve(h.event(plumbline.EventSwitched, plumbline.Blue, "s2", "")) // it was no good
		stop := startClocks(t, h, 1, 4*time.Hour)
		time.Sleep(3 * time.Hour)
		if published := stop(); len(published) != 0 {
			t.Errorf("published %q", published)
		}
	})
}

func TestChangedSuitesAreAskedWhileObserving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.policy.ObserveUntil = time.Now().Add(24 * time.Hour)
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		h.setSuites(plumbline.SuiteRef{Name: "smoke", Digest: "sha256:2", Triggers: plumbline.SuiteTriggers()})
		stop := startClocks(t, h, 1, 0)
		time.Sleep(2 * time.Minute)
		if published := stop(); len(published) != 1 {
			t.Errorf("published %q, want one request", published)
		}
	})
}

// Once a year an hour is missing, and once one comes twice.
func TestSlotsWhenClocksAreChanged(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	for day, want := range map[string]int{"2000-03-26": 6 * 22, "2000-10-29": 6 * 24} { // 23 and 25 hours, watched for one less
		t.Run(day, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				midnight, _ := time.ParseInLocation(time.DateOnly, day, berlin)
				time.Sleep(time.Until(midnight))
				h := newHouse(t)
				h.policy.Retain = 48 * time.Hour
				h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
				stop := startClocksIn(t, h, 2, 0, "CRON_TZ=Europe/Berlin */10 * * * *")
				tomorrow := midnight.AddDate(0, 0, 1)
				time.Sleep(time.Until(tomorrow) - time.Hour + time.Minute)
				if published := stop(); len(published) != want+1 { // and one right after the switch
					t.Errorf("%d slots, want %d: %q", len(published), want+1, published)
				}
			})
		})
	}
}
