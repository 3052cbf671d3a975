package plumbline

import (
	"slices"
	"time"
)

// A Policy is what the configuration says of a service, as far as the rules need it.
type Policy struct {
	New           bool  // a service without a record may begin with Live
	Live          Color // assumed for a new service
	LiveVersion   string
	Retain        time.Duration // how long the old color stays on standby after a switch
	ValidFor      time.Duration // how long a pass opens a gate
	Enforce       bool          // a rollback demands a fresh pass, too
	ObserveUntil  time.Time     // until then a closed gate is only said, not enforced; zero means enforce
	RequireDigest bool
	RequireChange bool
	Suites        []SuiteRef // what is configured today
}

// lacks names what the service requires of a release and this one hasn't: "digest", "change" or nothing.
func (p Policy) lacks(release Release, change Change) string {
	switch {
	case p.RequireDigest && release.Digest == "":
		return "digest"
	case p.RequireChange && change.ID == "":
		return "change"
	}
	return ""
}

// Pinned are the suites of a list that answer to a trigger.
func Pinned(suites []SuiteRef, trigger Trigger) []SuiteRef {
	var pinned []SuiteRef
	for _, s := range suites {
		if s.Answers(trigger) {
			pinned = append(pinned, s)
		}
	}
	return pinned
}

// RecordSchema names the shape of a Record.
const RecordSchema = "plumbline.service/v1"

// A Record is everything that is known of a service: the roles of its colors, what runs on them and what the last
// verdicts said. It is moved by Apply, in stream order, and by Note, when a verdict is durable.
type Record struct {
	Schema     string               `json:"schema"`
	Service    string               `json:"service"`
	Adopted    bool                 `json:"adopted"`  // false: nobody vouched for the roles, and the gates stay closed
	Live       Color                `json:"live"`     // "" until known
	Epoch      uint64               `json:"epoch"`    // of the last switch: its stream sequence, unless the event named one
	Switched   uint64               `json:"switched"` // stream sequence of the last switch: passes of older runs open nothing
	SwitchedAt time.Time            `json:"switched_at,omitzero"`
	Window     time.Time            `json:"window,omitzero"` // the end of the standby window; zero: no standby
	Ended      time.Time            `json:"ended,omitzero"`  // of a window that the clock ended: events from before it still find a standby
	Colors     map[Color]ColorState `json:"colors"`
	Applied    uint64               `json:"applied"`             // events up to this stream sequence have had their effect
	AppliedAt  time.Time            `json:"applied_at,omitzero"` // stream time of the last of them
	Recent     []Seen               `json:"recent"`              // the last events, oldest first
	Facts      []Seen               `json:"facts,omitempty"`     // the last switches and changes, which no verdict would recognize
	Outbox     []Entry              `json:"outbox,omitempty"`    // what the last move has to say to the ledger
}

// A ColorState is what is known of one color.
type ColorState struct {
	Deployment uint64               `json:"deployment"` // stream sequence of its release event, 0 if there was none
	Event      string               `json:"event,omitempty"`
	Release    Release              `json:"release"`
	Change     Change               `json:"change,omitzero"`
	DeployedAt time.Time            `json:"deployed_at,omitzero"`
	Deploying  bool                 `json:"deploying,omitempty"`
	Overwrote  string               `json:"overwrote,omitempty"`  // the version that a rollback would have needed
	Overwriter string               `json:"overwriter,omitempty"` // the version by which it is gone
	Suites     []SuiteRef           `json:"suites,omitempty"`     // pinned at the deployment
	Pending    []RunRef             `json:"pending,omitempty"`    // accepted and not decided
	Forgot     uint64               `json:"forgot,omitempty"`     // stream sequence of the newest run that Pending had no room for
	Last       *VerdictRef          `json:"last,omitempty"`       // the newest verdict about this deployment in this role
	Former     []PastRelease        `json:"former,omitempty"`     // oldest first
	Refused    *PastRelease         `json:"refused,omitempty"`    // the last release that came while the color was live
	Progress   map[string]RunStatus `json:"-"`
}

// LastAs is the last verdict, if it was reached about what the color runs now and in this role. Otherwise the text says
// what it was about, and is empty if there is none.
func (s ColorState) LastAs(role Role) (last *VerdictRef, about string) {
	last = s.Last
	switch {
	case last == nil:
		return nil, ""
	case last.Release.Version != s.Release.Version:
		return nil, "about " + orUnknown(last.Release)
	case last.Release != s.Release || last.Deployment != s.Deployment:
		return nil, "about an older deployment"
	case last.Role != role:
		return nil, "while it was " + string(last.Role)
	}
	return last, ""
}

// A PastRelease ran on a color before.
type PastRelease struct {
	Deployment uint64  `json:"deployment"`
	Event      string  `json:"event,omitempty"`
	Release    Release `json:"release"`
}

// RunStatus is how far a run is, for people.
type RunStatus struct {
	Done, Total int
}

// A RunRef is a run that was accepted: what it asks was pinned then.
type RunRef struct {
	Run        string     `json:"run"`
	Service    string     `json:"service"`
	Trigger    Trigger    `json:"trigger"`
	Role       Role       `json:"role"`
	Color      Color      `json:"color"`
	Deployment uint64     `json:"deployment"`
	Release    Release    `json:"release"`
	Change     Change     `json:"change,omitzero"`
	Event      EventRef   `json:"event"`
	AcceptedAt time.Time  `json:"accepted_at"`
	Suites     []SuiteRef `json:"suites,omitempty"`
	Refused    string     `json:"refused,omitempty"` // why the verdict is a fail without a question asked
	Starts     []string   `json:"starts,omitempty"`  // who began it, and when, where beginning it again isn't the same as once
}

// A VerdictRef is what the gate needs of a verdict.
type VerdictRef struct {
	Run         string      `json:"run"`
	Trigger     Trigger     `json:"trigger"`
	Role        Role        `json:"role"`
	Deployment  uint64      `json:"deployment"`
	Sequence    uint64      `json:"sequence"` // of the event that asked
	Release     Release     `json:"release"`
	Outcome     string      `json:"outcome"`
	Cause       Cause       `json:"cause,omitempty"`
	Reason      string      `json:"reason"`
	Attribution Attribution `json:"attribution,omitempty"`
	Unreached   bool        `json:"unreached,omitempty"` // what failed could be asked of neither color
	Suites      []SuiteRef  `json:"suites,omitempty"`
	FinishedAt  time.Time   `json:"finished_at"`
	ExpiresAt   time.Time   `json:"expires_at"`
}

// The bounds of a record, which has to fit into a message of 1 MiB.
const (
	MaxRecent  = 256
	MaxFacts   = 64
	MaxFormer  = 32
	MaxPending = 64
)

// Begin is the first record of a service.
func Begin(service string, p Policy) Record {
	r := Record{Schema: RecordSchema, Service: service, Colors: map[Color]ColorState{Blue: {}, Green: {}}}
	if !p.New || p.Live.Other() == "" {
		return r
	}
	r.Adopted, r.Live = true, p.Live
	r.Colors[p.Live] = ColorState{Release: Release{Version: p.LiveVersion}, Suites: p.Suites}
	return r
}

// RoleAt is the role of a color at a moment: a standby whose window ended is idle, recorded or not.
func (r Record) RoleAt(c Color, now time.Time) Role {
	switch {
	case r.Live == "" || c.Other() == "":
		return ""
	case c == r.Live:
		return RoleLive
	case !r.Window.IsZero() && now.Before(r.Window):
		return RoleStandby
	}
	return RoleIdle
}

// Clone is a copy that shares nothing with the original that Apply or Note would change.
func (r Record) Clone() Record {
	colors := make(map[Color]ColorState, len(r.Colors))
	for c, state := range r.Colors {
		state.Pending = append([]RunRef(nil), state.Pending...)
		state.Former = append([]PastRelease(nil), state.Former...)
		colors[c] = state
	}
	r.Colors = colors
	r.Recent = append([]Seen(nil), r.Recent...)
	r.Facts = append([]Seen(nil), r.Facts...)
	r.Outbox = append([]Entry(nil), r.Outbox...)
	return r
}

// standby is the color that is kept for a rollback, if any.
func (r Record) standby(now time.Time) Color {
	if c := r.Live.Other(); r.RoleAt(c, now) == RoleStandby {
		return c
	}
	return ""
}

// Find is the accepted and undecided run with this id.
func (r Record) Find(run string) (RunRef, bool) {
	for _, state := range r.Colors {
		for _, p := range state.Pending {
			if p.Run == run {
				return p, true
			}
		}
	}
	return RunRef{}, false
}

// Started notes that a run is begun, and says how often it was before. by is who begins it, with the time: the same one
// counts once. Without such a run, or if it is noted already, nothing is changed.
func (r Record) Started(run, by string) (next Record, before int, changed bool) {
	for c, state := range r.Colors {
		for i, p := range state.Pending {
			if p.Run != run {
				continue
			}
			if before = slices.Index(p.Starts, by); before >= 0 {
				return r, before, false
			}
			next = r.Clone()
			next.Colors[c].Pending[i].Starts = append(slices.Clip(p.Starts), by)
			return next, len(p.Starts), true
		}
	}
	return r, 0, false
}

// Heard takes an entry out of the outbox once the ledger has it, and says whether it was there.
func (r Record) Heard(e Entry) (Record, bool) {
	for i, waiting := range r.Outbox {
		if waiting.ID() == e.ID() {
			r = r.Clone()
			r.Outbox = append(r.Outbox[:i], r.Outbox[i+1:]...)
			return r, true
		}
	}
	return r, false
}

// Stale says why a run must end without judging, or nothing: the color or its role changed since it was accepted.
func (r Record) Stale(run RunRef, now time.Time) string {
	state := r.Colors[run.Color]
	switch {
	case state.Deployment > run.Deployment:
		return "superseded by the release of " + state.Release.String()
	case run.Event.Sequence < r.Switched:
		return "superseded: traffic moved to " + string(r.Live) + " while the run went on"
	case state.Deploying && run.Role != RoleLive:
		return "superseded: " + string(run.Color) + " is being changed"
	}
	if role := r.RoleAt(run.Color, now); role != run.Role {
		return "superseded: " + string(run.Color) + " became " + string(role) + " while the run went on"
	}
	return ""
}

// Note records a durable verdict. A verdict about an older deployment, another role, a time before the last switch or
// an older run than the one already noted only ends its pending run.
func (r Record) Note(v Verdict, now time.Time) Record {
	r = r.Clone()
	if v.Service != r.Service || v.Color.Other() == "" {
		return r
	}
	state := r.Colors[v.Color]
	for i, p := range state.Pending {
		if p.Run == v.Run {
			state.Pending = append(state.Pending[:i], state.Pending[i+1:]...)
			break
		}
	}
	current := v.Deployment == state.Deployment && v.Role == r.RoleAt(v.Color, now) && v.Event.Sequence >= r.Switched
	if current && (state.Last == nil || state.Last.Sequence <= v.Event.Sequence) && v.Cause != CauseSuperseded {
		state.Last = &VerdictRef{
			Run: v.Run, Trigger: v.Trigger, Role: v.Role, Deployment: v.Deployment, Sequence: v.Event.Sequence,
			Release: v.Release, Outcome: v.Outcome, Cause: v.Cause, Reason: v.Reason, Attribution: v.Attribution,
			Unreached: v.Unreached, Suites: v.Suites, FinishedAt: v.FinishedAt, ExpiresAt: v.ExpiresAt,
		}
	}
	r.Colors[v.Color] = state
	return r
}
