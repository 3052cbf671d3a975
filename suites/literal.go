package suites

import (
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// plainText reads a text in which nothing is replaced.
func (p *parser) plainText(n *yaml.Node, what string) string {
	text, problem := checks.Literal(p.file, n, what)
	if problem != nil {
		p.problems = append(p.problems, *problem)
	}
	return text
}

// unfold writes `$$(` as `$(` in what a check says of itself to people, and refuses variables there.
func (p *parser) unfold(k *common, written *yaml.Node) {
	for key, text := range map[string]*string{"owner": &k.Owner, "impact": &k.Impact, "cure": &k.Cure} {
		if n := strictyaml.Value(written, key); n != nil {
			*text = p.plainText(n, key)
		}
	}
	if n := strictyaml.Value(written, "tags"); n != nil && len(n.Content) == len(k.Tags) {
		for i, item := range n.Content {
			k.Tags[i] = p.plainText(item, "tags")
		}
	}
}

// unfoldValues is unfold for the values of rows and of variables.
func (p *parser) unfoldValues(n *yaml.Node, what string) {
	switch n.Kind {
	case yaml.ScalarNode:
		n.Value = p.plainText(n, what)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			p.unfoldValues(item, what)
		}
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			p.unfoldValues(n.Content[i], what)
		}
	}
}
