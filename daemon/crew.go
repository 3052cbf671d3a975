package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/worker"
)

// A crew is what comes and goes with the configuration: who takes runs, clocks, reporters. Its steward alone changes it.
type crew struct {
	*Daemon
	taking    sync.WaitGroup                // who takes runs, with the runs under way
	consumers map[string]context.CancelFunc // by service
	clocks    map[string]ticking            // likewise
	reporters map[string]context.CancelFunc // by name
	retired   <-chan struct{}               // closed when the accounts of all former snapshots are
}

// A ticking is a clock with what it was set to.
type ticking struct {
	schedule, zone string
	renew          time.Duration
	stop           context.CancelFunc
}

// steward changes the crew as it is told to, and sees to the end: when nothing is taken any more, it waits for the runs
// under way, as long as the grace is, and stops the daemon.
func (c *crew) steward(ctx, taking context.Context) {
	for {
		select {
		case r := <-c.reloads:
			r.done <- c.reload(ctx, taking, r)
		case <-taking.Done():
			c.awaitRuns(ctx)
			c.stop()
			return
		}
	}
}

func (c *crew) awaitRuns(ctx context.Context) {
	grace := time.NewTimer(c.Config().ShutdownGrace)
	defer grace.Stop()
	ended := make(chan struct{})
	go func() { c.taking.Wait(); close(ended) }() // which the daemon's end ends at the latest
	select {
	case <-ended:
	case <-grace.C:
		c.log.Warn("runs under way are handed back: they took longer than the grace", "shutdown_grace", c.Config().ShutdownGrace.String())
	case <-ctx.Done():
	}
}

// staff brings the crew in line with the snapshot that is in force. What a service's runs have under way goes on when the
// service is gone, until the daemon stops.
func (c *crew) staff(ctx, taking context.Context) {
	now := c.plans.now()
	for _, service := range now.services() {
		if c.consumers[service] == nil {
			c.consumers[service] = c.consume(ctx, taking, service)
		}
		settings := now.config.Services[service]
		set := ticking{schedule: settings.Standby.Schedule, zone: settings.Standby.TimeZone, renew: settings.Gate.Renew}
		old, ticks := c.clocks[service]
		set.stop = old.stop
		if ticks && set.same(old) {
			continue
		}
		if ticks {
			old.stop()
		}
		set.stop = c.tick(taking, service, worker.Timetable{Standby: settings.Standby, Renew: settings.Gate.Renew})
		c.clocks[service] = set
	}
	for service, stop := range c.consumers {
		if now.config.Services[service] == nil {
			stop()
			c.clocks[service].stop()
			delete(c.consumers, service)
			delete(c.clocks, service)
		}
	}
	c.staffReporters(ctx)
}

func (t ticking) same(as ticking) bool {
	return t.schedule == as.schedule && t.zone == as.zone && t.renew == as.renew
}

func (c *crew) staffReporters(ctx context.Context) {
	now := c.plans.now()
	for name := range now.reporters {
		if c.reporters[name] == nil {
			reporting, stop := context.WithCancel(ctx)
			c.reporters[name] = stop
			c.report(reporting, name)
		}
	}
	for name, stop := range c.reporters {
		if _, exists := now.reporters[name]; !exists {
			stop()
			delete(c.reporters, name)
		}
	}
}

// consume takes a service's runs until taking is done, or stop is called; those under way end with ctx alone.
func (c *crew) consume(ctx, taking context.Context, service string) (stop context.CancelFunc) {
	taking, stop = context.WithCancel(taking)
	c.taking.Add(1)
	c.group.Go(func() error {
		defer c.taking.Done()
		return c.bus.ConsumeRuns(taking, service, runSlots, func(_ context.Context, e *bus.Delivery) {
			defer c.plans.enter()()
			c.worker.Handle(ctx, e)
		})
	})
	return stop
}

func (c *crew) tick(taking context.Context, service string, timetable worker.Timetable) (stop context.CancelFunc) {
	taking, stop = context.WithCancel(taking)
	clock := c.newClock(service, timetable)
	c.group.Go(func() error { clock.Run(taking); return nil })
	return stop
}

// retire closes the accounts of a former snapshot once no run asks with them any more.
func (c *crew) retire(former *snapshot) {
	before, closed := c.retired, make(chan struct{})
	c.retired = closed
	c.group.Go(func() error {
		if before != nil {
			<-before // a run that began with an earlier snapshot may have gone on with this one
		}
		former.runs.Wait()
		former.accounts.Close()
		close(closed)
		return nil
	})
}
