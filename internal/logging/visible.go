package logging

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible writes out what a terminal would obey instead of show. An escape that is written out already is written
// otherwise, because tint takes it for one that it should let through.
func visible(text string) string {
	text = strings.ReplaceAll(text, `\x1b`, `\u001b`)
	if utf8.ValidString(text) && !strings.ContainsFunc(text, obeyed) {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case obeyed(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		text = text[size:]
	}
	return out.String()
}

func obeyed(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
