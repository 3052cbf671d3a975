package reporters_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
)

func failing() plumbline.Verdict {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return plumbline.Verdict{
		Run: "abcdefghijklmnopqrstuvwxyz", Service: "plum", Color: plumbline.Green, Trigger: plumbline.TriggerRelease,
		Release: plumbline.Release{Version: "2026.11.3"}, Outcome: plumbline.Fail, Cause: plumbline.CauseChecks,
		Reason: "2 of 4 critical checks failed", StartedAt: at, FinishedAt: at.Add(1234 * time.Millisecond),
		Counts: plumbline.Counts{Passed: 2, Failed: 1, Errored: 1, Skipped: 1, AdvisoryFailed: 1, Flaky: 1},
		Checks: []plumbline.Result{
			{Name: "an order is placed", Outcome: plumbline.Skipped, Severity: plumbline.Critical, Reason: `needs "catalogue", which failed`},
			{Name: "catalogue", Place: "smoke.yaml:12", Outcome: plumbline.Failed, Severity: plumbline.Critical,
				Reason: "$.status: got 0, want 1; $.data: nothing is there, want something that is long enough to be wrapped on a terminal of sixty columns",
				Impact: "users see an empty shop", Cure: "look at the last import of the catalogue on this color, and at the one before", Owner: "catalogue",
				Attribution: plumbline.AttributedShared, Attempts: make([]plumbline.Attempt, 3), Detail: `{"status":0}` + "\nand more"},
			{Name: "greeting", Place: "smoke.yaml:30", Outcome: plumbline.Errored, Severity: plumbline.Advisory, Reason: "timed out after 5s"},
			{Name: "balance", Outcome: plumbline.Passed, Flaky: true, Attempts: make([]plumbline.Attempt, 2)},
		},
	}
}

const failingText = `✗ FAIL  plum green 2026.11.3  release
  ✗ catalogue  smoke.yaml:12
      $.status: got 0, want 1
      $.data: nothing is there, want something that is long enough to be wrapped on a terminal of sixty columns
      the live color fails it, too
      impact users see an empty shop
      cure   look at the last import of the catalogue on this color, and at the one before
      owner  catalogue
      after 3 attempts
      answer {"status":0} …
  ! greeting (advisory)  smoke.yaml:30
      timed out after 5s
  – an order is placed  needs "catalogue", which failed
  ~ flaky: balance (2 attempts)
  2 passed, 1 failed, 1 could not be asked, 1 of them advisory, 1 skipped, 1 flaky in 1.2 s · run abcdefghijklmnopqrstuvwxyz
`

func TestTerminalSaysWhatWentWrongAndWhatToDo(t *testing.T) {
	var out bytes.Buffer
	if err := reporters.Terminal(&out, failing(), term.Plain); err != nil {
		t.Fatal(err)
	}
	if out.String() != failingText {
		t.Errorf("got\n%s\nwant\n%s", &out, failingText)
	}
}

func TestTerminalWrapsWhereTheTerminalEnds(t *testing.T) {
	text := reporters.Text(failing(), term.Plain, 60)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines[:len(lines)-1] { // the last one is the name of the run
		if n := utf8.RuneCountInString(line); n > 60 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if squeeze(text) != squeeze(failingText) {
		t.Errorf("wrapping changed the words:\n%s", text)
	}
	if !strings.Contains(text, "      cure   look at the last import of the catalogue on\n             this color, and at the one before\n") {
		t.Errorf("what is wrapped isn't indented:\n%s", text)
	}
}

// What fails on the live color is asked of the standby, too.
func TestTerminalSaysWhomTheLiveColorIsHeldAgainst(t *testing.T) {
	v := failing()
	v.Role = plumbline.RoleLive
	if text := reporters.Text(v, term.Plain, 0); !strings.Contains(text, "the standby fails it, too") || strings.Contains(text, "the live color") {
		t.Errorf("got\n%s", text)
	}
}

func TestTerminalHeadlines(t *testing.T) {
	for want, v := range map[string]plumbline.Verdict{
		"✓ PASS  plum blue 1  standby":                                       {Service: "plum", Color: plumbline.Blue, Release: plumbline.Release{Version: "1"}, Trigger: plumbline.TriggerStandby, Outcome: plumbline.Pass},
		"✓ PASS  manual":                                                     {Trigger: plumbline.TriggerManual, Outcome: plumbline.Pass},
		"✗ FAIL  plum green 2  release  superseded: by 3":                    {Service: "plum", Color: plumbline.Green, Release: plumbline.Release{Version: "2"}, Trigger: plumbline.TriggerRelease, Outcome: plumbline.Fail, Cause: plumbline.CauseSuperseded, Reason: "by 3"},
		"✗ FAIL  plum green 2  release  refused: the release wants a digest": {Service: "plum", Color: plumbline.Green, Release: plumbline.Release{Version: "2"}, Trigger: plumbline.TriggerRelease, Outcome: plumbline.Fail, Cause: plumbline.CauseRefused, Reason: "the release wants a digest"},
		"✗ FAIL  release  superseded by the release of 3":                    {Trigger: plumbline.TriggerRelease, Outcome: plumbline.Fail, Cause: plumbline.CauseSuperseded, Reason: "superseded by the release of 3"},
		"✗ FAIL  release  superseded: green is being changed":                {Trigger: plumbline.TriggerRelease, Outcome: plumbline.Fail, Cause: plumbline.CauseSuperseded, Reason: "superseded: green is being changed"},
		"✗ FAIL": {}, // the zero Verdict says no
	} {
		if got := reporters.Headline(v, term.Plain); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestTerminalColors(t *testing.T) {
	forced := term.StyleOf(&bytes.Buffer{}, func(name string) string { return map[string]string{"CLICOLOR_FORCE": "1"}[name] })
	colored := reporters.Text(failing(), forced, 0)
	plain := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[36m", "").Replace(colored)
	if colored == plain || plain != failingText {
		t.Errorf("without its colors the text is\n%s", plain)
	}
}
