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
