package reporters

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/plumbline-dev/plumbline"
)

// wrong says whether a check went wrong, in whatever way.
func wrong(c plumbline.Result) bool {
	return c.Outcome == plumbline.Failed || c.Outcome == plumbline.Errored
}

// unexplained says whether nothing among the checks tells a machine that the verdict is a fail: a file of checks that
// are all right must not come of it.
func unexplained(v plumbline.Verdict) bool {
	if v.Passed() {
		return false
	}
	for _, c := range v.Checks {
		if wrong(c) && c.Severity != plumbline.Advisory {
			return false
		}
	}
	return true
}

// bySuite are the checks of a verdict by suite, in the order in which suites first appear.
func bySuite(v plumbline.Verdict) (names []string, checks map[string][]plumbline.Result) {
	checks = map[string][]plumbline.Result{}
	for _, c := range v.Checks {
		if _, known := checks[c.Suite]; !known {
			names = append(names, c.Suite)
		}
		checks[c.Suite] = append(checks[c.Suite], c)
	}
	return names, checks
}

// flakiness says at which attempt a flaky check passed, and why not before.
func flakiness(c plumbline.Result) string {
	text := fmt.Sprintf("flaky: passed at attempt %d", len(c.Attempts))
	if len(c.Attempts) > 0 && c.Attempts[0].Reason != "" {
		text += ", the first: " + c.Attempts[0].Reason
	}
	return text
}

// story is what there is to say about a check that went wrong, a line each. Pieces of answers are for the terminal alone.
func story(c plumbline.Result) string {
	var out strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&out, "%s%s\n", label, text)
		}
	}
	line("", c.Reason)
	line("at ", c.Place)
	if n := max(len(c.Attempts), c.Asked); n > 1 {
		line("after ", fmt.Sprintf("%d attempts", n))
	}
	for i, s := range c.Steps {
		line(fmt.Sprintf("step %d ", i+1), strings.TrimSpace(fmt.Sprintf("%s: %s %s", s.Name, s.Outcome, s.Reason)))
	}
	line("class: ", kindOf(c))
	line("attribution: ", attributed(c))
	for _, warning := range c.Warnings {
		line("warning: ", warning)
	}
	line("impact: ", c.Impact)
	line("cure: ", c.Cure)
	line("owner: ", c.Owner)
	return out.String()
}

// kindOf is what kind of failure a provider gave, and how far the question got; nothing where no provider was asked.
func kindOf(c plumbline.Result) string {
	switch {
	case c.Class == "", c.Tier == "" && c.Class == plumbline.ClassProtocol:
		return ""
	case c.Tier == "":
		return string(c.Class)
	}
	return fmt.Sprintf("%s, got as far as %s", c.Class, c.Tier)
}

// attributed is whose fault a failure is, if that is known.
func attributed(c plumbline.Result) string {
	if c.Attribution == plumbline.AttributedUnknown {
		return ""
	}
	return string(c.Attribution)
}

// flat is text on one line, without what terminals and parsers act on.
func flat(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// place is the file and the line of a check.
func place(c plumbline.Result) (file, line string) {
	at := strings.LastIndexByte(c.Place, ':')
	if at < 0 {
		return c.Place, ""
	}
	return c.Place[:at], c.Place[at+1:]
}
