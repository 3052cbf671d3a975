package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
	"github.com/plumbline-dev/plumbline/suites"
)

// verdictFormats are what a verdict may be written in.
var verdictFormats = []string{"pretty", "json", "ndjson", "junit", "tap", "github"}

// An outlet is where a verdict goes: to standard output in --format, or to a file in that format, while standard output
// keeps it pretty.
type outlet struct {
	app   *app
	file  *os.File         // of --output, or nil
	lines *reporters.Lines // while a run goes, of the format ndjson
}

// outlet opens the file before anything is asked: one that can't be written is no surprise at the end, and what a
// former run left there is gone.
func (a *app) outlet(file string) (*outlet, error) {
	o := &outlet{app: a}
	if file != "" {
		var err error
		if o.file, err = os.Create(file); err != nil { // #nosec G304 -- a file that the user names
			return nil, usagef("--output: %w", err)
		}
	}
	if a.format == "ndjson" {
		o.lines = reporters.NewLines(o.formatted())
	}
	return o, nil
}

// formatted is where the format goes.
func (o *outlet) formatted() io.Writer {
	if o.file != nil {
		return o.file
	}
	return o.app.Out
}

func (o *outlet) begin(p plumbline.Plan) {
	if o.lines != nil {
		o.lines.Run(reporters.RunLine{ID: p.Run, Service: p.Service, Color: p.Color, Release: p.Release, Suites: p.Suites, Checks: len(p.Checks)})
	}
}

func (o *outlet) check(r plumbline.Result) {
	if o.lines != nil {
		o.lines.Check(r)
	}
}

// verdict writes the verdict, and ends the outlet.
func (o *outlet) verdict(v plumbline.Verdict, page reporters.Page) error {
	var err error
	if o.lines != nil {
		err = o.lines.Verdict(v)
	} else {
		err = writeVerdict(o.formatted(), o.app.format, v, o.styled(page))
	}
	if err == nil && o.file != nil {
		err = page.Print(o.app.Out, v)
	}
	if closed := o.close(); err == nil {
		err = closed
	}
	return err
}

// styled is the page as the format's place shows it.
func (o *outlet) styled(page reporters.Page) reporters.Page {
	if o.file != nil {
		page.Style = term.Plain
	}
	return page
}

func (o *outlet) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// writeVerdict writes a verdict in a format.
func writeVerdict(w io.Writer, format string, v plumbline.Verdict, page reporters.Page) error {
	switch format {
	case "json":
		return reporters.JSON(w, v)
	case "ndjson":
		return reporters.NDJSON(w, v)
	case "junit":
		return reporters.JUnit(w, v)
	case "tap":
		return reporters.TAP(w, v)
	case "github":
		return reporters.GitHub(w, v)
	}
	return page.Print(w, v)
}

// endOf is the exit of a verdict.
func endOf(v plumbline.Verdict) error {
	switch {
	case v.Passed():
		return nil
	case v.Cause == plumbline.CauseSuperseded:
		return silent(exitSuperseded)
	}
	return silent(exitFail)
}

// sourceOf finds the text of a suite's file as it was loaded, with values covered that may be secrets.
func sourceOf(loaded []suites.Suite) func(file string) []byte {
	return func(file string) []byte {
		for _, s := range loaded {
			if s.File == file {
				return covered(suites.Text(s.Source, file))
			}
		}
		for _, s := range loaded { // a file that is included
			if text := suites.Text(s.Source, file); text != nil && !bytes.Equal(text, suites.Text(s.Source, s.File)) {
				return covered(text)
			}
		}
		return nil
	}
}

// pinnedSource finds the text of a suite's file as it was pinned for a run.
func pinnedSource(ctx context.Context, b *bus.Bus, v plumbline.Verdict) func(file string) []byte {
	digests := map[string]string{}
	for _, s := range v.Suites {
		digests[s.Name] = s.Digest
	}
	return func(file string) []byte {
		for _, c := range v.Checks {
			if !strings.HasPrefix(c.Place, file+":") {
				continue
			}
			source, err := b.Suite(ctx, digests[c.Suite])
			if err != nil {
				return nil // the reasons say enough
			}
			return covered(suites.Text(source, file))
		}
		return nil
	}
}

// covered hides values that sound like secrets, and moves nothing.
func covered(data []byte) []byte {
	if data == nil {
		return nil
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		lines[i] = cover(line, len(line), true)
	}
	return []byte(strings.Join(lines, "\n"))
}
