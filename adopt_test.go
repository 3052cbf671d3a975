package plumbline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

func TestAdopt(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	policy := plumbline.Policy{ValidFor: time.Hour}
	r := plumbline.Begin("plum", policy)
	if g := plumbline.Decide(plumbline.Asked{Color: plumbline.Blue}, r, policy, at); g.Gate != plumbline.GateClosed {
		t.Fatalf("before the adoption the gate is %s", g.Gate)
	}
	adopted, entry, err := r.Adopt(plumbline.Blue, "1", "the bus was lost", at)
	if err != nil {
		t.Fatal(err)
	}
	if adopted.RoleAt(plumbline.Blue, at) != plumbline.RoleLive || adopted.RoleAt(plumbline.Green, at) != plumbline.RoleIdle || r.Adopted {
		t.Errorf("blue is %s, green is %s", adopted.RoleAt(plumbline.Blue, at), adopted.RoleAt(plumbline.Green, at))
	}
	if entry.Kind != plumbline.EntryAdoption || !strings.Contains(entry.Text, "the bus was lost") || entry.Release.Version != "1" {
		t.Errorf("the ledger says %+v", entry)
	}
	for color, want := range map[plumbline.Color]plumbline.GateState{plumbline.Blue: plumbline.GateOpen, plumbline.Green: plumbline.GateClosed} {
		if g := plumbline.Decide(plumbline.Asked{Color: color}, adopted, policy, at); g.Gate != want {
			t.Errorf("the gate of %s is %s, want %s", color, g.Gate, want)
		}
	}
	for name, refused := range map[string]func() error{
		"twice":     func() error { _, _, err := adopted.Adopt(plumbline.Green, "", "again", at); return err },
		"color":     func() error { _, _, err := r.Adopt("red", "", "why", at); return err },
		"no reason": func() error { _, _, err := r.Adopt(plumbline.Blue, "", "", at); return err },
	} {
		if refused() == nil {
			t.Errorf("%s: adopted, want a refusal", name)
		}
	}
}

// No release event pinned what an adopted color is asked as a standby: it is what was configured when traffic left it.
func TestAdoptedColorIsAskedWhatWasConfigured(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	smoke := func(digest string) plumbline.Policy {
		return plumbline.Policy{Retain: time.Hour, ValidFor: time.Hour,
			Suites: []plumbline.SuiteRef{{Name: "smoke", Digest: digest, Triggers: plumbline.SuiteTriggers()}}}
	}
	r, _, err := plumbline.Begin("plum", smoke("1")).Adopt(plumbline.Blue, "1", "the bus was lost", at)
	if err != nil {
		t.Fatal(err)
	}
	event := func(kind plumbline.EventKind, color plumbline.Color, sequence uint64) plumbline.Event {
		return plumbline.Event{Kind: kind, Service: "plum", Color: color, Run: string(kind) + string(color), Sequence: sequence, At: at, Release: plumbline.Release{Version: "2"}}
	}
	r = r.Apply(event(plumbline.EventDeployed, plumbline.Green, 1), smoke("1")).Record
	r = r.Apply(event(plumbline.EventSwitched, plumbline.Green, 2), smoke("2")).Record
	if run := r.Apply(event(plumbline.EventSlot, plumbline.Blue, 3), smoke("3")).Run; run == nil || run.Suites[0].Digest != "2" {
		t.Errorf("the standby is asked %+v, want suite 2", run)
	}
}

// The event stream was lost and the record wasn't: whoever adopts it starts over, and what comes next is served.
func TestAdoptOverANewStream(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	policy := plumbline.Policy{New: true, Live: plumbline.Blue, LiveVersion: "1", Retain: time.Hour, ValidFor: time.Hour,
		Suites: []plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:1", Triggers: plumbline.SuiteTriggers()}}}
	release := func(sequence uint64, id, version string) plumbline.Event {
		return plumbline.Event{Kind: plumbline.EventDeployed, Service: "plum", Color: plumbline.Green, ID: id, Run: id, Hash: id,
			Sequence: sequence, At: at.Add(time.Duration(sequence) * time.Second), Release: plumbline.Release{Version: version}}
	}
	r := plumbline.Begin("plum", policy).Apply(release(57, "e57", "2"), policy).Record
	v := plumbline.Verdict{Run: "e57", Service: "plum", Color: plumbline.Green, Role: plumbline.RoleIdle, Trigger: plumbline.TriggerRelease, Deployment: 57, Outcome: plumbline.Pass,
		Release: plumbline.Release{Version: "2"}, Event: plumbline.EventRef{Sequence: 57}, FinishedAt: at, ExpiresAt: at.Add(24 * time.Hour), Suites: policy.Suites}
	r = r.Note(v, at)
	if g := plumbline.Decide(plumbline.Asked{Color: plumbline.Green}, r, policy, at); g.Gate != plumbline.GateOpen {
		t.Fatalf("before it was lost the gate is %s: %s", g.Gate, g.Reason)
	}
	late := release(2, "e2", "3")
	late.At = at.Add(time.Hour)
	if move := r.Apply(late, policy); r.Clash(late) == "" || !strings.Contains(r.Clash(late), "plumbline adopt plum") || move.Changed {
		t.Errorf("an event of the new stream: %q", r.Clash(late))
	}
	over := r.StartOver(2, at.Add(time.Hour))
	if g := plumbline.Decide(plumbline.Asked{Color: plumbline.Green}, over, policy, at); g.Gate != plumbline.GateClosed || over.Adopted {
		t.Errorf("before it is adopted the gate is %s", g.Gate)
	}
	adopted, _, err := over.Adopt(plumbline.Blue, "", "the events were lost", at.Add(time.Hour))
	if err != nil || adopted.Colors[plumbline.Blue].Release.Version != "1" {
		t.Fatalf("%+v, %v", adopted.Colors[plumbline.Blue], err)
	}
	if g := plumbline.Decide(plumbline.Asked{Color: plumbline.Green}, adopted, policy, at); g.Gate == plumbline.GateOpen {
		t.Errorf("the gate is open on a pass from before: %s", g.Reason)
	}
	next := release(3, "e3", "3")
	next.At = at.Add(2 * time.Hour)
	move := adopted.Apply(next, policy)
	if move.Run == nil || move.Run.Refused != "" || move.Record.Colors[plumbline.Green].Deployment != 3 {
		t.Errorf("the next release: %+v", move)
	}
}
