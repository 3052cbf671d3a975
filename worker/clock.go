package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// ClockSource is the source of every event that daemons publish on their own.
const ClockSource = "/plumbline/clock"

// askAgainAfter is how long after a pass changed suites are asked at the earliest: daemons that disagree about the suites,
// as they do while they are restarted one by one, don't ask for run after run.
const askAgainAfter = time.Minute

// A Schedule says when a clock ticks next; cron schedules do. The zero time means never.
type Schedule interface {
	Next(after time.Time) time.Time
}

// A Timetable is what the configuration says of the runs that nobody asks for.
type Timetable struct {
	Standby Schedule      // nil: never
	Renew   time.Duration // a pass of an idle color is renewed until its deployment is this old; 0: never
}

// A Clock publishes what is due for one service: slots of the standby, a standby run right after a switch, renewals, and
// the end of the window. Every daemon runs one: the events carry ids made of what they are about, so that the bus and
// the record take each once.
type Clock struct {
	Service   string
	Timetable Timetable
	Policy    func() plumbline.Policy
	Records   Records
	Publish   func(context.Context, plumbline.Event) error
	Say       func(context.Context, plumbline.Entry) error
	Now       func() time.Time
	Log       *slog.Logger
}

// Run keeps the clock until ctx ends.
func (c *Clock) Run(ctx context.Context) {
	last, switched, asked := c.Now(), uint64(0), ""
	for {
		changed := c.Records.Memory.Changed()
		record, _, known := c.Records.Memory.Get(c.Service)
		now := c.Now()
		var next time.Time
		if known {
			if record.Switched != switched && c.afterSwitch(ctx, record, now) {
				switched = record.Switched
			}
			if slot := c.next(last); !slot.IsZero() && !slot.After(now) {
				c.slot(ctx, record, slot)
				last = now
			}
			id, at := c.due(record, now)
			if id != "" && id != asked && !at.After(now) && c.ask(ctx, record, id) {
				asked = id
			}
			c.tellWindow(ctx, c.closeWindow(ctx, record, now))
			next = earliest(c.next(last), after(record.Window, now), after(at, now))
		}
		if !awaitChange(ctx, changed, next, now) {
			return
		}
	}
}

// awaitChange waits until something changes or the moment comes, and says whether ctx still stands. A moment that has
// passed isn't waited for: it would come again at once, for ever.
func awaitChange(ctx context.Context, changed <-chan struct{}, moment, now time.Time) bool {
	var comes <-chan time.Time
	if moment.After(now) {
		timer := time.NewTimer(moment.Sub(now))
		defer timer.Stop()
		comes = timer.C
	}
	select {
	case <-changed:
	case <-comes:
	case <-ctx.Done():
		return false
	}
	return true
}

func (c *Clock) next(last time.Time) time.Time {
	if c.Timetable.Standby == nil {
		return time.Time{}
	}
	return c.Timetable.Standby.Next(last)
}

// slot asks the standby of the moment, if there is one.
func (c *Clock) slot(ctx context.Context, record plumbline.Record, at time.Time) bool {
	color := record.Live.Other()
	if record.RoleAt(color, at) != plumbline.RoleStandby || record.RoleAt(color, c.Now()) != plumbline.RoleStandby {
		return true
	}
	return c.publish(ctx, plumbline.Event{Kind: plumbline.EventSlot, ID: at.UTC().Format(time.RFC3339Nano),
		Source: ClockSource, Service: c.Service, Color: color})
}

// afterSwitch asks the new standby at once: how far back can a rollback go is the first question after a switch.
func (c *Clock) afterSwitch(ctx context.Context, record plumbline.Record, now time.Time) bool {
	if record.RoleAt(record.Live.Other(), now) != plumbline.RoleStandby {
		return true
	}
	return c.slot(ctx, record, record.SwitchedAt)
}

// due names the run that the idle color needs without anybody asking, and when: its suites changed since it passed, or
// the pass is about to expire. The name is made of deployment, plan and the pass, so that all daemons mean the same run.
// A pass that a switch made void is a person's to renew.
func (c *Clock) due(record plumbline.Record, now time.Time) (id string, at time.Time) {
	color, policy := record.Live.Other(), c.Policy()
	state := record.Colors[color]
	last := state.Last
	if record.RoleAt(color, now) != plumbline.RoleIdle || last == nil || last.Outcome != plumbline.Pass ||
		last.Role != plumbline.RoleIdle || last.Sequence < record.Switched || len(state.Pending) > 0 || state.Deploying {
		return "", time.Time{}
	}
	policy.ObserveUntil = time.Time{} // what is only watched is kept fresh as well
	gate := plumbline.Decide(plumbline.Asked{Color: color}, record, policy, now)
	at = last.FinishedAt.Add(policy.ValidFor * 4 / 5)
	switch {
	case gate.Because == plumbline.BecauseSuites:
		at = last.FinishedAt.Add(askAgainAfter)
	case at.Sub(state.DeployedAt) > c.Timetable.Renew:
		return "", time.Time{}
	}
	digest := plumbline.PlanDigest(plumbline.Pinned(policy.Suites, plumbline.TriggerRelease))
	return fmt.Sprintf("%d.%s.%d", state.Deployment, digest, last.Sequence), at
}

func (c *Clock) ask(ctx context.Context, record plumbline.Record, id string) bool {
	return c.publish(ctx, plumbline.Event{Kind: plumbline.EventRequested, ID: id, Source: ClockSource, Service: c.Service,
		Color: record.Live.Other(), Reason: "the pass expires, or is of other suites"})
}

func (c *Clock) publish(ctx context.Context, e plumbline.Event) bool {
	if err := c.Publish(ctx, e); err != nil {
		if ctx.Err() == nil {
			c.Log.Warn("the clock could not publish", "service", c.Service, "event", e.ID, "error", err)
		}
		return false
	}
	return true
}

// closeWindow records the end of the window, once, and returns the record after it.
func (c *Clock) closeWindow(ctx context.Context, record plumbline.Record, now time.Time) plumbline.Record {
	if record.Window.IsZero() || now.Before(record.Window) {
		return record
	}
	moved, err := c.Records.Change(ctx, c.Service, func(r plumbline.Record) (plumbline.Record, bool) { return r.EndWindow(now) })
	if err != nil {
		c.Log.Warn("the end of the window could not be recorded", "service", c.Service, "error", err)
		return record
	}
	return moved
}

// tellWindow tells the ledger of a window that ended, unless that was heard: who recorded it may have died since.
func (c *Clock) tellWindow(ctx context.Context, record plumbline.Record) {
	for _, entry := range record.Outbox {
		if entry.Kind != plumbline.EntryWindow {
			continue
		}
		err := c.Say(ctx, entry)
		if err == nil {
			_, err = c.Records.Change(ctx, c.Service, func(r plumbline.Record) (plumbline.Record, bool) { return r.Heard(entry) })
		}
		if err != nil {
			c.Log.Warn("the end of the window could not be told", "service", c.Service, "error", err)
			continue
		}
		c.Log.Info(entry.Text, "service", entry.Service)
	}
}

func after(t, now time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}

func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
