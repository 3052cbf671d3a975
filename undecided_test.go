package plumbline_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

// After a rollback the color that lost traffic still has the verdict of when it was live, which people see: the gate says
// why that is none.
func TestNoVerdictSaysWhatTheLastOneWasAbout(t *testing.T) {
	s := tell(t).deploy(green, "v2").says(passed()).shift(green).validate(green).says(failed()).shift(blue)
	doc := s.gate(green)
	s.wantGate(doc, closed, plumbline.BecauseNoVerdict)
	if want := "there is no verdict about v2 on green: the last one was reached while it was live"; doc.Reason != want {
		t.Errorf("got %q, want %q", doc.Reason, want)
	}
	if doc.Run != "" {
		t.Errorf("names run %s, which doesn't count", doc.Run)
	}
	if doc := s.deploy(blue, "v3").gate(green); strings.Contains(doc.Reason, "v3") {
		t.Errorf("got %q", doc.Reason)
	}
}

func TestLastAs(t *testing.T) {
	v2 := plumbline.Release{Version: "v2", Digest: "sha256:2"}
	for name, c := range map[string]struct {
		last  *plumbline.VerdictRef
		about string
	}{
		"none":                 {nil, ""},
		"this very one":        {&plumbline.VerdictRef{Role: plumbline.RoleIdle, Deployment: 7, Release: v2}, ""},
		"another role":         {&plumbline.VerdictRef{Role: plumbline.RoleLive, Deployment: 7, Release: v2}, "while it was live"},
		"deployed again":       {&plumbline.VerdictRef{Role: plumbline.RoleIdle, Deployment: 5, Release: v2}, "about an older deployment"},
		"another digest":       {&plumbline.VerdictRef{Role: plumbline.RoleIdle, Deployment: 7, Release: plumbline.Release{Version: "v2"}}, "about an older deployment"},
		"another version":      {&plumbline.VerdictRef{Role: plumbline.RoleIdle, Deployment: 5, Release: plumbline.Release{Version: "v1"}}, "about v1"},
		"nobody knows of what": {&plumbline.VerdictRef{Role: plumbline.RoleIdle}, "about nothing that was announced"},
	} {
		t.Run(name, func(t *testing.T) {
			last, about := plumbline.ColorState{Deployment: 7, Release: v2, Last: c.last}.LastAs(plumbline.RoleIdle)
			if about != c.about || (last != nil) != (c.last != nil && c.about == "") {
				t.Errorf("got %v, %q, want %q", last, about, c.about)
			}
		})
	}
}
