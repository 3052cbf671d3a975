package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// maxShown bounds what is shown of a dead letter's body, in bytes.
const maxShown = 16 << 10

// A letterView is what a command says of a dead letter: printable, and without secrets.
type letterView struct {
	Number    uint64      `json:"number"`
	At        time.Time   `json:"at"`
	Service   string      `json:"service"`
	Subject   string      `json:"subject"`
	Reason    string      `json:"reason"`
	Sequence  uint64      `json:"sequence"` // in the event stream
	SHA256    string      `json:"sha256"`
	Size      int         `json:"size"`
	Truncated string      `json:"truncated,omitempty"`
	Headers   http.Header `json:"headers"`
	Body      string      `json:"body"`
}

// viewLetter shows a letter with as much of its body as is given.
func viewLetter(l bus.DeadLetter, body []byte, hide func(string) string) letterView {
	clean := func(text string) string { return term.Printable(redact.Guess(hide(text))) }
	v := letterView{Number: l.Number, At: l.At, Service: clean(l.Service), Subject: clean(l.Subject), Reason: clean(l.Reason), Sequence: l.Sequence,
		SHA256: clean(l.SHA256), Size: l.Size, Truncated: clean(l.Truncated), Headers: http.Header{}, Body: clean(string(body))}
	for name, values := range l.Headers {
		for _, value := range values {
			if redact.IsDelicate(name) {
				value = redact.Mark
			}
			v.Headers[clean(name)] = append(v.Headers[clean(name)], clean(value))
		}
	}
	if len(v.Body) > maxShown {
		v.Body = strings.ToValidUTF8(v.Body[:maxShown], "") + "…"
	}
	return v
}

// hide takes out the secrets of the configuration, where they are at hand: dead letters are looked at elsewhere, too.
func (a *app) hide() func(string) string {
	source, err := a.source()
	if err != nil {
		return func(text string) string { return text }
	}
	config, _, err := configs.Load(source)
	if err != nil {
		return func(text string) string { return text }
	}
	return redact.New(config.Secrets()...).String
}

func (a *app) printDeadLetters(letters []bus.DeadLetter) error {
	hide, views := a.hide(), make([]letterView, 0, len(letters))
	for _, l := range letters {
		views = append(views, viewLetter(l, l.Head, hide))
	}
	if a.format == "json" {
		return writeJSON(a.Out, views)
	}
	if len(views) == 0 {
		fmt.Fprintln(a.Out, "no dead letters")
		return nil
	}
	s, rows := a.style(), [][]string{{"number", "service", "when", "event", "reason"}}
	for _, v := range views {
		rows = append(rows, []string{fmt.Sprint(v.Number), v.Service, ago(v.At, time.Now()), fmt.Sprint(v.Sequence), v.Reason})
	}
	printTable(a.Out, s.Dim, rows, nil)
	return nil
}

func (a *app) printDeadLetter(letter bus.DeadLetter, body []byte) error {
	v, s := viewLetter(letter, body, a.hide()), a.style()
	if a.format == "json" {
		return writeJSON(a.Out, v)
	}
	fmt.Fprintf(a.Out, "%s\n", s.Bold(fmt.Sprintf("dead letter %d  %s  %s", v.Number, v.Service, ago(v.At, time.Now()))))
	fmt.Fprintf(a.Out, "  %s\n", s.Red(v.Reason))
	fmt.Fprintf(a.Out, "  %s\n", s.Dim(fmt.Sprintf("%s · event %d · %d bytes · sha256:%s", v.Subject, v.Sequence, v.Size, v.SHA256)))
	if v.Truncated != "" {
		fmt.Fprintf(a.Out, "  %s\n", s.Yellow("cut: "+v.Truncated))
	}
	fmt.Fprintln(a.Out)
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		for _, value := range v.Headers[name] {
			fmt.Fprintf(a.Out, "  %s %s\n", s.Dim(name+":"), value)
		}
	}
	for line := range strings.Lines(v.Body) {
		fmt.Fprintf(a.Out, "  %s\n", strings.TrimRight(line, "\n"))
	}
	return nil
}
