package suites

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// order finds out which checks wait for which: those whose captures they use, and those that they say they need.
func (p *parser) order() {
	makers := p.makers()
	names, captured := slices.Collect(maps.Keys(p.groups)), slices.Collect(maps.Keys(makers))
	phases := map[string]plumbline.Phase{}
	for _, c := range p.checks {
		names = append(names, c.Name)
		phases[c.Name] = c.Phase
	}
	for i := range p.checks {
		c := &p.checks[i]
		for _, use := range c.uses {
			maker, known := makers[use.Name]
			switch {
			case !known:
				c.at(p, use, strictyaml.DidYouMean(use.Name, captured), "unknown capture %q: no check of this suite captures it", use.Name)
			case maker == c.Name:
				c.at(p, use, "", "$(captures.%s) is captured by this very check", use.Name)
			case phases[maker] == plumbline.PhaseTeardown && !p.comesBefore(maker, c):
				c.at(p, use, "", "$(captures.%s) is captured by %q, which is asked later, to tear down", use.Name, maker)
			default:
				c.need(maker)
				if !slices.Contains(c.Uses, maker) {
					c.Uses = append(c.Uses, maker)
				}
			}
		}
		for _, need := range c.needs {
			p.needed(c, need, names, phases)
		}
	}
	p.inPhases()
	p.refuseCycle()
}

// needed adds what a check says that it needs.
func (p *parser) needed(c *parsed, need checks.Named, names []string, phases map[string]plumbline.Phase) {
	switch {
	case c.Phase == plumbline.PhaseTeardown:
		c.at(p, need, "take needs out", "a teardown is asked however others ended")
	case need.Name == c.Name:
		c.at(p, need, "", "%q needs itself", c.Name)
	case !slices.Contains(names, need.Name):
		c.at(p, need, strictyaml.DidYouMean(need.Name, names), "unknown check %q", need.Name)
	case phases[need.Name] == plumbline.PhaseTeardown:
		c.at(p, need, "", "%q is asked behind all checks, to tear down", need.Name)
	case p.groups[need.Name] != nil:
		for _, name := range p.groups[need.Name] {
			c.need(name)
		}
	default:
		c.need(need.Name)
	}
}

func (c *parsed) need(name string) {
	if !slices.Contains(c.Needs, name) && name != c.Name {
		c.Needs = append(c.Needs, name)
	}
}

// comesBefore says whether a teardown is asked before another one.
func (p *parser) comesBefore(maker string, c *parsed) bool {
	for i := range p.checks {
		if other := &p.checks[i]; other == c || other.Name == maker {
			return c.Phase == plumbline.PhaseTeardown && other != c
		}
	}
	return false
}

// inPhases lets what sets up come one after another, and everything else behind it.
func (p *parser) inPhases() {
	last := ""
	for i := range p.checks {
		if c := &p.checks[i]; c.Phase == plumbline.PhaseSetup {
			if last != "" {
				c.need(last)
			}
			last = c.Name
		}
	}
	for i := range p.checks {
		if c := &p.checks[i]; c.Phase == plumbline.PhaseChecks && last != "" {
			c.need(last)
		}
	}
}

func (c *parsed) at(p *parser, place checks.Named, hint, format string, args ...any) {
	p.problems = append(p.problems, strictyaml.Problem{File: c.file, Line: place.Line, Column: place.Column,
		Text: fmt.Sprintf(format, args...), Hint: hint})
}

// makers are the checks that capture, by what they capture.
func (p *parser) makers() map[string]string {
	makers := map[string]string{}
	for i := range p.checks {
		c := &p.checks[i]
		for _, made := range c.captures {
			if other, twice := makers[made.Name]; twice {
				c.at(p, made, "capture it under another name", "captures.%s is captured by %q too", made.Name, other)
				continue
			}
			makers[made.Name] = c.Name
		}
	}
	return makers
}

// refuseCycle tells the first cycle, with its way around.
func (p *parser) refuseCycle() {
	byName := make(map[string]*parsed, len(p.checks))
	for i := range p.checks {
		byName[p.checks[i].Name] = &p.checks[i]
	}
	done := map[string]bool{}
	var way []string
	var visit func(name string) bool
	visit = func(name string) bool {
		if at := slices.Index(way, name); at >= 0 {
			cycle := append(slices.Clone(way[at:]), name)
			c := byName[name]
			c.at(p, checks.Named{Line: c.node.Line, Column: c.node.Column}, "one of them must not wait for the next",
				"checks wait for each other: %s", strings.Join(cycle, " → "))
			return false
		}
		if c := byName[name]; c != nil && !done[name] {
			way = append(way, name)
			for _, need := range c.Needs {
				if !visit(need) {
					return false
				}
			}
			way = way[:len(way)-1]
			done[name] = true
		}
		return true
	}
	for _, c := range p.checks {
		if !visit(c.Name) {
			return
		}
	}
}
