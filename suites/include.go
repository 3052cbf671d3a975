package suites

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// maxInclude is how deep files may include each other.
const maxInclude = 5

// part is what included files may have, and suites too.
type part struct {
	Vars     map[string]*yaml.Node `yaml:"vars"`
	Include  *yaml.Node            `yaml:"include"`
	Setup    *yaml.Node            `yaml:"setup"`
	Checks   *yaml.Node            `yaml:"checks"`
	Teardown *yaml.Node            `yaml:"teardown"`
}

// A piece is a part and where it stands.
type piece struct {
	part
	place
}

// A place is the file that is read.
type place struct {
	file string // as it is shown
	dir  string // of it, relative to the suite's directory
}

// pieces are the suite's own part behind all that it includes, in the order in which they are asked for.
func (p *parser) pieces(own part, way ...string) []piece {
	var all []piece
	for _, name := range p.listed(own.Include, "include") {
		node := &yaml.Node{Kind: yaml.ScalarNode, Value: name.Name, Line: name.Line, Column: name.Column}
		all = append(all, p.include(node, way)...)
	}
	return append(all, piece{own, p.place})
}

// include reads one file. way are the files that lead to it.
func (p *parser) include(n *yaml.Node, way []string) []piece {
	full, data, err := p.files.of(p.dir, n.Value)
	if err != nil {
		p.wrong(n, "", "include %s: %s", n.Value, err)
		return nil
	}
	switch {
	case len(way) == maxInclude:
		p.wrong(n, "", "include %s: files include each other more than %d deep", n.Value, maxInclude)
		return nil
	case p.included[full] != "":
		p.wrong(n, "include a file once", "include %s: was included already, by %s", n.Value, p.included[full])
		return nil
	}
	if p.included == nil {
		p.included = map[string]string{}
	}
	p.included[full] = p.file
	back := p.place
	defer func() { p.place = back }()
	p.place = place{file: p.shown(full), dir: path.Dir(full)}
	root := p.root(data)
	if root == nil {
		return nil
	}
	if name := strictyaml.Value(root, "suite"); name != nil {
		p.wrong(name, "take the name out, or don't include it", "is included, and a suite of its own")
		return nil
	}
	var own part
	p.decode(root, &own)
	if root.Kind == yaml.MappingNode && own.Include == nil && own.Setup == nil && own.Checks == nil && own.Teardown == nil {
		p.wrong(root, "write checks: and a list such as - get: /healthz", "an included file without checks")
	}
	return p.pieces(own, append(way, full)...)
}

// shown is how the place of a file beside the suite is told.
func (p *parser) shown(name string) string {
	dir, _ := splitShown(p.suite.File)
	return dir + name
}

// splitShown parts the directory, with its separator, from the name: also of shipped:plum/smoke.yaml.
func splitShown(file string) (dir, name string) {
	end := strings.LastIndexAny(file, "/\\:") + 1
	return file[:end], file[end:]
}

// read is what kinds may read: files named relative to the one that names them.
func (p *parser) read(name string) ([]byte, error) {
	_, data, err := p.files.of(p.dir, name)
	return data, err
}

// sections reads the checks of all pieces, phase by phase.
func (p *parser) sections(root *yaml.Node, pieces []piece) {
	back := p.place
	defer func() { p.place = back }()
	for _, section := range []struct {
		phase plumbline.Phase
		name  string
		of    func(part) *yaml.Node
	}{
		{plumbline.PhaseSetup, "setup", func(o part) *yaml.Node { return o.Setup }},
		{plumbline.PhaseChecks, "checks", func(o part) *yaml.Node { return o.Checks }},
		{plumbline.PhaseTeardown, "teardown", func(o part) *yaml.Node { return o.Teardown }},
	} {
		found := false
		for _, each := range pieces {
			n := section.of(each.part)
			if n == nil {
				continue
			}
			found, p.place = true, each.place
			p.section(n, section.phase, section.name)
		}
		if p.place = back; !found && section.phase == plumbline.PhaseChecks {
			p.wrong(root, "write checks: and a list such as - get: /healthz", "a suite without checks")
		}
	}
}

func (p *parser) section(n *yaml.Node, phase plumbline.Phase, name string) {
	const hint = "write a list such as - get: /healthz"
	switch {
	case n.Kind != yaml.SequenceNode:
		p.wrong(n, hint, "%s is no list", name)
	case len(n.Content) == 0 && phase == plumbline.PhaseChecks:
		p.wrong(n, hint, "a suite without checks")
	case len(n.Content) == 0:
		p.wrong(n, hint, "%s", fmt.Sprintf("an empty %s", name))
	}
	if n.Kind == yaml.SequenceNode {
		p.checks = slices.Grow(p.checks, len(n.Content))
		for _, item := range n.Content {
			p.check(item, phase)
		}
	}
}
