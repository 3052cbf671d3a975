package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/worker"
)

var (
	errDied = errors.New("the process died")
	errLost = errors.New("the answer was lost")
	errStop = errors.New("the process is told to stop")
)

// What may happen after a step.
const (
	death    = "death"
	stop     = "stop"        // the process is told to end, and may say a last word
	forsaken = "lost answer" // the process lives, and isn't told that the step was taken
)

// A fuse makes trouble right after the nth step of a process. The zero fuse makes none.
type fuse struct {
	mu      sync.Mutex
	left    int
	trouble string
	dead    bool
	last    string // the step after which it happened
	die     context.CancelCauseFunc
}

// step does something to the world, unless the process is dead.
func (f *fuse) step(name string, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errDied
	}
	err := do()
	if f.left--; f.left != 0 {
		return err
	}
	f.last = name
	switch f.trouble {
	case forsaken:
		return errors.Join(errLost, err)
	case stop:
		f.die(errStop)
		return err
	}
	f.dead = true
	f.die(errDied)
	return err
}

// over says whether the process takes no more messages.
func (p *process) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead || p.ctx.Err() != nil
}

// A process is a daemon: a state handler and a worker with a memory of their own on the bus of a house.
type process struct {
	*fuse
	ctx    context.Context
	house  *house
	state  *worker.State
	worker *worker.Worker
}

func (h *house) process(name string, left int, trouble string) *process {
	p := &process{fuse: &fuse{left: left, trouble: trouble}, house: h}
	p.ctx, p.die = context.WithCancelCause(h.t.Context())
	records := h.records(worker.NewMemory())
	if err := records.Ensure(h.t.Context(), plumbline.Begin("plum", h.policy)); err != nil {
		h.t.Fatal(err)
	}
	update := records.Update
	records.Update = func(ctx context.Context, r plumbline.Record, revision uint64) (written uint64, err error) {
		return written, p.step("record", func() error { written, err = update(ctx, r, revision); return err })
	}
	say := func(ctx context.Context, e plumbline.Entry) error {
		return p.step("ledger", func() error { return h.say(ctx, e) })
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	p.state = &worker.State{Policy: h.state.Policy, Records: records, Say: say, Log: log, Judged: h.state.Judged}
	w := h.worker
	p.worker = &worker.Worker{
		Name: name, Tool: w.Tool, AckWait: w.AckWait, Records: records, Say: say, Now: time.Now, Log: log, Settings: w.Settings,
		Runner: runner.New(runner.Options{}), Judged: w.Judged, Heard: w.Heard, Plan: w.Plan, Begun: w.Begun,
		Begin: func(ctx context.Context, plan plumbline.Plan) (before int, err error) {
			return before, p.step("start", func() error { before, err = w.Begin(ctx, plan); return err })
		},
		Publish: func(ctx context.Context, v plumbline.Verdict) (stored plumbline.Verdict, err error) {
			return stored, p.step("verdict", func() error { stored, err = w.Publish(ctx, v); return err })
		},
	}
	return p
}

// handle gives a message to the state handler and to the worker, until each has settled it or the process is dead.
func (p *process) handle(state, run *mortal) {
	if state.done == 0 {
		p.state.Handle(p.ctx, state.in(p))
	}
	if run.done == 0 && !p.over() {
		p.worker.Handle(p.ctx, run.in(p))
	}
}

// A mortal is a delivery whose handler may die.
type mortal struct {
	*delivery
	process *process
}

func (m *mortal) in(p *process) *mortal { m.process = p; m.times++; return m }

func (m *mortal) Done(ctx context.Context) error {
	return m.process.step("ack", func() error { return m.delivery.Done(ctx) })
}
func (m *mortal) Later(after time.Duration) error {
	return m.process.step("nak", func() error { return m.delivery.Later(after) })
}
func (m *mortal) DeadLetter(ctx context.Context, reason string) error {
	return m.process.step("dead letter", func() error { return m.delivery.DeadLetter(ctx, reason) })
}

// A tale is an event after some others, and what must be true of it in the end.
type tale struct {
	name   string
	before func(*house)
	event  func(*house) *delivery
	entry  plumbline.EntryKind // that the ledger has besides the verdict
	judged bool
	cause  plumbline.Cause
	letter string
}

func tales() []tale {
	promoted := func(h *house) {
		h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2"))
		h.serve(h.event(plumbline.EventSwitched, plumbline.Green, "s1", ""))
	}
	send := func(kind plumbline.EventKind, c plumbline.Color, version string) func(*house) *delivery {
		return func(h *house) *delivery { return h.event(kind, c, "it", version) }
	}
	return []tale{
		{name: "release", event: send(plumbline.EventDeployed, plumbline.Green, "2"), entry: plumbline.EntryRelease, judged: true},
		{name: "refused release", event: send(plumbline.EventDeployed, plumbline.Blue, "2"), entry: plumbline.EntryRefusal, judged: true, cause: plumbline.CauseRefused},
		{name: "release onto the standby", before: promoted, event: send(plumbline.EventDeployed, plumbline.Blue, "3"), entry: plumbline.EntryRelease, judged: true},
		{name: "switch", before: func(h *house) { h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")) },
			event: send(plumbline.EventSwitched, plumbline.Green, ""), entry: plumbline.EntrySwitch, judged: true},
		{name: "rollback", before: promoted, event: send(plumbline.EventSwitched, plumbline.Blue, ""), entry: plumbline.EntrySwitch, judged: true},
		{name: "slot", before: promoted, event: send(plumbline.EventSlot, plumbline.Blue, ""), judged: true},
		{name: "manual run", before: promoted, event: send(plumbline.EventRequested, plumbline.Green, ""), judged: true},
		{name: "change", event: send(plumbline.EventDeploying, plumbline.Green, ""), entry: plumbline.EntryRecorded},
		{name: "broken event", letter: "no version", event: func(h *house) *delivery {
			d := h.event(plumbline.EventDeployed, plumbline.Green, "it", "")
			d.broken = errors.New("no version")
			return d
		}},
		{name: "used id", letter: "used before", before: func(h *house) { h.serve(h.event(plumbline.EventDeployed, plumbline.Green, "it", "2")) },
			event: send(plumbline.EventDeployed, plumbline.Green, "3")},
	}
}

// Whatever step a process dies after, the next one ends what it began: with one verdict, a complete record and ledger.
// The same holds when it lives and is only not told that the step was taken.
func TestTroubleAfterEveryStep(t *testing.T) {
	for _, tale := range tales() {
		for _, trouble := range []string{death, stop, forsaken} {
			t.Run(tale.name+"/"+trouble, func(t *testing.T) {
				steps := []string{}
				for n := 1; ; n++ {
					step := ""
					synctest.Test(t, func(t *testing.T) { step = tale.live(t, n, trouble) })
					if step == "" {
						break
					}
					steps = append(steps, step)
				}
				if tale.judged && len(steps) < 6 || len(steps) < 3 {
					t.Errorf("%s after %v, want after every step to the last acknowledgement", trouble, steps)
				}
			})
		}
	}
}

// live tells the tale with trouble after step n, and says which step that was.
func (tale tale) live(t *testing.T, n int, trouble string) (step string) {
	h := newHouse(t)
	if tale.before != nil {
		tale.before(h)
	}
	wrote, entries := h.wrote, len(h.entries)
	d := tale.event(h)
	state, run := &mortal{delivery: d.copy()}, &mortal{delivery: d.copy()}
	state.times, run.times = 0, 0
	first := h.process("first", n, trouble)
	for range 4 {
		if first.handle(state, run); first.over() { // a redelivery goes to a process that knows nothing but the bus
			h.process("next", 0, "").handle(state, run)
		}
	}
	at := fmt.Sprintf("step %d, %q", n, first.last)
	if state.done == 0 || run.done == 0 {
		t.Errorf("%s: settled %d and %d times", at, state.done, run.done)
	}
	tale.verify(t, h, d.event, at, h.wrote-wrote, len(h.entries)-entries)
	return first.last
}

func (tale tale) verify(t *testing.T, h *house, e plumbline.Event, at string, wrote, entries int) {
	v, judged := h.verdict(e.Run)
	want := 0
	if tale.judged {
		want++
		if !judged || wrote != 1 || v.Cause != tale.cause || v.Passed() != (tale.cause == "") {
			t.Errorf("%s: %d verdicts, the one of this run %s %s %q", at, wrote, v.Outcome, v.Cause, v.Reason)
		}
		if entry, told := h.entries[plumbline.Entry{Service: "plum", Kind: plumbline.EntryVerdict, Sequence: e.Sequence, Color: e.Color, Run: e.Run}.ID()]; !told || entry.Outcome != v.Outcome {
			t.Errorf("%s: the ledger has no word of the verdict", at)
		}
	} else if wrote != 0 {
		t.Errorf("%s: %d verdicts, want none", at, wrote)
	}
	if tale.entry != "" {
		want++
		if _, told := h.entries[plumbline.Entry{Service: "plum", Kind: tale.entry, Sequence: e.Sequence, Color: e.Color}.ID()]; !told {
			t.Errorf("%s: the ledger has no %s", at, tale.entry)
		}
	}
	if entries != want {
		t.Errorf("%s: %d entries in the ledger, want %d", at, entries, want)
	}
	record := h.now()
	if _, pending := record.Find(e.Run); pending && tale.judged {
		t.Errorf("%s: the record still waits for the verdict", at)
	}
	if last := record.Colors[e.Color].Last; tale.judged && tale.cause == "" && (last == nil || last.Run != e.Run || last.Outcome != v.Outcome) {
		t.Errorf("%s: the record has %+v as last verdict", at, last)
	}
	if len(h.letters) == 0 != (tale.letter == "") || tale.letter != "" && !strings.Contains(h.letters[0], tale.letter) {
		t.Errorf("%s: dead letters %q, want one with %q", at, h.letters, tale.letter)
	}
}
