package suites

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// asking is how a check is asked: what defaults may set, and each check for itself.
type asking struct {
	Timeout        *yaml.Node `yaml:"timeout"`
	AttemptTimeout *yaml.Node `yaml:"attempt_timeout"`
	Retries        *yaml.Node `yaml:"retries"`
	RetryOn        *yaml.Node `yaml:"retry_on"`
	Severity       *yaml.Node `yaml:"severity"`
}

// defaults are what checks take that don't say it themselves.
type defaults struct {
	Asking asking     `yaml:",inline"`
	Auth   *yaml.Node `yaml:"auth"`
}

// common are the keys that every kind has.
type common struct {
	Asking   asking     `yaml:",inline"`
	Name     *yaml.Node `yaml:"name"`
	Effect   *yaml.Node `yaml:"effect"`
	Teardown *yaml.Node `yaml:"teardown"`
	Poll     *yaml.Node `yaml:"poll"`
	Each     *yaml.Node `yaml:"each"`
	Needs    *yaml.Node `yaml:"needs"`
	Since    *yaml.Node `yaml:"since"`
	Skip     *yaml.Node `yaml:"skip"`
	Control  *yaml.Node `yaml:"control"`
	OnShared *yaml.Node `yaml:"on_shared_failure"`
	WaitFor  *yaml.Node `yaml:"wait_for"`
	MaxAge   *yaml.Node `yaml:"max_age"`
	Tags     []string   `yaml:"tags"`
	Owner    string     `yaml:"owner"`
	Impact   string     `yaml:"impact"`
	Cure     string     `yaml:"cure"`
}

var commonKeys = strictyaml.Keys(common{})

// A parsed check waits for its place among the others.
type parsed struct {
	plumbline.Check
	file     string
	node     *yaml.Node
	captures []checks.Named
	uses     []checks.Named
	needs    []checks.Named
}

func (p *parser) readDefaults(n *yaml.Node) {
	p.base.Timeout, p.base.Severity = DefaultTimeout, plumbline.Critical
	if n == nil {
		return
	}
	var d defaults
	p.decode(n, &d)
	p.asking(&p.base, d.Asking)
	if d.Auth != nil {
		p.problems = append(p.problems, checks.CheckConnection(p.file, d.Auth, p.names())...)
		if d.Auth.Value != checks.NoAuth {
			p.auth = d.Auth.Value
		}
	}
}

func (p *parser) names() checks.Names {
	return checks.Names{Vars: p.vars, Connections: p.options.Connections, Secrets: p.options.Secrets, KindOf: p.options.KindOf}
}

// check reads what a list has of checks: one, or one for each row.
func (p *parser) check(n *yaml.Node, phase plumbline.Phase) {
	d, problems := checks.Split(p.file, n, p.options.Kinds, commonKeys)
	p.problems = append(p.problems, problems...)
	if d.Key == "" {
		return
	}
	var k common
	p.decode(d.Common, &k)
	p.unfold(&k, d.Common)
	d.Auth, d.Names, d.Read = p.auth, p.names(), p.read
	if k.Poll != nil {
		d.StopIf = strictyaml.Value(k.Poll, "stop_if")
	}
	if k.Each == nil {
		p.one(d, k, phase, "")
		return
	}
	if d.Capture != nil {
		p.wrong(d.Capture, "nobody could say which row's it is", "a check of several rows captures nothing")
		d.Capture = nil
	}
	before := len(p.problems)
	base := ""
	for _, row := range p.rows(k.Each) {
		d.Names.Row = row.values
		name := p.one(d, k, phase, row.label)
		if base = name.base; len(p.problems) > before {
			return // the other rows would say the same
		}
		p.groups[base] = append(p.groups[base], name.full)
	}
	if base != "" && p.taken[base] == (taken{}) {
		p.taken[base] = taken{p.file, n.Line}
	}
}

// one reads a check, as it is with the values of one row, if there are rows.
func (p *parser) one(d checks.Definition, k common, phase plumbline.Phase, label string) (name named) {
	n := d.Check
	compiled, problems := p.options.Kinds[d.Key].Compile(d)
	p.problems = append(p.problems, problems...)
	c := parsed{Check: p.base, file: p.file, node: n, captures: compiled.Captures, uses: compiled.Uses}
	c.Prober, c.Suite, c.Kind, c.Place = compiled.Prober, p.suite.Name, d.Key, fmt.Sprintf("%s:%d", p.file, n.Line)
	c.Owner, c.Impact, c.Cure, c.Tags, c.Phase, c.Public = k.Owner, k.Impact, k.Cure, k.Tags, phase, compiled.Public
	name = p.checkName(d, k.Name, compiled.Name, label)
	c.Name = name.full
	c.Effect = p.effect(n, k, compiled.Effect, phase)
	c.Repeatable, c.Connection = checks.Repeatable(d, compiled), compiled.Connection
	if c.Effect != plumbline.EffectNone {
		c.Retries = 0 // defaults don't send a thing twice
	}
	if phase == plumbline.PhaseTeardown {
		c.Severity = plumbline.Advisory // unless it says so itself
	}
	p.asking(&c.Check, k.Asking)
	p.poll(&c.Check, k)
	leaveTime(&c.Check, k.Asking, compiled.Timeout)
	p.agree(&c.Check, k.Asking)
	if d.StopIf != nil && !compiled.Stops && len(problems) == 0 {
		p.wrong(d.StopIf, "", "%s has no stop_if", d.Key)
	}
	c.needs = p.listed(k.Needs, "needs")
	p.shared(&c.Check, k)
	p.maxAge(&c, k.MaxAge)
	p.since(&c.Check, k.Since)
	p.skip(&c.Check, k.Skip)
	p.checks = append(p.checks, c)
	if k.Teardown != nil {
		p.undo(c, d, k.Teardown, name)
	}
	return name
}

// effect is what a check leaves behind, and whether it may.
func (p *parser) effect(check *yaml.Node, k common, effect plumbline.Effect, phase plumbline.Phase) plumbline.Effect {
	at := check
	if k.Effect != nil {
		if problem := checks.CheckEffect(p.file, k.Effect, true); problem != nil {
			p.problems = append(p.problems, *problem)
			return plumbline.EffectNone // said already
		}
		at, effect = k.Effect, plumbline.Effect(k.Effect.Value)
	}
	undone := effect == plumbline.EffectUndone
	switch {
	case undone && phase == plumbline.PhaseTeardown:
		p.wrong(at, "", "a teardown isn't undone itself")
	case undone && k.Teardown == nil:
		p.wrong(at, "write teardown: and a list of checks that take it back", "effect undone without a teardown")
	case !undone && k.Teardown != nil:
		p.wrong(k.Teardown, "write effect: undone", "a teardown of a check with effect %s", effect)
	}
	for _, t := range []plumbline.Trigger{plumbline.TriggerStandby, plumbline.TriggerSwitched} {
		if !slices.Contains(p.suite.Triggers, t) {
			continue
		}
		switch {
		case effect == plumbline.EffectLasting:
			p.wrong(at, "write effect: none if it only reads, or move it to a suite with trigger release alone",
				"a check with lasting effect in a suite with trigger %s", t)
			return effect
		case undone && t == plumbline.TriggerSwitched:
			p.wrong(at, "move it to a suite without that trigger", "a check with an effect in a suite with trigger %s, which is asked of the live color", t)
		}
	}
	return effect
}

// asking puts what is set into the check.
func (p *parser) asking(c *plumbline.Check, a asking) {
	if a.Timeout != nil {
		c.Timeout = p.duration(a.Timeout)
	}
	if a.AttemptTimeout != nil {
		c.AttemptTimeout = p.duration(a.AttemptTimeout)
	}
	if a.Retries != nil {
		const most = 10
		if p.decode(a.Retries, &c.Retries); c.Retries < 0 || c.Retries > most {
			p.wrong(a.Retries, "", "%s retries, want 0 to %d", a.Retries.Value, most)
		}
	}
	if a.RetryOn != nil {
		c.RetryOn = p.retryOn(a.RetryOn)
	}
	if a.Severity != nil {
		known := []string{string(plumbline.Critical), string(plumbline.Advisory)}
		if c.Severity = plumbline.Severity(a.Severity.Value); !slices.Contains(known, a.Severity.Value) {
			p.wrong(a.Severity, strictyaml.DidYouMean(a.Severity.Value, known), "unknown severity %q", a.Severity.Value)
		}
	}
}

// leaveTime gives each attempt what its kind needs, where the check doesn't say itself what it may take.
func leaveTime(c *plumbline.Check, own asking, attempt time.Duration) {
	if own.Timeout == nil {
		c.Timeout = max(c.Timeout, attempt*time.Duration(c.Retries+1))
	}
	if own.AttemptTimeout == nil && c.AttemptTimeout > 0 {
		c.AttemptTimeout = max(c.AttemptTimeout, attempt)
	}
}

// agree refuses settings of a check that contradict each other; those of defaults give way.
func (p *parser) agree(c *plumbline.Check, own asking) {
	if own.AttemptTimeout != nil && c.AttemptTimeout > c.Timeout {
		p.wrong(own.AttemptTimeout, "timeout is for all attempts together", "attempt_timeout %s is longer than timeout %s", c.AttemptTimeout, c.Timeout)
	}
	c.AttemptTimeout = min(c.AttemptTimeout, c.Timeout)
	if own.RetryOn != nil && c.Retries == 0 && c.Poll.For == 0 {
		p.wrong(own.RetryOn, "write retries: 1", "retry_on does nothing without retries")
	}
}

// retryOn reads after which ends a check is asked again.
func (p *parser) retryOn(n *yaml.Node) plumbline.RetryRule {
	var rule plumbline.RetryRule
	for _, item := range p.listed(n, "retry_on") {
		switch item.Name {
		case "errored":
			rule.Errored = true
		case "failed":
			rule.Failed = true
		case "throttled":
			rule.Statuses = append(rule.Statuses, 429)
		default:
			status, err := strconv.Atoi(item.Name)
			if err != nil || status < 100 || status > 599 {
				p.problems = append(p.problems, strictyaml.Problem{File: p.file, Line: item.Line, Column: item.Column,
					Text: fmt.Sprintf("%q is nothing to retry on", item.Name), Hint: "want errored, failed, throttled or a status"})
			}
			rule.Statuses = append(rule.Statuses, status)
		}
	}
	return rule
}

// listed reads a list of words that isn't empty.
func (p *parser) listed(n *yaml.Node, what string) []checks.Named {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.wrong(n, "", "%s takes a list", what)
		return nil
	}
	var words []checks.Named
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			p.wrong(item, "", "%s takes a list of single values", what)
			continue
		}
		words = append(words, checks.Named{Name: item.Value, Line: item.Line, Column: item.Column})
	}
	return words
}
