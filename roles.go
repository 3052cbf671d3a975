package plumbline

import (
	"fmt"
	"time"
)

// A Move is what an event did to a service.
type Move struct {
	Record     Record
	Changed    bool    // false: the event had been applied before, or has nothing to say
	Run        *RunRef // the run that was accepted, if the event asks for a verdict
	DeadLetter string  // why the event can't be served
}

// Apply moves the record by one event. It is pure: time is the event's. An event whose sequence was applied before
// changes nothing, so that redelivery in any order is harmless.
func (r Record) Apply(e Event, p Policy) Move {
	if e.Sequence <= r.Applied {
		return Move{Record: r}
	}
	next := r.Ignore(e)
	why := r.Clash(e)
	_, again := r.SeenRun(e.Run)
	if _, pending := r.Find(e.Run); pending || again || why != "" {
		return Move{Record: next, Changed: true, DeadLetter: why}
	}
	next.remember(e)
	next.endWindow(e.At)
	if !e.At.Before(next.Ended) {
		next.Ended = time.Time{}
	}
	before := r
	if !next.Ended.IsZero() {
		before.Window = next.Ended // the clock was ahead of the stream
	}
	m := &mover{Record: &next, before: before, event: e, policy: p}
	switch e.Kind {
	case EventDeploying:
		m.deploying()
	case EventDeployed:
		m.deployed()
	case EventSwitched:
		m.switched()
	case EventRequested:
		m.requested()
	case EventSlot:
		m.slot()
	}
	return Move{Record: next, Changed: true, Run: m.run}
}

// EndWindow records that the standby window is over, if it is.
func (r Record) EndWindow(now time.Time) (Record, bool) {
	next := r.Clone()
	if !next.endWindow(now) {
		return r, false
	}
	return next, true
}

func (r *Record) endWindow(now time.Time) bool {
	if r.Window.IsZero() || now.Before(r.Window) {
		return false
	}
	color := r.Live.Other()
	r.say(Entry{Kind: EntryWindow, Color: color, At: r.Window, Sequence: r.Switched, Release: r.Colors[color].Release,
		Text: fmt.Sprintf("the standby window ended: %s is idle, %s can't be rolled back to", color, r.Colors[color].Release)})
	r.Window, r.Ended = time.Time{}, r.Window
	return true
}

func (r *Record) say(e Entry) {
	e.Schema, e.Service = LedgerSchema, r.Service
	r.Outbox = append(r.Outbox, e)
}

// A mover applies one event.
type mover struct {
	*Record
	before Record
	event  Event
	policy Policy
	run    *RunRef
}

// role is what the color of the event was used for until then.
func (m *mover) role() Role { return m.before.RoleAt(m.event.Color, m.event.At) }

func (m *mover) entry(kind EntryKind, format string, args ...any) Entry {
	return Entry{Kind: kind, Color: m.event.Color, At: m.event.At, Sequence: m.event.Sequence, Event: m.event.ID,
		Release: m.event.Release, By: m.event.By, Text: fmt.Sprintf(format, args...)}
}

func (m *mover) deploying() {
	if m.role() == RoleLive {
		m.say(m.entry(EntryRecorded, "the live color %s is being changed", m.event.Color))
		return
	}
	state := m.Colors[m.event.Color]
	state.Deploying = true
	m.Colors[m.event.Color] = state
	m.say(m.entry(EntryRecorded, "%s is being changed: its gates are closed until the next release event", m.event.Color))
}

func (m *mover) deployed() {
	e, role := m.event, m.role()
	if role == RoleLive {
		m.say(m.entry(EntryRefusal, "%s is live: a release goes to the other color", e.Color))
		m.accept(RunRef{Role: role, Deployment: e.Sequence, Release: e.Release, Change: e.Change,
			Refused: fmt.Sprintf("%s is live and takes traffic: release to %s", e.Color, e.Color.Other())})
		state := m.Colors[e.Color]
		state.Refused = &PastRelease{Deployment: e.Sequence, Event: e.ID, Release: e.Release}
		m.Colors[e.Color] = state
		return
	}
	state := m.Colors[e.Color]
	text := fmt.Sprintf("%s runs %s", e.Color, e.Release)
	if state.Release != (Release{}) {
		state.Former = append(state.Former, PastRelease{state.Deployment, state.Event, state.Release})
		state.Former = state.Former[max(0, len(state.Former)-MaxFormer):]
	}
	if role == RoleStandby {
		state.Overwrote, state.Overwriter = state.Release.Version, e.Release.Version
		m.Window, m.Ended, role = time.Time{}, time.Time{}, RoleIdle
		text += fmt.Sprintf("; the standby %s was overwritten by %s: there is no rollback", state.Overwrote, e.Release)
	}
	state.Deployment, state.Event, state.Release, state.Change = e.Sequence, e.ID, e.Release, e.Change
	state.DeployedAt, state.Deploying, state.Last, state.Suites = e.At, false, nil, m.policy.Suites
	state.Refused = nil
	m.Colors[e.Color] = state
	m.say(m.entry(EntryRelease, "%s", text))
	run := RunRef{Role: role, Deployment: e.Sequence, Release: e.Release, Change: e.Change,
		Suites: Pinned(m.policy.Suites, TriggerRelease)}
	run.Refused = m.refusal(run)
	m.accept(run)
}

// refusal says why a release may not have a run that could pass.
func (m *mover) refusal(run RunRef) string {
	lacks := m.policy.lacks(run.Release, run.Change)
	switch {
	case !m.Adopted:
		return fmt.Sprintf("nobody said which color of %s is live: plumbline adopt %s --live COLOR --reason TEXT", m.Service, m.Service)
	case lacks != "":
		return fmt.Sprintf("%s requires a %s: release with --%s", m.Service, lacks, lacks)
	case len(run.Suites) == 0:
		return fmt.Sprintf("no suite of %s answers to a release: nothing would be asked", m.Service)
	}
	return ""
}

func (m *mover) switched() {
	e, role := m.event, m.role()
	if role == RoleLive {
		m.say(m.entry(EntryRecorded, "traffic is on %s already", e.Color))
		return
	}
	purpose := PurposePromote
	if role == RoleStandby {
		purpose = PurposeRollback
	}
	gate := Decide(Asked{Color: e.Color, Purpose: purpose}, m.before, m.policy, e.At)
	old := e.Color.Other()
	m.Live, m.Epoch, m.Switched, m.SwitchedAt = e.Color, e.Sequence, e.Sequence, e.At
	m.Window, m.Ended = time.Time{}, time.Time{}
	if e.Epoch != 0 {
		m.Epoch = e.Epoch
	}
	text := fmt.Sprintf("traffic moved from %s to %s (%s)", old, e.Color, m.Colors[e.Color].Release)
	switch {
	case role == RoleStandby:
		text = "rollback: " + text
	case m.Adopted && m.policy.Retain > 0:
		m.Window = e.At.Add(m.policy.Retain)
		text += fmt.Sprintf("; %s is standby until %s", old, m.Window.UTC().Format(time.RFC3339))
	}
	state := m.Colors[e.Color]
	state.Overwrote, state.Overwriter = "", "" // a change that goes on there is still going on: traffic doesn't end it
	m.Colors[e.Color] = state
	if left := m.Colors[old]; len(left.Suites) == 0 { // no release event brought it there
		left.Suites = m.policy.Suites
		m.Colors[old] = left
	}
	entry := m.entry(EntrySwitch, "%s", text)
	entry.Release, entry.Reason = state.Release, e.Reason
	if gate.Gate != GateOpen {
		entry.Gap = true
		entry.Text += "; the gate was " + string(gate.Gate) + ": " + gate.Reason
	}
	m.say(entry)
	if suites := Pinned(m.policy.Suites, TriggerSwitched); len(suites) > 0 {
		m.accept(m.about(e.Color, RoleLive, suites))
	}
}

func (m *mover) requested() {
	role := m.role()
	run := m.about(m.event.Color, role, m.suitesOf(m.event.Color, role))
	switch {
	case role == RoleIdle && run.Release == (Release{}):
		run.Refused = fmt.Sprintf("nothing was ever released to %s", m.event.Color)
	case role == RoleIdle, role == "":
		run.Refused = m.refusal(run) // a manual pass opens a gate, too
	case len(run.Suites) == 0:
		run.Refused = fmt.Sprintf("no suite of %s answers to %s, which is asked of the %s color", m.Service, role.SuiteTrigger(), role)
	}
	m.accept(run)
}

func (m *mover) slot() {
	if m.role() != RoleStandby {
		return
	}
	if suites := m.suitesOf(m.event.Color, RoleStandby); len(suites) > 0 {
		m.accept(m.about(m.event.Color, RoleStandby, suites))
	}
}

// suitesOf are the suites that are asked of a color in a role. A standby is asked what it was deployed with, save the
// suites that are always asked as they are today.
func (m *mover) suitesOf(c Color, role Role) []SuiteRef {
	today, deployed := Pinned(m.policy.Suites, role.SuiteTrigger()), m.Colors[c].Suites
	if role != RoleStandby || len(deployed) == 0 {
		return today
	}
	var suites []SuiteRef
	always := make(map[string]bool)
	for _, s := range today {
		if s.Always {
			suites = append(suites, s)
			always[s.Name] = true
		}
	}
	for _, s := range Pinned(deployed, TriggerStandby) {
		if !s.Always && !always[s.Name] {
			suites = append(suites, s)
		}
	}
	return suites
}

// about is a run about what a color runs at the moment.
func (m *mover) about(c Color, role Role, suites []SuiteRef) RunRef {
	state := m.Colors[c]
	return RunRef{Role: role, Deployment: state.Deployment, Release: state.Release, Change: state.Change, Suites: suites}
}

func (m *mover) accept(run RunRef) {
	e := m.event
	run.Run, run.Service, run.Color, run.AcceptedAt = e.Run, m.Service, e.Color, e.At
	run.Event = EventRef{ID: e.ID, Sequence: e.Sequence}
	run.Trigger = map[EventKind]Trigger{EventDeployed: TriggerRelease, EventSwitched: TriggerSwitched,
		EventRequested: TriggerManual, EventSlot: TriggerStandby}[e.Kind]
	state := m.Colors[e.Color]
	state.Pending = append(state.Pending, run)
	if len(state.Pending) > MaxPending {
		i := leastMissed(state.Pending)
		state.Forgot = max(state.Forgot, state.Pending[i].Event.Sequence)
		state.Pending = append(state.Pending[:i], state.Pending[i+1:]...)
	}
	m.Colors[e.Color] = state
	m.run = &run
}

// leastMissed is the oldest run that only repeats what another was asked for, or else the oldest.
func leastMissed(pending []RunRef) int {
	for i, run := range pending {
		if run.Trigger == TriggerManual || run.Trigger == TriggerStandby {
			return i
		}
	}
	return 0
}
