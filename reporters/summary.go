package reporters

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// MaxFailures is how many failures a message names. The run has them all.
const MaxFailures = 5

// A summary is what a person should know, in words and without markup: every audience gets the same.
type summary struct {
	passed   bool
	title    string // plum green 2026.11.3 failed
	reason   string // why there is no list of failures, if there is none
	happens  string // what happens now
	failures []failure
	more     int // failures that aren't named
	footer   string
	run      string
	link     string // of the run; "" if nobody said where
}

type failure struct {
	name, reason string
	advisory     bool
	impact, cure string
	owner        string
}

func summarize(r Report) summary {
	if len(r.Lost) > 0 {
		return summarizeLost(r.Lost)
	}
	v := r.Verdict
	s := summary{passed: v.Passed(), happens: happens(r), run: v.Run, footer: footer(v), reason: v.Reason}
	verb := map[bool]string{true: "passed", false: "failed"}[v.Passed()]
	switch {
	case v.Cause == plumbline.CauseSuperseded:
		verb = "was superseded"
	case v.Cause == plumbline.CauseRefused:
		verb = "was refused"
	case v.Passed() && v.Trigger == plumbline.TriggerStandby && r.Former == plumbline.Fail:
		verb = "passed again"
	}
	s.title = strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", v.Service, v.Color, v.Release.Version, verb)), " ")
	s.failures, s.more = failures(v)
	if r.PublicURL != "" {
		if link, err := url.JoinPath(r.PublicURL, "v1", "runs", v.Run); err == nil {
			s.link = link
		}
	}
	return s
}

// failures are the first of a verdict, those that decided it first.
func failures(v plumbline.Verdict) (named []failure, more int) {
	for _, severity := range []plumbline.Severity{plumbline.Critical, plumbline.Advisory} {
		for _, c := range v.Checks {
			bad := c.Outcome == plumbline.Failed || c.Outcome == plumbline.Errored
			if !bad || (c.Severity == plumbline.Advisory) != (severity == plumbline.Advisory) {
				continue
			}
			if len(named) == MaxFailures {
				more++
				continue
			}
			f := failure{name: c.Name, reason: c.Reason, advisory: severity == plumbline.Advisory,
				impact: c.Impact, cure: c.Cure, owner: c.Owner}
			switch c.Attribution {
			case plumbline.AttributedShared:
				f.reason += " (" + v.Beside() + " fails it, too)"
			case plumbline.AttributedRelease:
				f.reason += " (" + v.Beside() + " passes it)"
			}
			named = append(named, f)
		}
	}
	return named, more
}

// happens says what the verdict means for traffic.
func happens(r Report) string {
	v, g := r.Verdict, r.Gate
	switch {
	case v.Cause == plumbline.CauseSuperseded:
		return fmt.Sprintf("This run counts for nothing: %s", v.Reason)
	case g.Gate == "":
		return fmt.Sprintf("The gate of %s isn't known at the moment: plumbline gate %s %s", v.Color, v.Service, v.Color)
	case v.Cause == plumbline.CauseRefused && v.Role == plumbline.RoleLive:
		return fmt.Sprintf("Nothing moves: %s is live", v.Color)
	case g.Role != v.Role:
		return fmt.Sprintf("%s is %s by now: ask the gate again", v.Color, g.Role)
	}
	switch v.Role {
	case plumbline.RoleLive:
		return happensLive(v, g)
	case plumbline.RoleStandby:
		return happensStandby(v, g)
	}
	return happensIdle(v, g)
}

func happensIdle(v plumbline.Verdict, g plumbline.Gate) string {
	switch {
	case g.WouldBe != "":
		return fmt.Sprintf("OBSERVING: the gate of %s is open, and would be %s", v.Color, g.WouldBe)
	case g.Gate == plumbline.GateOpen && v.Passed():
		return fmt.Sprintf("The gate of %s is open%s: traffic may move there", v.Color, until(g.ExpiresAt))
	case g.Gate == plumbline.GateOpen:
		return fmt.Sprintf("The gate of %s is open all the same (%s): %s", v.Color, g.Because, g.Reason)
	case v.Passed():
		return fmt.Sprintf("Traffic stays on %s: the gate of %s is %s: %s", v.Color.Other(), v.Color, g.Gate, g.Reason)
	}
	return fmt.Sprintf("Traffic stays on %s%s", v.Color.Other(), whose(v))
}

// whose says whose fault a failure is, and what to do.
func whose(v plumbline.Verdict) string {
	switch v.Attribution {
	case plumbline.AttributedRelease:
		return ". It is the release: the live color passes the same"
	case plumbline.AttributedShared:
		return fmt.Sprintf(". It is not the release: the live color fails the same way. When that is over: plumbline validate %s %s", v.Service, v.Color)
	}
	if v.Unreached {
		return fmt.Sprintf(". Neither color could be asked: look at the network of plumbline, then: plumbline validate %s %s", v.Service, v.Color)
	}
	return ""
}

func happensLive(v plumbline.Verdict, g plumbline.Gate) string {
	switch {
	case g.Advice == plumbline.AdviceRollback:
		return fmt.Sprintf("Traffic is on %s, and should go back to %s: plumbline gate %s %s --purpose rollback",
			v.Color, v.Color.Other(), v.Service, v.Color.Other())
	case v.Passed():
		return fmt.Sprintf("Traffic stays on %s, which serves it well", v.Color)
	}
	if v.Attribution == plumbline.AttributedShared {
		return fmt.Sprintf("Traffic stays on %s: the standby fails the same way, so a rollback isn't advised", v.Color)
	}
	return fmt.Sprintf("Traffic stays on %s: a rollback isn't advised", v.Color)
}

func happensStandby(v plumbline.Verdict, g plumbline.Gate) string {
	switch {
	case g.WouldBe != "":
		return fmt.Sprintf("OBSERVING: the way back to %s is open, and would be %s", v.Color, g.WouldBe)
	case g.Readiness == plumbline.Ready && g.Gate == plumbline.GateOpen:
		return fmt.Sprintf("The way back to %s is open", v.Color)
	case g.Gate == plumbline.GateOpen:
		return fmt.Sprintf("The way back to %s is open but at risk: %s", v.Color, g.Warning)
	}
	return fmt.Sprintf("There is no way back to %s: traffic stays on %s, whatever happens there", v.Color, v.Color.Other())
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.UTC().Format("15:04 MST")
}

// footer is the line of numbers: "release run · 39 of 41 passed, 1 flaky · 4.2 s".
func footer(v plumbline.Verdict) string {
	c := v.Counts
	counts := fmt.Sprintf("%d of %d checks passed", c.Passed, c.Total())
	for _, n := range []struct {
		count int
		what  string
	}{{c.Failed, "failed"}, {c.Errored, "could not be asked"}, {c.Skipped, "skipped"}, {c.Flaky, "flaky"}} {
		if n.count > 0 {
			counts += fmt.Sprintf(", %d %s", n.count, n.what)
		}
	}
	parts := []string{string(v.Trigger) + " run", counts}
	if took := v.FinishedAt.Sub(v.StartedAt); !v.StartedAt.IsZero() && took >= 0 {
		parts = append(parts, howLong(took))
	}
	return strings.Join(parts, " · ")
}

func howLong(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
