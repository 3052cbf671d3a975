package reporters

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// A Page is how a verdict is written for a person. The zero Page is plain text that is wrapped nowhere.
type Page struct {
	Style term.Style
	Width int  // columns at most; 0 wraps nothing
	Dated bool // says when the run ended: for one of the past

	// Source is the text of a suite's file as it may be shown, nil if it isn't at hand: failures then show their lines.
	Source func(file string) []byte

	// Repeat is a command that asks a check again, "" if there is none.
	Repeat func(c plumbline.Result) string
}

// SlowAfter is how long a check may take before a page calls it slow.
const SlowAfter = 2 * time.Second

// Terminal writes a verdict for a person: the outcome in the first line, then what went wrong and what to do about it,
// wrapped where the terminal ends.
func Terminal(w io.Writer, v plumbline.Verdict, s term.Style) error {
	return Page{Style: s}.Print(w, v)
}

// Print writes the verdict, wrapped where the terminal ends if w is one.
func (p Page) Print(w io.Writer, v plumbline.Verdict) error {
	if term.IsTerminal(w) {
		p.Width = term.Width(w)
	}
	_, err := io.WriteString(w, p.Text(v))
	return err
}

// Text is a verdict in lines of at most width columns; 0 wraps nothing.
func Text(v plumbline.Verdict, s term.Style, width int) string {
	return Page{Style: s, Width: width}.Text(v)
}

// Text is the verdict in lines. What was skipped comes after what went wrong, because it follows from something; what
// was flaky or slow comes last.
func (p Page) Text(v plumbline.Verdict) string {
	v = Shown(v)
	s := p.Style
	out := page{Page: p, beside: v.Beside(), sources: map[string]*source{}}
	fmt.Fprintln(&out, Headline(v, s))
	var flaky, slow []string
	for _, c := range v.Checks {
		if wrong(c) {
			out.problem(c)
		}
		if took := time.Duration(c.Seconds); took >= SlowAfter {
			slow = append(slow, fmt.Sprintf("%s (%s)", c.Name, howLong(took)))
		}
		if c.Flaky {
			flaky = append(flaky, fmt.Sprintf("%s (%d attempts)", c.Name, len(c.Attempts)))
		}
	}
	out.skipped(v.Checks)
	for _, c := range v.Checks {
		for _, warning := range c.Warnings {
			if c.Outcome == plumbline.Passed {
				out.lines("  ! ", c.Name+"  "+warning, s.Yellow)
			}
		}
	}
	out.list("  ~ ", "flaky: ", flaky)
	out.list("  ◔ ", "slow: ", slow)
	ended := ""
	if p.Dated {
		ended = " · " + v.FinishedAt.UTC().Format(time.DateTime) + " UTC"
	}
	fmt.Fprintln(&out, s.Dim("  "+counts(v.Counts)+took(v)+ended+" · run "+v.Run))
	return out.String()
}

// Headline is a verdict in one line, with the reason where no check explains it.
func Headline(v plumbline.Verdict, s term.Style) string {
	v.Checks = nil // of which it says nothing
	v = Shown(v)
	mark, word := s.Red("✗"), s.Bold(s.Red("FAIL"))
	if v.Passed() {
		mark, word = s.Green("✓"), s.Bold(s.Green("PASS"))
	}
	subject := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", v.Service, v.Color, v.Release.Version)), " ")
	parts := []string{mark + " " + word}
	if subject != "" {
		parts = append(parts, s.Bold(subject))
	}
	if v.Trigger != "" {
		parts = append(parts, s.Dim(string(v.Trigger)))
	}
	if v.Cause != "" && v.Cause != plumbline.CauseChecks {
		reason, said := strings.CutPrefix(v.Reason, string(v.Cause))
		if !said {
			reason = ": " + v.Reason
		}
		parts = append(parts, s.Yellow(string(v.Cause))+reason)
	}
	return strings.Join(parts, "  ")
}

// A page is text in the making.
type page struct {
	Page
	strings.Builder
	sources map[string]*source // by file; nil if there is none to show
	beside  string             // who was asked the same
}

// skipped writes what was not asked; several checks for one reason are one line.
func (p *page) skipped(checks []plumbline.Result) {
	var reasons []string
	names := map[string][]string{}
	for _, c := range checks {
		if c.Outcome != plumbline.Skipped {
			continue
		}
		if names[c.Reason] == nil {
			reasons = append(reasons, c.Reason)
		}
		names[c.Reason] = append(names[c.Reason], c.Name)
	}
	for _, reason := range reasons {
		p.lines("  – ", first(names[reason])+"  "+reason, p.Style.Dim)
	}
}

// list names the first of what is listed.
func (p *page) list(mark, label string, names []string) {
	if len(names) > 0 {
		p.lines(mark, label+first(names), p.Style.Yellow)
	}
}

func first(names []string) string {
	const most = 5
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

// problem writes a check that went wrong: what, where, why, and what to do.
func (p *page) problem(c plumbline.Result) {
	s, mark, label := p.Style, p.Style.Red("✗"), ""
	if c.Severity == plumbline.Advisory {
		mark, label = s.Yellow("!"), s.Yellow(" (advisory)")
	}
	fmt.Fprintf(p, "  %s %s%s  %s\n", mark, s.Bold(c.Name), label, s.Dim(c.Place))
	const indent = "      "
	if !p.atSource(c) {
		for _, reason := range parts(c.Reason) {
			p.lines(indent, reason, nil)
		}
	}
	if kind := kindOf(c); kind != "" {
		p.lines(indent, kind, s.Dim)
	}
	switch {
	case c.Waved:
		p.lines(indent, p.beside+" fails it, too, which is only told", s.Yellow)
	case c.Attribution == plumbline.AttributedShared:
		p.lines(indent, p.beside+" fails it, too", s.Yellow)
	case c.Attribution == plumbline.AttributedRelease:
		p.lines(indent, p.beside+" passes it", s.Yellow)
	}
	for _, warning := range c.Warnings {
		p.lines(indent, warning, s.Yellow)
	}
	for _, line := range []struct{ label, text string }{{"impact", c.Impact}, {"cure", c.Cure}, {"owner", c.Owner}} {
		if line.text != "" {
			p.labelled(indent, line.label, line.text)
		}
	}
	if n := max(len(c.Attempts), c.Asked); n > 1 {
		p.lines(indent, fmt.Sprintf("after %d attempts", n), s.Dim)
	}
	if c.Detail != "" {
		fmt.Fprintln(p, s.Dim(indent+"answer "+p.cut(c.Detail, len(indent)+len("answer "))))
	}
	if p.Repeat != nil {
		if command := p.Repeat(c); command != "" {
			fmt.Fprintln(p, indent+s.Cyan("repeat")+" "+command) // in one piece, to be copied
		}
	}
}

// labelled writes text behind a label of its own color.
func (p *page) labelled(indent, label, text string) {
	first, rest := indent+fmt.Sprintf("%-6s ", label), strings.Repeat(" ", len(indent)+7)
	for i, line := range wrap(term.Line(text), p.Width-len(rest)) {
		if i == 0 {
			line = strings.Replace(first, label, p.Style.Cyan(label), 1) + line
		} else {
			line = rest + line
		}
		fmt.Fprintln(p, line)
	}
}

// lines writes text behind a mark; what doesn't fit goes on below, indented as far.
func (p *page) lines(mark, text string, paint func(string) string) {
	hanging := strings.Repeat(" ", utf8.RuneCountInString(mark))
	for i, line := range wrap(text, p.Width-len(hanging)) {
		if i > 0 {
			mark = hanging
		}
		if line = mark + line; paint != nil {
			line = paint(line)
		}
		fmt.Fprintln(p, line)
	}
}

// cut is the first line of text, short enough to stand behind what takes that many columns.
func (p *page) cut(text string, taken int) string {
	most := 160
	if p.Width > 0 {
		most = p.Width - taken
	}
	line, _, cut := strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(line); len(runes) > most {
		line, cut = string(runes[:max(most-2, 0)]), true
	}
	if cut {
		line += " …"
	}
	return line
}

// wrap breaks text between words into lines of at most width runes; a longer word stays whole. Without room it is one line.
func wrap(text string, width int) []string {
	const narrowest = 20
	if width < narrowest || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

func counts(c plumbline.Counts) string {
	parts := []string{fmt.Sprintf("%d passed", c.Passed)}
	for _, p := range []struct {
		n    int
		name string
	}{{c.Failed, "failed"}, {c.Errored, "could not be asked"}, {c.AdvisoryFailed, "of them advisory"}, {c.Skipped, "skipped"}, {c.Flaky, "flaky"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.name))
		}
	}
	return strings.Join(parts, ", ")
}

func took(v plumbline.Verdict) string {
	if v.FinishedAt.Before(v.StartedAt) || v.StartedAt.IsZero() {
		return ""
	}
	return " in " + howLong(v.FinishedAt.Sub(v.StartedAt).Round(time.Millisecond))
}
