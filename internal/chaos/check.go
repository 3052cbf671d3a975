package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A finding is what the streams say in the end.
type finding struct {
	broken   []string // promises, each with what broke it
	events   int
	verdicts map[string]int // by outcome and cause
	letters  int
	starts   map[string][]beginning // by run
	endings  map[string]message     // verdicts by run
}

func (f *finding) breaks(format string, args ...any) {
	f.broken = append(f.broken, fmt.Sprintf(format, args...))
}

// check reads all streams and holds them against each other and against the model.
func (s *stage) check(ctx context.Context, seen *scribe) (*finding, error) {
	f := &finding{verdicts: map[string]int{}, starts: map[string][]beginning{}, endings: map[string]message{}}
	events, _, err := s.all(ctx, streamEvents)
	if err != nil {
		return f, err
	}
	models := map[string]*model{}
	for _, name := range s.names {
		models[name] = newModel(name)
	}
	f.events = len(events)
	for _, m := range events {
		if model := models[strings.Split(m.subject, ".")[2]]; model != nil {
			model.take(m)
		}
	}
	results, _, err := s.all(ctx, streamResults)
	if err != nil {
		return f, err
	}
	begun, err := beginnings(results)
	if err != nil {
		return f, err
	}
	for _, b := range begun {
		f.starts[b.run] = append(f.starts[b.run], b)
	}
	for _, step := range []func(context.Context, map[string]*model) error{
		func(ctx context.Context, models map[string]*model) error {
			return s.checkVerdicts(ctx, f, models, seen)
		},
		func(ctx context.Context, models map[string]*model) error { return s.checkLedger(ctx, f, models) },
		func(ctx context.Context, models map[string]*model) error { return s.checkLetters(ctx, f, models) },
		func(ctx context.Context, models map[string]*model) error { return s.checkRecords(ctx, f, models) },
	} {
		if err := step(ctx, models); err != nil {
			return f, err
		}
	}
	s.checkLogs(f)
	return f, nil
}

// checkVerdicts wants one for each debt, and no others; written once.
func (s *stage) checkVerdicts(ctx context.Context, f *finding, models map[string]*model, seen *scribe) error {
	messages, state, err := s.all(ctx, streamVerdicts)
	if err != nil {
		return err
	}
	if state.NumDeleted > 0 || state.LastSeq != state.Msgs {
		f.breaks("write-once: %d of %d verdicts are gone", state.LastSeq-state.Msgs, state.LastSeq)
	}
	for _, sequence := range seen.changed(messages) {
		f.breaks("write-once: verdict %d isn't what it was", sequence)
	}
	verdicts := map[string]plumbline.Verdict{}
	for _, m := range messages {
		v, err := verdictOf(m)
		if err != nil {
			return err
		}
		if _, twice := verdicts[v.Run]; twice {
			f.breaks("one verdict: run %s has two", v.Run)
		}
		if !strings.HasSuffix(m.subject, "."+v.Run) {
			f.breaks("one verdict: that of run %s is at %s", v.Run, m.subject)
		}
		verdicts[v.Run], f.endings[v.Run] = v, m
		f.verdicts[strings.TrimSpace(v.Outcome+" "+string(v.Cause))]++
	}
	for _, name := range s.names {
		for _, d := range models[name].debts {
			v, given := verdicts[d.event.Run]
			delete(verdicts, d.event.Run)
			if !given {
				f.breaks("lost: %s %s %s, event %d (%s), run %s has no verdict", name, d.color, d.version, d.event.Sequence, d.event.Kind, d.event.Run)
			} else if wrong := d.settle(v, len(f.starts[v.Run])); wrong != "" {
				f.breaks("%s", wrong)
			}
		}
	}
	for run, v := range verdicts {
		f.breaks("unasked: run %s of %s %s, event %d has a verdict: %s %s", run, v.Service, v.Color, v.Event.Sequence, v.Outcome, v.Reason)
	}
	return nil
}

// checkLedger wants one entry about each verdict, which says the same, and no entry twice.
func (s *stage) checkLedger(ctx context.Context, f *finding, models map[string]*model) error {
	messages, _, err := s.all(ctx, streamLedger)
	if err != nil {
		return err
	}
	told, ids := map[string]plumbline.Entry{}, map[string]bool{}
	for _, m := range messages {
		e, err := entryOf(m)
		if err != nil {
			return err
		}
		if ids[e.ID()] {
			f.breaks("ledger: entry %s is there twice", e.ID())
		}
		ids[e.ID()] = true
		if e.Kind == plumbline.EntryVerdict {
			told[e.Run] = e
		}
	}
	for run, m := range f.endings {
		v, err := verdictOf(m)
		if err != nil {
			return err
		}
		if e, is := told[run]; !is || e.Outcome != v.Outcome {
			f.breaks("ledger: run %s ended with %s, the ledger says %q", run, v.Outcome, e.Outcome)
		}
	}
	for _, name := range s.names {
		for _, d := range models[name].debts {
			kind, is := map[plumbline.EventKind]plumbline.EntryKind{plumbline.EventDeployed: plumbline.EntryRelease, plumbline.EventSwitched: plumbline.EntrySwitch}[d.event.Kind]
			if d.refused {
				kind = plumbline.EntryRefusal
			}
			id := plumbline.Entry{Service: name, Kind: kind, Sequence: d.event.Sequence, Color: d.color}.ID()
			if is && !ids[id] {
				f.breaks("ledger: there is no entry %s", id)
			}
		}
	}
	return nil
}

// checkLetters wants one dead letter for each event that can't be served, and no others.
func (s *stage) checkLetters(ctx context.Context, f *finding, models map[string]*model) error {
	messages, _, err := s.all(ctx, streamDeadLetters)
	if err != nil {
		return err
	}
	f.letters = len(messages)
	there := map[string]int{}
	for _, m := range messages {
		there[m.header.Get(bus.HeaderSequence)]++
	}
	for _, name := range s.names {
		for sequence, dead := range models[name].letters {
			key := fmt.Sprint(sequence)
			if want := map[bool]int{true: 1}[dead]; there[key] != want {
				f.breaks("dead letters: event %d of %s has %d, want %d", sequence, name, there[key], want)
			}
			delete(there, key)
		}
	}
	for sequence, n := range there {
		f.breaks("dead letters: event %s has %d, want none", sequence, n)
	}
	return nil
}

// checkRecords wants each record to know its service as the model does, with nothing pending.
func (s *stage) checkRecords(ctx context.Context, f *finding, models map[string]*model) error {
	for _, name := range s.names {
		r, _, err := s.bus.Record(ctx, name)
		if err != nil {
			return err
		}
		m := models[name]
		if r.Live != m.live || r.Applied < m.applied || r.Switched != m.moved {
			f.breaks("record of %s: live %s, applied %d, switched at %d, want %s, %d, %d", name, r.Live, r.Applied, r.Switched, m.live, m.applied, m.moved)
		}
		for c, want := range m.colors {
			got := r.Colors[c]
			if got.Deployment != want.deployment || got.Release.Version != want.version || got.Deploying != want.changing {
				f.breaks("record of %s: %s runs %s (event %d, changing %t), want %s (event %d, changing %t)", name, c, got.Release, got.Deployment, got.Deploying, want.version, want.deployment, want.changing)
			}
			if len(got.Pending) > 0 {
				f.breaks("record of %s: %s waits for %d verdicts, the first of run %s", name, c, len(got.Pending), got.Pending[0].Run)
			}
			last := ""
			if got.Last != nil {
				last = got.Last.Run
			}
			if want := m.last(f, c); last != want && want != "" {
				f.breaks("record of %s: the last verdict about %s is that of run %q, want %q", name, c, last, want)
			}
		}
	}
	return nil
}

// last is the run whose verdict counts for a color: the newest about what runs there, in its role, since the last switch.
// Where there is none, the record may still have an older one.
func (m *model) last(f *finding, c plumbline.Color) string {
	for _, d := range slices.Backward(m.debts) {
		v, err := verdictOf(f.endings[d.event.Run])
		if err != nil || d.color != c || v.Cause == plumbline.CauseSuperseded || d.event.Sequence < m.moved {
			continue
		}
		if v.Deployment == m.colors[c].deployment && v.Role == m.role(c, m.at) {
			return d.event.Run
		}
	}
	return ""
}

var wreck = regexp.MustCompile(`(?m)^(panic: |fatal error: |WARNING: DATA RACE|SIGSEGV|plumbline: the daemon ended).*`)

// checkLogs wants no daemon to have panicked, raced or ended by itself.
func (s *stage) checkLogs(f *finding) {
	for _, d := range s.slots {
		text, err := os.ReadFile(d.log)
		if err != nil {
			f.breaks("log of %s: %v", d.name, err)
		}
		for _, line := range wreck.FindAll(text, 3) {
			f.breaks("%s: %s (see %s)", d.name, line, filepath.Join(d.name, "log"))
		}
		for _, e := range d.ends() {
			if e.how == byCrash {
				f.breaks("%s, pid %d: ended by itself with %s", d.name, e.pid, e.state)
			}
		}
	}
}

// idle says what is still to be done, or nothing.
func (s *stage) idle(ctx context.Context) error {
	stream, err := s.js.Stream(ctx, streamEvents)
	if err != nil {
		return err
	}
	consumers := []string{"strays"}
	for _, name := range s.names {
		consumers = append(consumers, "state-"+name, "run-"+name)
	}
	for _, name := range consumers {
		var c jetstream.Consumer
		if c, err = stream.Consumer(ctx, name); err != nil {
			return fmt.Errorf("consumer %s: %w", name, err)
		}
		if info := c.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			return fmt.Errorf("consumer %s has %d messages to deliver, and %d that nobody settled", name, info.NumPending, info.NumAckPending)
		}
	}
	return nil
}
