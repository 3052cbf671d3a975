package reporters_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
)

const source = `suite: s
checks:
  - name: the build
    get: /version
    auth: plum-api
    expect: {$.version: "3", $.at: {gt: 1}, certificate: {days: {gt: 14}}}
    capture: {id: $.id}
  - name: steps
    steps:
      - get: /a
      - name: second
        get: /b
        expect:
          status: 201
  - {get: /healthz}
  - name: both
    parity: /both
    expect: {$.data: {gt: 1}}
`

func TestPageShowsTheLinesOfTheSuite(t *testing.T) {
	for name, c := range map[string]struct {
		result plumbline.Result
		want   string
	}{
		"the key that isn't right": {plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:3", Reason: `$.version: got "2; x", want "3"; $.at: got 0, want > 1`},
			`         6 │     expect: {$.version: "3", $.at: {gt: 1}, certificate: {days: {gt: 14}}}
           │              ^^^^^^^^^ got "2; x", want "3"
           │                              ^^^^ got 0, want > 1
`},
		"a field of the certificate": {plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:3", Reason: `certificate.days: got 3, want > 14`},
			`           │                                                           ^^^^ got 3, want > 14
`},
		"a capture": {plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:3", Reason: `capture id: nothing is at $.id`},
			`         7 │     capture: {id: $.id}
           │               ^^ nothing is at $.id
`},
		"what no key is about": {plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:3", Reason: `status: got 500, want 2xx; $.version: nothing is there, want "3"`},
			`         4 │     get: /version
           │     ^^^ status: got 500, want 2xx
         6 │     expect: {$.version: "3", $.at: {gt: 1}, certificate: {days: {gt: 14}}}
           │              ^^^^^^^^^ nothing is there, want "3"
`},
		"an account": {plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:3", Reason: `auth plum-api: no such connection`},
			`           │     ^^^^ auth plum-api: no such connection
`},
		"a step": {plumbline.Result{Name: "steps", Kind: "steps", Place: "s.yaml:8", Reason: `step 2, second, line 11: status: got 500, want 201`,
			Steps: []plumbline.StepResult{{Name: "GET /a"}, {Name: "second"}}},
			`        14 │           status: 201
           │           ^^^^^^ got 500, want 201
`},
		"a check on one line": {plumbline.Result{Name: "GET /healthz", Kind: "get", Place: "s.yaml:15", Reason: `status: got 500, want 2xx`},
			`        15 │   - {get: /healthz}
           │      ^^^ status: got 500, want 2xx
`},
		"differences beside a key": {plumbline.Result{Name: "both", Kind: "parity", Place: "s.yaml:16", Reason: `$.data: got 0, want > 1; $.data[id=1]: green nothing, blue {"a":"b"}; and 2 more differences`},
			`        17 │     parity: /both
           │     ^^^^^^ $.data[id=1]: green nothing, blue {"a":"b"}
           │     ^^^^^^ and 2 more differences
        18 │     expect: {$.data: {gt: 1}}
           │              ^^^^^^ got 0, want > 1
`},
		"a file that changed":     {plumbline.Result{Name: "another", Kind: "get", Place: "s.yaml:3", Reason: "wrong"}, "      wrong\n"},
		"another kind by now":     {plumbline.Result{Name: "the build", Kind: "tcp", Place: "s.yaml:3", Reason: "wrong"}, "      wrong\n"},
		"no check on that line":   {plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:99", Reason: "wrong"}, "      wrong\n"},
		"no place":                {plumbline.Result{Name: "the build", Kind: "get", Reason: "wrong; and more"}, "      wrong\n      and more\n"},
		"quotes of somebody":      {plumbline.Result{Name: "the build", Kind: "get", Reason: `$.a: got "p; $.b: got \"1; 2\"; q"; and more`}, "      $.a: got \"p; $.b: got \\\"1; 2\\\"; q\"\n      and more\n"},
		"a file that isn't there": {plumbline.Result{Name: "the build", Kind: "get", Place: "other.yaml:3", Reason: "wrong"}, "      wrong\n"},
		"a file that is no YAML":  {plumbline.Result{Name: "the build", Kind: "get", Place: "bad.yaml:3", Reason: "wrong"}, "      wrong\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c.result.Outcome, c.result.Severity = plumbline.Failed, plumbline.Critical
			page := reporters.Page{Style: term.Plain, Source: func(file string) []byte {
				return map[string][]byte{"s.yaml": []byte(source), "bad.yaml": []byte("{")}[file]
			}}
			if text := page.Text(plumbline.Verdict{Checks: []plumbline.Result{c.result}}); !strings.Contains(text, c.want) {
				t.Errorf("got\n%swant\n%s", text, c.want)
			}
		})
	}
}

func TestPageIsNoWiderThanTheTerminal(t *testing.T) {
	r := plumbline.Result{Name: "the build", Kind: "get", Place: "s.yaml:3", Outcome: plumbline.Failed, Severity: plumbline.Critical,
		Reason: `$.version: got "2", want "3"; certificate.days: got a very long value that needs several lines of a terminal, and ` + strings.Repeat("x", 200) + `, want > 14`}
	for width := 40; width < 100; width += 7 {
		page := reporters.Page{Width: width, Source: func(string) []byte { return []byte(source) }}
		lines := strings.Split(page.Text(plumbline.Verdict{Checks: []plumbline.Result{r}}), "\n")
		for _, line := range lines[:len(lines)-2] {
			if n := len([]rune(line)); n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
	}
}

func TestPageRepeatsAndFolds(t *testing.T) {
	v := plumbline.Verdict{Checks: []plumbline.Result{{Name: "bad", Outcome: plumbline.Failed}}}
	for _, name := range strings.Fields("a b c d e f g") {
		v.Checks = append(v.Checks, plumbline.Result{Name: name, Outcome: plumbline.Skipped, Reason: `needs "bad", which failed`})
	}
	v.Checks = append(v.Checks, plumbline.Result{Name: "late", Outcome: plumbline.Passed, Seconds: plumbline.Seconds(reporters.SlowAfter)})
	text := reporters.Page{Repeat: func(c plumbline.Result) string { return "curl " + c.Name }}.Text(v)
	for _, want := range []string{"      repeat curl bad\n", "  – a, b, c, d, e, and 2 more  needs \"bad\", which failed\n", "  ◔ slow: late (2.0 s)\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
