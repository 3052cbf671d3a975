package checks

import (
	"regexp"
	"strings"
	"sync"

	"github.com/theory/jsonpath"
	"go.yaml.in/yaml/v4"
)

// A path is a JSONPath.
type path struct {
	*jsonpath.Path
	written  string
	singular bool
	steps    []step // of a simple path
}

func (p path) String() string { return p.written }

// find is the value of a singular path, otherwise the list of all values, if there are any.
func (p path) find(in any) found {
	selected := p.Select(in)
	switch {
	case len(selected) == 0:
		return found{}
	case p.singular:
		return something(selected[0])
	}
	return something([]any(selected))
}

// path reads a JSONPath. One that looks into every depth more than once takes time and memory
// without bound, and is refused.
func (r *reader) path(n *yaml.Node, text string) path {
	if len(text) > maxPattern {
		r.wrong(n, "a path of %d bytes, want at most %d", len(text), maxPattern)
		return path{}
	}
	parsed, err := pathParser().Parse(text)
	if err != nil {
		r.wrongHint(n, "the syntax is RFC 9535", "bad JSONPath %q: %s", text, strings.TrimPrefix(err.Error(), "jsonpath: "))
		return path{}
	}
	if negated.MatchString(quoted.ReplaceAllString(text, "''")) {
		r.wrongHint(n, "the syntax is RFC 9535", "bad JSONPath %q: a literal can't be negated", text)
	}
	if deep := strings.Count(quoted.ReplaceAllString(text, ""), ".."); deep > 1 {
		r.wrong(n, "JSONPath %q has `..` %d times, want at most once", text, deep)
	}
	if strings.Contains(text, "?") {
		if own, err := filtered(text); err == nil {
			parsed = own
		} else {
			r.wrong(n, "JSONPath %q can't be looked up: %s", text, err)
		}
	}
	return path{Path: parsed, written: text, singular: parsed.Query().Singular() != nil, steps: stepsOf(parsed.Query())}
}

// pathParser is made once: each has a table of functions.
var pathParser = sync.OnceValue(func() *jsonpath.Parser { return jsonpath.NewParser() })

// quoted are names and texts within a path.
var quoted = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`)

// negated is what the library takes and RFC 9535 doesn't.
var negated = regexp.MustCompile(`!\s*(?:-?\d|'|(?:true|false|null)\b)`)

// at puts a matcher on what a path selects in an element.
type at struct {
	path path
	of   matcher
}

func (m at) wrong(f found, s *scene) ([]string, error) {
	problems, err := m.of.wrong(m.path.find(f.value), s)
	return prefixed(m.path.String()+": ", problems), err
}

func (m at) want(s *scene) (string, error) {
	want, err := m.of.want(s)
	return m.path.String() + " " + want, err
}
