package suites

import (
	"fmt"
	"regexp"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// The bounds of a poll.
const (
	defaultEvery  = 2 * time.Second
	shortestEvery = 100 * time.Millisecond
	longestPoll   = time.Hour
)

// poll reads how long and how often a check is asked until its answer is right, and settles its times.
func (p *parser) poll(c *plumbline.Check, k common) {
	if k.Poll == nil {
		return
	}
	var s struct {
		Every  *yaml.Node `yaml:"every"`
		For    *yaml.Node `yaml:"for"`
		StopIf *yaml.Node `yaml:"stop_if"` // the kind reads it
	}
	before := len(p.problems)
	p.decode(k.Poll, &s)
	poll := plumbline.Poll{Every: defaultEvery, For: p.duration(s.For)}
	if s.Every != nil {
		poll.Every = p.duration(s.Every)
	}
	switch {
	case len(p.problems) > before:
		return
	case s.For == nil:
		p.wrong(k.Poll, "write poll: {every: 2s, for: 60s}", "poll without for")
	case poll.For > longestPoll:
		p.wrong(s.For, "", "a poll of %s, want at most %s", s.For.Value, longestPoll)
	case s.Every != nil && poll.Every < shortestEvery:
		p.wrong(s.Every, "", "every %s is too often, want %s or more", s.Every.Value, shortestEvery)
	case s.Every != nil && poll.Every > poll.For:
		p.wrong(s.Every, "", "every %s is longer than for %s", s.Every.Value, s.For.Value)
	case c.Effect != plumbline.EffectNone:
		p.wrong(k.Poll, "poll another check, that reads", "a check that leaves something behind is asked once")
	case k.Asking.Retries != nil:
		p.wrong(k.Asking.Retries, "a poll asks again anyway", "retries beside poll")
	case k.Asking.RetryOn != nil:
		p.wrong(k.Asking.RetryOn, "a poll asks again anyway", "retry_on beside poll")
	case k.Asking.Timeout != nil && c.Timeout < poll.For:
		p.wrong(k.Asking.Timeout, "timeout is for all attempts together", "timeout %s is shorter than the poll of %s", c.Timeout, s.For.Value)
	}
	c.Poll, c.Retries = poll, 0
	if k.Asking.AttemptTimeout == nil && c.AttemptTimeout == 0 {
		if c.AttemptTimeout = p.base.Timeout; k.Asking.Timeout == nil {
			c.AttemptTimeout = c.Timeout // as long as one attempt may need
		}
	}
	if k.Asking.Timeout == nil {
		c.Timeout = poll.For + c.AttemptTimeout
	}
}

var versionRule = regexp.MustCompile(`^v?[0-9]{1,18}(\.[0-9]{1,18})*$`)

// since reads the first version that has what is asked for.
func (p *parser) since(c *plumbline.Check, n *yaml.Node) {
	switch {
	case n == nil:
		return
	case n.Kind != yaml.ScalarNode || !versionRule.MatchString(n.Value):
		p.wrong(n, "", "%q, want a version of numbers and dots, such as 2026.11.3", n.Value)
		return
	}
	if p.suite.since == nil {
		p.suite.since = map[string]string{}
	}
	p.suite.since[c.Name] = n.Value
}

// skip wants a reason, an owner and an end: what is skipped for ever is no check.
func (p *parser) skip(c *plumbline.Check, n *yaml.Node) {
	if n == nil {
		return
	}
	var s struct {
		Reason string     `yaml:"reason"`
		Owner  string     `yaml:"owner"`
		Until  *yaml.Node `yaml:"until"`
	}
	p.decode(n, &s)
	if s.Reason == "" || s.Owner == "" || s.Until == nil {
		p.wrong(n, "write skip: {reason: why, owner: who, until: 2026-12-31}", "skip needs reason, owner and until")
		return
	}
	until, err := time.Parse(time.DateOnly, s.Until.Value)
	if err != nil {
		if until, err = time.Parse(time.RFC3339, s.Until.Value); err != nil {
			p.wrong(s.Until, "", "%q, want a date such as 2026-12-31", s.Until.Value)
			return
		}
	}
	s.Reason, s.Owner = p.plainText(strictyaml.Value(n, "reason"), "a reason"), p.plainText(strictyaml.Value(n, "owner"), "owner")
	c.Skip = fmt.Sprintf("%s (%s, until %s)", s.Reason, s.Owner, s.Until.Value)
	if p.suite.skips == nil {
		p.suite.skips = map[string]end{}
	}
	p.suite.skips[c.Name] = end{until, s.Until.Value}
	if !p.options.Now().Before(until) {
		problem := strictyaml.At(p.file, s.Until, "the skip ended %s: the check is errored", s.Until.Value).WithHint("take the skip out, or skip the check until later")
		problem.Warning = true
		p.problems = append(p.problems, problem)
	}
}

// undo reads the teardown of a check as a check of its own.
func (p *parser) undo(of parsed, d checks.Definition, n *yaml.Node, name named) {
	kind, known := p.options.Kinds["steps"]
	if !known {
		p.wrong(n, "", "a teardown can't be asked here")
		return
	}
	compiled, problems := kind.Compile(checks.Definition{File: p.file, Key: "steps", Check: d.Check, Value: n, Auth: d.Auth, Names: d.Names, Read: d.Read,
		Own: &yaml.Node{Kind: yaml.MappingNode}, Common: &yaml.Node{Kind: yaml.MappingNode}, Always: true})
	p.problems = append(p.problems, problems...)
	c := parsed{Check: p.base, file: p.file, node: n, uses: compiled.Uses}
	c.Name, c.Kind, c.Suite, c.Place = "undo "+name.full, "steps", of.Suite, fmt.Sprintf("%s:%d", p.file, n.Line)
	c.Phase, c.Undoes, c.Severity, c.Effect = plumbline.PhaseTeardown, of.Name, plumbline.Advisory, plumbline.EffectLasting
	c.Retries, c.Owner, c.Impact, c.Cure, c.Tags, c.Prober = 0, of.Owner, of.Impact, of.Cure, of.Tags, compiled.Prober
	p.take(c.Name, n, "it is what the teardown is called")
	if len(problems) == 0 && !checks.CarriesRun(compiled) {
		p.wrong(n, "find by it what is to be taken back: after a crash nothing else is known", "a teardown without $(run.id)")
	}
	for _, use := range compiled.Uses {
		for _, own := range of.captures {
			if own.Name == use.Name {
				of.at(p, use, "find it by $(run.id)", "$(captures.%s) is captured by the check itself: after a crash it is unknown", use.Name)
			}
		}
	}
	p.checks = append(p.checks, c)
}
