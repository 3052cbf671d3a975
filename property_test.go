package plumbline_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A history is what the test itself knows of a service: told more simply than the rules tell it, and only what an open
// gate depends on.
type history struct {
	*story
	random   *rand.Rand
	events   []plumbline.Event
	accepted []plumbline.RunRef
	verdicts map[string]verdictSeen // by run

	live       plumbline.Color
	windowEnds time.Time
	switched   uint64
	deployment map[plumbline.Color]uint64
	version    map[plumbline.Color]string
	deploying  map[plumbline.Color]bool
}

type verdictSeen struct {
	run      plumbline.RunRef
	pass     bool
	finished time.Time
	noted    time.Time
}

// TestRandomHistories throws events in any order at a record and checks what must hold in every one.
// PLUMBLINE_SEED replays a failure.
func TestRandomHistories(t *testing.T) {
	seed, histories := rand.Uint64(), 400
	if text := os.Getenv("PLUMBLINE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() {
		histories = 50
	}
	t.Logf("PLUMBLINE_SEED=%d", seed)
	opened := map[string]int{}
	for i := range histories {
		h := newHistory(t, rand.New(rand.NewPCG(seed, uint64(i))))
		for range 60 {
			h.step()
			h.check(opened)
			if t.Failed() {
				t.Fatalf("history %d", i)
			}
		}
	}
	for _, because := range []string{plumbline.BecauseVerdict, plumbline.BecauseRollback, plumbline.BecauseAlreadyLive} {
		if opened[because] == 0 {
			t.Errorf("no gate ever opened because %s: %v", because, opened)
		}
	}
}

func newHistory(t *testing.T, random *rand.Rand) *history {
	s := tell(t, func(p *plumbline.Policy) {
		p.Retain = []time.Duration{0, 5 * time.Minute, 72 * time.Hour}[random.IntN(3)]
		p.ValidFor = []time.Duration{3 * time.Minute, 30 * time.Minute}[random.IntN(2)]
	})
	return &history{story: s, random: random, verdicts: map[string]verdictSeen{}, live: blue,
		deployment: map[plumbline.Color]uint64{}, version: map[plumbline.Color]string{blue: "v1"}, deploying: map[plumbline.Color]bool{}}
}

func (h *history) step() {
	h.now = h.now.Add(time.Duration(h.random.IntN(90)) * time.Second)
	switch n := h.random.IntN(100); {
	case n < 45 && len(h.accepted) > 0:
		h.end(h.accepted[h.random.IntN(len(h.accepted))])
	case n < 50 && len(h.events) > 0:
		h.again(h.events[h.random.IntN(len(h.events))])
	case n < 55:
		if next, ended := h.record.EndWindow(h.now); ended {
			h.record = next
		}
	default:
		h.happen()
	}
}

// end gives a run a verdict, once, whatever became of its color since.
func (h *history) end(run plumbline.RunRef) {
	if _, twice := h.verdicts[run.Run]; twice {
		return
	}
	v := failed()
	switch h.random.IntN(5) {
	case 0, 1, 2:
		v = passed()
	case 3:
		v = ended(plumbline.CauseDeadline)
	}
	v.FinishedAt = h.now.Add(-time.Duration(h.random.IntN(120)) * time.Second)
	h.decide(run, v)
	h.verdicts[run.Run] = verdictSeen{run: run, pass: v.Outcome == plumbline.Pass, finished: v.FinishedAt, noted: h.now}
}

// again sends an old event once more: as the same message, or as a new one with the same id.
func (h *history) again(e plumbline.Event) {
	before := h.record
	if h.random.IntN(2) == 0 {
		if h.apply(e); h.moved.Changed || !reflect.DeepEqual(h.record, before) {
			h.t.Errorf("%s of %s at %d, redelivered, changed the record", e.Kind, e.Color, e.Sequence)
		}
		return
	}
	h.sequence++
	e.Sequence, e.At = h.sequence, h.now
	h.apply(e)
	before = before.Ignore(e)
	if h.moved.Run != nil || !reflect.DeepEqual(h.record, before) {
		h.t.Errorf("%s of %s, sent again, changed the record", e.Kind, e.Color)
	}
}

func (h *history) happen() {
	kinds := []plumbline.EventKind{plumbline.EventDeploying, plumbline.EventDeployed, plumbline.EventDeployed, plumbline.EventDeployed,
		plumbline.EventSwitched, plumbline.EventSwitched, plumbline.EventRequested, plumbline.EventRequested, plumbline.EventSlot}
	h.sequence++
	e := plumbline.Event{
		Kind: kinds[h.random.IntN(len(kinds))], Service: "plum", Color: plumbline.Colors()[h.random.IntN(2)], ID: fmt.Sprint(h.sequence),
		Run: plumbline.RunID("s", "t", fmt.Sprint(h.sequence)), Sequence: h.sequence, At: h.now, Hash: fmt.Sprint(h.sequence),
	}
	if e.Kind == plumbline.EventDeployed {
		e.Release = plumbline.Release{Version: fmt.Sprintf("v%d", 1+h.random.IntN(4))} // versions come again
	}
	h.events = append(h.events, e)
	h.expect(e)
	if h.apply(e); h.moved.Run != nil {
		h.accepted = append(h.accepted, *h.moved.Run)
	}
}

// expect moves what the test knows.
func (h *history) expect(e plumbline.Event) {
	if !h.windowEnds.IsZero() && !e.At.Before(h.windowEnds) {
		h.windowEnds = time.Time{}
	}
	if e.Color == h.live {
		return
	}
	switch e.Kind {
	case plumbline.EventDeploying:
		h.deploying[e.Color] = true
	case plumbline.EventDeployed:
		h.deployment[e.Color], h.version[e.Color], h.deploying[e.Color] = e.Sequence, e.Release.Version, false
		h.windowEnds = time.Time{}
	case plumbline.EventSwitched:
		rollback := !h.windowEnds.IsZero()
		h.live, h.switched, h.windowEnds = e.Color, e.Sequence, time.Time{}
		if !rollback && h.policy.Retain > 0 {
			h.windowEnds = e.At.Add(h.policy.Retain)
		}
	}
}

func (h *history) check(opened map[string]int) {
	h.t.Helper()
	if h.record.Applied != h.sequence && len(h.events) > 0 {
		h.t.Errorf("applied %d, want %d", h.record.Applied, h.sequence)
	}
	standby := h.now.Before(h.windowEnds)
	for _, c := range plumbline.Colors() {
		want := plumbline.RoleIdle
		switch {
		case c == h.live:
			want = plumbline.RoleLive
		case standby:
			want = plumbline.RoleStandby
		}
		if got := h.role(c); got != want {
			h.t.Errorf("%s is %s, want %s", c, got, want)
		}
		h.checkPromotion(c, want, opened)
		h.checkRollback(c, want, opened)
		if doc := h.ask(plumbline.Asked{Color: c, Version: "never"}); doc.Gate == open {
			h.t.Errorf("the gate of %s is open for a version never heard of", c)
		}
	}
}

func (h *history) checkPromotion(c plumbline.Color, role plumbline.Role, opened map[string]int) {
	doc := h.gate(c)
	if (doc.Because == plumbline.BecauseAlreadyLive) != (role == plumbline.RoleLive) {
		h.t.Errorf("the gate of the %s color %s is %s because %s", role, c, doc.Gate, doc.Because)
	}
	if doc.Gate != open {
		return
	}
	opened[doc.Because]++
	if role == plumbline.RoleLive {
		return
	}
	if role != plumbline.RoleIdle || h.deploying[c] || doc.Because != plumbline.BecauseVerdict || doc.Deployment != h.deployment[c] ||
		doc.Release.Version != h.version[c] {
		h.t.Errorf("the gate of the %s color %s is open: %+v", role, c, doc)
	}
	seen, known := h.verdicts[doc.Run]
	switch {
	case !known || !seen.pass:
		h.t.Errorf("the gate of %s is open without a pass: %s", c, doc.Reason)
	case seen.run.Color != c || seen.run.Deployment != h.deployment[c] || seen.run.Role != plumbline.RoleIdle:
		h.t.Errorf("the gate of %s is open by a pass about %+v", c, seen.run)
	case seen.run.Event.Sequence < h.switched:
		h.t.Errorf("the gate of %s is open by a run that began before traffic moved", c)
	case h.now.Sub(seen.finished) >= h.policy.ValidFor:
		h.t.Errorf("the gate of %s is open by a pass of %s ago", c, h.now.Sub(seen.finished))
	}
	for _, other := range h.verdicts {
		if other.run.Color == c && other.run.Deployment == h.deployment[c] && other.run.Event.Sequence > seen.run.Event.Sequence {
			h.t.Errorf("the gate of %s is open by the run of %d, and the run of %d is newer", c, seen.run.Event.Sequence, other.run.Event.Sequence)
		}
	}
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		if got := h.ask(plumbline.Asked{Color: c, Version: v}); (got.Gate == open) != (v == h.version[c]) {
			h.t.Errorf("the gate of %s, which runs %s, is %s for %s", c, h.version[c], got.Gate, v)
		}
	}
}

func (h *history) checkRollback(c plumbline.Color, role plumbline.Role, opened map[string]int) {
	doc := h.rollback(c)
	if doc.Gate != open || role == plumbline.RoleLive {
		return
	}
	opened[doc.Because]++
	if role != plumbline.RoleStandby || h.deploying[c] {
		h.t.Errorf("the rollback to the %s color %s is open: %s", role, c, doc.Reason)
	}
	if (doc.Readiness == plumbline.Ready) == (doc.Warning != "") {
		h.t.Errorf("the rollback is %s with warning %q", doc.Readiness, doc.Warning)
	}
	for _, seen := range h.verdicts {
		latest := seen.run.Run == doc.Run && seen.run.Event.Sequence > h.switched
		if latest && !seen.pass {
			h.t.Errorf("the rollback to %s is open after a fail: %s", c, doc.Reason)
		}
	}
}
