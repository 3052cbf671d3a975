package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
)

// obeyed clears a screen, sets a title and a clipboard, rings, breaks lines, and turns the direction of what follows.
const obeyed = "a\x1b[2J\x1b]52;c;b3duZWQ=\x07\u009b2J\x9b2J\r\u2028\u202e\u2066\u200f\nplumbline: b"

// What is on a bus may be older than the care that is taken when it is put there.
func TestTerminalsObeyNothingThatTheBusHas(t *testing.T) {
	verdict := plumbline.Verdict{Run: obeyed, Service: obeyed, Color: obeyed, Release: plumbline.Release{Version: obeyed}, Trigger: obeyed,
		Outcome: obeyed, Cause: obeyed, Reason: obeyed, Suites: []plumbline.SuiteRef{{Name: obeyed, Digest: obeyed}},
		Checks: []plumbline.Result{{Name: obeyed, Suite: obeyed, Place: obeyed, Outcome: plumbline.Failed, Severity: plumbline.Critical, Reason: obeyed,
			Warnings: []string{obeyed}, Attempts: []plumbline.Attempt{{Reason: obeyed}}}}}
	gate := plumbline.Gate{Gate: obeyed, Service: obeyed, Color: obeyed, Purpose: obeyed, Because: obeyed, Release: plumbline.Release{Version: obeyed},
		Reason: obeyed, Warning: obeyed, Next: []string{obeyed}, Advice: plumbline.AdviceRollback}
	last := &plumbline.VerdictRef{Outcome: obeyed, Trigger: obeyed, Reason: obeyed}
	record := plumbline.Record{Service: obeyed, Live: plumbline.Blue, Colors: map[plumbline.Color]plumbline.ColorState{
		plumbline.Blue: {Release: plumbline.Release{Version: obeyed}, Last: last}, plumbline.Green: {Last: last}}}
	for name, show := range map[string]func(a *app) error{
		"gate":   func(a *app) error { return a.printGate(gate) },
		"runs":   func(a *app) error { return a.printRuns([]plumbline.Verdict{verdict}) },
		"show":   func(a *app) error { return writeVerdict(a.Out, "pretty", verdict, reporters.Page{}) },
		"github": func(a *app) error { return writeVerdict(a.Out, "github", verdict, reporters.Page{}) },
		"status": func(a *app) error {
			a.printStatus([]serviceView{{Service: obeyed, Record: record, Gates: map[plumbline.Color]plumbline.Gate{plumbline.Blue: gate}}})
			return nil
		},
		"diff": func(a *app) error {
			other := verdict
			other.Checks, other.Suites = nil, nil
			return compare(reporters.Shown(other), reporters.Shown(verdict)).print(a.Out, term.Plain)
		},
		"progress": func(a *app) error {
			l := newLive(a.Out, term.Plain, "plum")
			l.Result(1, 2, &verdict.Checks[0])
			l.Result(2, 2, &plumbline.Result{Name: obeyed, Outcome: plumbline.Passed, Flaky: true})
			l.Close()
			return nil
		},
		"story": func(a *app) error {
			log := storyLog{live: newLive(a.Out, term.Plain, ""), begun: time.Now()}
			log.say("plum", "%s", obeyed)
			return nil
		},
		"error": func(a *app) error { a.printError(errors.New(strings.ReplaceAll(obeyed, "\n", " "))); return nil },
	} {
		var out bytes.Buffer
		if err := show(&app{Shell: Shell{Out: &out, Err: &out}, format: "pretty"}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), `a\u001b[2J`) {
			t.Errorf("%s hides what it should show:\n%s", name, &out)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == '\ufffd' }) || line == "plumbline: b" {
				t.Errorf("%s: a terminal obeys some of %q", name, line)
			}
		}
	}
}
