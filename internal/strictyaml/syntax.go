package strictyaml

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

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
	{"control characters are not allowed", "a control character", "take it out"},
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
