package plumbline_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

const (
	blue  = plumbline.Blue
	green = plumbline.Green
)

// begin is when every story starts.
var begin = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)

func suite(name string, triggers ...plumbline.Trigger) plumbline.SuiteRef {
	return plumbline.SuiteRef{Name: name, Digest: "sha256:" + name, Triggers: triggers}
}

// policy is that of a service with blue live, and a suite for every trigger.
func policy() plumbline.Policy {
	return plumbline.Policy{
		New: true, Live: blue, LiveVersion: "v1", Retain: 72 * time.Hour, ValidFor: 30 * time.Minute,
		Suites: []plumbline.SuiteRef{
			suite("smoke", plumbline.TriggerRelease, plumbline.TriggerStandby),
			suite("after", plumbline.TriggerSwitched),
		},
	}
}

// A story is what happens to a service, event by event, a minute apart.
type story struct {
	t        *testing.T
	policy   plumbline.Policy
	record   plumbline.Record
	sequence uint64
	now      time.Time
	moved    plumbline.Move
}

func tell(t *testing.T, changes ...func(*plumbline.Policy)) *story {
	p := policy()
	for _, change := range changes {
		change(&p)
	}
	return &story{t: t, policy: p, record: plumbline.Begin("plum", p), sequence: 100, now: begin}
}

// send applies an event, completed by what every event has.
func (s *story) send(e plumbline.Event) *story {
	s.sequence++
	s.now = s.now.Add(time.Minute)
	e.Service, e.Sequence, e.At = "plum", s.sequence, s.now
	if e.ID == "" {
		e.ID = fmt.Sprintf("event-%d", s.sequence)
	}
	if e.Hash == "" {
		e.Hash = "0011223344556677"
	}
	e.Run = plumbline.RunID("plumbline.event.plum", "test", e.ID)
	return s.apply(e)
}

func (s *story) apply(e plumbline.Event) *story {
	s.moved = s.record.Apply(e, s.policy)
	s.record = s.moved.Record
	return s
}

func (s *story) deploying(c plumbline.Color) *story {
	return s.send(plumbline.Event{Kind: plumbline.EventDeploying, Color: c})
}

func (s *story) deploy(c plumbline.Color, version string) *story {
	return s.send(plumbline.Event{Kind: plumbline.EventDeployed, Color: c, Release: plumbline.Release{Version: version}})
}

func (s *story) shift(c plumbline.Color) *story {
	return s.send(plumbline.Event{Kind: plumbline.EventSwitched, Color: c})
}

func (s *story) validate(c plumbline.Color) *story {
	return s.send(plumbline.Event{Kind: plumbline.EventRequested, Color: c, Reason: "to be sure"})
}

func (s *story) slot(c plumbline.Color) *story {
	return s.send(plumbline.Event{Kind: plumbline.EventSlot, Color: c})
}

func (s *story) wait(d time.Duration) *story {
	s.now = s.now.Add(d)
	return s
}

// run is the run that the last event was given.
func (s *story) run() plumbline.RunRef {
	s.t.Helper()
	if s.moved.Run == nil {
		s.t.Fatalf("the event at %d has no run", s.sequence)
	}
	return *s.moved.Run
}

func passed() plumbline.Verdict {
	return plumbline.Verdict{Outcome: plumbline.Pass, Reason: "2 of 2 checks passed"}
}

func failed() plumbline.Verdict {
	return plumbline.Verdict{Outcome: plumbline.Fail, Cause: plumbline.CauseChecks, Reason: "1 of 2 critical checks failed: login",
		Attribution: plumbline.AttributedUnknown}
}

func shared() plumbline.Verdict {
	v := failed()
	v.Attribution = plumbline.AttributedShared
	return v
}

func ended(cause plumbline.Cause) plumbline.Verdict {
	return plumbline.Verdict{Outcome: plumbline.Fail, Cause: cause, Reason: string(cause)}
}

// says ends the run of the last event.
func (s *story) says(v plumbline.Verdict) *story {
	s.t.Helper()
	return s.decide(s.run(), v)
}

// decide ends a run with the verdict, completed by what the run says.
func (s *story) decide(run plumbline.RunRef, v plumbline.Verdict) *story {
	v.Schema, v.Run, v.Service, v.Color, v.Role = plumbline.VerdictSchema, run.Run, "plum", run.Color, run.Role
	v.Trigger, v.Deployment, v.Release, v.Event, v.Suites = run.Trigger, run.Deployment, run.Release, run.Event, run.Suites
	if v.FinishedAt.IsZero() {
		v.FinishedAt = s.now
	}
	if v.ExpiresAt.IsZero() {
		v.ExpiresAt = v.FinishedAt.Add(s.policy.ValidFor)
	}
	s.record = s.record.Note(v, s.now)
	return s
}

// gate asks for a promotion of what is deployed there.
func (s *story) gate(c plumbline.Color) plumbline.Gate { return s.ask(plumbline.Asked{Color: c}) }

func (s *story) rollback(c plumbline.Color) plumbline.Gate {
	return s.ask(plumbline.Asked{Color: c, Purpose: plumbline.PurposeRollback})
}

func (s *story) ask(a plumbline.Asked) plumbline.Gate {
	return plumbline.Decide(a, s.record, s.policy, s.now)
}

func (s *story) role(c plumbline.Color) plumbline.Role { return s.record.RoleAt(c, s.now) }

func (s *story) wantRoles(blueRole, greenRole plumbline.Role) {
	s.t.Helper()
	if b, g := s.role(blue), s.role(green); b != blueRole || g != greenRole {
		s.t.Errorf("blue is %s and green %s, want %s and %s", b, g, blueRole, greenRole)
	}
}

func (s *story) wantGate(doc plumbline.Gate, state plumbline.GateState, because string) {
	s.t.Helper()
	if doc.Gate != state || doc.Because != because {
		s.t.Errorf("the gate of %s is %s because %s (%s), want %s because %s", doc.Color, doc.Gate, doc.Because, doc.Reason, state, because)
	}
}

// promoted is a story in which green passed v2 and took the traffic from blue, which is standby.
func promoted(t *testing.T, changes ...func(*plumbline.Policy)) *story {
	s := tell(t, changes...)
	s.deploy(green, "v2").says(passed())
	return s.shift(green)
}
