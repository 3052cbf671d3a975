package suites

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/plumbline-dev/plumbline/checks"
	"go.yaml.in/yaml/v4"
)

// A named is what a check is called: full in results, base by other checks of the suite that need all its rows.
type named struct{ base, full string }

// checkName wants a name that is unique in the suite and fits on a line.
func (p *parser) checkName(d checks.Definition, written *yaml.Node, otherwise, label string) named {
	const longest = 120
	name, at := named{otherwise, otherwise}, d.Check
	if written != nil {
		at, name = written, named{written.Value, written.Value}
		switch {
		case written.Kind != yaml.ScalarNode:
		case label == "":
			text := p.plainText(written, "a name")
			name = named{text, text}
		default:
			text, problem := checks.InRow(p.file, written, d.Names)
			if problem != nil {
				p.problems = append(p.problems, *problem)
			}
			name.full = text
		}
	}
	if written == nil && len(name.full) > longest {
		name.full = strings.ToValidUTF8(name.full[:longest], "")
	}
	if label != "" && name.full == name.base {
		name.full += " [" + label + "]"
	}
	switch {
	case written != nil && written.Kind != yaml.ScalarNode:
		p.wrong(at, "", "a name is text")
	case strings.TrimSpace(name.full) == "":
		p.wrong(at, "write name: what it proves", "a check without a name")
	case len(name.full) > longest && written != nil:
		p.wrong(at, "", "a name of %d bytes, want at most %d", len(name.full), longest)
	case strings.ContainsFunc(name.full, unicode.IsControl):
		p.wrong(at, "", "a name with control characters")
	}
	hint := "names are unique in a suite"
	if written == nil {
		hint = "give one of them a name"
	}
	p.take(name.full, at, hint)
	return name
}

// take refuses a name that another check has.
func (p *parser) take(name string, at *yaml.Node, hint string) {
	if other, twice := p.taken[name]; twice {
		where := fmt.Sprintf("on line %d", other.line)
		if other.file != p.file {
			where = fmt.Sprintf("in %s:%d", other.file, other.line)
		}
		p.wrong(at, hint, "a second check %q, first %s", name, where)
		return
	}
	p.taken[name] = taken{p.file, at.Line}
}
