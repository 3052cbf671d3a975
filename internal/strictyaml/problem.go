// Package strictyaml reads YAML that people write by hand and refuses everything it isn't sure of: tags, anchors,
// merge keys, duplicate and unknown keys, keys without a value, values of the wrong type. Every problem has its place
// in the file and, where there is one, its cure; all problems of a file are told at once.
package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"go.yaml.in/yaml/v4"
)

// A Problem is one thing that is wrong at one place. Line and Column count from 1; 0 means the file as a whole.
type Problem struct {
	File    string
	Line    int
	Column  int
	Text    string // what is wrong
	Hint    string // what to do about it
	Warning bool   // it doesn't keep the file from being used
}

// At is a problem where n stands.
func At(file string, n *yaml.Node, format string, args ...any) Problem {
	p := Problem{File: file, Text: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	return p
}

// WithHint is the same problem with a cure.
func (p Problem) WithHint(format string, args ...any) Problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}

// Error is "FILE:LINE:COL: text (hint)".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems are all problems of one or more files.
type Problems []Problem

// Error is one line for each problem, in the order of their places.
func (p Problems) Error() string {
	sorted := p.Sorted()
	lines := make([]string, len(sorted))
	for i, problem := range sorted {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Sorted is a copy in the order of files, lines and columns.
func (p Problems) Sorted() Problems {
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return sorted
}

// Err is nil when there are only warnings, and otherwise all of the problems.
func (p Problems) Err() error {
	if len(p.Errors()) == 0 {
		return nil
	}
	return p
}

// Errors are the problems that aren't warnings.
func (p Problems) Errors() Problems { return p.filter(false) }

// Warnings are the problems that are.
func (p Problems) Warnings() Problems { return p.filter(true) }

func (p Problems) filter(warning bool) Problems {
	var kept Problems
	for _, problem := range p {
		if problem.Warning == warning {
			kept = append(kept, problem)
		}
	}
	return kept
}

// Suggest is the known word that was probably meant, or nothing if none is near.
func Suggest(word string, known []string) string {
	best, nearest := "", 2 // nearer than this: one letter, in longer words two (as in a swap) or three
	switch {
	case len(word) > 8:
		nearest = 4
	case len(word) > 3:
		nearest = 3
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < nearest && d < len(k) {
			best, nearest = k, d
		}
	}
	return best
}

// distance counts letters that differ; the same letters in another order are one slip of the finger.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	slices.Sort(x)
	slices.Sort(y)
	if a != b && slices.Equal(x, y) {
		return 1
	}
	return levenshtein.Distance(a, b, nil)
}

// DidYouMean is a hint: the word that was probably meant, or else all that are known.
func DidYouMean(word string, known []string) string {
	if meant := Suggest(word, known); meant != "" {
		return fmt.Sprintf("did you mean %q?", meant)
	}
	if len(known) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(known))
	return "want " + List(slices.Compact(sorted))
}

// List is "a, b or c".
func List(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Excerpt shows the line of a problem with a caret under its column, or nothing if the place isn't in data.
func Excerpt(data []byte, p Problem) string {
	lines := strings.Split(string(data), "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return ""
	}
	const widest = 160
	line := []rune(strings.TrimRight(lines[p.Line-1], "\r"))
	column := min(max(p.Column, 1)-1, len(line))
	from := max(0, column-widest/2)
	shown := slices.Clone(line[from:min(len(line), from+widest)])
	for i, r := range shown {
		if unicode.IsControl(r) && r != '\t' {
			shown[i] = utf8.RuneError
		}
	}
	number := fmt.Sprintf("%4d | ", p.Line)
	pad := make([]rune, 0, column-from)
	for _, r := range line[from:column] {
		if r != '\t' {
			r = ' '
		}
		pad = append(pad, r)
	}
	return number + string(shown) + "\n" + strings.Repeat(" ", len(number)-2) + "| " + string(pad) + "^\n"
}
