package strictyaml

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// IsQuoted says whether a scalar was written as text on purpose.
func IsQuoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// JSON is the value of a node as JSON has it: nil, bool, json.Number, string, []any or map[string]any. Scalars that
// YAML reads as more than that (007, 0x1F, 1_000, .inf, 2026-11-03, True, ~) are problems. The error is Problems.
func JSON(file string, n *yaml.Node) (any, error) {
	var problems Problems
	value := jsonValue(file, n, &problems)
	return value, problems.Err()
}

func jsonValue(file string, n *yaml.Node, problems *Problems) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = jsonValue(file, n.Content[i+1], problems)
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, item := range n.Content {
			l[i] = jsonValue(file, item, problems)
		}
		return l
	}
	v, p := Scalar(file, n)
	if p != nil {
		*problems = append(*problems, *p)
	}
	return v
}

// Scalar is the value of a scalar node as JSON has it: nil, bool, json.Number or string.
func Scalar(file string, n *yaml.Node) (any, *Problem) {
	if n.Kind != yaml.ScalarNode {
		p := At(file, n, "%s, want a single value", describe(n))
		return nil, &p
	}
	if IsQuoted(n) {
		return n.Value, nil
	}
	switch n.Value {
	case "null":
		return nil, nil
	case "true", "false":
		return n.Value == "true", nil
	}
	if jsonNumber.MatchString(n.Value) {
		return json.Number(n.Value), nil
	}
	if n.ShortTag() == "!!str" {
		return n.Value, nil
	}
	p := At(file, n, "%s is no JSON value", short(n.Value))
	switch n.ShortTag() {
	case "!!bool":
		p = p.WithHint("write %s, or quote it if it is text", strings.ToLower(n.Value))
	case "!!null":
		p = p.WithHint("write null, or quote it if it is text")
	default:
		p = p.WithHint("quote it if it is text, or write the number as JSON does")
	}
	return nil, &p
}

// Duration reads 300ms, 5s, 2m, 1h30m, 72h and 0.
func Duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q, want a duration such as 300ms, 5s, 2m or 72h", short(text))
	}
	return d, nil
}

// describe names what a node is in plain words.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", short(n.Value))
}
