package plumbline_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// flood is more than a record remembers.
const flood = plumbline.MaxRecent + 50

func TestAFloodOfRequestsLosesNoRelease(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2")
	release := s.run()
	for range flood {
		s.validate(green)
	}
	if _, kept := s.record.Find(release.Run); !kept {
		t.Error("the run of the release fell out of the record")
	}
	s.wantGate(s.gate(green), "waiting", plumbline.BecauseRunning)
	state := s.record.Colors[green]
	if len(state.Pending) != plumbline.MaxPending || state.Forgot == 0 || state.Forgot >= state.Pending[1].Event.Sequence {
		t.Errorf("%d runs are pending, and those up to %d forgotten; the oldest request is of %d", len(state.Pending), state.Forgot, state.Pending[1].Event.Sequence)
	}
	s.decide(release, passed())
	s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
}

func TestOldFactSentAgainAfterAFlood(t *testing.T) {
	s := tell(t, func(p *plumbline.Policy) { p.Suites = p.Suites[:1] }) // nothing is asked after a switch, so no verdict knows of it
	s.deploy(green, "v2").says(passed())
	old := plumbline.Event{Kind: plumbline.EventSwitched, ID: "switch-1", Color: green}
	s.send(old).shift(blue)
	changing := plumbline.Event{Kind: plumbline.EventDeploying, ID: "change-1", Color: green}
	s.send(changing).deploy(green, "v3").says(passed())
	for range flood {
		s.validate(green).says(passed())
	}
	s.send(old).send(changing)
	s.wantRoles("live", "idle")
	s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
}

func TestUndecidedEventSentAgainAfterAFlood(t *testing.T) {
	s := tell(t)
	release := plumbline.Event{Kind: plumbline.EventDeployed, ID: "rel-1", Color: green, Release: plumbline.Release{Version: "v2"}}
	s.send(release)
	run := s.run()
	for range flood {
		s.deploy(blue, "v0")
	}
	s.send(release)
	if got := s.record.Colors[green].Deployment; s.moved.Run != nil || got != run.Deployment {
		t.Errorf("the deployment is %d, want %d", got, run.Deployment)
	}
	s.decide(run, passed())
	s.wantGate(s.gate(green), "open", plumbline.BecauseVerdict)
}

func TestStreamThatWasMadeAnew(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.wait(10 * time.Minute)
	s.sequence = 1 // the next event is the second of its stream
	s.deploy(green, "v3")
	if why := s.record.Clash(lastEvent(s)); !strings.Contains(why, "made anew") {
		t.Errorf("the event clashes because %q, want a word about the stream", why)
	}
	if got := s.record.Colors[green].Release.Version; got != "v2" {
		t.Errorf("green runs %s", got)
	}
}

// lastEvent is what the last send was about, as far as a clash looks at it.
func lastEvent(s *story) plumbline.Event {
	return plumbline.Event{Kind: plumbline.EventDeployed, ID: "e", Run: "another", Service: "plum", Color: green, Sequence: s.sequence, At: s.now}
}

func TestTheEndOfTheWindowIsSaidUntilItIsHeard(t *testing.T) {
	s := promoted(t)
	s.wait(100 * time.Hour)
	ended, _ := s.record.EndWindow(s.now)
	s.record = ended
	s.deploy(blue, "v3") // before anybody told the ledger
	entry := s.wantSaid(plumbline.EntryWindow, "blue is idle")
	heard, changed := s.record.Heard(entry)
	if _, again := heard.Heard(entry); !changed || again {
		t.Errorf("heard: %t, and once more: %t", changed, again)
	}
	if len(heard.Outbox) != len(s.record.Outbox)-1 {
		t.Errorf("the outbox has %d entries, want one less than %d", len(heard.Outbox), len(s.record.Outbox))
	}
}

func TestTheLargestRecordIsAMessage(t *testing.T) {
	s := tell(t, func(p *plumbline.Policy) {
		p.Suites = nil
		for i := range 16 {
			p.Suites = append(p.Suites, plumbline.SuiteRef{Name: fmt.Sprintf("suite-%02d-%s", i, strings.Repeat("n", 50)),
				Digest: "sha256:" + strings.Repeat("f", 64), Triggers: plumbline.SuiteTriggers()})
		}
	})
	long := strings.Repeat("x", 256)
	change := plumbline.Change{ID: long, URL: strings.Repeat("u", 2048), Commit: long, RequestedBy: long, ApprovedBy: long}
	for i := range flood {
		s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: fmt.Sprint(i, long[:250]), Color: []plumbline.Color{green, blue}[i%2],
			Release: plumbline.Release{Version: long[:128], Digest: "sha256:" + strings.Repeat("f", 64)}, Change: change})
	}
	if data, _ := json.Marshal(s.record); len(data) > 1000<<10 {
		t.Errorf("the record has %d bytes, and a message at most 1 MiB", len(data))
	}
}
