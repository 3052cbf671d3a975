package plumbline_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

func TestTheReleaseThatIsMeant(t *testing.T) {
	s := tell(t)
	release := func(id, version, digest string) {
		s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: id, Color: green, Release: plumbline.Release{Version: version, Digest: digest}})
		s.says(passed())
	}
	release("rel-1", "v1.9", "sha256:19")
	release("rel-2", "v2", "sha256:2")
	for name, c := range map[string]struct {
		asked plumbline.Asked
		state plumbline.GateState
		why   string
	}{
		"nothing named":                      {plumbline.Asked{}, open, "verdict"},
		"its version":                        {plumbline.Asked{Version: "v2"}, open, "verdict"},
		"its digest":                         {plumbline.Asked{Digest: "sha256:2"}, open, "verdict"},
		"its event":                          {plumbline.Asked{Event: "rel-2"}, open, "verdict"},
		"all of it":                          {plumbline.Asked{Version: "v2", Digest: "sha256:2", Event: "rel-2"}, open, "verdict"},
		"an older version":                   {plumbline.Asked{Version: "v1.9"}, closed, "other_release"},
		"an older event":                     {plumbline.Asked{Event: "rel-1"}, closed, "other_release"},
		"its version, an older event":        {plumbline.Asked{Version: "v2", Event: "rel-1"}, closed, "other_release"},
		"its event, an older version":        {plumbline.Asked{Version: "v1.9", Event: "rel-2"}, closed, "other_release"},
		"its event, a version never heard":   {plumbline.Asked{Version: "v3", Event: "rel-2"}, closed, "other_release"},
		"its version, another digest":        {plumbline.Asked{Version: "v2", Digest: "sha256:3"}, closed, "other_release"},
		"another digest":                     {plumbline.Asked{Digest: "sha256:19"}, closed, "other_release"},
		"its digest in capitals":             {plumbline.Asked{Digest: "SHA256:2"}, closed, "other_release"},
		"a version never heard of":           {plumbline.Asked{Version: "v3"}, waiting, "unknown_release"},
		"an event never heard of":            {plumbline.Asked{Event: "rel-3"}, waiting, "unknown_release"},
		"its version, event never heard of":  {plumbline.Asked{Version: "v2", Event: "rel-3"}, waiting, "unknown_release"},
		"older version, event not heard yet": {plumbline.Asked{Version: "v1.9", Event: "rel-3"}, waiting, "unknown_release"},
		"the version with a blank":           {plumbline.Asked{Version: "v2 "}, waiting, "unknown_release"},
	} {
		t.Run(name, func(t *testing.T) {
			c.asked.Color = green
			doc := s.ask(c.asked)
			s.wantGate(doc, c.state, c.why)
			if doc.Release.Version != "v2" || doc.Deployment != s.record.Colors[green].Deployment {
				t.Errorf("the document is about %s of %d", doc.Release, doc.Deployment)
			}
			if c.state != open && doc.Fresh {
				t.Error("an answer about another release is fresh")
			}
			c.asked.Purpose = plumbline.PurposeRollback
			if doc := s.ask(c.asked); doc.Gate != closed {
				t.Errorf("the rollback is %s: %s", doc.Gate, doc.Reason)
			}
		})
	}
}

func TestADigestNobodyReleased(t *testing.T) {
	s := tell(t)
	s.deploy(green, "v2").says(passed())
	s.wantGate(s.ask(plumbline.Asked{Color: green, Version: "v2", Digest: "sha256:2"}), closed, plumbline.BecauseOtherGone)
}

func TestARefusedReleaseIsNamed(t *testing.T) {
	s := tell(t)
	s.send(plumbline.Event{Kind: plumbline.EventDeployed, ID: "used", Color: blue, Release: plumbline.Release{Version: "v2"}})
	s.shift(green)
	doc := s.ask(plumbline.Asked{Color: blue, Version: "v3", Event: "used"})
	s.wantGate(doc, closed, plumbline.BecauseRefused)
	if !strings.Contains(doc.Reason, "the release of v2 to blue was refused") {
		t.Errorf("the reason is %q", doc.Reason)
	}
}

func TestStrangeQuestions(t *testing.T) {
	s := promoted(t)
	for _, asked := range []plumbline.Asked{
		{}, {Color: "purple"}, {Color: "GREEN"}, {Color: green, Purpose: "canary"}, {Color: green, Purpose: "PROMOTE"},
	} {
		if doc := s.ask(asked); doc.Gate != closed || doc.Reason == "" {
			t.Errorf("%+v: the gate is %s (%s), want closed", asked, doc.Gate, doc.Reason)
		}
	}
}
