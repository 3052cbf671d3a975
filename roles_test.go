package plumbline_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

// wantRun checks what the last event asks for; an empty trigger means that it asks for nothing.
func (s *story) wantRun(trigger plumbline.Trigger, role plumbline.Role, suites ...string) {
	s.t.Helper()
	if trigger == "" {
		if s.moved.Run != nil {
			s.t.Errorf("the event was given a run: %+v, want none", *s.moved.Run)
		}
		return
	}
	run := s.run()
	names := []string{}
	for _, ref := range run.Suites {
		names = append(names, ref.Name)
	}
	if run.Trigger != trigger || run.Role != role || strings.Join(names, " ") != strings.Join(suites, " ") {
		s.t.Errorf("the run is %s as %s with %v, want %s as %s with %v", run.Trigger, run.Role, names, trigger, role, suites)
	}
	if found, ok := s.record.Find(run.Run); !ok || !reflect.DeepEqual(found, run) {
		s.t.Errorf("the record has %+v, want %+v", found, run)
	}
}

// wantSaid checks that the last event said something of this kind that contains text.
func (s *story) wantSaid(kind plumbline.EntryKind, text string) plumbline.Entry {
	s.t.Helper()
	for _, e := range s.record.Outbox {
		if e.Kind == kind && strings.Contains(e.Text, text) {
			if e.Schema != plumbline.LedgerSchema || e.Service != "plum" || e.At.IsZero() {
				s.t.Errorf("the entry is incomplete: %+v", e)
			}
			return e
		}
	}
	s.t.Errorf("the ledger is told %+v, want %s with %q", s.record.Outbox, kind, text)
	return plumbline.Entry{}
}

func TestDeployingClosesBothGatesOfAnIdleColor(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.validate(green)
	run := s.run()
	s.deploying(green)
	s.wantRun("", "")
	s.wantRoles("live", "idle")
	s.wantGate(s.gate(green), "closed", plumbline.BecauseDeploying)
	s.wantGate(s.rollback(green), "closed", plumbline.BecauseDeploying)
	if why := s.record.Stale(run, s.now); !strings.HasPrefix(why, "superseded") {
		t.Errorf("the run is stale because %q, want superseded", why)
	}
	s.decide(run, passed())
	s.wantGate(s.gate(green), "closed", plumbline.BecauseDeploying)
	s.deploy(green, "v3")
	s.wantGate(s.gate(green), "waiting", plumbline.BecauseRunning)
}

func TestDeployingClosesBothGatesOfAStandby(t *testing.T) {
	s := promoted(t)
	s.slot(blue).says(passed())
	s.wantGate(s.rollback(blue), "open", plumbline.BecauseRollback)
	s.deploying(blue)
	s.wantGate(s.rollback(blue), "closed", plumbline.BecauseDeploying)
	s.wantGate(s.gate(blue), "closed", plumbline.BecauseDeploying)
	if doc := s.rollback(blue); doc.Readiness != plumbline.NotReady {
		t.Errorf("the rollback is %s, want not_ready", doc.Readiness)
	}
}

func TestDeployingOnTheLiveColorIsOnlyRecorded(t *testing.T) {
	s := tell(t)
	s.deploying(blue)
	s.wantRun("", "")
	s.wantSaid(plumbline.EntryRecorded, "live color blue")
	s.wantGate(s.gate(blue), "open", plumbline.BecauseAlreadyLive)
	s.shift(green).shift(blue).shift(green)
	if s.record.Colors[blue].Deploying {
		t.Error("blue is deploying, want only recorded")
	}
}

func TestTrafficDoesNotEndAChange(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.deploying(green).shift(green)
	s.wantGate(s.gate(green), "open", plumbline.BecauseAlreadyLive)
	if why := s.record.Stale(s.run(), s.now); why != "" {
		t.Errorf("the run on the live color is %s, want not stale", why)
	}
	s.shift(blue)
	s.wantGate(s.gate(green), "closed", plumbline.BecauseDeploying)
}

func TestReleaseToTheIdleColor(t *testing.T) {
	s := tell(t)
	s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: "rel-1", Color: green,
		Release: plumbline.Release{Version: "v2", Digest: "sha256:2"}, Change: plumbline.Change{ID: "CHG1"}})
	s.wantRoles("live", "idle")
	s.wantRun("release", "idle", "smoke")
	s.wantSaid(plumbline.EntryRelease, "green runs v2")
	run, state := s.run(), s.record.Colors[green]
	if run.Deployment != s.sequence || run.Refused != "" || run.AcceptedAt != s.now || run.Event != (plumbline.EventRef{ID: "rel-1", Sequence: s.sequence}) ||
		run.Change.ID != "CHG1" || run.Release.Digest != "sha256:2" || run.Color != green {
		t.Errorf("the run is %+v", run)
	}
	if state.Deployment != s.sequence || state.Event != "rel-1" || state.Release != run.Release || len(state.Suites) != 2 || state.DeployedAt != s.now {
		t.Errorf("green is %+v", state)
	}
}

func TestNewerReleaseSupersedesTheOlderRun(t *testing.T) {
	s := tell(t)
	old := s.deploy(green, "v2").run()
	s.deploy(green, "v3")
	if why := s.record.Stale(old, s.now); why != "superseded by the release of v3" {
		t.Errorf("the older run is stale because %q", why)
	}
	if why := s.record.Stale(s.run(), s.now); why != "" {
		t.Errorf("the newer run is stale because %q", why)
	}
	s.decide(old, passed())
	s.wantGate(s.gate(green), "waiting", plumbline.BecauseRunning)
	s.says(failed())
	s.wantGate(s.gate(green), "closed", plumbline.BecauseVerdict)
	s.deploy(green, "v3")
	if last := s.record.Colors[green].Last; last != nil {
		t.Errorf("the new deployment has the verdict %+v, want none", *last)
	}
	s.wantGate(s.gate(green), "waiting", plumbline.BecauseRunning)
}

func TestReleaseToTheStandbyOverwritesIt(t *testing.T) {
	s := promoted(t)
	s.slot(blue).says(passed())
	s.deploy(blue, "2026.11.3")
	s.wantRoles("idle", "live")
	s.wantRun("release", "idle", "smoke")
	s.wantSaid(plumbline.EntryRelease, "overwritten by 2026.11.3")
	doc := s.rollback(blue)
	s.wantGate(doc, "closed", plumbline.BecauseNotStandby)
	if doc.Readiness != plumbline.NotReady || !strings.Contains(doc.Reason, "overwritten by 2026.11.3") {
		t.Errorf("the rollback is %s: %s", doc.Readiness, doc.Reason)
	}
	s.wantGate(s.gate(blue), "waiting", plumbline.BecauseRunning)
	if !s.record.Window.IsZero() {
		t.Errorf("the window ends %s, want none", s.record.Window)
	}
	s.deploy(blue, "2026.11.4")
	if doc := s.rollback(blue); !strings.Contains(doc.Reason, "overwritten by 2026.11.3") {
		t.Errorf("after another release: %s", doc.Reason)
	}
}

func TestReleaseToTheLiveColorMovesNothing(t *testing.T) {
	s := tell(t)
	before := s.record.Clone()
	s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: "oops", Color: blue, Release: plumbline.Release{Version: "v9"}})
	s.wantRoles("live", "idle")
	s.wantSaid(plumbline.EntryRefusal, "blue is live")
	run := s.run()
	if run.Refused == "" || run.Trigger != plumbline.TriggerRelease || run.Release.Version != "v9" {
		t.Errorf("the run is %+v, want refused", run)
	}
	after := s.record.Colors[blue]
	if after.Release != before.Colors[blue].Release || after.Deployment != before.Colors[blue].Deployment {
		t.Errorf("blue is %+v, want %+v", after, before.Colors[blue])
	}
	s.decide(run, ended(plumbline.CauseRefused))
	doc := s.gate(blue)
	s.wantGate(doc, "open", plumbline.BecauseAlreadyLive)
	if doc.Advice != plumbline.AdviceNone || doc.Release.Version != "v1" {
		t.Errorf("the document says %+v", doc)
	}
	for _, asked := range []plumbline.Asked{{Color: blue, Version: "v9"}, {Color: blue, Event: "oops"}} {
		s.wantGate(s.ask(asked), "closed", plumbline.BecauseRefused)
	}
	s.shift(green).deploy(blue, "v9").deploy(blue, "v10") // where it may be released, it isn't refused any more
	s.wantGate(s.ask(plumbline.Asked{Color: blue, Version: "v9"}), "closed", plumbline.BecauseOtherGone)
}

func TestSlotIsForAStandbyAlone(t *testing.T) {
	s := promoted(t)
	s.slot(green)
	s.wantRun("", "")
	s.slot(blue)
	s.wantRun("standby", "standby", "smoke")
}

func TestStandbyIsAskedWhatItWasDeployedWith(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.shift(green)
	s.deploy(blue, "v3").says(passed())
	s.shift(blue) // green, deployed with smoke, is standby
	changed := suite("smoke", plumbline.TriggerRelease, plumbline.TriggerStandby)
	changed.Digest = "sha256:changed"
	fresh := suite("fresh", plumbline.TriggerStandby)
	pulse := suite("pulse", plumbline.TriggerStandby)
	pulse.Always = true
	s.policy.Suites = []plumbline.SuiteRef{changed, fresh, pulse}
	s.slot(green)
	s.wantRun("standby", "standby", "pulse", "smoke")
	if got := s.run().Suites[1].Digest; got != "sha256:smoke" {
		t.Errorf("smoke has digest %s, want the pinned one", got)
	}
	s.validate(green)
	s.wantRun("manual", "standby", "pulse", "smoke")
}

func TestPinnedSuiteThatIsNowAlwaysUsedIsAskedOnce(t *testing.T) {
	s := promoted(t)
	s.deploy(blue, "v3").says(passed())
	s.shift(blue)
	s.policy.Suites = append([]plumbline.SuiteRef(nil), s.policy.Suites...) // what was pinned stays as it is
	s.policy.Suites[0].Always, s.policy.Suites[0].Digest = true, "sha256:today"
	s.slot(green)
	s.wantRun("standby", "standby", "smoke")
	if got := s.run().Suites[0].Digest; got != "sha256:today" {
		t.Errorf("smoke has digest %s, want today's", got)
	}
}

func TestManualRunUsesThePlanOfTheRole(t *testing.T) {
	s := promoted(t)
	s.validate(green)
	s.wantRun("manual", "live", "after")
	s.validate(blue)
	s.wantRun("manual", "standby", "smoke")
	s.deploy(blue, "v3").validate(blue)
	s.wantRun("manual", "idle", "smoke")
}

func TestRefusals(t *testing.T) {
	requireDigest := func(p *plumbline.Policy) { p.RequireDigest = true }
	requireChange := func(p *plumbline.Policy) { p.RequireChange = true }
	noSuites := func(p *plumbline.Policy) { p.Suites = nil }
	unknown := func(p *plumbline.Policy) { p.New = false }
	for name, c := range map[string]struct {
		change func(*plumbline.Policy)
		event  func(*story)
		want   string
	}{
		"without a digest":          {requireDigest, func(s *story) { s.deploy(green, "v2") }, "requires a digest"},
		"without a change":          {requireChange, func(s *story) { s.deploy(green, "v2") }, "requires a change"},
		"without suites":            {noSuites, func(s *story) { s.deploy(green, "v2") }, "no suite of plum answers to a release"},
		"nobody adopted it":         {unknown, func(s *story) { s.deploy(green, "v2") }, "plumbline adopt plum"},
		"manual, nobody adopted it": {unknown, func(s *story) { s.validate(green) }, "plumbline adopt plum"},
		"manual, nothing released":  {func(*plumbline.Policy) {}, func(s *story) { s.validate(green) }, "nothing was ever released to green"},
		"manual, without a digest":  {requireDigest, func(s *story) { s.deploy(green, "v2").validate(green) }, "requires a digest"},
		"manual, without a change":  {requireChange, func(s *story) { s.deploy(green, "v2").validate(green) }, "requires a change"},
		"manual, without suites":    {noSuites, func(s *story) { s.validate(blue) }, "no suite of plum answers to switched"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t, c.change)
			c.event(s)
			if run := s.run(); !strings.Contains(run.Refused, c.want) {
				t.Errorf("refused with %q, want %q", run.Refused, c.want)
			}
		})
	}
}

func TestLiveColorOfAnUnknownVersionMayBeAsked(t *testing.T) {
	s := tell(t, func(p *plumbline.Policy) { p.LiveVersion = "" })
	if run := s.validate(blue).run(); run.Refused != "" {
		t.Errorf("refused: %s", run.Refused)
	}
}

func TestSwitchOrSlotWithoutSuitesHasNoRun(t *testing.T) {
	s := promoted(t, func(p *plumbline.Policy) { p.Suites = []plumbline.SuiteRef{suite("smoke", plumbline.TriggerRelease)} })
	s.wantRun("", "")
	s.slot(blue)
	s.wantRun("", "")
}

func TestServiceThatNobodyAdopted(t *testing.T) {
	s := tell(t, func(p *plumbline.Policy) { p.New = false })
	s.wantGate(s.gate(blue), "closed", plumbline.BecauseNoRecord)
	s.deploy(green, "v2").says(passed())
	s.wantGate(s.gate(green), "closed", plumbline.BecauseNoRecord)
	s.shift(green)
	for _, c := range plumbline.Colors() {
		s.wantGate(s.gate(c), "closed", plumbline.BecauseNoRecord)
		s.wantGate(s.rollback(c), "closed", plumbline.BecauseNoRecord)
	}
}
