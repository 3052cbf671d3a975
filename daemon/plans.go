package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/suites"
	"github.com/plumbline-dev/plumbline/worker"
)

// A plans turns configuration and suites into what the rules and the worker need to know of each service.
type plans struct {
	config  *configs.Config
	reading suites.Options
	memory  *worker.Memory
	bus     *bus.Bus

	mu     sync.Mutex
	suites map[string][]suites.Suite // configured, by service
	pinned map[string]suites.Suite   // by digest, what other daemons or former configurations pinned
}

// loadPlans reads every suite of the configuration. All that is wrong with them comes in one error.
func loadPlans(config *configs.Config, reading suites.Options, memory *worker.Memory, log *slog.Logger) (*plans, error) {
	p := &plans{config: config, reading: reading, memory: memory, suites: map[string][]suites.Suite{}, pinned: map[string]suites.Suite{}}
	for name, service := range config.Services {
		loaded, err := suites.Load(service.Suites, p.reading)
		if err != nil {
			return nil, err
		}
		for _, s := range loaded {
			for _, warning := range s.Warnings {
				log.Warn(warning.Error())
			}
			if s.Service == "" || s.Service == name {
				p.suites[name] = append(p.suites[name], s)
			}
		}
		if len(p.suites[name]) == 0 {
			log.Warn("no suite: every release will be refused", "service", name)
		}
	}
	return p, nil
}

// services lists the configured services.
func (p *plans) services() []string { return slices.Sorted(maps.Keys(p.config.Services)) }

// known is the policy of a service, if it is configured.
func (p *plans) known(service string) (plumbline.Policy, bool) {
	if p.config.Services[service] == nil {
		return plumbline.Policy{}, false
	}
	return p.policy(service), true
}

// policy is what the rules need to know of a configured service.
func (p *plans) policy(service string) plumbline.Policy {
	policy := p.config.Policy(service)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.suites[service] {
		policy.Suites = append(policy.Suites, s.Ref())
	}
	return policy
}

func (p *plans) settings(service string) (worker.Settings, bool) {
	s := p.config.Services[service]
	if s == nil {
		return worker.Settings{}, false
	}
	return worker.Settings{Deadline: s.Deadline, ValidFor: s.Gate.ValidFor}, true
}

func (p *plans) timetable(service string) worker.Timetable {
	s := p.config.Services[service]
	return worker.Timetable{Standby: s.Standby, Renew: s.Gate.Renew}
}

// store keeps the bytes of every suite on the bus, so that a run can be repeated as it was pinned.
func (p *plans) store(ctx context.Context, b *bus.Bus) error {
	p.bus = b
	for _, loaded := range p.suites {
		for _, s := range loaded {
			if err := b.PutSuite(ctx, s.Digest, s.Source); err != nil {
				return fmt.Errorf("keep suite %s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// resolve turns the suites that a run pinned into checks against the color it is about.
func (p *plans) resolve(ctx context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
	plan := plumbline.Plan{ConfigDigest: p.config.Digest(), Timeouts: map[string]time.Duration{}}
	service := run.Service
	plan.Site, plan.Live = p.sites(run)
	for _, ref := range run.Suites {
		s, err := p.suite(ctx, service, ref)
		if err != nil {
			return plan, err
		}
		plan.Timeouts[s.Name] = s.Timeout
		plan.Checks = append(plan.Checks, s.ChecksFor(run.Release, time.Now())...)
	}
	p.config.Share(service, run.Color, plan.Checks)
	return plan, nil
}

// sites are the color that a run is about, and the one that it is held against: the live one, or the standby of a live
// one. Where nobody knows which color is live, or there is no standby, there is nothing to hold it against.
func (p *plans) sites(run plumbline.RunRef) (site, live plumbline.Site) {
	record, _, _ := p.memory.Get(run.Service)
	now := time.Now()
	at := func(c plumbline.Color) plumbline.Site {
		s, _ := p.config.Site(run.Service, c)
		if s.Role, s.Release = record.RoleAt(c, now), record.Colors[c].Release; s.Role == plumbline.RoleStandby {
			s.Until = record.Window
		}
		return s
	}
	site, live = at(run.Color), at(run.Color.Other())
	if live.Role == plumbline.RoleLive || site.Role == plumbline.RoleLive && live.Role == plumbline.RoleStandby {
		return site, live
	}
	return site, plumbline.Site{}
}

// suite finds the suite of a digest: configured here, pinned before, or on the bus.
func (p *plans) suite(ctx context.Context, service string, ref plumbline.SuiteRef) (suites.Suite, error) {
	if s, found := p.local(service, ref.Digest); found {
		return s, nil
	}
	source, err := p.bus.Suite(ctx, ref.Digest)
	if err != nil {
		return suites.Suite{}, fmt.Errorf("suite %s: %w", ref.Name, err)
	}
	s, err := suites.Parse(ref.Name+".yaml", source, p.reading)
	if err != nil {
		return suites.Suite{}, fmt.Errorf("suite %s was pinned and can't be read by this daemon: %w", ref.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pinned[ref.Digest] = s
	return s, nil
}

func (p *plans) local(service, digest string) (suites.Suite, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.suites[service] {
		if s.Digest == digest {
			return s, true
		}
	}
	s, found := p.pinned[digest]
	return s, found
}
