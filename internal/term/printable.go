package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable writes out what a terminal would obey instead of show: control characters, separators of lines, and marks
// that turn the direction of text. Line breaks and tabs stay. What is printable already comes back as it is.
func Printable(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if utf8.ValidString(text) && !strings.ContainsFunc(text, obeyed) {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case !obeyed(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out.String()
}

// Line is a text as Printable writes it, in one line.
func Line(text string) string {
	parts := strings.FieldsFunc(Printable(text), func(r rune) bool { return r == '\n' || r == '\t' })
	return strings.Join(parts, " ")
}

func obeyed(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
