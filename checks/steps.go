package checks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// stepKeys are the common keys that a step takes; everything else is the scenario's.
var stepKeys = []string{"name", "effect"}

// steps is the kind of a scenario: requests one after another that share captures and cookies. It is asked again as a
// whole.
func steps(e *engine, kinds map[string]Kind) Kind {
	inner := make(map[string]Kind, len(kinds))
	for name, kind := range kinds {
		inner[name] = kind
	}
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		b := scenarioBuilder{definition: d, kinds: inner, reader: d.reader(), scenario: &scenario{engine: e, always: d.Always}}
		return b.build()
	}}
}

type scenarioBuilder struct {
	*reader
	definition Definition
	kinds      map[string]Kind
	scenario   *scenario
	compiled   Compiled
}

func (b *scenarioBuilder) build() (Compiled, strictyaml.Problems) {
	d := b.definition
	if d.Expect != nil {
		b.wrongHint(d.Expect, "put it into a step", "a scenario has no expect of its own")
	}
	if d.Capture != nil {
		b.wrongHint(d.Capture, "put it into a step", "a scenario has no capture of its own")
	}
	if d.Value.Kind != yaml.SequenceNode || len(d.Value.Content) == 0 {
		b.wrongHint(d.Value, "write a list of checks such as - get: /healthz", "steps takes a list of checks")
		return Compiled{}, b.problems
	}
	b.compiled = Compiled{Prober: b.scenario, Effect: plumbline.EffectNone}
	for _, n := range d.Value.Content {
		b.step(n)
	}
	b.refuseLater()
	return b.compiled, b.problems
}

func (b *scenarioBuilder) step(n *yaml.Node) {
	d, problems := Split(b.definition.File, n, b.kinds, stepKeys)
	b.problems = append(b.problems, problems...)
	if d.Key == "" {
		return
	}
	d.Names, d.Auth, d.Read = b.definition.Names, b.definition.Auth, b.definition.Read
	c, problems := b.kinds[d.Key].Compile(d)
	b.problems = append(b.problems, problems...)
	var common struct {
		Name   string           `yaml:"name"`
		Effect plumbline.Effect `yaml:"effect"`
	}
	b.decode(d.Common, &common)
	if n := strictyaml.Value(d.Common, "name"); n != nil {
		common.Name = b.literal(n, "a name")
	}
	if common.Name == "" {
		common.Name = c.Name
	}
	if n := strictyaml.Value(d.Common, "effect"); n != nil {
		c.Effect = common.Effect
		if problem := CheckEffect(b.file, n, false); problem != nil {
			b.problems = append(b.problems, *problem)
		}
	}
	if c.Effect != plumbline.EffectNone {
		b.compiled.Effect = plumbline.EffectLasting
		b.scenario.unmarked = b.scenario.unmarked || !c.Marked && !carriesRun(d)
	}
	b.scenario.marked = b.scenario.marked || c.Marked || carriesRun(d)
	for _, use := range c.Uses {
		if !hasName(b.compiled.Captures, use.Name) && !hasName(b.compiled.Uses, use.Name) {
			b.compiled.Uses = append(b.compiled.Uses, use)
		}
	}
	for _, made := range c.Captures {
		if hasName(b.compiled.Captures, made.Name) {
			b.problems = append(b.problems, strictyaml.Problem{File: b.file, Line: made.Line, Column: made.Column,
				Text: fmt.Sprintf("captures.%s is captured by a step before", made.Name)})
		}
		b.compiled.Captures = append(b.compiled.Captures, made)
	}
	b.compiled.Public = append(b.compiled.Public, c.Public...)
	if asks, is := c.Prober.(asker); is {
		b.scenario.steps = append(b.scenario.steps, scenarioStep{common.Name, b.file, n.Line, asks})
	} else if c.Prober != nil {
		b.wrong(n, "%s can't be a step", d.Key)
	}
}

// refuseLater refuses a step that uses what only a later step captures.
func (b *scenarioBuilder) refuseLater() {
	b.compiled.Uses = slices.DeleteFunc(b.compiled.Uses, func(use Named) bool {
		if !hasName(b.compiled.Captures, use.Name) {
			return false
		}
		b.problems = append(b.problems, strictyaml.Problem{File: b.file, Line: use.Line, Column: use.Column,
			Text: fmt.Sprintf("$(captures.%s) is captured by a later step", use.Name), Hint: "put that step before this one"})
		return true
	})
}

func hasName(list []Named, name string) bool {
	return slices.ContainsFunc(list, func(n Named) bool { return n.Name == name })
}

// CheckEffect refuses an unknown effect. A step can't be undone by itself.
func CheckEffect(file string, n *yaml.Node, undone bool) *strictyaml.Problem {
	known := []string{string(plumbline.EffectNone), string(plumbline.EffectLasting)}
	if undone {
		known = append(known, string(plumbline.EffectUndone))
	}
	if slices.Contains(known, n.Value) {
		return nil
	}
	p := strictyaml.At(file, n, "unknown effect %q", n.Value).WithHint("%s", strictyaml.DidYouMean(n.Value, known))
	if !undone && n.Value == string(plumbline.EffectUndone) {
		p = strictyaml.At(file, n, "a step isn't undone by itself").WithHint("write effect: undone and teardown beside steps")
	}
	return &p
}

// A scenario is asked step by step, each time with new cookies.
type scenario struct {
	engine   *engine
	steps    []scenarioStep
	always   bool // steps behind a wrong one are asked, too
	marked   bool // a step carries the run's id
	unmarked bool // a step leaves something behind, and doesn't carry it
}

type scenarioStep struct {
	name string
	file string
	line int
	asker
}

// An asker asks within a scene and a session that it shares with others.
type asker interface {
	ask(ctx context.Context, s *scene, via *session) (plumbline.Answer, error)
}

// Probe stops at the first step that isn't right; those behind it are skipped.
func (c *scenario) Probe(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	s := newScene(&c.engine.clients, ask)
	via, err := c.engine.session.withCookies()
	if err != nil {
		return plumbline.Answer{}, err
	}
	whole := plumbline.Answer{Captures: map[string]any{}}
	var stopped error
	for i, step := range c.steps {
		result := plumbline.StepResult{Name: step.name, Place: fmt.Sprintf("%s:%d", step.file, step.line), Outcome: plumbline.Skipped}
		if stopped == nil || c.always {
			answer, err := step.ask(ctx, s, via)
			result.Outcome, result.Seconds = plumbline.Passed, plumbline.Seconds(answer.Latency)
			whole.Latency += answer.Latency
			s.keep(answer.Captures)
			maps.Copy(whole.Captures, answer.Captures)
			if err != nil {
				result.Outcome, result.Reason = plumbline.Errored, err.Error()
				if errors.Is(err, plumbline.ErrFailed) {
					result.Outcome = plumbline.Failed
				}
			}
			if stopped == nil {
				whole.Status, whole.Detail, whole.Class, whole.Final = answer.Status, answer.Detail, answer.Class, answer.Final
			}
			if err != nil && stopped == nil {
				stopped = stepError{fmt.Sprintf("step %d, %s, line %d: %s", i+1, step.name, step.line, err), err}
			}
		}
		whole.Steps = append(whole.Steps, result)
	}
	if stopped != nil {
		whole.Captures = nil
	}
	return s.clean(whole, stopped)
}

// Independent says whether every step asks two colors twice.
func (c *scenario) Independent(a, b plumbline.Site) bool {
	for _, step := range c.steps {
		if witness, is := step.asker.(plumbline.Witness); !is || !witness.Independent(a, b) {
			return false
		}
	}
	return len(c.steps) > 0
}

// A stepError keeps whether the answer was wrong or the question could not be asked.
type stepError struct {
	text  string
	cause error
}

func (e stepError) Error() string { return e.text }
func (e stepError) Unwrap() error { return e.cause }
