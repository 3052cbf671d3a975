package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A fleet is a few daemons on one bus that die, stop and lose answers, while events come as they like.
type fleet struct {
	*house
	random *rand.Rand
	lives  int // processes that may still get into trouble

	mu      sync.Mutex
	members []*process
}

// TestRandomFleets holds what a fleet made of a stream of events against the stream applied by nobody's hand.
// PLUMBLINE_SEED replays a failure.
func TestRandomFleets(t *testing.T) {
	seed, fleets := rand.Uint64(), 60
	if text := os.Getenv("PLUMBLINE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() {
		fleets = 10
	}
	t.Logf("PLUMBLINE_SEED=%d", seed)
	for i := range fleets {
		synctest.Test(t, func(t *testing.T) {
			f := &fleet{house: newHouse(t), random: rand.New(rand.NewPCG(seed, uint64(i))), lives: 12}
			f.probe = f.answer
			f.verify(f.live(30))
		})
		if t.Failed() {
			t.Fatalf("fleet %d", i)
		}
	}
}

func (f *fleet) chance(n int) bool { return f.number(100) < n }

func (f *fleet) number(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

// answer takes its time, and is sometimes wrong.
func (f *fleet) answer(ctx context.Context, _ plumbline.Ask) (plumbline.Answer, error) {
	select {
	case <-time.After(time.Duration(f.number(120)) * time.Second):
	case <-ctx.Done():
		return plumbline.Answer{}, ctx.Err()
	}
	if f.chance(20) {
		return plumbline.Answer{}, plumbline.Failf("answered 500, want 2xx")
	}
	return plumbline.Answer{}, nil
}

// member is one of the living daemons. Each has a watch that is late now and then.
func (f *fleet) member() *process {
	at := f.number(3)
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.members) < 3 {
		f.members = append(f.members, nil)
	}
	if p := f.members[at]; p != nil && !p.over() {
		return p
	}
	left := 0
	if f.lives--; f.lives > 0 {
		left = 1 + f.random.IntN(40)
	}
	p := f.process(fmt.Sprint("d", f.lives), left, []string{death, stop, forsaken}[f.random.IntN(3)])
	f.members[at] = p
	go func() {
		for p.ctx.Err() == nil {
			time.Sleep(time.Duration(f.number(3000)) * time.Millisecond)
			record, revision := f.latest()
			p.worker.Records.Memory.Watched(record, revision)
		}
	}()
	return p
}

func (h *house) latest() (plumbline.Record, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.record.Clone(), h.revision
}

// live sends events and has them served, and returns them.
func (f *fleet) live(n int) (stream []plumbline.Event) {
	var running sync.WaitGroup
	queue := make(chan *delivery, n)
	running.Go(func() {
		for d := range queue {
			f.serveBy(d.copy(), func(p *process, m *mortal) { p.state.Handle(p.ctx, m) })
		}
	})
	for range n {
		time.Sleep(time.Duration(f.number(90)) * time.Second)
		d := f.happen(stream)
		stream = append(stream, d.event)
		queue <- d
		running.Go(func() {
			f.serveBy(d.copy(), func(p *process, m *mortal) { p.worker.Handle(p.ctx, m) })
		})
	}
	close(queue)
	running.Wait()
	for _, p := range f.members {
		if p != nil {
			p.die(errStop)
		}
	}
	time.Sleep(5 * time.Second) // the watches end
	return stream
}

func (f *fleet) happen(before []plumbline.Event) *delivery {
	if len(before) > 0 && f.chance(15) { // sent again
		e := before[f.number(len(before))]
		d := f.event(e.Kind, e.Color, e.ID, e.Release.Version)
		if f.chance(20) {
			d.event.Hash = "other data"
		}
		return d
	}
	kinds := []plumbline.EventKind{plumbline.EventDeployed, plumbline.EventDeployed, plumbline.EventDeployed, plumbline.EventSwitched,
		plumbline.EventRequested, plumbline.EventSlot, plumbline.EventDeploying}
	return f.event(kinds[f.number(len(kinds))], plumbline.Colors()[f.number(2)], fmt.Sprint("e", len(before)), fmt.Sprint("v", len(before)))
}

// serveBy gives a message to one daemon after the other until it is settled.
func (f *fleet) serveBy(d *delivery, handle func(*process, *mortal)) {
	m := &mortal{delivery: d}
	m.times = 0
	for m.done == 0 {
		p := f.member()
		handle(p, m.in(p))
		time.Sleep(time.Second)
	}
}

// verify applies the stream once more, without a fleet.
func (f *fleet) verify(stream []plumbline.Event) {
	want, accepted := plumbline.Begin("plum", f.policy), 0
	for _, e := range stream {
		moved := want.Apply(e, f.policy)
		if want = moved.Record; moved.Run == nil {
			continue
		}
		accepted++
		v, judged := f.verdict(e.Run)
		if !judged || v.Event.Sequence != e.Sequence || v.Deployment != moved.Run.Deployment {
			f.t.Errorf("%s of %s at %d has verdict %t, of %d about deployment %d, want it of deployment %d", e.Kind, e.Color, e.Sequence, judged, v.Event.Sequence, v.Deployment, moved.Run.Deployment)
		}
		if entry := (plumbline.Entry{Service: "plum", Kind: plumbline.EntryVerdict, Sequence: e.Sequence, Color: e.Color, Run: e.Run}); f.entries[entry.ID()].Text == "" {
			f.t.Errorf("the ledger has no word of the verdict of %d", e.Sequence)
		}
	}
	got := f.now()
	if f.wrote != accepted || got.Applied != want.Applied || got.Live != want.Live || got.Switched != want.Switched || !got.Window.Equal(want.Window) {
		f.t.Errorf("%d verdicts of %d runs; applied %d, live %s since %d until %s; want applied %d, live %s since %d until %s", f.wrote, accepted,
			got.Applied, got.Live, got.Switched, got.Window, want.Applied, want.Live, want.Switched, want.Window)
	}
	for _, c := range plumbline.Colors() {
		has, wants := got.Colors[c], want.Colors[c]
		if has.Deployment != wants.Deployment || has.Release != wants.Release || has.Deploying != wants.Deploying || len(has.Pending) != 0 {
			f.t.Errorf("%s runs %s of %d with %d runs pending, want %s of %d with none", c, has.Release, has.Deployment, len(has.Pending), wants.Release, wants.Deployment)
		}
		if has.Last != nil {
			if v, _ := f.verdict(has.Last.Run); v.Outcome != has.Last.Outcome || v.Deployment != has.Deployment {
				f.t.Errorf("the record says %s of run %s about %d, which said %s about %d", has.Last.Outcome, has.Last.Run, has.Deployment, v.Outcome, v.Deployment)
			}
		}
		if gate := f.gate(c); gate.Gate == plumbline.GateOpen && gate.Because == plumbline.BecauseVerdict {
			if v, _ := f.verdict(gate.Run); !v.Passed() || v.Deployment != wants.Deployment || v.Release != wants.Release {
				f.t.Errorf("the gate of %s is open by run %s: %s of %s about %d", c, gate.Run, v.Outcome, v.Release, v.Deployment)
			}
		}
	}
}
