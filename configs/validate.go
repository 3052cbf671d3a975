package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// validate refuses what decodes but can't be meant.
func (l *loader) validate() {
	c := l.config
	l.bus(c.Bus)
	if len(c.Services) == 0 {
		l.hinted(l.at("services"), "add one under services", "no services")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		l.name(name, "services", name)
		l.service(name, c.Services[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Connections)) {
		l.name(name, "connections", name)
		if c.Connections[name].Kind != "" {
			l.connection(name, c.Connections[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.NamedSecrets)) {
		l.namedSecret(name, c.NamedSecrets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Reporters)) {
		l.name(name, "reporters", name)
		if c.Reporters[name].Kind != "" {
			l.reporter(name, c.Reporters[name])
		}
	}
	l.tokens(c.Tokens)
	l.outside(c)
}

// name refuses a key that is no name, at the key itself.
func (l *loader) name(name string, path ...string) {
	if err := plumbline.CheckName(name); err != nil {
		l.problem(l.keys[strings.Join(path, separator)], "%s", err)
	}
}

func (l *loader) service(name string, s *Service) {
	at := func(path ...string) []string { return append([]string{"services", name}, path...) }
	urls := make(map[string]plumbline.Color)
	for _, color := range slices.Sorted(maps.Keys(s.Environments)) {
		if _, err := plumbline.ParseColor(string(color)); err != nil {
			l.problem(l.keys[strings.Join(at("environments", string(color)), separator)], "%s", err)
			continue
		}
		l.environmentOf(name, color, s.Environments[color])
		if other, twice := urls[s.Environments[color].URL]; twice {
			l.problem(l.at(at("environments", string(color), "url")...), "%s and %s have the same URL", other, color)
		}
		urls[s.Environments[color].URL] = color
	}
	for _, color := range plumbline.Colors() {
		if s.Environments[color] == nil {
			l.hinted(l.at(at("environments")...), "add "+string(color)+": {url: https://…}", "%s has no %s environment", name, color)
		}
	}
	if s.New && s.Live.Color == "" {
		l.hinted(l.at(at("new")...), "add live: blue, or whichever takes traffic", "%s is new and nobody says which color is live", name)
	}
	if len(s.Suites) == 0 {
		l.hinted(l.at(at("suites")...), "add suites: [FILE or DIRECTORY or shipped:NAME]", "%s has no suites: nothing would be asked", name)
	}
	for i, suite := range s.Suites {
		if shipped, is := strings.CutPrefix(suite, ShippedPrefix); suite == "" || is && plumbline.CheckName(shipped) != nil {
			l.problem(l.at(at("suites")...).Content[i], "%q is no suite, want a file, a directory or %sNAME", suite, ShippedPrefix)
		}
	}
	l.positive(s.Deadline, at("deadline")...)
	l.shared(Shared{s.OnSharedFailure, s.WaitFor}, at())
	l.standby(name, &s.Standby)
	l.gate(name, s.Gate)
}

func (l *loader) environmentOf(service string, color plumbline.Color, e *Environment) {
	path := []string{"services", service, "environments", string(color)}
	if e.URL == "" {
		l.hinted(l.at(path...), "add url: https://…", "%s of %s has no url", color, service)
	} else {
		l.webURL(e.URL, append(path, "url")...)
	}
	l.allow(e.Allow, append(path, "allow"))
	known := slices.Sorted(maps.Keys(l.config.Connections))
	if len(known) == 0 && l.unreadIn("connections") {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.Connections)) {
		to := e.Connections[name]
		if !slices.Contains(known, to) {
			l.hinted(l.at(append(path, "connections", name)...), strictyaml.DidYouMean(to, known), "unknown connection %q", to)
		}
	}
}

func (l *loader) standby(service string, s *Standby) {
	at := func(key string) []string { return []string{"services", service, "standby", key} }
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil || s.TimeZone == "Local" {
		l.problem(l.at(at("time_zone")...), "unknown time zone %q, want one such as UTC or Asia/Kolkata", s.TimeZone)
		zone = time.UTC
	}
	if s.Retain < 0 {
		l.problem(l.at(at("retain")...), "%s, want 0s or more", s.Retain)
	}
	if s.Schedule == "" {
		return
	}
	schedule, err := parseSchedule(s.Schedule)
	if err != nil {
		l.hinted(l.at(at("schedule")...), `want 5 fields such as "*/10 * * * *", or 6 with seconds first`, "%s", err)
		return
	}
	if s.Retain == 0 {
		l.warn(l.at(at("retain")...), "no standby is kept: the schedule never comes")
	}
	s.cron, s.zone = schedule, zone
}

func parseSchedule(text string) (cron.Schedule, error) {
	if strings.ContainsAny(text, "=@") {
		return nil, fmt.Errorf("%q is no schedule", text)
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	schedule, err := parser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q never comes", text)
	}
	return schedule, nil
}

func (l *loader) gate(service string, g Gate) {
	at := func(key string) []string { return []string{"services", service, "gate", key} }
	l.positive(g.ValidFor, at("valid_for")...)
	if g.Renew < 0 {
		l.problem(l.at(at("renew")...), "%s, want 0s or more", g.Renew)
	}
	l.oneOf(g.Rollback, []string{RollbackWarn, RollbackEnforce}, at("rollback")...)
	l.oneOf(g.Mode, []string{ModeEnforce, ModeObserve}, at("mode")...)
	switch {
	case g.Mode == ModeObserve && g.Until.IsZero():
		l.hinted(l.at(at("mode")...), "add until: DATE", "mode observe without an end")
	case g.Mode != ModeObserve && !g.Until.IsZero():
		l.problem(l.at(at("until")...), "until is for mode: observe alone")
	case g.Mode == ModeObserve:
		l.warn(l.at(at("mode")...), "OBSERVING: until %s the gates of %s hold nothing back", g.Until.Format(time.RFC3339), service)
	}
}

// outside is what the world sees.
func (l *loader) outside(c *Config) {
	if host := l.address(c.Listen, "listen"); host != "" && !isLoopback(host) && len(c.Tokens) == 0 {
		l.hinted(l.at("listen"), "add tokens, or listen on 127.0.0.1", "%q is beyond loopback, and there are no tokens: anybody could ask", c.Listen)
	}
	if c.PublicURL != "" {
		l.webURL(c.PublicURL, "public_url")
	}
	l.receiver(c.Receiver)
	for key, n := range map[string]int{"concurrency": c.Limits.Concurrency, "per_host": c.Limits.PerHost} {
		if n < 1 {
			l.problem(l.at("limits", key), "%d, want 1 or more", n)
		}
	}
	l.oneOf(c.Log.Level, []string{"debug", "info", "warn", "error"}, "log", "level")
	l.oneOf(c.Log.Format, []string{"auto", "text", "json"}, "log", "format")
}

// receiver is reached by the environments: beyond loopback nobody but a person knows under which name.
func (l *loader) receiver(r Receiver) {
	if r.PublicURL != "" {
		l.webURL(r.PublicURL, "receiver", "public_url")
	}
	if r.Listen == "" {
		return
	}
	if host := l.address(r.Listen, "receiver", "listen"); host != "" && !isLoopback(host) && r.PublicURL == "" {
		l.hinted(l.at("receiver"), "add public_url: where the environments reach it", "the receiver listens on %q, and nobody says under which name", r.Listen)
	}
}
