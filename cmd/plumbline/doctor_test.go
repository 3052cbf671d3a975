package main

import (
	"strings"
	"testing"
)

// What one cure helps against stands above it, and a daemon's answer is no JSON for people.
func TestDoctorSaysACureOnce(t *testing.T) {
	var out strings.Builder
	d := &doctor{app: &app{Shell: Shell{Out: &out}}, hide: func(text string) string { return text }}
	d.say(stateWrong, "bus", "stream A", "make them", "isn't there")
	d.say(stateWrong, "bus", "stream B", "make them", "isn't there")
	d.say(stateWrong, "gate", "", "make them", "isn't ready: %s", errorIn(`{"error":"cut off from the bus"}`))
	if err := d.tell(); err != nil {
		t.Fatal(err)
	}
	want := `  ✗ bus   stream A: isn't there
  ✗ bus   stream B: isn't there
          → make them
  ✗ gate  isn't ready: cut off from the bus
          → make them
0 ok, 0 warnings, 3 wrong, 0 unknown
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := errorIn("<html>"); got != "<html>" {
		t.Errorf("an answer that is none of a daemon's: %q", got)
	}
}
