package strictyaml

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const percent, quotePercent = "a line that begins with `%`", "take it out, or indent it if it is text"

// cures says in a person's words what the scanner's messages mean.
var cures = []struct{ message, text, hint string }{
	{"mapping values are not allowed", "a second `: ` on a line, or an indent that doesn't fit the line above", "quote a value that contains `: `, or align the key"},
	{"cannot start any token", "a character that can't begin a value", ""},
	{"did not find expected ',' or ']'", "a list `[` that isn't closed", "write `]`"},
	{"did not find expected ',' or '}'", "a map `{` that isn't closed", "write `}`"},
	{"found unexpected end of stream", "a quote that isn't closed", "write the closing quote"},
	{"did not find expected '-' indicator", "a line that doesn't belong to the list above", "indent it, or begin it with `- `"},
	{"did not find expected key", "a line that doesn't fit the map above", "check the indent and the quotes"},
	{"could not find expected ':'", "a key without `:`", "write `key: value`"},
	{"unknown anchor", "aliases such as `*name` are refused", "write the value out, or quote it if it is text"},
	{"did not find expected node content", "no value where one is wanted", "write it, or quote one that begins with `,`, `]` or `}`"},
	{"unknown directive name", percent, quotePercent},
	{"before directive", percent, quotePercent},
	{"control characters are not allowed", "a control character", "take it out"},
	{"UTF-8", "bytes that are no text", "save the file as UTF-8"},
	{"found a tab character", "a tab in the indent", "indent with spaces"},
}

// syntax tells an error of the YAML scanner in plain words.
func syntax(file string, data []byte, err error) Problem {
	p := Problem{File: file, Text: err.Error()}
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return p
	}
	p.Text, p.Line, p.Column = load.Message, load.Mark.Line, load.Mark.Column
	for _, cure := range cures {
		if strings.Contains(load.Message, cure.message) {
			p.Text, p.Hint = cure.text, cure.hint
			break
		}
	}
	if strings.Contains(load.Message, "cannot start any token") {
		switch c := charAt(data, p.Line, p.Column); c {
		case "\t":
			p.Text, p.Hint = "a tab in the indent", "indent with spaces"
		case "":
		default:
			p.Hint = "quote a value that begins with `" + c + "`"
		}
	}
	if p.Line == 0 {
		p.Line, p.Column = unreadable(data)
	}
	if p.Text == percent {
		p.Column = 1
	}
	if opened := load.ContextMark; opened.Line > 0 && opened.Line < p.Line && strings.Contains(p.Text, "isn't closed") {
		p.Line, p.Column = opened.Line, opened.Column
	}
	return p
}

func charAt(data []byte, line, column int) string {
	lines := strings.Split(string(data), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	runes := []rune(lines[line-1])
	if column < 1 || column > len(runes) {
		return ""
	}
	return string(runes[column-1])
}

// unreadable is the place of the first character that no YAML has, or 0.
func unreadable(data []byte) (line, column int) {
	line, column = 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && !strings.ContainsRune("\t\n\r", r), r == 0xFFFE, r == 0xFFFF:
			return line, column
		case r == '\n':
			line, column = line+1, 1
		default:
			column++
		}
		data = data[size:]
	}
	return 0, 0
}

// directives refuses %TAG, %YAML and the like, which stand before everything but comments.
func directives(file string, data []byte) Problems {
	var problems Problems
	line := 0
	for text := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		line++
		switch word, _, _ := bytes.Cut(bytes.TrimRight(text, "\r\n"), []byte(" ")); {
		case bytes.HasPrefix(text, []byte("%")):
			problems = append(problems, Problem{File: file, Line: line, Column: 1,
				Text: "directives such as " + short(strings.ToValidUTF8(string(word), "?")) + " are refused", Hint: "take the line out"})
		case len(bytes.TrimSpace(text)) > 0 && !bytes.HasPrefix(bytes.TrimSpace(text), []byte("#")):
			return problems
		}
	}
	return problems
}
