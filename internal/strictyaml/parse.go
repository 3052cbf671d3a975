package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The bounds of a file: every Go decoder of YAML is quadratic in something.
const (
	MaxBytes = 1 << 20
	MaxDepth = 32
	MaxKeys  = 1000 // of one map
)

// ReadFile reads a file, and no more of it than it takes to see that it has more than MaxBytes.
func ReadFile(name string) ([]byte, error) {
	file, err := os.Open(name) // #nosec G304 -- a file that the user or the configuration names
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxBytes+1))
}

// Parse reads the one document of a file, within bounds, without anything that YAML has beyond JSON but comments and
// styles. The error is Problems. If nothing but duplicate keys, anchors and tags is wrong, there is a node as well, without
// them: what else is wrong with it can be told, too.
func Parse(file string, data []byte) (*yaml.Node, error) {
	if len(data) > MaxBytes {
		return nil, Problems{{File: file, Text: fmt.Sprintf("is larger than %d bytes", MaxBytes)}}
	}
	if problems := directives(file, data); len(problems) > 0 {
		return nil, problems
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, Problems{syntax(file, data, err)}
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF), err == nil && len(document.Content) == 0:
		return nil, Problems{{File: file, Text: "is empty"}}
	case err != nil:
		return nil, Problems{syntax(file, data, err)}
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, Problems{At(file, &second, "a second document, want one a file").WithHint("split the file at `---`")}
	case !errors.Is(err, io.EOF):
		return nil, Problems{syntax(file, data, err)}
	}
	root := document.Content[0]
	s := scan{file: file, lines: bytes.Split(data, []byte("\n"))}
	s.node(root, 1)
	switch {
	case len(s.problems) == 0:
		return root, nil
	case s.unsure:
		root = nil
	}
	return root, s.problems.Sorted()
}

// A scan looks for what is refused before anything is decoded.
type scan struct {
	file     string
	lines    [][]byte
	problems Problems
	unsure   bool // of what is meant
}

// refuse keeps what leaves nothing to go on with.
func (s *scan) refuse(p Problem) {
	s.unsure = true
	s.add(p)
}

func (s *scan) add(p Problem) {
	const most = 50 // of one file: more help nobody
	if len(s.problems) < most {
		s.problems = append(s.problems, p)
	}
}

func (s *scan) node(n *yaml.Node, depth int) {
	if depth > MaxDepth {
		s.refuse(At(s.file, n, "is nested deeper than %d levels", MaxDepth))
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		s.refuse(At(s.file, n, "aliases such as *%s are refused", n.Value).WithHint("write the value out"))
		return
	case n.Anchor != "":
		s.add(At(s.file, n, "anchors such as &%s are refused", n.Anchor).WithHint("write the value out, or quote it if it is text"))
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		s.add(At(s.file, n, "tags such as %s are refused", n.Tag).WithHint("leave it out, or quote the value if it is text"))
		n.Tag, n.Style = "", n.Style&^yaml.TaggedStyle
	}
	switch n.Kind {
	case yaml.MappingNode:
		s.mapping(n, depth)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if isAbsent(item) {
				s.refuse(At(s.file, item, "a list item without a value").WithHint("%s", s.cureAbsent(item)))
				continue
			}
			s.node(item, depth+1)
		}
	}
}

func (s *scan) mapping(n *yaml.Node, depth int) {
	if keys := len(n.Content) / 2; keys > MaxKeys {
		s.refuse(At(s.file, n, "a map of %d keys, want at most %d", keys, MaxKeys))
		return
	}
	lines := make(map[string]int, len(n.Content)/2)
	var once []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			s.refuse(At(s.file, key, "a key that isn't text"))
			continue
		case key.Tag == "!!merge":
			s.refuse(At(s.file, key, "merge keys are refused").WithHint("write the keys out"))
			continue
		case isAbsent(key):
			s.refuse(At(s.file, key, "a value without a key"))
			continue
		case lines[key.Value] > 0:
			s.add(At(s.file, key, "duplicate key %q, first on line %d", short(key.Value), lines[key.Value]))
			s.node(value, depth+1)
			continue
		}
		lines[key.Value] = key.Line
		once = append(once, key, value)
		s.node(key, depth)
		if isAbsent(value) {
			s.refuse(At(s.file, key, "%s has no value", short(key.Value)).WithHint("%s", s.cureAbsent(value)))
			continue
		}
		s.node(value, depth+1)
	}
	n.Content = once
}

// isAbsent says whether nothing was written: a null that somebody wrote is a value.
func isAbsent(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// cureAbsent looks for a comment where the value was meant to be.
func (s *scan) cureAbsent(n *yaml.Node) string {
	if n.Line < 1 || n.Line > len(s.lines) {
		return "give it one or leave it out"
	}
	_, comment, found := bytes.Cut(s.lines[n.Line-1], []byte("#"))
	if !found {
		return "give it one or leave it out"
	}
	return "quote `#" + short(strings.TrimSpace(string(comment))) + "` if it is the value"
}

func short(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// Value is the node of a key in a mapping, or nil.
func Value(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}
