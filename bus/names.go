package bus

import (
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// names makes every subject, stream and bucket of one prefix.
type names struct{ prefix string }

func (n names) upper(what string) string {
	return strings.ToUpper(strings.ReplaceAll(n.prefix, "-", "_")) + "_" + what
}

func (n names) events() string      { return n.upper("EVENTS") }
func (n names) results() string     { return n.upper("RESULTS") }
func (n names) verdicts() string    { return n.upper("VERDICTS") }
func (n names) ledger() string      { return n.upper("LEDGER") }
func (n names) deadLetters() string { return n.upper("DEADLETTER") }
func (n names) suites() string      { return n.upper("SUITES") }
func (n names) services() string    { return n.upper("SERVICES") }

func (n names) subject(tokens ...string) string {
	return n.prefix + "." + strings.Join(tokens, ".")
}

func (n names) event(service string) string { return n.subject("event", service) }

func (n names) slot(service string, c plumbline.Color) string {
	return n.subject("slot", service, string(c))
}

func (n names) result(service string, c plumbline.Color, run string) string {
	return n.subject("result", service, string(c), run)
}

func (n names) verdict(service string, c plumbline.Color, run string) string {
	return n.subject("verdict", service, string(c), run)
}

// addressee is the service that a subject of the event stream names, and for a slot its color. A subject that names no
// service gives nothing.
func (n names) addressee(subject string) (service string, color plumbline.Color, slot bool) {
	tokens := strings.Split(strings.TrimPrefix(subject, n.prefix+"."), ".")
	if !strings.HasPrefix(subject, n.prefix+".") || len(tokens) < 2 || plumbline.CheckName(tokens[1]) != nil {
		return "", "", false
	}
	switch {
	case tokens[0] == "event" && len(tokens) == 2:
		return tokens[1], "", false
	case tokens[0] == "slot" && len(tokens) == 3:
		return tokens[1], plumbline.Color(tokens[2]), true
	}
	return "", "", false
}
