package checks

import (
	"cmp"
	"maps"
	"slices"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// wordList reads a list of words; nothing where there is none.
func (r *reader) wordList(n *yaml.Node, what string) []string {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.wrong(n, "%s takes a list", what)
		return nil
	}
	var words []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || item.Value == "" {
			r.wrong(item, "%s takes a list of words", what)
			continue
		}
		words = append(words, item.Value)
	}
	return words
}

// oneOf reads one of some words.
func (r *reader) oneOf(n *yaml.Node, what string, known []string) string {
	if n.Kind != yaml.ScalarNode || !slices.Contains(known, n.Value) {
		r.wrongHint(n, strictyaml.DidYouMean(n.Value, known), "unknown %s %q", what, n.Value)
		return ""
	}
	return n.Value
}

// canary reads whether a check may leave something behind at its provider.
func (r *reader) canary(mode *yaml.Node) bool {
	return mode != nil && r.oneOf(mode, "mode", []string{"canary"}) != ""
}

func sortedKeys[K cmp.Ordered, V any](of map[K]V) []K { return slices.Sorted(maps.Keys(of)) }
