package checks

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// matcherNames are all matchers, as people write them.
var matcherNames = []string{"eq", "not", "lt", "lte", "gt", "gte", "one_of", "matches", "contains", "starts_with", "ends_with",
	"length", "type", "exists", "empty", "all", "any", "schema"}

var typeNames = []string{"string", "number", "integer", "boolean", "array", "object", "null"}

// matcher reads what is expected of a value: a map is always matchers, everything else is equality. Under all and any
// a map may have paths too.
func (r *reader) matcher(n *yaml.Node, relative bool) matcher {
	if n.Kind != yaml.MappingNode {
		return comparison{"", r.tree(n), equal}
	}
	if len(n.Content) == 0 {
		r.wrongHint(n, "say what is wanted, or `empty: true`", "an empty map expects nothing")
	}
	var all both
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if relative && strings.HasPrefix(key.Value, "$") {
			all = append(all, at{r.path(key, key.Value), r.matcher(value, false)})
			continue
		}
		if m := r.named(key, value); m != nil {
			all = append(all, m)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func (r *reader) named(key, value *yaml.Node) matcher {
	if sign, holds, is := orderOf(key.Value); is {
		return comparison{sign, r.orderable(value), ordered(holds)}
	}
	switch key.Value {
	case "eq":
		return comparison{"", r.tree(value), equal}
	case "not":
		return not{r.matcher(value, false)}
	case "one_of":
		if value.Kind != yaml.SequenceNode || len(value.Content) == 0 {
			r.wrong(value, "one_of takes a list of values")
		}
		return comparison{"one of ", r.tree(value), oneOf}
	case "matches":
		return r.pattern(value)
	case "contains":
		if value.Kind == yaml.MappingNode {
			r.wrongHint(value, "use `any` for an element that matches", "contains takes a value")
		}
		return comparison{"it to contain ", r.tree(value), containsValue}
	case "starts_with":
		return comparison{"it to start with ", r.textTree(value), onText(strings.HasPrefix)}
	case "ends_with":
		return comparison{"it to end with ", r.textTree(value), onText(strings.HasSuffix)}
	case "length":
		return length{r.matcher(value, false)}
	case "type":
		return r.typeName(value)
	case "exists":
		return exists{r.flag(value)}
	case "empty":
		return empty{r.flag(value)}
	case "all":
		return elements{false, r.matcher(value, true)}
	case "any":
		return elements{true, r.matcher(value, true)}
	case "schema":
		return r.schema(value)
	}
	if strings.HasPrefix(key.Value, "$") {
		r.wrongHint(key, "put it beneath `all` or `any`, or write the whole path", "a path inside a value")
		return nil
	}
	r.wrongHint(key, strictyaml.DidYouMean(key.Value, matcherNames), "unknown matcher %q", key.Value)
	return nil
}

// orderOf is what an ordering matcher is called in a reason, and which order it wants.
func orderOf(name string) (sign string, holds func(order int) bool, is bool) {
	switch name {
	case "lt":
		return "< ", func(o int) bool { return o < 0 }, true
	case "lte":
		return "<= ", func(o int) bool { return o <= 0 }, true
	case "gt":
		return "> ", func(o int) bool { return o > 0 }, true
	case "gte":
		return ">= ", func(o int) bool { return o >= 0 }, true
	}
	return "", nil, false
}

func (r *reader) orderable(n *yaml.Node) tree {
	t := r.tree(n)
	if !t.varies {
		switch t.fixed.(type) {
		case json.Number, string:
		default:
			r.wrong(n, "want a number or a text to compare with")
		}
	}
	return t
}

func (r *reader) textTree(n *yaml.Node) tree {
	t := r.tree(n)
	if _, is := t.fixed.(string); !is && !t.varies {
		r.wrongHint(n, "quote it", "want a text to compare with")
	}
	return t
}

// maxPattern bounds what a regular expression or a path may be, in bytes.
const maxPattern = 1 << 10

func (r *reader) pattern(n *yaml.Node) matcher {
	if n.Kind != yaml.ScalarNode {
		r.wrong(n, "matches takes a regular expression")
		return nil
	}
	t := r.template(n, n.Value)
	tried, varies := "", false
	for _, p := range t.parts {
		if p.variable != nil {
			tried, varies = tried+"x", true
			continue
		}
		tried += p.literal
	}
	if len(tried) > maxPattern {
		r.wrong(n, "a regular expression of %d bytes, want at most %d", len(tried), maxPattern)
		return nil
	}
	compiled, err := regexp.Compile(tried)
	if err != nil {
		r.wrongHint(n, "the syntax is RE2", "bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil
	}
	if varies {
		return matches{text: t}
	}
	return matches{pattern: compiled}
}

func (r *reader) typeName(n *yaml.Node) matcher {
	if n.Kind != yaml.ScalarNode || !slices.Contains(typeNames, n.Value) {
		r.wrongHint(n, strictyaml.DidYouMean(n.Value, typeNames), "unknown type %q", n.Value)
	}
	return ofType{n.Value}
}

func (r *reader) flag(n *yaml.Node) bool {
	value, problem := strictyaml.Scalar(r.file, n)
	is, isBool := value.(bool)
	if problem != nil || !isBool {
		r.wrong(n, "want true or false")
	}
	return is
}

// lapses reads matchers of a duration: the order alone makes sense.
func (r *reader) lapses(n *yaml.Node) matcher {
	names := []string{"lt", "lte", "gt", "gte"}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.wrongHint(n, "write {lt: 300ms}", "latency takes a matcher")
		return nil
	}
	var all both
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		sign, holds, is := orderOf(key.Value)
		if !is {
			r.wrongHint(key, strictyaml.DidYouMean(key.Value, names), "latency can't be matched by %q", key.Value)
			continue
		}
		all = append(all, comparison{sign, r.lapse(value), ordered(holds)})
	}
	return all
}

// A lapse is a duration that may come from variables.
type lapse struct{ tree }

func (r *reader) lapse(n *yaml.Node) lapse {
	if n.Kind != yaml.ScalarNode {
		r.wrong(n, "want a duration such as 300ms, 5s or 2m")
		return lapse{}
	}
	before := len(r.problems)
	l := lapse{leaf(r.template(n, n.Value))}
	if l.varies || len(r.problems) > before {
		return l
	}
	if _, err := l.value(nil); err != nil {
		r.wrong(n, "%s", err)
	}
	return l
}

func (l lapse) value(s *scene) (any, error) {
	written, err := l.tree.value(s)
	if err != nil {
		return nil, err
	}
	return strictyaml.Duration(plain(written))
}

func numberOf(n int) json.Number { return json.Number(strconv.Itoa(n)) }
