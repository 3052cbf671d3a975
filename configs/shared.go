package configs

import (
	"slices"

	"github.com/plumbline-dev/plumbline"
)

// shared refuses a policy for shared failures that nobody could follow.
func (l *loader) shared(s Shared, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	if s.OnSharedFailure != "" {
		known := make([]string, 0, 3)
		for _, policy := range plumbline.SharedPolicies() {
			known = append(known, string(policy))
		}
		l.oneOf(string(s.OnSharedFailure), known, at("on_shared_failure")...)
	}
	switch wait := s.OnSharedFailure == plumbline.SharedWait; {
	case wait && s.WaitFor <= 0:
		l.hinted(l.at(at("on_shared_failure")...), "add wait_for: 10m", "on_shared_failure wait without wait_for")
	case !wait && s.WaitFor != 0:
		l.hinted(l.at(at("wait_for")...), "write on_shared_failure: wait", "wait_for without on_shared_failure wait")
	}
}

// Share settles what each check's failure does if the live color shares it: the check's own word counts before the
// connection's, and that before the service's.
func (c *Config) Share(service string, color plumbline.Color, checks []plumbline.Check) {
	for i := range checks {
		check := &checks[i]
		for _, policy := range c.policies(service, color, check.Connection) {
			if check.OnShared == "" && policy.OnSharedFailure != "" {
				check.OnShared, check.WaitFor = policy.OnSharedFailure, policy.WaitFor
			}
		}
	}
}

func (c *Config) policies(service string, color plumbline.Color, connection string) []Shared {
	var all []Shared
	s := c.Services[service]
	if s != nil && s.Environments[color] != nil {
		if meant := s.Environments[color].Connections[connection]; meant != "" {
			connection = meant
		}
	}
	if own := c.Connections[connection]; own != nil {
		all = append(all, own.Shared)
	}
	if s != nil {
		all = append(all, Shared{s.OnSharedFailure, s.WaitFor})
	}
	return all
}
