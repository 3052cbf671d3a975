package checks

import (
	"slices"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// stop reads `stop_if` of a poll: what, if it all holds, makes an answer wrong for good. No status is implied.
func (r *reader) stop(n *yaml.Node) *expectation {
	if n == nil {
		return nil
	}
	e := r.expectation(n)
	e.statusNamed = true
	return &e
}

// stopped says which state of stop_if an answer is in, or nothing.
func (e expectation) stopped(x *exchange, s *scene) (string, error) {
	if e.stop == nil {
		return "", nil
	}
	wrong, err := e.stop.wrong(x, s)
	if err != nil || len(wrong) > 0 {
		return "", err
	}
	text := "stop_if holds"
	for i, item := range e.stop.items {
		if value, err := item.find(x); err == nil && value.there {
			text += map[bool]string{true: ": ", false: ", "}[i == 0] + item.key + " is " + show(value.value)
		}
	}
	return text, nil
}

// captured reads where a capture is found: a place, or a map that says more of it.
func (r *reader) captured(n *yaml.Node) (place *yaml.Node, public bool) {
	if n.Kind != yaml.MappingNode {
		return n, false
	}
	var long struct {
		Path   *yaml.Node `yaml:"path"`
		Public bool       `yaml:"public"`
	}
	before := len(r.problems)
	r.decode(n, &long)
	if long.Path == nil && len(r.problems) == before {
		r.wrongHint(n, "write {path: $.data[0].id, public: true}", "a capture without a path")
	}
	if long.Path == nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "body", Line: n.Line, Column: n.Column}, false // said already
	}
	return long.Path, long.Public
}

// publicOf are the captures that may be shown.
func publicOf(captures []capture) []string {
	var names []string
	for _, c := range captures {
		if c.public {
			names = append(names, c.name)
		}
	}
	return names
}

// private is what must not come to light in this scene: secrets that were put in, and captures that aren't public.
func (s *scene) private() []string {
	hidden := slices.Clone(s.hidden)
	for name, value := range s.captures {
		if !s.ask.Public[name] {
			hidden = leaves(hidden, value)
		}
	}
	return hidden
}

// leaves adds the texts and numbers of a value, of a very large one the first.
func leaves(list []string, v any) []string {
	const most = 1000
	switch v := v.(type) {
	case nil, bool:
		return list
	case map[string]any:
		for _, item := range v {
			if list = leaves(list, item); len(list) > most {
				break
			}
		}
		return list
	case []any:
		for _, item := range v {
			if list = leaves(list, item); len(list) > most {
				break
			}
		}
		return list
	}
	return append(list, plain(v))
}

// Repeatable says whether whatever a check sends that leaves something behind carries $(run.id), so that its target can
// recognize it when it is sent again.
func Repeatable(d Definition, c Compiled) bool {
	if whole, is := c.Prober.(*scenario); is {
		return whole.marked && !whole.unmarked
	}
	return c.Marked || carriesRun(d)
}

// CarriesRun says whether a step of a scenario sends $(run.id).
func CarriesRun(c Compiled) bool {
	whole, is := c.Prober.(*scenario)
	return is && whole.marked
}

// answered are keys beneath a kind that speak of what comes back.
var answered = []string{"expect", "match", "capture"}

func carriesRun(d Definition) bool {
	for _, n := range []*yaml.Node{d.Value, d.Own} {
		if n == nil {
			continue
		}
		if n.Kind != yaml.MappingNode {
			if namesRun(n) {
				return true
			}
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !slices.Contains(answered, n.Content[i].Value) && namesRun(n.Content[i+1]) {
				return true
			}
		}
	}
	return false
}

// namesRun says whether $(run.id) stands anywhere in a node.
func namesRun(n *yaml.Node) bool {
	if n.Kind == yaml.MappingNode {
		for i := 1; i < len(n.Content); i += 2 { // keys are no templates
			if namesRun(n.Content[i]) {
				return true
			}
		}
		return false
	}
	if n.Kind != yaml.ScalarNode {
		return slices.ContainsFunc(n.Content, namesRun)
	}
	r := &reader{} // what is wrong with the text is said elsewhere
	for _, p := range r.template(n, n.Value).parts {
		if p.variable != nil && p.variable.String() == "run.id" {
			return true
		}
	}
	return false
}

// InRow is text with the values of a row in it, for what is known when a suite is loaded. The problem is another
// variable, or a value that the row hasn't.
func InRow(file string, n *yaml.Node, names Names) (string, *strictyaml.Problem) {
	text := ""
	r := &reader{file: file, names: names}
	for _, p := range r.template(n, n.Value).parts {
		switch {
		case p.variable == nil:
			text += p.literal
		case p.variable.group == "row":
			text += plain(Normal(p.variable.fallback))
		default:
			r.wrongHint(n, literalCure, "$(%s) isn't replaced in a name: only $(row.x) is", p.variable)
		}
	}
	if len(r.problems) > 0 {
		return text, &r.problems[0]
	}
	return text, nil
}
