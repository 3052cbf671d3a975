package reporters

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// A finding is one thing that is wrong with a check, and where its suite says what is wanted.
type finding struct {
	line, column, width int // of the key, from 1; line 0 if the place isn't known
	text                string
}

// A source finds the lines of a check in its suite.
type source struct {
	root  *yaml.Node
	lines []string
}

// readSource returns nil for what isn't YAML by now.
func readSource(data []byte) *source {
	root, err := strictyaml.Parse("", data)
	if err != nil {
		return nil
	}
	return &source{root: root, lines: strings.Split(string(data), "\n")}
}

// findings parts the reason of a check among the keys of its suite: a part begins with the key that it is about. What
// is about no key is about the kind.
func (s *source) findings(c plumbline.Result) []finding {
	_, at := place(c)
	line, err := strconv.Atoi(at)
	if err != nil {
		return nil
	}
	check := itemAt(s.root, line)
	if check == nil || !isOf(check, c) {
		return nil
	}
	reason, kind := c.Reason, c.Kind
	if step, rest := stepOf(check, c); step != nil {
		check, kind, reason = step, "", rest
	}
	labels := labelsOf(check)
	var found []finding
	for _, part := range segments(reason, labels, kind == "parity") {
		key := labels[part.label]
		text := strings.TrimPrefix(part.text, part.label+": ")
		if key == nil {
			key, text = kindKey(check, kind, part.text), part.text
		}
		found = append(found, finding{line: key.Line, column: key.Column, width: len([]rune(key.Value)) + quotes(key), text: text})
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column)) })
	return found
}

// isOf says whether this is the check, as far as can be told: a file may have changed since.
func isOf(check *yaml.Node, c plumbline.Result) bool {
	name := strictyaml.Value(check, "name")
	kind := c.Kind == "" || strictyaml.Value(check, c.Kind) != nil
	return kind && (name == nil || strings.HasPrefix(c.Name, term.Line(name.Value)) || strings.Contains(name.Value, "$("))
}

func quotes(key *yaml.Node) int {
	if strictyaml.IsQuoted(key) {
		return 2
	}
	return 0
}

// itemAt is the first item of a list that is a map and begins on a line.
func itemAt(n *yaml.Node, line int) *yaml.Node {
	for _, child := range n.Content {
		if n.Kind == yaml.SequenceNode && child.Kind == yaml.MappingNode && child.Line == line {
			return child
		}
		if found := itemAt(child, line); found != nil {
			return found
		}
	}
	return nil
}

// stepOf is the step of a scenario that stopped it, and what is wrong with that.
func stepOf(check *yaml.Node, c plumbline.Result) (step *yaml.Node, reason string) {
	steps := strictyaml.Value(check, "steps")
	if steps == nil || steps.Kind != yaml.SequenceNode {
		return nil, ""
	}
	for i, s := range c.Steps {
		rest, stopped := strings.CutPrefix(c.Reason, fmt.Sprintf("step %d, %s", i+1, s.Name))
		if !stopped || i >= len(steps.Content) {
			continue
		}
		rest, _ = strings.CutPrefix(rest, fmt.Sprintf(", line %d", steps.Content[i].Line))
		if rest, stopped = strings.CutPrefix(rest, ": "); stopped {
			return steps.Content[i], rest
		}
	}
	return nil, ""
}

// labelsOf are the keys that a reason may name, by how it names them.
func labelsOf(check *yaml.Node) map[string]*yaml.Node {
	labels := map[string]*yaml.Node{}
	for _, section := range []struct{ key, prefix string }{{"expect", ""}, {"capture", "capture "}} {
		n := strictyaml.Value(check, section.key)
		if n == nil || n.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			labels[section.prefix+key.Value] = key
			if key.Value != "certificate" || value.Kind != yaml.MappingNode {
				continue
			}
			for j := 0; j+1 < len(value.Content); j += 2 {
				labels["certificate."+value.Content[j].Value] = value.Content[j]
			}
		}
	}
	return labels
}

// kindKey is the key of a check's kind, or else its first that isn't its name; where the account is to blame, it is that.
func kindKey(check *yaml.Node, kind, text string) *yaml.Node {
	first := check
	if strings.HasPrefix(text, "auth ") && strictyaml.Value(check, "auth") != nil {
		kind = "auth"
	}
	for i := 0; i+1 < len(check.Content); i += 2 {
		switch key := check.Content[i]; {
		case key.Value == kind:
			return key
		case first == check && !slices.Contains([]string{"name", "expect", "capture", "effect"}, key.Value):
			first = key
		}
	}
	return first
}

// A segment is a part of a reason that begins with a label, or with none.
type segment struct{ label, text string }

// parts are what semicolons part in a reason, save those in quotes: there they belong to what somebody else said.
func parts(reason string) []string {
	var all []string
	quoted, start := false, 0
	for i := 0; i < len(reason); i++ {
		switch {
		case quoted && reason[i] == '\\':
			i++
		case reason[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(reason[i:], "; "):
			all = append(all, reason[start:i])
			start = i + len("; ")
		}
	}
	return append(all, reason[start:])
}

// segments cuts a reason where a label begins, at its start or behind a semicolon. Of two colors, paths that are no label
// are differences between them.
func segments(reason string, labels map[string]*yaml.Node, parity bool) []segment {
	var all []segment
	for _, part := range parts(reason) {
		label := ""
		for name := range labels {
			if strings.HasPrefix(part, name+": ") && len(name) > len(label) {
				label = name
			}
		}
		different := parity && strings.HasPrefix(part, "$")
		if n := len(all); n > 0 && label == "" && all[n-1].label != "" && !different {
			all[n-1].text += "; " + part // a value that has a semicolon in it, or more about the same
			continue
		}
		all = append(all, segment{label, part})
	}
	return all
}

// atSource writes the lines of the suite that a check failed at, each with what is wrong beneath it. It says false where
// the suite isn't at hand.
func (p *page) atSource(c plumbline.Result) bool {
	if p.Source == nil {
		return false
	}
	file, _ := place(c)
	s, known := p.sources[file]
	if !known {
		if data := p.Source(file); data != nil {
			s = readSource(data)
		}
		p.sources[file] = s
	}
	if s == nil {
		return false
	}
	found := s.findings(c)
	for _, f := range found {
		if f.line < 1 || f.line > len(s.lines) {
			return false
		}
	}
	for i, begin := 0, 0; i <= len(found); i++ {
		if i == len(found) || found[i].line != found[begin].line {
			if i > begin {
				p.atLine(s.lines[found[begin].line-1], found[begin:i])
			}
			begin = i
		}
	}
	return len(found) > 0
}

// atLine writes a line, and beneath it all that is wrong there. Where the keys stand beyond the end of the terminal, the
// line begins later.
func (p *page) atLine(line string, found []finding) {
	const before = 12
	runes, from := []rune(term.Printable(strings.ReplaceAll(strings.TrimRight(line, " \r"), "\t", " "))), 0
	if last := found[len(found)-1]; p.Width > 0 && last.column+last.width > p.Width-gutterWidth {
		from = max(min(found[0].column-1-before, len(runes)), 0)
		for i := range found {
			found[i].column -= from
		}
	}
	p.sourceLine(found[0].line, runes[from:], from > 0)
	for _, f := range found {
		p.pointer(f)
	}
}

// gutter is what stands before a line of a suite: its number.
const gutter = "      %4d │ "

// gutterWidth is how many columns that takes.
const gutterWidth = 13

func (p *page) sourceLine(number int, shown []rune, later bool) {
	limit := 160
	if later && len(shown) > 0 {
		shown = append([]rune{'…'}, shown[1:]...)
	}
	if p.Width > 0 {
		limit = max(p.Width-gutterWidth, 20)
	}
	if len(shown) > limit {
		shown = append(shown[:limit-1], '…')
	}
	fmt.Fprintln(p, p.Style.Dim(fmt.Sprintf(gutter, number))+string(shown))
}

// pointer underlines the key, and says beside it what is wrong; below it where there is no room.
func (p *page) pointer(f finding) {
	const roomy = 40
	blank := strings.Repeat(" ", gutterWidth-2) + "│ "
	blank = p.Style.Dim(blank)
	start, width := f.column-1, max(f.width, 1)
	if limit := p.Width - gutterWidth; p.Width > 0 && start+width > limit {
		start, width = min(start, max(limit-1, 0)), 1
	}
	mark := strings.Repeat(" ", start) + p.Style.Red(strings.Repeat("^", width))
	room := p.Width - gutterWidth - start - width - 1
	if p.Width == 0 || room >= roomy || len([]rune(f.text)) <= room {
		for i, text := range chop(wrap(f.text, room), room) {
			if i > 0 {
				mark = strings.Repeat(" ", start+width)
			}
			fmt.Fprintln(p, blank+mark+" "+text)
		}
		return
	}
	fmt.Fprintln(p, blank+mark)
	for _, text := range chop(wrap(f.text, p.Width-gutterWidth), p.Width-gutterWidth) {
		fmt.Fprintln(p, blank+text)
	}
}

// chop breaks lines where the terminal ends, whatever stands there: beyond it they would run through the gutter.
func chop(lines []string, width int) []string {
	if width < 1 {
		return lines
	}
	var all []string
	for _, line := range lines {
		runes := []rune(line)
		for ; len(runes) > width; runes = runes[width:] {
			all = append(all, string(runes[:width]))
		}
		all = append(all, string(runes))
	}
	return all
}
