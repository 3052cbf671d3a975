package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/worker"
)

// A plans tells the rules and the worker what they need to know of each service, by the snapshot that is in force.
type plans struct {
	memory *worker.Memory
	bus    *bus.Bus

	mu    sync.Mutex
	force *snapshot
	had   map[string]bool // the services of all snapshots that were in force
}

// now is the snapshot that is in force. Who asks twice may get two.
func (p *plans) now() *snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.force
}

// enter is now for a run, which calls leave at its end: the accounts of this snapshot, and of those that follow in the
// meantime, stay usable until then.
func (p *plans) enter() (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.force.runs.Add(1)
	return p.force.runs.Done
}

// replace puts a snapshot in force. Nobody enters the former one any more.
func (p *plans) replace(next *snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.force = next
	for _, service := range next.services() {
		p.had[service] = true
	}
}

// known is the policy of a service, if it is configured.
func (p *plans) known(service string) (plumbline.Policy, bool) {
	s := p.now()
	if s.config.Services[service] == nil {
		return plumbline.Policy{}, false
	}
	return s.policy(service), true
}

// dropped says whether a service was configured, and isn't any more.
func (p *plans) dropped(service string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.had[service] && p.force.config.Services[service] == nil
}

// policy is that of a service; of one that isn't configured any more it opens nothing.
func (p *plans) policy(service string) plumbline.Policy {
	policy, _ := p.known(service)
	return policy
}

func (p *plans) services() []string { return p.now().services() }

func (p *plans) settings(service string) (worker.Settings, bool) {
	config := p.now().config
	s := config.Services[service]
	if s == nil {
		return worker.Settings{}, false
	}
	return worker.Settings{Deadline: s.Deadline, ValidFor: s.Gate.ValidFor, ConfigDigest: config.Digest()}, true
}

// resolve turns the suites that a run pinned into checks against the color it is about.
func (p *plans) resolve(ctx context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
	s := p.now()
	plan := plumbline.Plan{ConfigDigest: s.config.Digest(), Timeouts: map[string]time.Duration{}}
	if s.config.Services[run.Service] == nil {
		return plan, fmt.Errorf("service %s is not configured any more", run.Service)
	}
	plan.Site, plan.Live = p.sites(s, run)
	for _, ref := range run.Suites {
		suite, err := s.suite(ctx, p.bus, run.Service, ref)
		if err != nil {
			return plan, err
		}
		plan.Timeouts[suite.Name] = suite.Timeout
		plan.Checks = append(plan.Checks, suite.ChecksFor(run.Release, time.Now())...)
	}
	s.config.Share(run.Service, run.Color, plan.Checks)
	return plan, nil
}

// sites are the color that a run is about, and the one that it is held against: the live one, or the standby of a live
// one. Where nobody knows which color is live, or there is no standby, there is nothing to hold it against.
func (p *plans) sites(s *snapshot, run plumbline.RunRef) (site, live plumbline.Site) {
	record, _, _ := p.memory.Get(run.Service)
	now := time.Now()
	at := func(c plumbline.Color) plumbline.Site {
		site, _ := s.config.Site(run.Service, c)
		if site.Role, site.Release = record.RoleAt(c, now), record.Colors[c].Release; site.Role == plumbline.RoleStandby {
			site.Until = record.Window
		}
		return site
	}
	site, live = at(run.Color), at(run.Color.Other())
	if live.Role == plumbline.RoleLive || site.Role == plumbline.RoleLive && live.Role == plumbline.RoleStandby {
		return site, live
	}
	return site, plumbline.Site{}
}
