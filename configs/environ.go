package configs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// environmentPrefix begins the names that may be meant for us. Kubernetes sets PLUMBLINE_PORT and such for a service
// of our name: only those with two underscores in a row are taken.
const environmentPrefix = "PLUMBLINE_"

// environ reads PLUMBLINE_A__B and PLUMBLINE__A.
func (l *loader) environ(merged *koanf.Koanf) map[string]any {
	settings := make(map[string]any)
	for _, pair := range slices.Sorted(slices.Values(l.source.Environ)) {
		name, value, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, environmentPrefix)
		if !ours || !strings.HasPrefix(rest, "_") && !strings.Contains(rest, "__") {
			continue
		}
		if value == "" {
			l.problems = append(l.problems, strictyaml.Problem{File: name, Text: "is empty", Hint: "unset it, or give it a value"})
			continue
		}
		keys := strings.Split(strings.ToLower(strings.TrimPrefix(rest, "_")), "__")
		l.set(settings, merged.Raw(), keys, name, value)
	}
	return settings
}

// overrides reads what flags say.
func (l *loader) overrides(merged *koanf.Koanf) map[string]any {
	settings := make(map[string]any)
	for _, dotted := range slices.Sorted(maps.Keys(l.source.Overrides)) {
		l.set(settings, merged.Raw(), strings.Split(dotted, "."), "override "+dotted, l.source.Overrides[dotted])
	}
	return settings
}

// set puts a value into settings, under the keys that exist already where only - and _ differ.
func (l *loader) set(settings, existing map[string]any, keys []string, from string, value any) {
	l.places = append(l.places, from)
	line := -len(l.places)
	n, err := nodeOf(from, value)
	if err != nil {
		l.problems = append(l.problems, strictyaml.Problem{File: from, Text: err.Error()})
		return
	}
	place(n, line)
	path := ""
	for i, key := range keys {
		key = spelled(key, keys[:i], existing)
		path = join(path, key)
		if key == "" {
			l.problems = append(l.problems, strictyaml.Problem{File: from, Text: "names no key", Hint: "two underscores stand between keys: PLUMBLINE_BUS__URL"})
			return
		}
		if l.keys[path] == nil {
			l.keys[path] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: line, Column: 1}
		}
		if i == len(keys)-1 {
			settings[key] = l.refer(n)
			return
		}
		inner, _ := settings[key].(map[string]any)
		if whole, both := settings[key].(int); both {
			l.problems = append(l.problems, strictyaml.Problem{File: from, Text: "is set as a whole, too", Hint: "by " + l.places[-l.nodes[whole].Line-1]})
			return
		}
		if inner == nil {
			inner = make(map[string]any)
			settings[key] = inner
		}
		settings = inner
		existing, _ = existing[key].(map[string]any)
	}
}

// spelled is a key as the file has it, or else as names are written where names stand.
func spelled(key string, above []string, existing map[string]any) string {
	if _, exact := existing[key]; exact {
		return key
	}
	for known := range existing {
		if strings.ReplaceAll(known, "-", "_") == key {
			return known
		}
	}
	if len(above) > 0 {
		switch above[len(above)-1] {
		case "services", "connections", "reporters":
			return strings.ReplaceAll(key, "_", "-")
		}
	}
	return key
}

// nodeOf is the YAML of a value.
func nodeOf(from string, value any) (*yaml.Node, error) {
	switch v := value.(type) {
	case string:
		return textNode(from, v)
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: item, Style: yaml.DoubleQuotedStyle})
		}
		return n, nil
	case map[string]string:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			for _, text := range []string{key, v[key]} {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle})
			}
		}
		return n, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)}, nil
}

func textNode(from, text string) (*yaml.Node, error) {
	if isFlow(text) {
		n, err := strictyaml.Parse(from, []byte(text))
		if problems, ok := err.(strictyaml.Problems); ok {
			first := problems[0]
			first.File = fmt.Sprintf("column %d", first.Column)
			first.Line = 0
			return nil, first
		}
		return n, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if text == "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n, nil
}

// isFlow says whether text is meant as YAML. [::1]:8080 isn't.
func isFlow(text string) bool {
	return strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") || strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}")
}

// place moves a node and all below it to one place.
func place(n *yaml.Node, line int) {
	n.Line, n.Column = line, 1
	for _, inner := range n.Content {
		place(inner, line)
	}
}

// environment is the value of a variable; the last one counts, as in a shell.
func (l *loader) environment(name string) (value string, set bool) {
	for _, pair := range l.source.Environ {
		if v, found := strings.CutPrefix(pair, name+"="); found {
			value, set = v, true
		}
	}
	return value, set
}

// inOrder are the keys of a map in the order in which they were written: first the file's, then the others by name.
func (l *loader) inOrder(m map[string]any, path string) []string {
	names := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(l.order(join(path, a)), l.order(join(path, b)))
	})
	return names
}

func (l *loader) order(path string) int {
	line := l.keys[path].Line
	if line < 0 {
		return 1<<30 - line
	}
	return line
}
