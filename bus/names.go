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

// about are the subjects of the event stream that name a service: see address.
func (n names) about(service string) []string {
	return []string{n.event(service), n.subject("event", service, publisherRelease), n.subject("event", service, publisherSwitch), n.subject("slot", service, "*")}
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

// gate is where the gate of a color is asked.
func (n names) gate(service, color string) string { return n.subject("gate", service, color) }

// The publishers of events whose subjects say so: what one may not say, a daemon doesn't take from it. Accounts of the
// bus put the name behind the subject, see configs/nats; a subject without one may say everything.
const (
	publisherRelease = "release" // release tooling
	publisherSwitch  = "switch"  // a switch controller
)

// An address is what a subject of the event stream says. The zero address is of a subject that names no service.
type address struct {
	service   string
	slot      bool
	color     plumbline.Color // of a slot
	publisher string          // of an event, "" for anybody
}

func (n names) address(subject string) address {
	tokens := strings.Split(strings.TrimPrefix(subject, n.prefix+"."), ".")
	if !strings.HasPrefix(subject, n.prefix+".") || len(tokens) < 2 || plumbline.CheckName(tokens[1]) != nil {
		return address{}
	}
	switch {
	case tokens[0] == "event" && len(tokens) == 2:
		return address{service: tokens[1]}
	case tokens[0] == "event" && len(tokens) == 3 && (tokens[2] == publisherRelease || tokens[2] == publisherSwitch):
		return address{service: tokens[1], publisher: tokens[2]}
	case tokens[0] == "slot" && len(tokens) == 3:
		return address{service: tokens[1], slot: true, color: plumbline.Color(tokens[2])}
	}
	return address{}
}

// mayPublish says whether an event of a kind may come from this address.
func (a address) mayPublish(kind plumbline.EventKind) bool {
	switch {
	case a.slot || kind == plumbline.EventSlot:
		return a.slot && kind == plumbline.EventSlot
	case a.publisher == publisherRelease:
		return kind != plumbline.EventSwitched
	case a.publisher == publisherSwitch:
		return kind == plumbline.EventSwitched
	}
	return true
}
