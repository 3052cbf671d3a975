package main

import (
	"strings"
	"testing"
)

// What is read to its end is, in any terminal, and no line is wider than that.
func TestTableOfWholeTexts(t *testing.T) {
	why := "1 of 3 critical checks failed: right build: got 2026.11.1"
	for width, want := range map[int]string{
		0:  "  COLOR  GATE    WHY\n  blue   closed  " + why + "\n  green  open\n",
		50: "  COLOR  GATE    WHY\n  blue   closed  1 of 3 critical checks failed:\n                 right build: got 2026.11.1\n  green  open\n",
		40: "  COLOR  GATE\n  blue   closed\n    1 of 3 critical checks failed: right\n    build: got 2026.11.1\n  green  open\n",
	} {
		var out strings.Builder
		table{rows: [][]string{{"color", "gate", "why"}, {"blue", "closed", why}, {"green", "open", ""}}, heading: strings.ToUpper, whole: true}.print(&out, width)
		if out.String() != want {
			t.Errorf("in %d columns:\n%s\nwant\n%s", width, out.String(), want)
		}
	}
}

func TestTableIsCutWhereTheLineEnds(t *testing.T) {
	var out strings.Builder
	table{rows: [][]string{{"run", "why"}, {"r1", "a reason that is too long"}}, heading: strings.ToUpper}.print(&out, 22)
	if want := "  RUN  WHY\n  r1   a reason that …\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{"": "", "one": "one", "one two three": "one two|three", "incomprehensible words": "incompre|hensible|words"} {
		if got := strings.Join(wrap(text, 8), "|"); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
