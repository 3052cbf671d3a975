package reporters

import (
	"fmt"
	"io"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// GitHub writes workflow commands, which GitHub shows beside the lines of the suites: an error for each check that
// failed, a warning for what is advisory or flaky; then the verdict in one line. Errors come first: GitHub shows ten of
// a step.
func GitHub(w io.Writer, v plumbline.Verdict) error {
	v = Shown(v)
	var out strings.Builder
	for _, level := range []string{"error", "warning", "notice"} {
		for _, c := range v.Checks {
			if text := annotation(c); annotationLevel(c) == level {
				out.WriteString(Annotation(level, c.Place, c.Name, text))
			}
		}
	}
	if unexplained(v) {
		out.WriteString(Annotation("error", "", "plumbline", v.Reason))
	}
	fmt.Fprintf(&out, "%s\n  %s%s · run %s\n", Headline(v, term.Plain), counts(v.Counts), took(v), v.Run)
	_, err := io.WriteString(w, out.String())
	return err
}

func annotationLevel(c plumbline.Result) string {
	switch {
	case wrong(c) && c.Severity != plumbline.Advisory:
		return "error"
	case wrong(c), c.Flaky:
		return "warning"
	case c.Outcome == plumbline.Skipped:
		return "notice"
	}
	return ""
}

func annotation(c plumbline.Result) string {
	switch {
	case c.Flaky:
		return flakiness(c)
	case c.Outcome == plumbline.Skipped:
		return "skipped: " + c.Reason
	case c.Severity == plumbline.Advisory:
		return "advisory: " + strings.TrimSpace(story(c))
	}
	return strings.TrimSpace(story(c))
}

// Annotation is one workflow command: level error, warning or notice, a place as FILE, FILE:LINE or FILE:LINE:COLUMN or
// nothing, a title and any text.
func Annotation(level, at, title, text string) string {
	var properties []string
	add := func(name, value string) {
		if value != "" {
			properties = append(properties, name+"="+githubProperty.Replace(value))
		}
	}
	parts := strings.Split(at, ":")
	n := len(parts)
	for n > 1 && n > len(parts)-2 && isNumber(parts[n-1]) {
		n--
	}
	add("file", strings.Join(parts[:n], ":"))
	for i, value := range parts[n:] {
		add([]string{"line", "col"}[i], value)
	}
	add("title", flat(title))
	return fmt.Sprintf("::%s %s::%s\n", level, strings.Join(properties, ","), githubText.Replace(term.Printable(text)))
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

var (
	githubText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
