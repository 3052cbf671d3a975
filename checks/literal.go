package checks

import (
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

const literalCure = "write it out, or `$$(` for a literal `$(`"

// Literal is text in which nothing is replaced: `$$(` is a literal `$(`, and a variable is a problem.
func Literal(file string, n *yaml.Node, what string) (string, *strictyaml.Problem) {
	const literal, none = "$$(", "\x00"
	text := strings.ReplaceAll(n.Value, literal, "$(")
	if strings.Contains(strings.ReplaceAll(n.Value, literal, none), "$(") {
		p := strictyaml.At(file, n, "nothing is replaced in %s", what).WithHint("%s", literalCure)
		return text, &p
	}
	return text, nil
}

// literal is Literal of a key or a word of a check.
func (r *reader) literal(n *yaml.Node, what string) string {
	text, problem := Literal(r.file, n, what)
	if problem != nil {
		r.problems = append(r.problems, *problem)
	}
	return text
}
