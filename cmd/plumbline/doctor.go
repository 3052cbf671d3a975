package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// What a doctor finds of a thing.
const (
	stateOK      = "ok"
	stateWarning = "warning" // it works, and isn't as it should be
	stateWrong   = "wrong"
	stateUnknown = "unknown" // can't be told from here
)

// A symptom is one thing that works or doesn't, and what to do.
type symptom struct {
	Area  string `json:"area"`
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
	Cure  string `json:"cure,omitempty"`
}

// A diagnosis is what doctor says in JSON.
type diagnosis struct {
	Schema   string    `json:"schema"`
	State    string    `json:"state"` // ok or wrong
	Symptoms []symptom `json:"symptoms"`
}

// A doctor looks at everything that a daemon of a configuration needs, from where it is.
type doctor struct {
	*app
	config   *configs.Config
	hide     func(string) string
	symptoms []symptom
	code     int // the exit code so far
}

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "what works, what doesn't, what to do",
		Long: `Looks at configuration, secrets, suites, the addresses that are asked, the bus with its clock and streams, the daemons,
reporters and the receiver, as they are seen from this machine. It changes nothing and logs in nowhere.

Exit codes: 0 nothing is wrong, 1 something is, 2 the configuration is, 3 the bus is out of reach.`,
		Example: "  plumbline doctor --config configs/plumbline.yaml",
		Args:    arguments(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) doctor(ctx context.Context) error {
	source, err := a.source()
	if err != nil {
		return err
	}
	a.warned = true // they are among the symptoms
	d := &doctor{app: a, hide: func(text string) string { return text }}
	if d.configuration(source) {
		d.hide = redact.New(d.config.Secrets()...).String
		d.suites()
		d.certificates()
		d.addresses(ctx)
		d.store()
		d.bus(ctx)
		d.listener(ctx)
		d.receiver(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := d.tell(); err != nil {
		return err
	}
	return silent(d.code)
}

func (d *doctor) say(state, area, name, cure, format string, args ...any) {
	d.symptoms = append(d.symptoms, symptom{Area: area, Name: d.hide(name), State: state, Text: d.hide(fmt.Sprintf(format, args...)), Cure: cure})
	if state == stateWrong {
		d.fail(exitFail)
	}
}

// fail keeps the code that comes first: without a configuration nothing else counts, without a bus little.
func (d *doctor) fail(code int) {
	rank := map[int]int{0: 0, exitFail: 1, exitUnknown: 2, exitUsage: 3}
	if rank[code] > rank[d.code] {
		d.code = code
	}
}

// configuration loads it, if need be without the secrets, which may be elsewhere.
func (d *doctor) configuration(source configs.Source) bool {
	config, warnings, err := configs.Load(source)
	missing := problemsOf(err)
	if err != nil {
		source.WithoutSecrets = true
		if config, warnings, err = configs.Load(source); err != nil {
			d.fail(exitUsage)
			for _, p := range problemsOf(err) {
				d.say(stateWrong, "configuration", place(p), p.Hint, "%s", p.Text)
			}
			return false
		}
	}
	d.config = config
	d.say(stateOK, "configuration", source.File, "", "%s, %s, %s", count(len(config.Services), "service"), count(len(config.Connections), "connection"), config.Digest()[:19])
	for _, p := range warnings {
		d.say(stateWarning, "configuration", place(p), p.Hint, "%s", p.Text)
	}
	for _, p := range missing.Errors() {
		d.fail(exitUsage)
		d.say(stateWrong, "secrets", place(p), p.Hint, "%s", p.Text)
	}
	if len(missing) == 0 {
		d.say(stateOK, "secrets", "", "", "%d read, and nobody else can read their files", len(config.Secrets()))
	}
	return true
}

func place(p configs.Warning) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// tell prints what was found, area by area.
func (d *doctor) tell() error {
	if d.format == "json" {
		said := diagnosis{Schema: "plumbline.doctor/v1", State: stateOK, Symptoms: d.symptoms}
		if d.code != 0 {
			said.State = stateWrong
		}
		return writeJSON(d.Out, said)
	}
	s, counts, width := d.style(), map[string]int{}, 0
	for _, found := range d.symptoms {
		counts[found.State]++
		width = max(width, len(found.Area))
	}
	for i, found := range d.symptoms {
		text := found.Text
		if found.Name != "" {
			text = found.Name + ": " + text
		}
		lines := d.lines(text, width+6)
		fmt.Fprintf(d.Out, "  %s %-*s  %s\n", paint(s, symbols[found.State]), width, found.Area, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(d.Out, "    %-*s  %s\n", width, "", line)
		}
		if next := i + 1; found.Cure == "" || next < len(d.symptoms) && d.symptoms[next].Area == found.Area && d.symptoms[next].Cure == found.Cure {
			continue // once, below the last of them
		}
		for n, line := range d.lines(found.Cure, width+8) {
			fmt.Fprintf(d.Out, "    %-*s  %s\n", width, "", s.Dim([]string{"→ ", "  "}[min(n, 1)]+line))
		}
	}
	_, err := fmt.Fprintf(d.Out, "%d ok, %s, %d wrong, %d unknown\n", counts[stateOK], count(counts[stateWarning], "warning"), counts[stateWrong], counts[stateUnknown])
	return err
}

func (d *doctor) lines(text string, indent int) []string {
	return fit(d.Out, strings.ReplaceAll(term.Printable(text), "\n", "; "), indent)
}

var symbols = map[string]string{stateOK: "✓", stateWarning: "!", stateWrong: "✗", stateUnknown: "?"}

func paint(s term.Style, symbol string) string {
	switch symbol {
	case symbols[stateOK]:
		return s.Green(symbol)
	case symbols[stateWrong]:
		return s.Red(symbol)
	}
	return s.Yellow(symbol)
}
