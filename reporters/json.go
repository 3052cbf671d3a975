package reporters

import (
	"encoding/json"
	"io"

	"github.com/plumbline-dev/plumbline"
)

// JSON writes the verdict's document.
func JSON(w io.Writer, v plumbline.Verdict) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// A Line is one line of a run as it goes: exactly one of Run, Check and Verdict is set, the one that Event names.
type Line struct {
	Event   string             `json:"event"` // EventRun, EventCheck or EventVerdict
	Run     *RunLine           `json:"run,omitempty"`
	Check   *plumbline.Result  `json:"check,omitempty"`
	Verdict *plumbline.Verdict `json:"verdict,omitempty"`
}

// The events of lines: the first one, one for each check as it ends, and the last one.
const (
	EventRun     = "run"
	EventCheck   = "check"
	EventVerdict = "verdict"
)

// A RunLine says what is going to be asked.
type RunLine struct {
	ID      string               `json:"id"`
	Service string               `json:"service,omitempty"`
	Color   plumbline.Color      `json:"color,omitempty"`
	Release plumbline.Release    `json:"release"`
	Suites  []plumbline.SuiteRef `json:"suites"`
	Checks  int                  `json:"checks"`
}

// Lines writes a run as newline-delimited JSON, while it goes. Calls must not overlap. The first error of the writer
// ends the writing, and Verdict returns it.
type Lines struct {
	encoder *json.Encoder
	err     error
}

// NewLines writes to w.
func NewLines(w io.Writer) *Lines {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return &Lines{encoder: encoder}
}

func (l *Lines) line(line Line) {
	if l.err == nil {
		l.err = l.encoder.Encode(line)
	}
}

// Run writes the first line.
func (l *Lines) Run(run RunLine) {
	if run.Suites == nil {
		run.Suites = []plumbline.SuiteRef{}
	}
	l.line(Line{Event: EventRun, Run: &run})
}

// Check writes a line for a check that has ended.
func (l *Lines) Check(r plumbline.Result) { l.line(Line{Event: EventCheck, Check: &r}) }

// Verdict writes the last line.
func (l *Lines) Verdict(v plumbline.Verdict) error {
	l.line(Line{Event: EventVerdict, Verdict: &v})
	return l.err
}

// NDJSON writes a run that has ended as Lines would have.
func NDJSON(w io.Writer, v plumbline.Verdict) error {
	lines := NewLines(w)
	lines.Run(RunLine{ID: v.Run, Service: v.Service, Color: v.Color, Release: v.Release, Suites: v.Suites, Checks: v.Counts.Total()})
	for _, c := range v.Checks {
		lines.Check(c)
	}
	return lines.Verdict(v)
}
