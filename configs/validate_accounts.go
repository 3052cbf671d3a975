package configs

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

var secretName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

func (l *loader) namedSecret(name string, s *NamedSecret) {
	if !secretName.MatchString(name) {
		l.problem(l.keys[join("secrets", name)], "%q is no name: want a lower-case letter, then letters, digits, dashes or underscores", name)
	}
	if len(s.Hosts) == 0 {
		l.problem(l.at("secrets", name), "a secret without hosts: name who may have it")
	}
	for _, host := range s.Hosts {
		if host == "" || strings.ContainsAny(host, "/@*? ") {
			l.problem(l.at("secrets", name, "hosts"), "%q is no host, want one such as api.example.com or api.example.com:8443", host)
		}
	}
}

func (l *loader) reporter(name string, r *Reporter) {
	path := []string{"reporters", name}
	s := r.Slack
	switch {
	case s.Webhook.IsZero() && s.Token.IsZero():
		l.hinted(l.at(path...), "add webhook: {file: PATH}, or token and channel", "nowhere to write to")
	case !s.Webhook.IsZero() && !s.Token.IsZero():
		l.problem(l.at(path...), "both webhook and token, want one of them")
	case !s.Webhook.IsZero() && s.Channel != "":
		l.problem(l.at(append(path, "channel")...), "a webhook has its channel already: remove this")
	case !s.Token.IsZero() && s.Channel == "":
		l.need(false, "channel", path)
	}
	known := slices.Sorted(maps.Keys(l.config.Services))
	for _, service := range r.On.Service {
		if !slices.Contains(known, service) && (len(known) > 0 || !l.unreadIn("services")) {
			l.hinted(l.at(append(path, "on", "service")...), strictyaml.DidYouMean(service, known), "unknown service %q", service)
		}
	}
	for _, outcome := range r.On.Outcome {
		l.oneOf(outcome, []string{plumbline.Pass, plumbline.Fail}, append(path, "on", "outcome")...)
	}
}

func (l *loader) tokens(tokens []*Token) {
	names := make(map[string]bool)
	for i, t := range tokens {
		at := l.at("tokens").Content[i]
		if err := plumbline.CheckName(t.Name); err != nil {
			l.problem(at, "token %s", err)
		}
		if names[t.Name] {
			l.problem(at, "a second token with the name %q", t.Name)
		}
		names[t.Name] = true
		if t.Token.IsZero() {
			l.hinted(at, "add token: {env: NAME} or {file: PATH}", "token %s has no secret", t.Name)
		}
		if len(t.Roles) == 0 {
			l.hinted(at, "want "+strings.Join(Roles(), ", "), "token %s has no roles", t.Name)
		}
		for _, role := range t.Roles {
			if !slices.Contains(Roles(), role) {
				l.hinted(at, strictyaml.DidYouMean(role, Roles()), "unknown role %q", role)
			}
		}
	}
}
