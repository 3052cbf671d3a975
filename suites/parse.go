package suites

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// file is the top of a suite. Checks are read one by one.
type file struct {
	Suite    *yaml.Node `yaml:"suite"`
	Service  *yaml.Node `yaml:"service"`
	Triggers *yaml.Node `yaml:"triggers"`
	Always   bool       `yaml:"always"`
	Timeout  *yaml.Node `yaml:"timeout"`
	Defaults *yaml.Node `yaml:"defaults"`
	Own      part       `yaml:",inline"`
}

// Parse reads one suite: its bytes, or the source of one that has other files too. The error is strictyaml.Problems and
// has all of them, warnings too; a suite with warnings alone is returned, and keeps them.
func Parse(name string, source []byte, o Options) (Suite, error) {
	own, beside, err := unpack(name, source)
	if err != nil {
		return Suite{}, err
	}
	p := newParser(name, beside, o.withDefaults())
	return p.parse(own)
}

func newParser(name string, beside files, o Options) *parser {
	return &parser{place: place{file: name}, options: o, suite: Suite{File: name}, files: beside, nameless: true,
		taken: map[string]taken{}, groups: map[string][]string{}}
}

func (p *parser) parse(data []byte) (Suite, error) {
	root := p.root(data)
	if root != nil {
		p.top(root)
	}
	problems := onceEach(p.problems.Sorted())
	if p.options.Strict {
		for i := range problems {
			problems[i].Warning = false
		}
	}
	if err := problems.Err(); err != nil {
		return Suite{}, err
	}
	p.suite.Warnings = problems
	p.suite.Source = pack(data, p.files.kept)
	if len(p.suite.Source) > maxSource {
		return Suite{}, strictyaml.Problems{{File: p.suite.File, Text: fmt.Sprintf("is %d bytes with its files, want at most %d", len(p.suite.Source), maxSource)}}
	}
	p.suite.Digest = digest(p.suite.Source)
	return p.suite, nil
}

// root is what a file has, as far as something can be told of it, or nil.
func (p *parser) root(data []byte) *yaml.Node {
	root, err := strictyaml.Parse(p.file, data)
	var problems strictyaml.Problems
	errors.As(err, &problems)
	p.problems = append(p.problems, problems...)
	return root
}

// onceEach tells a warning once, however many checks give cause for it.
func onceEach(problems strictyaml.Problems) strictyaml.Problems {
	told := map[string]bool{}
	return slices.DeleteFunc(problems, func(p strictyaml.Problem) bool {
		again := p.Warning && told[p.Text]
		told[p.Text] = told[p.Text] || p.Warning
		return again
	})
}

// A parser reads one suite and keeps what is wrong with it.
type parser struct {
	place
	options  Options
	problems strictyaml.Problems
	suite    Suite
	nameless bool // as far as is known: it may be there to be included
	files    files
	included map[string]string // by whom, by name relative to the suite's directory
	vars     map[string]any
	base     plumbline.Check // of the defaults
	auth     string          // of the defaults
	checks   []parsed
	taken    map[string]taken
	groups   map[string][]string // of checks that are one in the suite, by its name
}

// taken is where a name was given.
type taken struct {
	file string
	line int
}

func (p *parser) wrong(n *yaml.Node, hint, format string, args ...any) {
	p.problems = append(p.problems, strictyaml.At(p.file, n, format, args...).WithHint("%s", hint))
}

func (p *parser) decode(n *yaml.Node, into any) {
	var problems strictyaml.Problems
	if err := strictyaml.Decode(p.file, n, into); errors.As(err, &problems) {
		p.problems = append(p.problems, problems...)
	}
}

func (p *parser) top(root *yaml.Node) {
	var f file
	p.decode(root, &f)
	if root.Kind != yaml.MappingNode {
		return
	}
	p.nameless = f.Suite == nil
	p.suite.Name = p.name(root, f.Suite, "suite: plum-smoke, or include the file in a suite", "a suite")
	if f.Service != nil {
		p.suite.Service = p.name(root, f.Service, "", "a service")
	}
	p.triggers(f.Triggers)
	p.suite.Always = f.Always
	p.suite.Timeout = p.duration(f.Timeout)
	pieces := p.pieces(f.Own)
	p.variables(pieces)
	p.readDefaults(f.Defaults)
	p.sections(root, pieces)
	p.order()
	p.suite.Checks = slices.Grow(p.suite.Checks, len(p.checks))
	for _, c := range p.checks {
		if until, skipped := p.suite.skips[c.Name]; skipped && !p.options.Now().Before(until.at) {
			lapse(&c.Check, until.written)
		}
		p.suite.Checks = append(p.suite.Checks, c.Check)
	}
}

func (p *parser) name(root, n *yaml.Node, hint, what string) string {
	if n == nil {
		p.wrong(root, "write "+hint, "%s without a name", what)
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		p.wrong(n, "", "want the name of %s", what)
		return ""
	}
	if err := plumbline.CheckName(n.Value); err != nil {
		p.wrong(n, "", "%s", err)
	}
	return n.Value
}

func (p *parser) triggers(n *yaml.Node) {
	if n == nil {
		p.suite.Triggers = []plumbline.Trigger{plumbline.TriggerRelease}
		return
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.wrong(n, "write [release, standby], or leave it out for [release]", "triggers takes a list")
		return
	}
	var known []string
	for _, t := range plumbline.SuiteTriggers() {
		known = append(known, string(t))
	}
	for _, item := range n.Content {
		t := plumbline.Trigger(item.Value)
		switch {
		case t == plumbline.TriggerManual:
			p.wrong(item, "a manual run asks the suites of the color's role: release, switched or standby", "no suite has the trigger manual")
		case !slices.Contains(known, item.Value):
			p.wrong(item, strictyaml.DidYouMean(item.Value, known), "unknown trigger %q", item.Value)
		case slices.Contains(p.suite.Triggers, t):
			p.wrong(item, "", "trigger %s twice", t)
		default:
			p.suite.Triggers = append(p.suite.Triggers, t)
		}
	}
}

// variables takes those of what is included, then the suite's own, which come before, and what overrides them.
func (p *parser) variables(pieces []piece) {
	p.vars = map[string]any{}
	back := p.place
	defer func() { p.place = back }()
	first := map[string]string{}
	for _, each := range pieces {
		p.place = each.place
		for name, n := range each.Vars {
			if !checks.IsName(name) {
				p.wrong(n, "", "%q is no name for a variable: want letters, digits, dashes and underscores", name)
			}
			p.unfoldValues(n, "vars")
			value, err := strictyaml.JSON(p.file, n)
			var problems strictyaml.Problems
			if errors.As(err, &problems) {
				p.problems = append(p.problems, problems...)
			}
			if other := first[name]; other != "" && p.place != back {
				p.wrong(n, "set it in the suite, which comes before both", "vars.%s is set by %s, too", name, other)
			}
			first[name] = p.file
			p.vars[name] = value
			if other, set := p.options.Vars[name]; set {
				p.vars[name] = checks.Normal(other)
			}
		}
	}
	p.suite.Vars = slices.Sorted(maps.Keys(p.vars))
}

// duration reads one of more than 0.
func (p *parser) duration(n *yaml.Node) time.Duration {
	if n == nil {
		return 0
	}
	var d time.Duration
	before := len(p.problems)
	if p.decode(n, &d); d == 0 && len(p.problems) == before {
		p.wrong(n, "", "%s, want more than 0", n.Value)
	}
	return d
}
