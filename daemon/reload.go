package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
)

// reloadTimeout bounds how long a reload waits for the bus.
const reloadTimeout = 30 * time.Second

// A reload is somebody who wants another configuration in force.
type reload struct {
	ctx    context.Context
	config *configs.Config
	done   chan error
}

// Reload puts a configuration in force, with its suites as they are now: all of it, or on an error nothing. Runs that
// began before end as they began. The ledger has what changes before it does.
func (d *Daemon) Reload(ctx context.Context, config *configs.Config) error {
	r := reload{ctx, config, make(chan error, 1)}
	select {
	case d.reloads <- r:
		return <-r.done
	case <-d.ending:
		return errEnding
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *crew) reload(ctx, taking context.Context, r reload) error {
	bounded, cancel := context.WithTimeout(r.ctx, reloadTimeout)
	defer cancel()
	defer context.AfterFunc(taking, cancel)()
	c.redact.Learn(r.config.Secrets()...)
	former := c.plans.now()
	if err := settled(former.config, r.config); err != nil {
		return err
	}
	next, err := c.load(r.config)
	if err != nil {
		return err
	}
	if err := c.enact(bounded, former, next); err != nil {
		next.accounts.Close()
		return err
	}
	next.accounts.Inherit(former.accounts)
	c.plans.replace(next)
	c.gate.SetTokens(tokensOf(next.config))
	c.worker.Runner.Limit(next.config.Limits.Concurrency, next.config.Limits.PerHost)
	c.staff(ctx, taking)
	c.memory.Wake() // clocks look at changed suites
	c.retire(former)
	c.warn(next)
	return nil
}

// enact makes durable what a reload needs, and what it changes. Nothing can fail after it.
func (c *crew) enact(ctx context.Context, former, next *snapshot) error {
	if err := c.mend(ctx, former); err != nil {
		return err
	}
	if err := c.prepare(ctx, next); err != nil {
		return err
	}
	at := time.Now().UTC()
	for _, change := range changesOf(former, next) {
		entry := plumbline.Entry{Schema: plumbline.LedgerSchema, Kind: plumbline.EntryReload, Service: change.service, At: at, By: c.options.Name,
			Reload: &plumbline.Reload{From: former.config.Digest(), To: next.config.Digest(), Changes: c.hidden(change.lines), Weaker: c.hidden(change.weaker)}}
		entry.Text = fmt.Sprintf("%s goes on with another configuration or other suites: %s", c.options.Name, change.summary())
		if err := c.bus.PublishEntry(ctx, entry); err != nil {
			return fmt.Errorf("the ledger must know first: %w", err)
		}
		for _, changed := range entry.Reload.Changes {
			c.log.Info("changed", "service", change.service, "what", changed)
		}
		for _, weaker := range entry.Reload.Weaker {
			c.log.Warn("weaker than before", "service", change.service, "what", weaker)
		}
	}
	return nil
}

// mend makes streams and records anew that the bus lost. What such a record said is lost with it: nobody vouches for the
// roles, whatever the configuration assumes of a new service.
func (c *crew) mend(ctx context.Context, former *snapshot) error {
	if _, err := c.bus.Ensure(ctx); err != nil {
		return err
	}
	for _, service := range former.services() {
		if err := c.records().Ensure(ctx, plumbline.Begin(service, plumbline.Policy{})); err != nil {
			return fmt.Errorf("the record of %s: %w", service, err)
		}
	}
	return nil
}

func (c *crew) hidden(lines []string) []string {
	hidden := make([]string, 0, len(lines))
	for _, line := range lines {
		hidden = append(hidden, c.redact.String(line))
	}
	return hidden
}
