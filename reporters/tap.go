package reporters

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// TAP writes the Test Anything Protocol, version 14. An advisory check that went wrong is TODO, which counts as no
// failure; a verdict that fails for another reason than its checks bails out.
func TAP(w io.Writer, v plumbline.Verdict) error {
	v = Shown(v)
	var out strings.Builder
	fmt.Fprintf(&out, "TAP version 14\n1..%d\n", len(v.Checks))
	for i, c := range v.Checks {
		result, directive := "ok", ""
		switch {
		case c.Outcome == plumbline.Skipped:
			directive = " # SKIP " + flat(c.Reason)
		case c.Outcome == plumbline.Passed:
		case c.Severity == plumbline.Advisory:
			result, directive = "not ok", " # TODO advisory"
		default:
			result = "not ok"
		}
		fmt.Fprintf(&out, "%s %d - %s%s\n", result, i+1, tapName(c), directive)
		if wrong(c) || c.Flaky {
			tapDiagnosis(&out, c)
		}
	}
	if unexplained(v) {
		fmt.Fprintf(&out, "Bail out! %s\n", flat(v.Reason))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// tapName escapes what begins a directive.
func tapName(c plumbline.Result) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(flat(c.Suite + ": " + c.Name))
}

// tapDiagnosis is a block of YAML; its values are JSON, which is YAML, too.
func tapDiagnosis(out *strings.Builder, c plumbline.Result) {
	fmt.Fprintln(out, "  ---")
	for _, field := range []struct {
		key   string
		value string
	}{
		{"message", c.Reason}, {"outcome", string(c.Outcome)}, {"severity", string(c.Severity)}, {"at", c.Place}, {"kind", c.Kind},
		{"attribution", attributed(c)}, {"impact", c.Impact}, {"cure", c.Cure}, {"owner", c.Owner},
	} {
		if field.value != "" {
			fmt.Fprintf(out, "  %s: %s\n", field.key, quoted(field.value))
		}
	}
	if c.Flaky {
		fmt.Fprintln(out, "  flaky: true")
	}
	if len(c.Attempts) > 1 {
		fmt.Fprintln(out, "  attempts:")
		for _, a := range c.Attempts {
			fmt.Fprintf(out, "    - {outcome: %s, seconds: %s, reason: %s}\n", a.Outcome, seconds(time.Duration(a.Seconds)), quoted(a.Reason))
		}
	}
	fmt.Fprintln(out, "  ...")
}

func quoted(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return `""`
	}
	return strings.TrimSuffix(out.String(), "\n")
}
