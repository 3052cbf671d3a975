package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// A storyLog tells what happens, one line each, with the seconds since it began.
type storyLog struct {
	live  *live
	style term.Style
	begun time.Time

	mu    sync.Mutex
	moves []sandbox.Event
}

func (l *storyLog) line(mark, text string) {
	l.live.Say(fmt.Sprintf("%s  %s  %s", l.style.Dim(fmt.Sprintf("%5.1fs", time.Since(l.begun).Seconds())), mark, text))
}

func (l *storyLog) say(what, format string, args ...any) {
	l.line(l.style.Cyan(fmt.Sprintf("%-9s", what)), l.wrapped(fmt.Sprintf(format, args...)))
}

// wrapped fits what has no colors of its own into the terminal.
func (l *storyLog) wrapped(text string) string {
	return strings.Join(fit(l.live.w, text, storyIndent), "\n"+strings.Repeat(" ", storyIndent))
}

// storyIndent is where the text of a line begins.
const storyIndent = 19

// mostProblems is how many checks the story names that went wrong in one run.
const mostProblems = 5

// verdict tells how a run ended, and beneath it what went wrong. A run that was superseded says only that.
func (l *storyLog) verdict(v plumbline.Verdict, took time.Duration) {
	s, subject := l.style, fmt.Sprintf("%s %s  %s ", v.Color, l.style.Bold(v.Release.Version), v.Trigger)
	if v.Cause == plumbline.CauseSuperseded {
		l.line(s.Dim(fmt.Sprintf("%-9s", "– ended")), s.Dim(l.wrapped(fmt.Sprintf("%s %s  %s · %s", v.Color, v.Release.Version, v.Trigger, v.Reason))))
		return
	}
	word := s.Bold(s.Red(fmt.Sprintf("%-9s", "✗ fail")))
	if v.Passed() {
		word = s.Bold(s.Green(fmt.Sprintf("%-9s", "✓ pass")))
	}
	l.line(word, subject+s.Dim(fmt.Sprintf("· %d of %d checks passed · verdict after %s", v.Counts.Passed, v.Counts.Total(), took.Round(time.Millisecond))))
	named, more := 0, 0
	for _, c := range v.Checks {
		line := l.live.wrong(&c)
		switch {
		case line == "":
		case named == mostProblems:
			more++
		default:
			named++
			l.live.Say("                  " + line)
		}
	}
	if more > 0 {
		l.live.Say(s.Dim(fmt.Sprintf("                    and %d more", more)))
	}
}

// switched tells of the switch what a person would want to know.
func (l *storyLog) switched(e sandbox.Event) {
	switch e.Kind {
	case sandbox.Moved:
		l.mu.Lock()
		l.moves = append(l.moves, e)
		l.mu.Unlock()
		l.line(l.style.Bold(l.style.Yellow(fmt.Sprintf("%-9s", "⇄ switch"))), fmt.Sprintf("traffic moves to %s %s (%s)", e.Color, l.style.Bold(e.Version), e.Reason))
	case sandbox.Advised:
		l.say("advice", "plumbline advises to leave %s %s", e.Color, e.Version)
	case sandbox.Unasked, sandbox.Delayed:
		l.say("switch", "%s", e.Text)
	}
}

func (l *storyLog) switches() []sandbox.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sandbox.Event(nil), l.moves...)
}

// collect hears every verdict on the bus, those that nobody waits for, too.
func (s *story) collect(ctx context.Context) {
	_ = s.daemon.Bus().ConsumeVerdicts(ctx, "dev", func(ctx context.Context, d *bus.VerdictDelivery) {
		v, err := d.Verdict()
		if err == nil {
			s.hear(v, d.At())
		}
		_ = d.Done(ctx) // a verdict that comes again is heard once
	})
}

func (s *story) hear(v plumbline.Verdict, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.told {
		if t.verdict.Run == v.Run {
			return
		}
	}
	s.told = append(s.told, told{verdict: v, at: at})
	unasked := s.asked[v.Run].IsZero()
	repeated := v.Trigger == plumbline.TriggerStandby && s.staying && s.standbyWas == v.Outcome
	if v.Trigger == plumbline.TriggerStandby {
		s.standbyWas = v.Outcome
		s.standbyAt = v.FinishedAt
	}
	if unasked && !repeated {
		s.log.verdict(v, v.FinishedAt.Sub(v.StartedAt))
	}
}

// await waits for the next verdict of a trigger about a color that nobody awaited yet, and wants it to be this.
func (s *story) await(ctx context.Context, color plumbline.Color, trigger plumbline.Trigger, pass bool) (plumbline.Verdict, error) {
	for {
		if v, found := s.next(color, trigger); found {
			if v.Passed() != pass {
				return v, fmt.Errorf("the %s run of %s: %s: %s", trigger, color, v.Outcome, v.Reason)
			}
			return v, nil
		}
		if err := rest(ctx); err != nil {
			return plumbline.Verdict{}, fmt.Errorf("no %s verdict about %s: %w", trigger, color, err)
		}
	}
}

func (s *story) next(color plumbline.Color, trigger plumbline.Trigger) (plumbline.Verdict, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.told {
		if !t.awaited && t.verdict.Color == color && t.verdict.Trigger == trigger && t.verdict.Cause != plumbline.CauseSuperseded {
			s.told[i].awaited = true
			return t.verdict, true
		}
	}
	return plumbline.Verdict{}, false
}

// conclude shows the table and holds the counts against the story.
func (s *story) conclude(a *app) error {
	s.mu.Lock()
	told := append([]told(nil), s.told...)
	for i, t := range told {
		told[i].event = s.asked[t.verdict.Run]
	}
	s.mu.Unlock()
	moves, users := s.log.switches(), s.sandbox.Traffic.Stats()
	promotions, rollbacks, halted := 0, 0, map[plumbline.Attribution]int{}
	for _, m := range moves {
		if m.Reason == plumbline.ReasonRollback {
			rollbacks++
		} else {
			promotions++
		}
	}
	out := &strings.Builder{}
	style := a.style()
	fmt.Fprintf(out, "\n%s\n", style.Bold(fmt.Sprintf("%-12s %-6s %-9s %-10s %8s  %s", "release", "color", "trigger", "verdict", "seconds", "checks")))
	for _, t := range told {
		v := t.verdict
		word := style.Red(fmt.Sprintf("%-10s", v.Outcome))
		switch {
		case v.Passed():
			word = style.Green(fmt.Sprintf("%-10s", v.Outcome))
		case v.Cause == plumbline.CauseSuperseded:
			word = style.Dim("superseded")
		}
		if v.Trigger == plumbline.TriggerRelease && !v.Passed() {
			halted[v.Attribution]++
		}
		fmt.Fprintf(out, "%-12s %-6s %-9s %s %8.2f  %d of %d passed\n", v.Release.Version, v.Color, v.Trigger, word,
			t.seconds(), v.Counts.Passed, v.Counts.Total())
	}
	ownFault, shared := halted[plumbline.AttributedRelease], halted[plumbline.AttributedShared]
	failed := style.Green(fmt.Sprint(users.Failed))
	if users.Failed > 0 {
		failed = style.Red(fmt.Sprint(users.Failed))
	}
	fmt.Fprintf(out, "\nverdicts              %d\nhalted releases       %d (%d its own fault, %d a provider's)\npromotions            %d\nrollbacks             %d\nuser requests         %d (p50 %s, p99 %s)\nfailed user requests  %s\n",
		len(told), ownFault+shared, ownFault, shared, promotions, rollbacks, users.Sent, ms(users.P50), ms(users.P99), failed)
	for _, f := range users.Failures {
		fmt.Fprintf(out, "  %s %s on %s: %s\n", f.At.Format("15:04:05.000"), f.Errand, f.Color, f.Reason)
	}
	fmt.Fprint(a.Out, out.String())
	if len(told) < 5 || ownFault != 1 || shared != 1 || promotions != 2 || rollbacks != 1 || users.Sent < leastRequests || users.Failed != 0 {
		return &exit{exitFail, fmt.Errorf("the story went otherwise: want at least 5 verdicts, a release halted by its own fault and one by a provider's, 2 promotions, 1 rollback, %d user requests and none failed", leastRequests)}
	}
	return nil
}

func ms(s plumbline.Seconds) string {
	return fmt.Sprintf("%.1f ms", float64(time.Duration(s))/float64(time.Millisecond))
}

// hints is what to try on a stage that stays up.
func (s *story) hints(a *app) string {
	style, self, control := a.style(), selfName(), s.sandbox.ControlURL
	out := &strings.Builder{}
	fmt.Fprintf(out, "\n%s\n", style.Bold("Everything stays up. In another terminal:"))
	for _, line := range [][2]string{
		{"services, colors, gates", self + " status"},
		{"deploy to the standby", fmt.Sprintf(`curl -X PUT %s/sandbox/colors/blue -d '{"version":"2026.12.1"}'`, control)},
		{"have it validated", self + " release plum blue --version 2026.12.1 --wait"},
		{"let the switch move to it", fmt.Sprintf(`curl -X PUT %s/sandbox/switch -d '{"color":"blue","version":"2026.12.1"}'`, control)},
		{"make it slow", fmt.Sprintf(`curl -X PUT %s/sandbox/colors/blue -d '{"faults":{"slow":true}}'`, control)},
		{"find out, and go back", self + " validate plum blue --wait"},
	} {
		fmt.Fprintf(out, "  %s\n  %s\n", style.Dim("# "+line[0]), line[1])
	}
	fmt.Fprintf(out, "\n%s\n\n", style.Dim(fmt.Sprintf("gate http://%s · bus %s · users at %s · control %s", s.daemon.Address(), s.daemon.BusURL(),
		s.sandbox.SwitchURL, control)))
	return out.String()
}

// selfName is how this program was called.
func selfName() string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "go-build") {
		return "go run ./cmd/plumbline"
	}
	return "plumbline"
}
