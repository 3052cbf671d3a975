package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/suites"
)

// A snapshot is a configuration and all that was made of it. It doesn't change: a reload puts another one in its place.
type snapshot struct {
	config    *configs.Config
	reading   suites.Options
	accounts  *checks.Connections
	suites    map[string][]suites.Suite // configured, by service
	reporters map[string]audience       // by name

	runs sync.WaitGroup // that may ask with its accounts, or with those of a later one

	mu     sync.Mutex
	pinned map[string]suites.Suite // by digest, what other daemons or former configurations pinned
}

// maxPinned bounds the suites that are kept though they aren't configured.
const maxPinned = 256

// load makes a snapshot of a configuration. All that is wrong with its suites comes in one error.
func (d *Daemon) load(config *configs.Config) (*snapshot, error) {
	s := &snapshot{config: config, suites: map[string][]suites.Suite{}, reporters: map[string]audience{}, pinned: map[string]suites.Suite{}}
	s.reading = SuiteOptions(config, d.redact.String, d.receiving(config), func(c *checks.Clients) { s.accounts = c.Connections })
	var problems strictyaml.Problems
	for _, name := range s.services() {
		loaded, err := suites.Load(config.Services[name].Suites, s.reading)
		if several := (strictyaml.Problems)(nil); errors.As(err, &several) {
			problems = append(problems, several...)
		} else if err != nil {
			return nil, err
		}
		s.suites[name] = slices.DeleteFunc(loaded, func(suite suites.Suite) bool { return suite.Service != "" && suite.Service != name })
	}
	if err := slices.Compact(problems.Sorted()).Err(); err != nil {
		return nil, err
	}
	for name, settings := range config.Reporters {
		to, err := d.audience(settings)
		if err != nil {
			return nil, fmt.Errorf("reporter %s: %w", name, err)
		}
		s.reporters[name] = to
	}
	return s, nil
}

// warn says what is probably not meant.
func (d *Daemon) warn(s *snapshot) {
	for _, name := range s.services() {
		for _, suite := range s.suites[name] {
			for _, warning := range suite.Warnings {
				d.log.Warn(warning.Error())
			}
		}
		if len(s.suites[name]) == 0 {
			d.log.Warn("no suite: every release will be refused", "service", name)
		}
	}
}

// services lists the configured services.
func (s *snapshot) services() []string { return slices.Sorted(maps.Keys(s.config.Services)) }

// policy is what the rules need to know of a configured service.
func (s *snapshot) policy(service string) plumbline.Policy {
	policy := s.config.Policy(service)
	for _, suite := range s.suites[service] {
		policy.Suites = append(policy.Suites, suite.Ref())
	}
	return policy
}

// store keeps the bytes of configuration and suites on the bus, so that a run can be repeated as it was.
func (s *snapshot) store(ctx context.Context, b *bus.Bus) error {
	if err := b.PutSuite(ctx, s.config.Digest(), s.config.Canonical()); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	for _, service := range s.services() {
		for _, suite := range s.suites[service] {
			if err := b.PutSuite(ctx, suite.Digest, suite.Source); err != nil {
				return fmt.Errorf("keep suite %s: %w", suite.Name, err)
			}
		}
	}
	return nil
}

// suite finds the suite of a digest: configured here, pinned before, or on the bus.
func (s *snapshot) suite(ctx context.Context, b *bus.Bus, service string, ref plumbline.SuiteRef) (suites.Suite, error) {
	if suite, found := s.local(service, ref.Digest); found {
		return suite, nil
	}
	source, err := b.Suite(ctx, ref.Digest)
	if err != nil {
		return suites.Suite{}, fmt.Errorf("suite %s: %w", ref.Name, err)
	}
	suite, err := suites.Parse(ref.Name+".yaml", source, s.reading)
	if err != nil {
		return suites.Suite{}, fmt.Errorf("suite %s was pinned and can't be read by this daemon: %w", ref.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pinned) >= maxPinned {
		clear(s.pinned)
	}
	s.pinned[ref.Digest] = suite
	return suite, nil
}

func (s *snapshot) local(service, digest string) (suites.Suite, bool) {
	for _, suite := range s.suites[service] {
		if suite.Digest == digest {
			return suite, true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	suite, found := s.pinned[digest]
	return suite, found
}
