package reporters_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
)

// obeyed clears a screen, sets titles and clipboards, rings, breaks lines, and turns the direction of what follows.
const obeyed = "a\x1b[2J\x1b]0;owned\x07\u009b2J\x9b2J\r\u0085\u2028\u2029\u202e\u2066\u200f\x7f\r\n::error::b"

// hostile makes every text of a document one that is obeyed.
func hostile(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(obeyed)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		hostile(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		hostile(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				hostile(v.Field(i))
			}
		}
	}
}

// hostileVerdict has a check of every end, and texts that are obeyed in all of them.
func hostileVerdict() plumbline.Verdict {
	var v plumbline.Verdict
	hostile(reflect.ValueOf(&v).Elem())
	one := v.Checks[0]
	for _, outcome := range []plumbline.Outcome{plumbline.Passed, plumbline.Failed, plumbline.Errored, plumbline.Skipped} {
		for _, severity := range []plumbline.Severity{plumbline.Critical, plumbline.Advisory} {
			c := one
			c.Outcome, c.Severity, c.Flaky, c.Asked = outcome, severity, outcome == plumbline.Passed, 3
			v.Checks = append(v.Checks, c)
		}
	}
	sourced := v.Checks[3]
	sourced.Name, sourced.Kind, sourced.Place, sourced.Steps = "named", "get", "s.yaml:2", nil
	v.Checks = append(v.Checks, sourced)
	return v
}

func TestVerdictsAreShownAndNotObeyed(t *testing.T) {
	forced := term.StyleOf(io.Discard, func(name string) string { return map[string]string{"CLICOLOR_FORCE": "1"}[name] })
	source := func(string) []byte { return []byte("checks:\n  - {name: named, get: \"/\u202e\u009b\"}\n") }
	page := func(p reporters.Page) func(io.Writer, plumbline.Verdict) error {
		return func(w io.Writer, v plumbline.Verdict) error {
			_, err := io.WriteString(w, p.Text(v))
			return err
		}
	}
	before, _ := json.Marshal(hostileVerdict())
	v := hostileVerdict()
	for name, format := range map[string]func(io.Writer, plumbline.Verdict) error{
		"plain": page(reporters.Page{}), "narrow": page(reporters.Page{Width: 60}), "colored": page(reporters.Page{Style: forced, Dated: true, Source: source}),
		"junit": reporters.JUnit, "tap": reporters.TAP, "github": reporters.GitHub,
		"headline": func(w io.Writer, v plumbline.Verdict) error {
			_, err := io.WriteString(w, reporters.Headline(v, forced))
			return err
		},
	} {
		for _, cause := range []plumbline.Cause{v.Cause, plumbline.CauseChecks} {
			v.Cause = cause
			var out bytes.Buffer
			if err := format(&out, v); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if name == "colored" || name == "headline" {
				text = regexp.MustCompile(`\x1b\[[0-9]{1,2}m`).ReplaceAllString(text, "")
			}
			for line := range strings.Lines(text) {
				if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == '\ufffd' }) {
					t.Errorf("%s: a terminal obeys some of %q", name, line)
				}
				if strings.HasPrefix(line, "::error::b") {
					t.Errorf("%s: a text begins a line: %q", name, line)
				}
			}
			if !strings.Contains(text, "2J") {
				t.Errorf("%s hides what it should show:\n%s", name, text)
			}
		}
	}
	v = hostileVerdict()
	_ = reporters.Shown(v)
	if after, _ := json.Marshal(v); !bytes.Equal(before, after) {
		t.Error("the verdict itself was changed")
	}
}

func TestSlackIsToldNothingThatTurnsItsText(t *testing.T) {
	url, posted := webhook(t, nil)
	v := hostileVerdict()
	v.Cause = plumbline.CauseChecks
	if err := newSlack(t, reporters.SlackSettings{Webhook: url}).Report(t.Context(), reporters.Report{Verdict: v}); err != nil {
		t.Fatal(err)
	}
	var message any
	if err := json.Unmarshal(posted(), &message); err != nil {
		t.Fatal(err)
	}
	var told func(v any) string
	told = func(v any) (text string) {
		switch v := v.(type) {
		case string:
			return v
		case []any:
			for _, item := range v {
				text += told(item)
			}
		case map[string]any:
			for _, item := range v {
				text += told(item)
			}
		}
		return text
	}
	obeys := func(r rune) bool {
		return r != '\n' && unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	if text := told(message); !strings.Contains(text, "owned") || strings.ContainsFunc(text, obeys) {
		t.Errorf("told %q", text)
	}
}
