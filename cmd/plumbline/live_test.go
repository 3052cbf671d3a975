package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
)

func TestLiveViewElsewhereThanOnATerminal(t *testing.T) {
	var out bytes.Buffer
	l := newLive(&out, term.Plain, "plum green 2")
	l.Result(0, 40, nil)
	l.Started(plumbline.Check{Suite: "smoke", Name: "health"})
	var checks sync.WaitGroup
	for range 37 {
		checks.Go(func() { l.Finished(plumbline.Result{Name: "fine", Outcome: plumbline.Passed}) })
	}
	checks.Wait()
	l.Finished(plumbline.Result{Name: "balance", Outcome: plumbline.Failed, Severity: plumbline.Critical, Reason: "got 0, want > 0"})
	l.Finished(plumbline.Result{Name: "greeting", Outcome: plumbline.Errored, Severity: plumbline.Advisory, Reason: "timed out"})
	l.Finished(plumbline.Result{Name: "shaky", Outcome: plumbline.Passed, Flaky: true, Attempts: make([]plumbline.Attempt, 2)})
	if l.asked != 40 || l.all != 40 || l.bad != 1 {
		t.Errorf("%d of %d, %d wrong, want 40 of 40 and 1", l.asked, l.all, l.bad)
	}
	l.Close()
	const want = "  ✗ balance  got 0, want > 0\n  ! greeting  timed out\n  ~ shaky  passed at attempt 2\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", &out, want)
	}
}

func TestLiveViewOnATerminal(t *testing.T) {
	var out bytes.Buffer
	l := newLive(&out, term.Plain, "plum green 2")
	l.silent = true
	l.Result(10, 40, &plumbline.Result{Name: "balance", Outcome: plumbline.Failed, Severity: plumbline.Critical, Reason: "got 0"})
	l.Started(plumbline.Check{Suite: "smoke", Name: "catalogue"})
	l.running["smoke/orders"] = time.Now().Add(-2500 * time.Millisecond)
	l.running["smoke/points"] = time.Now().Add(-900 * time.Millisecond)
	l.begun = time.Now().Add(-2600 * time.Millisecond)
	l.draw()
	rows := strings.Split(out.String(), "\n")
	if len(rows) != 3 || rows[0] != "    2.5s  orders" || rows[1] != "    0.9s  points" || !strings.HasSuffix(rows[2], "plum green 2 ━━━━━─────────────── 10/40  2.6s  1 wrong") {
		t.Errorf("drawn %q, want the running checks above the totals, and none that has just begun", rows)
	}
	out.Reset()
	l.Close()
	if got := out.String(); got != "\r\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K" {
		t.Errorf("the rows aren't erased: %q", got)
	}
}

// Other runs of the same process may end checks beside the one that is shown, before its total is known or after.
func TestLiveCountsNoMoreThanThereAre(t *testing.T) {
	var out bytes.Buffer
	l := &live{w: &out, title: "plum green", running: map[string]time.Time{}}
	check := plumbline.Result{Name: "balance", Outcome: plumbline.Passed}
	for range 5 {
		l.Finished(check)
	}
	l.Result(1, 2, nil)
	if got := l.totals(100); !strings.Contains(got, "plum green ━━━━━━━━━━━━━━━━━━━━ 2/2") {
		t.Errorf("drawn %q", got)
	}
	l.Title("plum blue")
	l.Started(plumbline.Check{Name: "balance"})
	l.Ended(check)
	l.Result(1, 2, &check)
	if got := l.totals(100); len(l.running) != 0 || !strings.Contains(got, "plum blue ━━━━━━━━━━────────── 1/2") {
		t.Errorf("drawn %q, running %v", got, l.running)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	printTable(&out, strings.ToUpper, [][]string{{"color", "why"}, {"blue", "a reason, however long, stays whole where nobody looks at a terminal " + strings.Repeat("·", 80)}, {"–", ""}},
		func(_, column int, text string) string {
			if column == 0 {
				return "<" + text + ">"
			}
			return text
		})
	want := "  COLOR  WHY\n  <blue>   a reason, however long, stays whole where nobody looks at a terminal " + strings.Repeat("·", 80) + "\n  <–>\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
