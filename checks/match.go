package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A matcher says what is wrong with a value: "got 3, want > 5". It is made once and used by many at the same time.
// What it needs of a run it renders in the scene; what can't be rendered stops the whole check.
type matcher interface {
	wrong(f found, s *scene) ([]string, error)
	want(s *scene) (string, error)
}

// found is what a path selected. Nothing satisfies but `exists: false`.
type found struct {
	value any
	there bool
}

func something(v any) found { return found{value: v, there: true} }

// judge is the way of most matchers: a value is right or it isn't.
func judge(m matcher, f found, s *scene, right bool) ([]string, error) {
	if f.there && right {
		return nil, nil
	}
	want, err := m.want(s)
	if err != nil {
		return nil, err
	}
	if !f.there {
		return []string{"nothing is there, want " + want}, nil
	}
	return []string{"got " + s.show(f.value) + ", want " + want}, nil
}

// comparison is every matcher that holds a value against another one.
type comparison struct {
	name    string // stands before the other value in what is wanted: "> "
	operand operand
	holds   func(got, want any) bool
}

// An operand is known when it is rendered: a tree, or a lapse.
type operand interface {
	value(s *scene) (any, error)
}

func (c comparison) wrong(f found, s *scene) ([]string, error) {
	want, err := c.operand.value(s)
	if err != nil {
		return nil, err
	}
	return judge(c, f, s, f.there && c.holds(f.value, want))
}

func (c comparison) want(s *scene) (string, error) {
	want, err := c.operand.value(s)
	return c.name + s.show(want), err
}

func ordered(holds func(order int) bool) func(got, want any) bool {
	return func(got, want any) bool {
		order, comparable := compare(got, want)
		return comparable && holds(order)
	}
}

func oneOf(got, want any) bool {
	list, is := want.([]any)
	return is && slices.ContainsFunc(list, func(w any) bool { return equal(got, w) })
}

func containsValue(got, want any) bool {
	if list, is := got.([]any); is {
		return slices.ContainsFunc(list, func(g any) bool { return equal(g, want) })
	}
	if list, is := got.(nodes); is && slices.ContainsFunc(list, func(g any) bool { return equal(g, want) }) {
		return true
	}
	return onText(strings.Contains)(got, want)
}

func onText(holds func(got, want string) bool) func(got, want any) bool {
	return func(got, want any) bool {
		w, is := want.(string)
		switch g := only(got).(type) {
		case string:
			return is && holds(g, w)
		case text:
			return is && holds(string(g), w)
		}
		return false
	}
}

// matches is a regular expression somewhere in a text. What variables put into it stands for itself.
type matches struct {
	text    template
	pattern *regexp.Regexp // nil when the text varies
}

func (m matches) compiled(s *scene) (*regexp.Regexp, error) {
	if m.pattern != nil {
		return m.pattern, nil
	}
	text, err := m.text.escaped(s, func(_, put string) string { return regexp.QuoteMeta(put) })
	if err != nil {
		return nil, err
	}
	if len(text) > maxPattern {
		return nil, fmt.Errorf("a regular expression of %d bytes, want at most %d", len(text), maxPattern)
	}
	return regexp.Compile(text)
}

func (m matches) wrong(f found, s *scene) ([]string, error) {
	pattern, err := m.compiled(s)
	if err != nil {
		return nil, err
	}
	right := false
	switch v := only(f.value).(type) {
	case string:
		right = pattern.MatchString(v)
	case text:
		right = pattern.MatchString(string(v))
	}
	return judge(m, f, s, right)
}

func (m matches) want(s *scene) (string, error) {
	pattern, err := m.compiled(s)
	if err != nil {
		return "", err
	}
	return "a match of " + s.show(pattern.String()), nil
}

// ofType is the type of a value.
type ofType struct{ name string }

func (m ofType) wrong(f found, s *scene) ([]string, error) {
	right := typeOf(f.value) == m.name
	if m.name == "integer" {
		right = isInteger(f.value)
	}
	return judge(m, f, s, right)
}

func (m ofType) want(*scene) (string, error) { return "type " + m.name, nil }

// exists says whether a path selects anything.
type exists struct{ wanted bool }

func (m exists) wrong(f found, s *scene) ([]string, error) {
	switch {
	case f.there == m.wanted:
		return nil, nil
	case f.there:
		return []string{"got " + s.show(f.value) + ", want nothing"}, nil
	}
	return []string{"nothing is there, want something"}, nil
}

func (m exists) want(*scene) (string, error) {
	if m.wanted {
		return "something", nil
	}
	return "nothing", nil
}

// empty is text, a list or an object without anything in it.
type empty struct{ is bool }

func (m empty) wrong(f found, s *scene) ([]string, error) {
	if list, is := f.value.(nodes); is { // the texts are what is empty or not: there is always a node
		other := slices.ContainsFunc(list, func(v any) bool { return (v == text("")) != m.is })
		return judge(m, f, s, !other)
	}
	n, counts := lengthOf(f.value)
	return judge(m, f, s, counts && (n == 0) == m.is)
}

func (m empty) want(*scene) (string, error) {
	if m.is {
		return "nothing in it", nil
	}
	return "something in it", nil
}

// length puts a matcher on how many characters, elements or fields there are.
type length struct{ of matcher }

func (m length) wrong(f found, s *scene) ([]string, error) {
	n, counts := lengthOf(f.value)
	if !f.there || !counts {
		return judge(m, f, s, false)
	}
	problems, err := m.of.wrong(something(numberOf(n)), s)
	return prefixed("length ", problems), err
}

func (m length) want(s *scene) (string, error) {
	want, err := m.of.want(s)
	return "length " + want, err
}

// not turns a matcher around. What isn't there doesn't satisfy it either.
type not struct{ of matcher }

func (m not) wrong(f found, s *scene) ([]string, error) {
	problems, err := m.of.wrong(f, s)
	if err != nil {
		return nil, err
	}
	return judge(m, f, s, len(problems) > 0)
}

func (m not) want(s *scene) (string, error) {
	want, err := m.of.want(s)
	return "not " + want, err
}

// both is every matcher of a map.
type both []matcher

func (m both) wrong(f found, s *scene) ([]string, error) {
	var all []string
	for _, each := range m {
		problems, err := each.wrong(f, s)
		if err != nil {
			return nil, err
		}
		all = append(all, problems...)
	}
	return all, nil
}

func (m both) want(s *scene) (string, error) {
	wants := make([]string, len(m))
	for i, each := range m {
		var err error
		if wants[i], err = each.want(s); err != nil {
			return "", err
		}
	}
	return strings.Join(wants, " and "), nil
}

// elements puts a matcher on the elements of a list: all of them, of which there must be one, or any.
type elements struct {
	any bool
	of  matcher
}

func (m elements) wrong(f found, s *scene) ([]string, error) {
	list, is := f.value.([]any)
	if selected, are := f.value.(nodes); are {
		list, is = selected, true
	}
	if !f.there || !is || len(list) == 0 {
		return judge(m, f, s, false)
	}
	const told = 3
	var all []string
	wrong := 0
	for i, element := range list {
		problems, err := m.of.wrong(something(element), s)
		switch {
		case err != nil:
			return nil, err
		case len(problems) == 0 && m.any:
			return nil, nil
		case len(problems) > 0:
			if wrong++; wrong <= told {
				all = append(all, prefixed(fmt.Sprintf("[%d] ", i), problems)...)
			}
		}
	}
	switch {
	case m.any:
		want, err := m.want(s)
		return []string{fmt.Sprintf("none of %d elements is right, want %s", len(list), want)}, err
	case wrong > told:
		all = append(all, fmt.Sprintf("and %d more elements of %d", wrong-told, len(list)))
	}
	return all, nil
}

func (m elements) want(s *scene) (string, error) {
	want, err := m.of.want(s)
	if m.any {
		return "an element with " + want, err
	}
	return "one element or more, each with " + want, err
}

func prefixed(prefix string, problems []string) []string {
	for i := range problems {
		problems[i] = prefix + problems[i]
	}
	return problems
}
