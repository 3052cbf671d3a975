package sim

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/plumbline-dev/plumbline"
)

// A twin is a service that is told twice: to the product's record and to the model.
type twin struct {
	rules    *Service
	record   plumbline.Record
	model    *model
	sequence uint64
	now      time.Time
	sent     []plumbline.Event
	runs     []plumbline.RunRef
	verdicts map[string]plumbline.Verdict
}

func newTwin(t *rapid.T) *twin {
	rules := &Service{Name: "plum", Retain: rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "retain"),
		ValidFor: 10 * time.Minute, Digests: rapid.Bool().Draw(t, "digests")}
	return &twin{rules: rules, record: plumbline.Begin("plum", rules.policy(false)), model: newModel(rules), now: time.Unix(1e9, 0).UTC(),
		verdicts: map[string]plumbline.Verdict{}}
}

func (w *twin) policy() plumbline.Policy { return w.rules.policy(false) }

// send tells both of an event.
func (w *twin) send(t *rapid.T, e plumbline.Event, data string) {
	w.sequence++
	e.Service, e.Source, e.Sequence, e.At = "plum", source, w.sequence, w.now
	e.Run, e.Hash = plumbline.RunID("", source, e.ID), data
	kind := map[plumbline.EventKind]deed{plumbline.EventDeploying: deploying, plumbline.EventDeployed: deployed, plumbline.EventSwitched: switched,
		plumbline.EventRequested: requested, plumbline.EventSlot: slot}[e.Kind]
	owed := len(w.model.runs)
	letter := w.model.take(told{sequence: e.Sequence, at: e.At, run: e.Run, id: e.ID, kind: kind, service: "plum", color: e.Color,
		version: e.Release.Version, digest: e.Release.Digest, data: data})
	move := w.record.Apply(e, w.policy())
	w.record = move.Record
	if (move.DeadLetter != "") != letter {
		t.Fatalf("%s of %s: dead letter %q, want one: %t", e.Kind, e.Color, move.DeadLetter, letter)
	}
	if (move.Run != nil) != (len(w.model.runs) > owed) {
		t.Fatalf("%s of %s has run %+v, want one: %t", e.Kind, e.Color, move.Run, len(w.model.runs) > owed)
	}
	if move.Run == nil {
		return
	}
	w.runs = append(w.runs, *move.Run)
	want := w.model.runs[owed]
	if got := *move.Run; got.Role != want.role || got.Trigger != want.trigger || got.Deployment != want.deployment ||
		got.Release != (plumbline.Release{Version: want.version, Digest: want.digest}) || (got.Refused != "") != want.refused {
		t.Fatalf("run %+v, want role %s, trigger %s, deployment %d of %s, refused %t", got, want.role, want.trigger, want.deployment, want.version, want.refused)
	}
}

// remembered is how many events a record surely recognizes by themselves; older ones are looked up on the bus.
const remembered = 100

// actions are what may happen to a service.
func (w *twin) actions() map[string]func(*rapid.T) {
	color := rapid.SampledFrom(plumbline.Colors())
	id := func() string { return fmt.Sprint("e", w.sequence) }
	event := func(kind plumbline.EventKind) func(*rapid.T) {
		return func(t *rapid.T) {
			e := plumbline.Event{Kind: kind, ID: id(), Color: color.Draw(t, "color")}
			if kind == plumbline.EventDeployed {
				e.Release.Version = fmt.Sprint("v", rapid.IntRange(1, 4).Draw(t, "version"))
				e.Release.Digest = rapid.SampledFrom([]string{"", "sha256:a"}).Draw(t, "digest")
			}
			w.sent = append(w.sent, e)
			w.send(t, e, string(kind)+e.Release.String()+string(e.Color))
		}
	}
	return map[string]func(*rapid.T){
		"deployed":  event(plumbline.EventDeployed),
		"deploying": event(plumbline.EventDeploying),
		"switched":  event(plumbline.EventSwitched),
		"requested": event(plumbline.EventRequested),
		"slot":      event(plumbline.EventSlot),
		"again": func(t *rapid.T) {
			if len(w.sent) == 0 {
				t.Skip("nothing was sent")
			}
			e := rapid.SampledFrom(w.sent[max(0, len(w.sent)-remembered):]).Draw(t, "event")
			data := string(e.Kind) + e.Release.String() + string(e.Color)
			if rapid.Bool().Draw(t, "changed") {
				data += "!"
			}
			w.send(t, e, data)
		},
		"time": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second)
		},
		"window": w.window,
		"judge":  w.judge,
		"":       w.check,
	}
}

// window ends by a clock that may be ahead of the stream.
func (w *twin) window(t *rapid.T) {
	ahead := rapid.SampledFrom([]time.Duration{0, 10 * time.Second, time.Minute, time.Hour}).Draw(t, "ahead")
	if next, ended := w.record.EndWindow(w.now.Add(ahead)); ended {
		w.record = next
	}
}

// judge gives a verdict to one of the runs, whatever became of its color since.
func (w *twin) judge(t *rapid.T) {
	if len(w.runs) == 0 {
		t.Skip("nothing was asked for")
	}
	run := rapid.SampledFrom(w.runs).Draw(t, "run")
	if _, judged := w.verdicts[run.Run]; judged {
		t.Skip("it is judged")
	}
	v := plumbline.Verdict{Schema: plumbline.VerdictSchema, Run: run.Run, Service: "plum", Color: run.Color, Role: run.Role, Trigger: run.Trigger,
		Deployment: run.Deployment, Release: run.Release, Event: run.Event, Suites: run.Suites, FinishedAt: w.now, ExpiresAt: w.now.Add(w.rules.ValidFor),
		Outcome: rapid.SampledFrom([]string{plumbline.Pass, plumbline.Pass, plumbline.Fail}).Draw(t, "outcome")}
	stale, want := w.record.Stale(run, w.now), w.overtaken(run.Run)
	switch {
	case (stale != "") != want && w.record.Window.IsZero() == w.model.now.window.IsZero(): // a clock that is ahead sees more
		t.Fatalf("the run of event %d is stale because %q, want stale %t", run.Event.Sequence, stale, want)
	case run.Refused != "":
		v.Outcome, v.Cause = plumbline.Fail, plumbline.CauseRefused
	case stale != "":
		v.Outcome, v.Cause = plumbline.Fail, plumbline.CauseSuperseded
	case v.Outcome == plumbline.Fail:
		v.Cause = plumbline.CauseChecks
	}
	w.verdicts[run.Run] = v
	w.record = w.record.Note(v, w.now)
}

func (w *twin) overtaken(run string) bool {
	owed := w.model.due()[run]
	return !owed.overtaken.IsZero() || owed.role == plumbline.RoleStandby && !w.now.Before(owed.window)
}

// check holds the record against the model: what everybody is used for, what runs there, and which gates are open.
func (w *twin) check(t *rapid.T) {
	for _, c := range plumbline.Colors() {
		has, want := w.record.Colors[c], w.model.now.side(c)
		if has.Deployment != want.deployment || has.Release != (plumbline.Release{Version: want.version, Digest: want.digest}) || has.Deploying != want.deploying {
			t.Fatalf("%s runs %s of %d, is being changed %t; want %+v", c, has.Release, has.Deployment, has.Deploying, *want)
		}
		role := w.model.now.role(c, w.now)
		if got := w.record.RoleAt(c, w.now); got != role && (got != plumbline.RoleIdle || role != plumbline.RoleStandby || w.record.Ended.IsZero()) {
			t.Fatalf("%s is %s, want %s", c, got, role)
		}
		doc := plumbline.Decide(plumbline.Asked{Color: c}, w.record, w.policy(), w.now)
		if open, why := w.open(c, w.record.RoleAt(c, w.now)); (doc.Gate == plumbline.GateOpen) != open {
			t.Fatalf("the gate of %s is %s because %s: %s; want open %t: %s", c, doc.Gate, doc.Because, doc.Reason, open, why)
		}
	}
}

// open says whether the gate of a color must be open.
func (w *twin) open(c plumbline.Color, role plumbline.Role) (bool, string) {
	if role == plumbline.RoleLive {
		return true, "it is live"
	}
	here, last := w.model.now.side(c), (*plumbline.Verdict)(nil)
	for _, run := range w.model.runs {
		v, judged := w.verdicts[run.run]
		if judged && run.color == c && run.deployment == here.deployment && run.role == plumbline.RoleIdle && run.sequence >= w.model.now.switched && v.Cause != plumbline.CauseSuperseded {
			last = &v
		}
	}
	switch {
	case role != plumbline.RoleIdle, here.deploying, here.version == "", last == nil, !last.Passed():
		return false, fmt.Sprintf("%s, %+v, %+v", role, *here, last)
	}
	return w.now.Before(last.FinishedAt.Add(w.rules.ValidFor)), "it passed"
}

// TestRecordFollowsTheModel drives both with the same events, in any order, and shrinks what tells them apart.
func TestRecordFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { t.Repeat(newTwin(t).actions()) })
}
