package main

import (
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// retain is how long a color is kept after a switch: longer than any run of this program.
const retain = 2 * time.Hour

// A debt is a verdict that is owed for an event.
type debt struct {
	event   plumbline.Event
	color   plumbline.Color
	version string
	role    plumbline.Role
	refused bool   // the event may not have a run
	stale   bool   // the color was being changed when the event came
	newer   uint64 // the sequence of the first event that took away the run's reason, 0 if none did
	crowd   int    // how many verdicts about the same color became owed after this one
}

// A color of the model.
type color struct {
	version    string
	deployment uint64
	changing   bool
}

// A model is what must be known of a service after its events, by the rules of the contract and without the program's.
type model struct {
	service string
	live    plumbline.Color
	window  time.Time
	colors  map[plumbline.Color]*color
	moved   uint64 // the sequence of the last switch
	applied uint64
	at      time.Time         // of the last event
	hashes  map[string]string // of events, by run
	debts   []*debt
	letters map[uint64]bool // the events that can't be served
}

func newModel(service string) *model {
	return &model{service: service, live: plumbline.Blue, hashes: map[string]string{}, letters: map[uint64]bool{},
		colors: map[plumbline.Color]*color{plumbline.Blue: {version: "0-good-0"}, plumbline.Green: {}}}
}

// role is that of a color at the time of an event.
func (m *model) role(c plumbline.Color, at time.Time) plumbline.Role {
	switch {
	case c == m.live:
		return plumbline.RoleLive
	case at.Before(m.window):
		return plumbline.RoleStandby
	}
	return plumbline.RoleIdle
}

// take applies a message of the event stream.
func (m *model) take(from message) {
	m.at = from.at
	e, err := bus.Decode(bus.DefaultPrefix, bus.Message{Subject: from.subject, Header: from.header, Data: from.data, Sequence: from.sequence, Time: from.at})
	if err != nil {
		m.letters[from.sequence] = true // which moves no record
		return
	}
	m.applied = from.sequence
	if hash, again := m.hashes[e.Run]; again {
		m.letters[from.sequence] = hash != e.Hash
		return
	}
	m.hashes[e.Run] = e.Hash
	role, c := m.role(e.Color, e.At), m.colors[e.Color]
	switch e.Kind {
	case plumbline.EventDeploying:
		if role != plumbline.RoleLive {
			c.changing = true
			m.supersede(e.Color, e.Sequence)
		}
	case plumbline.EventDeployed:
		if role == plumbline.RoleLive {
			m.owe(&debt{event: e, version: e.Release.Version, role: role, refused: true})
			return
		}
		m.supersede(e.Color, e.Sequence)
		m.window = time.Time{} // a standby is idle now
		*c = color{version: e.Release.Version, deployment: e.Sequence}
		m.owe(&debt{event: e, version: c.version, role: plumbline.RoleIdle})
	case plumbline.EventSwitched:
		m.move(e, role)
	case plumbline.EventRequested:
		m.owe(&debt{event: e, version: c.version, role: role, refused: role == plumbline.RoleIdle && c.version == ""})
	case plumbline.EventSlot:
		if role == plumbline.RoleStandby {
			m.owe(&debt{event: e, version: c.version, role: role})
		}
	}
}

// move is a switch, unless traffic is there already. The color that was live is kept, unless this is a rollback.
func (m *model) move(e plumbline.Event, role plumbline.Role) {
	if role == plumbline.RoleLive {
		return
	}
	m.supersede(plumbline.Blue, e.Sequence)
	m.supersede(plumbline.Green, e.Sequence)
	m.window = time.Time{}
	if role == plumbline.RoleIdle {
		m.window = e.At.Add(retain)
	}
	m.live, m.moved = e.Color, e.Sequence
	m.owe(&debt{event: e, version: m.colors[e.Color].version, role: plumbline.RoleLive})
}

func (m *model) owe(d *debt) {
	d.color = d.event.Color
	d.stale = m.colors[d.color].changing && d.role != plumbline.RoleLive
	for _, older := range m.debts {
		if older.color == d.color {
			older.crowd++
		}
	}
	m.debts = append(m.debts, d)
}

// supersede takes away the reason of what was asked about a color.
func (m *model) supersede(c plumbline.Color, by uint64) {
	for _, d := range m.debts {
		if d.color == c && d.newer == 0 {
			d.newer = by
		}
	}
}

// settle says what is wrong with the verdict that was given for a debt, or nothing.
func (d *debt) settle(v plumbline.Verdict, starts int) string {
	wrong := func(format string, args ...any) string {
		return fmt.Sprintf("%s %s %s (event %d, run %s, %s %s): ", d.event.Service, d.color, d.version, d.event.Sequence, v.Run, v.Outcome, v.Cause) +
			fmt.Sprintf(format, args...) + ": " + v.Reason
	}
	known, err := parseVersion(d.version)
	if d.version == "" { // nothing was ever released there: no check can pass
		known, err = version{}, nil
	}
	switch {
	case v.Service != d.event.Service || v.Color != d.color || v.Event.Sequence != d.event.Sequence || v.Event.ID != d.event.ID:
		return wrong("the verdict is about %s %s, event %d", v.Service, v.Color, v.Event.Sequence)
	case v.Release.Version != d.version || v.Role != d.role:
		return wrong("the verdict is about %s as %s, want %s", v.Release.Version, v.Role, d.role)
	case d.refused && (v.Outcome != plumbline.Fail || v.Cause != plumbline.CauseRefused):
		return wrong("want it refused")
	case d.refused:
		return ""
	case err != nil:
		return wrong("%v", err)
	}
	switch {
	case v.Outcome == plumbline.Pass && known.good && v.Cause == "" && !d.stale:
		return ""
	case v.Outcome == plumbline.Pass && !known.good:
		return wrong("FALSE PASS: the release is bad")
	case v.Outcome != plumbline.Fail:
		return wrong("want pass or fail, and a cause with a fail alone")
	case v.Cause == plumbline.CauseChecks && known.good:
		return wrong("FALSE FAIL: the release is good")
	case v.Cause == plumbline.CauseChecks && !d.stale:
		return ""
	case v.Cause == plumbline.CauseSuperseded && (d.newer > 0 || d.stale):
		return ""
	case v.Cause == plumbline.CauseUnfinished && starts >= maxAttempts:
		return ""
	case v.Cause == plumbline.CauseRefused && d.crowd >= plumbline.MaxPending && d.event.Kind == plumbline.EventRequested:
		return "" // so many newer ones came that the record had no room for it
	}
	return wrong("want %s, and nothing took away its reason", map[bool]string{true: "a pass", false: "a fail by its checks"}[known.good])
}

// maxAttempts is how often the contract has a run started before it fails as unfinished.
const maxAttempts = 10
