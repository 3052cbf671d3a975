package checks

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/theory/jsonpath/spec"
	"go.yaml.in/yaml/v4"
)

// rules say in what two answers may differ.
type rules struct {
	ignore    []path
	unordered []keyed
	tolerance []tolerance
	accept    []acceptance
}

// keyed is a list whose elements are found by a key of theirs, whatever their order.
type keyed struct{ at, key path }

// tolerance is how far numbers at or beneath a path may be apart.
type tolerance struct {
	at path
	by *big.Rat
}

// acceptance is a difference that somebody agreed to, for a time.
type acceptance struct {
	at     path
	reason string
	until  time.Time
}

func (r rules) none() bool {
	return len(r.ignore)+len(r.unordered)+len(r.tolerance)+len(r.accept) == 0
}

// marks are the rules at a place of one document. The nil marks have none.
type marks struct {
	ignored  bool
	key      *path
	by       *big.Rat
	accepted *acceptance
	names    map[string]*marks
	items    map[int]*marks
}

// of puts the rules where their paths lead in a document.
func (r rules) of(document any) *marks {
	root := &marks{}
	each := func(p path, set func(*marks)) {
		for located := range p.SelectLocated(document).Paths() {
			set(root.reach(located))
		}
	}
	for _, p := range r.ignore {
		each(p, func(m *marks) { m.ignored = true })
	}
	for _, u := range r.unordered {
		each(u.at, func(m *marks) { m.key = &u.key })
	}
	for _, t := range r.tolerance {
		each(t.at, func(m *marks) { m.by = t.by })
	}
	for _, a := range r.accept {
		each(a.at, func(m *marks) { m.accepted = &a })
	}
	return root
}

func (m *marks) reach(located spec.NormalizedPath) *marks {
	for _, step := range located {
		switch step := step.(type) {
		case spec.Name:
			if m.names == nil {
				m.names = map[string]*marks{}
			}
			if m.names[string(step)] == nil {
				m.names[string(step)] = &marks{}
			}
			m = m.names[string(step)]
		case spec.Index:
			if m.items == nil {
				m.items = map[int]*marks{}
			}
			if m.items[int(step)] == nil {
				m.items[int(step)] = &marks{}
			}
			m = m.items[int(step)]
		}
	}
	return m
}

// A spot is a place in one of the documents, with the rules that it has from above and of its own.
type spot struct {
	found
	marks    *marks
	by       *big.Rat
	accepted *acceptance
}

func (s spot) enter(value any, there bool, m *marks) spot {
	next := spot{found: found{value, there}, marks: m, by: s.by, accepted: s.accepted}
	if m == nil {
		return next
	}
	if m.ignored {
		next.found = found{}
	}
	if m.by != nil {
		next.by = m.by
	}
	if m.accepted != nil {
		next.accepted = m.accepted
	}
	return next
}

func (s spot) name(key string) spot {
	fields, _ := s.value.(map[string]any)
	value, there := fields[key]
	if s.marks == nil {
		return s.enter(value, there, nil)
	}
	return s.enter(value, there, s.marks.names[key])
}

// absent is what a list lacks that the other one has.
func (s spot) absent() spot { return s.enter(nil, false, nil) }

// elements are those of a list that aren't ignored, each with its place in the document.
func (s spot) elements() (spots []spot, places []int) {
	list, _ := s.value.([]any)
	for i, value := range list {
		var m *marks
		if s.marks != nil {
			m = s.marks.items[i]
		}
		if e := s.enter(value, true, m); e.there {
			spots, places = append(spots, e), append(places, i)
		}
	}
	return spots, places
}

// rules reads in what the answers may differ.
func (r *reader) rules(p parityParameters, now time.Time) rules {
	return rules{ignore: r.ignored(p.Ignore), unordered: r.keyed(p.Unordered), tolerance: r.tolerances(p.Tolerance), accept: r.acceptances(p.Accept, now)}
}

func (r *reader) ignored(n *yaml.Node) (list []path) {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.wrongHint(n, "write [$.data[*].updatedAt]", "ignore takes a list of paths")
		return nil
	}
	for _, item := range n.Content {
		if p, ok := r.place(item); ok {
			list = append(list, p)
		}
		if item.Value == "$" {
			r.wrong(item, "to ignore everything proves nothing")
		}
	}
	return list
}

// place reads a JSONPath.
func (r *reader) place(n *yaml.Node) (path, bool) {
	if n.Kind != yaml.ScalarNode || !strings.HasPrefix(n.Value, "$") {
		r.wrongHint(n, "write one such as $.data[*].fee", "want a JSONPath")
		return path{}, false
	}
	before := len(r.problems)
	p := r.path(n, n.Value)
	return p, len(r.problems) == before
}

// byPath reads a map from paths to something.
func (r *reader) byPath(n *yaml.Node, what, example string, each func(p path, value *yaml.Node)) {
	if n == nil {
		return
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.wrongHint(n, "write "+example, "%s takes a map", what)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if p, ok := r.place(n.Content[i]); ok {
			each(p, n.Content[i+1])
		}
	}
}

// keyed reads lists and the keys of their elements, as a path within the element or the name of a field.
func (r *reader) keyed(n *yaml.Node) (list []keyed) {
	r.byPath(n, "unordered", "{$.data: id}", func(at path, value *yaml.Node) {
		switch {
		case value.Kind != yaml.ScalarNode:
			r.wrongHint(value, "write the name of a field, or a path within an element such as $.id", "want what tells the elements apart")
			return
		case simpleName.MatchString(value.Value):
			field := *value
			field.Value = "$." + value.Value
			value = &field
		}
		if key, ok := r.place(value); ok {
			if !key.singular {
				r.wrong(value, "%s may select several values of an element, want one", key)
			}
			list = append(list, keyed{at, key})
		}
	})
	return list
}

func (r *reader) tolerances(n *yaml.Node) (list []tolerance) {
	r.byPath(n, "tolerance", "{$.data[*].fee: 0.01}", func(at path, value *yaml.Node) {
		v, problem := strictyaml.Scalar(r.file, value)
		number, is := v.(json.Number)
		var by *big.Rat
		if is {
			by = exact(number)
		}
		if problem != nil || by == nil || by.Sign() <= 0 {
			r.wrong(value, "want how far the numbers may be apart: a number of more than 0")
			return
		}
		list = append(list, tolerance{at, by})
	})
	return list
}

// acceptances wants a reason and an end for each. One that has ended accepts nothing, which is said.
func (r *reader) acceptances(n *yaml.Node, now time.Time) (list []acceptance) {
	if n == nil {
		return nil
	}
	const example = `write [{path: $.data[0].fee, reason: why, until: 2026-12-31}]`
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.wrongHint(n, example, "accept takes a list")
		return nil
	}
	for _, item := range n.Content {
		var one struct {
			Path   *yaml.Node `yaml:"path"`
			Reason string     `yaml:"reason"`
			Until  *yaml.Node `yaml:"until"`
		}
		before := len(r.problems)
		r.decode(item, &one)
		if len(r.problems) > before {
			continue
		}
		if one.Path == nil || strings.TrimSpace(one.Reason) == "" || one.Until == nil {
			r.wrongHint(item, example, "an accepted difference needs path, reason and until")
			continue
		}
		at, ok := r.place(one.Path)
		until, err := date(one.Until.Value)
		switch {
		case err != nil:
			r.wrong(one.Until, "%s", err)
		case ok:
			list = append(list, acceptance{at, one.Reason, until})
		}
		if err == nil && !now.Before(until) {
			p := strictyaml.At(r.file, one.Until, "the acceptance ended %s: the difference is told", one.Until.Value).WithHint("take it out")
			p.Warning = true
			r.problems = append(r.problems, p)
		}
	}
	return list
}

// date reads a day, which begins at midnight UTC, or a time.
func date(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q, want a date such as 2026-12-31", text)
}
