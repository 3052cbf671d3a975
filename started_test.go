package plumbline_test

import "testing"

// A start is counted once however often it is noted, and by whom else is known.
func TestStarted(t *testing.T) {
	s := tell(t)
	run := s.deploy(green, "v2").run().Run
	start := func(by string, before int, changed bool) {
		t.Helper()
		next, got, did := s.record.Started(run, by)
		if got != before || did != changed {
			t.Errorf("%s: begun %d times before, changed %t; want %d, %t", by, got, did, before, changed)
		}
		s.record = next
	}
	first := s.record
	start("a", 0, true)
	start("a", 0, false)
	start("b", 1, true)
	start("a", 0, false)
	if ref, _ := first.Find(run); len(ref.Starts) != 0 {
		t.Errorf("the record before has %v", ref.Starts)
	}
	if _, n, changed := s.record.Started("another", "a"); n != 0 || changed {
		t.Errorf("a run that nobody knows was begun %d times", n)
	}
}
