package configs

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// unread are the values that couldn't be decoded. What is wrong because of them goes without saying.
type unread struct {
	nodes map[*yaml.Node]bool
	words map[*yaml.Node][]string // by map, and by value in it: the keys of the map that are unread, or that typos meant
}

// namesBelow are the keys of maps whose own keys are names that people make up.
var namesBelow = []string{"services", "environments", "connections", "secrets", "reporters", "vars", "messages"}

var meant = regexp.MustCompile(`^did you mean "([^"]+)"\?$`)

type spot struct{ line, column int }

// unreadable finds what the problems of decoding are about.
func unreadable(root *yaml.Node, problems strictyaml.Problems) unread {
	told := make(map[spot]string, len(problems))
	for _, p := range problems {
		told[spot{p.Line, p.Column}] = p.Hint
	}
	u := unread{make(map[*yaml.Node]bool), make(map[*yaml.Node][]string)}
	var walk func(n *yaml.Node, key string) bool
	walk = func(n *yaml.Node, key string) bool {
		_, failed := told[spot{n.Line, n.Column}]
		u.nodes[n] = failed
		if n.Kind != yaml.MappingNode {
			for _, item := range n.Content {
				failed = walk(item, "") || failed
			}
			return failed
		}
		var words []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, value := n.Content[i], n.Content[i+1]
			if typo := meant.FindStringSubmatch(told[spot{k.Line, k.Column}]); typo != nil {
				words = append(words, typo[1])
			}
			if walk(value, k.Value) {
				words, failed = append(words, k.Value), true
			}
		}
		if !slices.Contains(namesBelow, key) {
			u.spread(n, words)
		}
		return failed
	}
	walk(root, "")
	return u
}

// spread keeps the words of a map for itself and for each of its values.
func (u unread) spread(n *yaml.Node, words []string) {
	u.words[n] = append(u.words[n], words...)
	for i := 1; i < len(n.Content); i += 2 {
		u.words[n.Content[i]] = append(u.words[n.Content[i]], words...)
	}
}

// follows says whether a problem goes without saying: it is of an unread value, or names one that stands beside or in
// what it is of.
func (u unread) follows(at *yaml.Node, text string) bool {
	if at == nil {
		return false
	}
	named := strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return u.nodes[at] || slices.ContainsFunc(u.words[at], func(word string) bool { return slices.Contains(named, word) })
}

// unreadIn says whether something in a section of the file is unread.
func (l *loader) unreadIn(section string) bool {
	return slices.Contains(l.unread.words[l.root], section)
}

// leaveOut drops accounts without a kind, which has been told: they have no fields.
func (l *loader) leaveOut() {
	maps.DeleteFunc(l.config.Connections, func(_ string, c *Connection) bool { return c.Kind == "" })
	maps.DeleteFunc(l.config.Reporters, func(_ string, r *Reporter) bool { return r.Kind == "" })
}
