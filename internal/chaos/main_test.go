package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestDocumentedCommands holds every command of the documentation against the flags.
func TestDocumentedCommands(t *testing.T) {
	text, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		for _, piece := range strings.Split(line, "`") {
			_, command, is := strings.Cut(piece, "go run ./internal/chaos")
			if !is {
				continue
			}
			found++
			command, _, _ = strings.Cut(command, "#")
			if _, err := parse(strings.Fields(command), io.Discard); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d commands are documented, want the ways to run it", found)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-kill", "3"}, {"more"}, {"-daemons", "0"}, {"-services", "99"}, {"-spike", "-cutoff"}, {"-spike", "-services", "1"}} {
		if s, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v is taken: %+v", args, s)
		}
	}
}

// The same seed brings the same troubles, another one others.
func TestTroublesAreOfTheSeed(t *testing.T) {
	plan := func(seed uint64) string {
		var out strings.Builder
		printPlan(&out, settings{seed: seed, kills: 50, daemons: 3, cluster: true})
		return out.String()
	}
	//lint:ignore SA4000 the same seed twice is what this is about
	if plan(1) != plan(1) || plan(1) == plan(2) {
		t.Error("the troubles are not those of the seed")
	}
	for what, weight := range weights {
		if weight > 0 && !strings.Contains(plan(1)+plan(2)+plan(3), what) {
			t.Errorf("no trouble of kind %q in three plans", what)
		}
	}
}
