package term_test

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/term"
)

func TestPrintable(t *testing.T) {
	for _, tt := range []struct{ text, printable, line string }{
		{"", "", ""},
		{`got "é – 日本 👍 ️", \u001b`, `got "é – 日本 👍 ️", \u001b`, `got "é – 日本 👍 ️", \u001b`},
		{"\x1b[2J\x1b]0;owned\x07", `\u001b[2J\u001b]0;owned\u0007`, `\u001b[2J\u001b]0;owned\u0007`},
		{"\u009b2J \x9b2J \x7f \u0085", `\u009b2J \x9b2J \u007f \u0085`, `\u009b2J \x9b2J \u007f \u0085`},
		{"a\u202eb\u2066c\u2069d\u200ee\u200ff\u061c", `a\u202eb\u2066c\u2069d\u200ee\u200ff\u061c`, `a\u202eb\u2066c\u2069d\u200ee\u200ff\u061c`},
		{"a\u2028b\u2029c\U000e0041", `a\u2028b\u2029c\U000e0041`, `a\u2028b\u2029c\U000e0041`},
		{"one\r\n\ttwo\n\nthree\rfour\n", "one\n\ttwo\n\nthree\\u000dfour\n", `one two three\u000dfour`},
	} {
		if got := term.Printable(tt.text); got != tt.printable || term.Printable(got) != got {
			t.Errorf("%q: got %q, want %q, and the same of that", tt.text, got, tt.printable)
		}
		if got := term.Line(tt.text); got != tt.line || term.Line(got) != got {
			t.Errorf("%q in one line: got %q, want %q, and the same of that", tt.text, got, tt.line)
		}
	}
}
