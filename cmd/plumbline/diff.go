package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
)

// What is called slower: so much of the time before, and so much at least.
const (
	slowerBy      = 1.5
	slowerAtLeast = 200 * time.Millisecond
)

func (a *app) diffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff RUN RUN",
		Short: "what one run says otherwise than another",
		Long: `Compares two runs check by check: what got worse, better or slower, what was asked in one alone, and which suites
changed in between. It exits 0 whatever it finds.`,
		Args: arguments("RUN", "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, run := range args {
				if err := checkRun(run); err != nil {
					return err
				}
			}
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) error {
				from, err := stored(ctx, b, args[0])
				if err != nil {
					return err
				}
				to, err := stored(ctx, b, args[1])
				if err != nil {
					return err
				}
				d := compare(reporters.Shown(from), reporters.Shown(to))
				if a.format == "json" {
					return writeJSON(a.Out, d)
				}
				return d.print(a.Out, a.style())
			})
		},
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

// A comparison is what a run says otherwise than one before.
type comparison struct {
	From   runBrief     `json:"from"`
	To     runBrief     `json:"to"`
	Worse  []difference `json:"worse"`
	Better []difference `json:"better"`
	Slower []difference `json:"slower"`
	Other  []difference `json:"other"` // failed in another way
	Added  []difference `json:"added"`
	Gone   []difference `json:"gone"`
	Suites []suiteDiff  `json:"suites"`
	Folded bool         `json:"folded"` // a verdict that doesn't list all its checks
}

type runBrief struct {
	Run     string            `json:"run"`
	Service string            `json:"service"`
	Color   plumbline.Color   `json:"color"`
	Release plumbline.Release `json:"release"`
	Trigger plumbline.Trigger `json:"trigger"`
	Outcome string            `json:"outcome"`
	At      time.Time         `json:"at"`
}

// A difference is one check in both runs; an outcome is "" where it wasn't asked.
type difference struct {
	Check   string            `json:"check"`
	Suite   string            `json:"suite"`
	From    plumbline.Outcome `json:"from"`
	To      plumbline.Outcome `json:"to"`
	Reason  string            `json:"reason,omitempty"`
	Seconds [2]float64        `json:"seconds"`
}

type suiteDiff struct {
	Suite string `json:"suite"`
	From  string `json:"from"` // digests
	To    string `json:"to"`
}

// rank orders outcomes, from bad to good.
var rank = map[plumbline.Outcome]int{plumbline.Failed: 1, plumbline.Errored: 1, plumbline.Skipped: 2, plumbline.Passed: 3}

func compare(from, to plumbline.Verdict) comparison {
	c := comparison{From: briefOf(from), To: briefOf(to), Worse: []difference{}, Better: []difference{}, Slower: []difference{}, Other: []difference{},
		Added: []difference{}, Gone: []difference{}, Suites: suiteDiffs(from, to),
		Folded: len(from.Checks) < from.Counts.Total() || len(to.Checks) < to.Counts.Total()}
	before := map[string]plumbline.Result{}
	for _, r := range from.Checks {
		before[r.ID()] = r
	}
	for _, r := range to.Checks {
		was, known := before[r.ID()]
		delete(before, r.ID())
		d := difference{Check: r.Name, Suite: r.Suite, From: was.Outcome, To: r.Outcome, Reason: r.Reason,
			Seconds: [2]float64{time.Duration(was.Seconds).Seconds(), time.Duration(r.Seconds).Seconds()}}
		switch {
		case !known:
			c.Added = append(c.Added, d)
		case rank[r.Outcome] < rank[was.Outcome]:
			c.Worse = append(c.Worse, d)
		case rank[r.Outcome] > rank[was.Outcome]:
			d.Reason = was.Reason
			c.Better = append(c.Better, d)
		case r.Outcome != was.Outcome || r.Outcome != plumbline.Skipped && r.Reason != was.Reason:
			c.Other = append(c.Other, d)
		case isSlower(was, r):
			c.Slower = append(c.Slower, d)
		}
	}
	for _, r := range from.Checks {
		if _, gone := before[r.ID()]; gone {
			c.Gone = append(c.Gone, difference{Check: r.Name, Suite: r.Suite, From: r.Outcome, Reason: r.Reason,
				Seconds: [2]float64{time.Duration(r.Seconds).Seconds(), 0}})
		}
	}
	return c
}

func isSlower(was, is plumbline.Result) bool {
	a, b := time.Duration(was.Seconds), time.Duration(is.Seconds)
	return is.Outcome == plumbline.Passed && b-a >= slowerAtLeast && float64(b) >= slowerBy*float64(a)
}

func briefOf(v plumbline.Verdict) runBrief {
	return runBrief{v.Run, v.Service, v.Color, v.Release, v.Trigger, v.Outcome, v.FinishedAt}
}

// suiteDiffs are the suites whose bytes are others; "" stands for one that wasn't there.
func suiteDiffs(from, to plumbline.Verdict) []suiteDiff {
	list, before := []suiteDiff{}, map[string]string{}
	for _, s := range from.Suites {
		before[s.Name] = s.Digest
	}
	for _, s := range to.Suites {
		if was := before[s.Name]; was != s.Digest {
			list = append(list, suiteDiff{s.Name, was, s.Digest})
		}
		delete(before, s.Name)
	}
	for _, s := range from.Suites {
		if _, gone := before[s.Name]; gone {
			list = append(list, suiteDiff{s.Name, s.Digest, ""})
		}
	}
	return list
}

// print writes what differs, the worst first. A terminal gets a line for each, which ends where it does; show says all.
func (c comparison) print(w io.Writer, s term.Style) error {
	out := &strings.Builder{}
	for _, r := range []runBrief{c.From, c.To} {
		word := s.Red(r.Outcome)
		if r.Outcome == plumbline.Pass {
			word = s.Green(r.Outcome)
		}
		fmt.Fprintf(out, "%s  %s  %s  %s\n", word, s.Bold(strings.Join(strings.Fields(fmt.Sprint(r.Service, " ", r.Color, " ", r.Release.Version)), " ")),
			s.Dim(string(r.Trigger)+" · "+r.At.UTC().Format(time.DateTime)+" UTC"), s.Dim(r.Run))
	}
	section := func(title, mark string, list []difference, change func(difference) string) {
		if len(list) > 0 {
			fmt.Fprintf(out, "\n%s\n", s.Bold(title))
		}
		for _, d := range list {
			name, what, why := d.Suite+": "+d.Check, change(d), d.Reason
			if taken := utf8.RuneCountInString(name+what) + len("  x   "); term.IsTerminal(w) {
				why = shorten(why, max(term.Width(w)-taken-2, 20))
			}
			fmt.Fprintf(out, "  %s %s  %s\n", mark, name, strings.TrimSpace(s.Dim(what)+"  "+why))
		}
	}
	changed := func(d difference) string { return fmt.Sprintf("%s → %s", d.From, d.To) }
	section("worse", s.Red("✗"), c.Worse, changed)
	section("failing otherwise", s.Yellow("!"), c.Other, func(d difference) string { return string(d.To) })
	section("better", s.Green("✓"), c.Better, changed)
	section("slower", s.Yellow("◔"), c.Slower, func(d difference) string { return fmt.Sprintf("%.2f s → %.2f s", d.Seconds[0], d.Seconds[1]) })
	section("asked in the second alone", s.Cyan("+"), c.Added, func(d difference) string { return string(d.To) })
	section("asked in the first alone", s.Cyan("-"), c.Gone, func(d difference) string { return string(d.From) })
	c.tail(out, s)
	_, err := io.WriteString(w, out.String())
	return err
}

func (c comparison) tail(out io.Writer, s term.Style) {
	if len(c.Suites) > 0 {
		fmt.Fprintf(out, "\n%s\n", s.Bold("suites"))
	}
	for _, d := range c.Suites {
		fmt.Fprintf(out, "  %s %s  %s\n", s.Yellow("~"), d.Suite, s.Dim(digestText(d.From)+" → "+digestText(d.To)))
	}
	if len(c.Worse)+len(c.Better)+len(c.Other)+len(c.Slower)+len(c.Added)+len(c.Gone) == 0 {
		fmt.Fprintf(out, "\n%s\n", s.Dim("no check differs"))
	}
	if c.Folded {
		fmt.Fprintf(out, "\n%s\n", s.Dim("not every check is compared: a verdict was too large to list all that passed"))
	}
}

func digestText(digest string) string {
	const shown = len("sha256:") + 12
	if digest == "" {
		return "none"
	}
	return digest[:min(len(digest), shown)]
}
