package worker_test

import (
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/worker"
)

// Progress is read by gates while runs go on and records change.
func TestProgressIsNobodyElses(t *testing.T) {
	h := newHouse(t)
	memory := h.state.Records.Memory
	d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
	h.state.Handle(t.Context(), d.copy())
	memory.Progress(d.event.Run, 0, 9)
	h.state.Handle(t.Context(), h.event(plumbline.EventSwitched, plumbline.Blue, "noise", "")) // a record with progress is written
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for n := range 200 {
				memory.Progress(d.event.Run, n, 200)
				record, _, _ := memory.Get("plum")
				plumbline.Decide(plumbline.Asked{Color: plumbline.Green}, record, h.policy, time.Now())
			}
		})
	}
	reading.Wait()
	memory.Progress(d.event.Run, 0, 0)
	record, _, _ := memory.Get("plum")
	if gate := plumbline.Decide(plumbline.Asked{Color: plumbline.Green}, record, h.policy, time.Now()); gate.Progress != "0/0" {
		t.Errorf("progress %s of a run whose progress was forgotten", gate.Progress)
	}
}

func TestMemoryGoesBackOnlyWithTheWatch(t *testing.T) {
	version := func(v string) plumbline.Record {
		return plumbline.Record{Schema: plumbline.RecordSchema, Service: "plum", Colors: map[plumbline.Color]plumbline.ColorState{
			plumbline.Green: {Release: plumbline.Release{Version: v}}}}
	}
	m := worker.NewMemory()
	for _, step := range []struct {
		tell     func(plumbline.Record, uint64)
		version  string
		revision uint64
		want     string
	}{
		{m.Watched, "1", 10, "1"},
		{m.Set, "2", 14, "2"},     // own write
		{m.Watched, "x", 12, "2"}, // the watch comes later
		{m.Set, "x", 13, "2"},     // a slow read
		{m.Watched, "2", 14, "2"},
		{m.Watched, "2", 14, "2"}, // again, after an interruption
		{m.Watched, "9", 3, "9"},  // another world
		{m.Set, "x", 2, "9"},
		{m.Watched, "10", 4, "10"},
	} {
		step.tell(version(step.version), step.revision)
		if r, _, _ := m.Get("plum"); r.Colors[plumbline.Green].Release.Version != step.want {
			t.Errorf("after %s at %d memory has %s, want %s", step.version, step.revision, r.Colors[plumbline.Green].Release.Version, step.want)
		}
	}
}
