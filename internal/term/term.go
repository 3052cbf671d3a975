// Package term knows what a terminal can show.
package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// A Style colors text, or leaves it as it is. The zero Style is plain.
type Style struct{ colored bool }

// Plain is the Style of files and pipes.
var Plain = Style{}

// StyleOf chooses the Style of a writer: colored on a terminal, plain elsewhere, unless NO_COLOR or CLICOLOR_FORCE say
// otherwise.
func StyleOf(w io.Writer, getenv func(string) string) Style {
	switch {
	case getenv("NO_COLOR") != "":
		return Plain
	case getenv("CLICOLOR_FORCE") != "" && getenv("CLICOLOR_FORCE") != "0":
		return Style{colored: true}
	case getenv("TERM") == "dumb":
		return Plain
	}
	return Style{colored: IsTerminal(w)}
}

// Colored says whether the Style colors anything.
func (s Style) Colored() bool { return s.colored }

// IsTerminal says whether a person looks at the writer.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) // #nosec G115 -- a file descriptor is a small number
}

// Width is the number of columns of a terminal, and otherwise 100.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 { // #nosec G115 -- a file descriptor is a small number
			return width
		}
	}
	return 100
}

func (s Style) wrap(code, text string) string {
	if !s.colored || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold, Dim, Red, Green, Yellow, Blue and Cyan return the text in that style.
func (s Style) Bold(text string) string   { return s.wrap("1", text) }
func (s Style) Dim(text string) string    { return s.wrap("2", text) }
func (s Style) Red(text string) string    { return s.wrap("31", text) }
func (s Style) Green(text string) string  { return s.wrap("32", text) }
func (s Style) Yellow(text string) string { return s.wrap("33", text) }
func (s Style) Blue(text string) string   { return s.wrap("34", text) }
func (s Style) Cyan(text string) string   { return s.wrap("36", text) }
