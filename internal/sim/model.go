package sim

import (
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A told is an event as the stream holds it, read by the simulation's own eyes.
type told struct {
	sequence uint64
	at       time.Time
	broken   bool // nothing that could be served
	run      string
	kind     deed // deployed, deploying, switched, requested or slot
	service  string
	color    plumbline.Color
	version  string
	digest   string
	id       string
	data     string // what tells it from another event with the same id
}

const slot deed = "slot"

// A model is a service as the contract describes it: told as simply as possible, without a look at how the product does
// it. It takes the events of a stream in order and says what each has to lead to.
type model struct {
	rules *Service
	now   moment
	seen  map[string]told
	runs  []*owed
	past  []moment // after each event, by sequence
}

// A moment is what a service is between two events.
type moment struct {
	sequence uint64 // of the last event
	at       time.Time
	live     plumbline.Color
	window   time.Time // when the standby becomes idle, zero: there is none
	switched uint64    // sequence of the last switch
	colors   [2]side   // blue, green
}

// A side is what runs on a color.
type side struct {
	deployment uint64
	event      string // id of the release
	version    string
	digest     string
	deploying  bool
}

func (m *moment) side(c plumbline.Color) *side {
	if c == plumbline.Green {
		return &m.colors[1]
	}
	return &m.colors[0]
}

func (m *moment) role(c plumbline.Color, at time.Time) plumbline.Role {
	switch {
	case c == m.live:
		return plumbline.RoleLive
	case at.Before(m.window):
		return plumbline.RoleStandby
	}
	return plumbline.RoleIdle
}

// An owed is a verdict that an event has to lead to.
type owed struct {
	told
	trigger    plumbline.Trigger
	role       plumbline.Role
	deployment uint64
	refused    bool
	window     time.Time // the standby's, when it was accepted
	overtaken  time.Time // when the stream had the first event after which the run has no reason any more
	overtaker  uint64    // its sequence
}

func newModel(rules *Service) *model {
	m := &model{rules: rules, seen: map[string]told{}}
	m.now.live = plumbline.Blue
	m.now.side(plumbline.Blue).version = firstVersion
	m.past = []moment{m.now}
	return m
}

// take lets an event happen, and says whether it must be a dead letter.
func (m *model) take(e told) (letter bool) {
	if e.broken {
		return true
	}
	defer func() {
		m.now.sequence, m.now.at = e.sequence, e.at
		m.past = append(m.past, m.now)
	}()
	if before, again := m.seen[e.run]; again {
		return before.data != e.data
	}
	m.seen[e.run] = e
	role := m.now.role(e.color, e.at)
	if role != plumbline.RoleStandby && !e.at.Before(m.now.window) {
		m.now.window = time.Time{}
	}
	switch e.kind {
	case deploying:
		m.deploying(e, role)
	case deployed:
		m.deployed(e, role)
	case switched:
		m.switched(e, role)
	case requested:
		m.requested(e, role)
	case slot:
		if role == plumbline.RoleStandby {
			m.owe(e, plumbline.TriggerStandby, role, m.now.side(e.color).deployment)
		}
	}
	return false
}

// memory is how many event ids a service remembers with what they said. Of one before, it knows that it had its verdict.
const memory = 256

// remembers says whether the service still knew what an event with the same id had said before.
func (m *model) remembers(e told) bool {
	newer := 0
	for _, other := range m.seen {
		if other.sequence > m.seen[e.run].sequence && other.sequence < e.sequence {
			newer++
		}
	}
	return newer < memory
}

func (m *model) deploying(e told, role plumbline.Role) {
	if role == plumbline.RoleLive {
		return
	}
	m.now.side(e.color).deploying = true
	m.overtake(e, func(run *owed) bool { return run.color == e.color && run.role != plumbline.RoleLive })
}

func (m *model) deployed(e told, role plumbline.Role) {
	if role == plumbline.RoleLive {
		m.owe(e, plumbline.TriggerRelease, role, e.sequence).refused = true
		return
	}
	m.overtake(e, func(run *owed) bool { return run.color == e.color })
	*m.now.side(e.color) = side{deployment: e.sequence, event: e.id, version: e.version, digest: e.digest}
	m.now.window = time.Time{} // a standby that is overwritten is none
	m.owe(e, plumbline.TriggerRelease, plumbline.RoleIdle, e.sequence).refused = m.rules.Digests && e.digest == ""
}

func (m *model) switched(e told, role plumbline.Role) {
	if role == plumbline.RoleLive {
		return
	}
	m.overtake(e, func(*owed) bool { return true })
	m.now.live, m.now.switched, m.now.window = e.color, e.sequence, time.Time{}
	if role == plumbline.RoleIdle && m.rules.Retain > 0 {
		m.now.window = e.at.Add(m.rules.Retain)
	}
	m.owe(e, plumbline.TriggerSwitched, plumbline.RoleLive, m.now.side(e.color).deployment)
}

func (m *model) requested(e told, role plumbline.Role) {
	here := m.now.side(e.color)
	run := m.owe(e, plumbline.TriggerManual, role, here.deployment)
	run.refused = role == plumbline.RoleIdle && (here.version == "" || m.rules.Digests && here.digest == "")
}

func (m *model) owe(e told, trigger plumbline.Trigger, role plumbline.Role, deployment uint64) *owed {
	run := &owed{told: e, trigger: trigger, role: role, deployment: deployment}
	if trigger != plumbline.TriggerRelease {
		run.version, run.digest = m.now.side(e.color).version, m.now.side(e.color).digest
	}
	if role == plumbline.RoleStandby {
		run.window = m.now.window
	}
	if m.now.side(e.color).deploying && role != plumbline.RoleLive {
		run.overtaken, run.overtaker = e.at, e.sequence // nobody asks what is being changed
	}
	m.runs = append(m.runs, run)
	return run
}

// overtake ends the reason of runs that were accepted before.
func (m *model) overtake(by told, which func(*owed) bool) {
	for _, run := range m.runs {
		if run.overtaken.IsZero() && which(run) {
			run.overtaken, run.overtaker = by.at, by.sequence
		}
	}
}

// due are the verdicts that are owed, by run.
func (m *model) due() map[string]*owed {
	all := map[string]*owed{}
	for _, run := range m.runs {
		all[run.run] = run
	}
	return all
}

// at are the moments that a process may believe in that knows everything up to one sequence and nothing after another.
func (m *model) between(from, to uint64) []moment {
	var all []moment
	for i, state := range m.past {
		until := to + 1
		if i+1 < len(m.past) {
			until = m.past[i+1].sequence
		}
		if state.sequence <= to && until > from {
			all = append(all, state)
		}
	}
	return all
}

// room is how many newer runs of a color a record may surely hold: it has room for 64 in all.
const room = 32

// flooded says whether so many runs were asked for after this one that its record may have forgotten it.
func (m *model) flooded(run *owed) bool {
	newer := 0
	for _, other := range m.runs {
		if other.color == run.color && other.sequence > run.sequence {
			newer++
		}
	}
	return newer >= room
}
