package checks

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// A template is text with variables: "/orders/$(captures.id)". It is read once and rendered in one pass: what a
// variable puts in is never looked at again.
type template struct {
	parts []part
}

// A part is literal text, or a variable.
type part struct {
	literal  string
	variable *variable
}

type variable struct {
	group, name string // captures, id
	text        bool   // $(string …)
	fallback    any    // of vars and rows: what the suite says
}

func (v variable) String() string {
	if v.name == "" {
		return v.group
	}
	return v.group + "." + v.name
}

// late are the variables that are known only when a check is asked; groups with names that suites make up end in a dot.
var late = []string{"env.url", "env.color", "release.version", "release.digest", "run.id", "uuid", "now"}

// callbackURL is where a callback goes; it is known to the request that causes it alone.
const callbackURL = "callback.url"

var nameRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)

// IsName says whether a variable or a capture may be called so.
func IsName(name string) bool { return nameRule.MatchString(name) }

// A reader reads parts of a check, and keeps what is wrong with them and which captures they use.
type reader struct {
	file      string
	names     Names
	problems  strictyaml.Problems
	uses      []Named
	matchable []string                          // what an answer of the kind has to be matched; nil means httpPlaces
	read      func(name string) ([]byte, error) // of Definition
	noSecret  bool                              // where a secret could come to light
}

// reader reads the parts of a check whose answers have places to be matched; none means those of HTTP.
func (d Definition) reader(matchable ...string) *reader {
	return &reader{file: d.File, names: d.Names, matchable: matchable, read: d.Read}
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, strictyaml.At(r.file, n, format, args...))
}

func (r *reader) wrongHint(n *yaml.Node, hint, format string, args ...any) {
	r.problems = append(r.problems, strictyaml.At(r.file, n, format, args...).WithHint("%s", hint))
}

// words reads a text that may have variables; a list or a map is none.
func (r *reader) words(n *yaml.Node) template {
	if n.Kind != yaml.ScalarNode {
		r.wrong(n, "want a text")
		return template{}
	}
	return r.template(n, n.Value)
}

// template reads text that may have variables.
func (r *reader) template(n *yaml.Node, text string) template {
	var t template
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for text != "" {
		switch {
		case strings.HasPrefix(text, "$$("):
			literal.WriteString("$(")
			text = text[3:]
		case strings.HasPrefix(text, "$("):
			inside, rest, closed := strings.Cut(text[2:], ")")
			if !closed {
				r.wrongHint(n, "write `)`, or `$$(` for a literal `$(`", "`$(` that isn't closed")
				return t
			}
			flush()
			if v := r.variable(n, inside); v != nil {
				t.parts = append(t.parts, part{variable: v})
			}
			text = rest
		default:
			next := strings.IndexByte(text[1:], '$') + 1
			if next == 0 {
				next = len(text)
			}
			literal.WriteString(text[:next])
			text = text[next:]
		}
	}
	flush()
	return t
}

func (r *reader) variable(n *yaml.Node, inside string) *variable {
	v := &variable{}
	name := strings.TrimSpace(inside)
	if rest, is := strings.CutPrefix(name, "string "); is {
		v.text, name = true, strings.TrimSpace(rest)
	}
	v.group, v.name, _ = strings.Cut(name, ".")
	switch {
	case slices.Contains(late, name):
	case name == callbackURL && r.names.callback != nil:
		*r.names.callback = true
	case v.group == "vars" && r.has(v.name):
		v.fallback = r.names.Vars[v.name]
	case v.group == "row" && r.hasRow(v.name):
		v.fallback = r.names.Row[v.name]
	case v.group == "captures" && nameRule.MatchString(v.name):
		r.uses = append(r.uses, Named{Name: v.name, Line: n.Line, Column: n.Column})
	case v.group == "secrets" && nameRule.MatchString(v.name):
		r.secret(n, v.name)
	default:
		r.wrongHint(n, strictyaml.DidYouMean(name, r.variables()), "unknown variable %q", name)
		return nil
	}
	return v
}

func (r *reader) has(name string) bool {
	_, known := r.names.Vars[name]
	return known
}

func (r *reader) hasRow(name string) bool {
	_, known := r.names.Row[name]
	return known
}

func (r *reader) secret(n *yaml.Node, name string) {
	switch {
	case r.noSecret:
		r.wrongHint(n, "send secrets, but don't compare them", "secrets.%s can't be used here", name)
	case r.names.Secrets == nil:
		p := strictyaml.At(r.file, n, "secret %q can't be looked up without a configuration", name)
		p.Warning = true
		r.problems = append(r.problems, p)
	case !slices.Contains(r.names.Secrets, name):
		r.wrongHint(n, strictyaml.DidYouMean(name, r.names.Secrets), "unknown secret %q", name)
	}
}

// variables are the names that could have been meant.
func (r *reader) variables() []string {
	names := slices.Clone(late)
	for name := range r.names.Vars {
		names = append(names, "vars."+name)
	}
	for name := range r.names.Row {
		names = append(names, "row."+name)
	}
	for _, name := range r.names.Secrets {
		names = append(names, "secrets."+name)
	}
	return append(names, "captures.NAME")
}

// value is what the template stands for: typed if it is one variable, otherwise text.
func (t template) value(s *scene) (any, error) {
	if len(t.parts) == 1 && t.parts[0].variable != nil && !t.parts[0].variable.text {
		return s.value(t.parts[0].variable)
	}
	return t.text(s)
}

func (t template) text(s *scene) (string, error) {
	return t.escaped(s, func(_, put string) string { return put })
}

// url escapes what variables put in: for the path, and after a question mark for the query. A variable at the very
// beginning is the base, and stays as it is.
func (t template) url(s *scene) (string, error) {
	return t.escaped(s, func(before, put string) string {
		switch {
		case before == "":
			return put
		case strings.Contains(before, "?"):
			return url.QueryEscape(put)
		}
		return url.PathEscape(put)
	})
}

func (t template) escaped(s *scene, escape func(before, put string) string) (string, error) {
	var text strings.Builder
	for _, p := range t.parts {
		if p.variable == nil {
			text.WriteString(p.literal)
			continue
		}
		v, err := s.value(p.variable)
		if err != nil {
			return "", err
		}
		text.WriteString(escape(text.String(), plain(v)))
	}
	return text.String(), nil
}

// plain is a value as text: what is text already as it is, the rest as JSON.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(encoded)
}
