package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/worker"
)

var (
	errConflict = errors.New("conflict")
	errMissing  = errors.New("missing")
)

// A house is a bus in memory with one service on it, a state handler and a worker.
type house struct {
	t      *testing.T
	state  *worker.State
	worker *worker.Worker
	policy plumbline.Policy
	probe  plumbline.ProberFunc // what every check asks

	mu       sync.Mutex
	record   *plumbline.Record
	revision uint64
	verdicts map[string]plumbline.Verdict
	wrote    int // verdicts
	started  map[string]int
	entries  map[string]plumbline.Entry
	letters  []string
	sequence uint64
	stream   map[uint64]*delivery
}

// earlier is what the bus knows of an event whose run was judged.
func (h *house) earlier(_ context.Context, e plumbline.Event) (plumbline.Event, bool, error) {
	v, judged := h.verdict(e.Run)
	h.mu.Lock()
	defer h.mu.Unlock()
	if there := h.stream[v.Event.Sequence]; judged && there != nil && there.event.Run == e.Run {
		e = there.event
	}
	return e, judged, nil
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, verdicts: map[string]plumbline.Verdict{}, started: map[string]int{}, entries: map[string]plumbline.Entry{}}
	h.policy = plumbline.Policy{New: true, Live: plumbline.Blue, LiveVersion: "1", Retain: time.Hour, ValidFor: 30 * time.Minute,
		Suites: []plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:1", Triggers: plumbline.SuiteTriggers()}}}
	h.probe = func(context.Context, plumbline.Ask) (plumbline.Answer, error) { return plumbline.Answer{}, nil }
	records := h.records(worker.NewMemory())
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	h.state = &worker.State{
		Policy:  func(service string) (plumbline.Policy, bool) { return h.rules(), service == "plum" },
		Records: records, Say: h.say, Log: log,
		Judged: h.earlier,
	}
	h.worker = &worker.Worker{
		Name: "w1", Tool: "plumbline test", AckWait: 30 * time.Second, Records: records, Say: h.say, Now: time.Now, Log: log,
		Runner: runner.New(runner.Options{}),
		Settings: func(string) (worker.Settings, bool) {
			return worker.Settings{Deadline: 30 * time.Minute, ValidFor: 30 * time.Minute, ConfigDigest: "sha256:config"}, true
		},
		Plan: h.plan, Publish: h.publish,
		Begin: func(_ context.Context, p plumbline.Plan) (int, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.started[p.Run]++
			return h.started[p.Run] - 1, nil
		},
		Begun: func(_ context.Context, p plumbline.Plan) (int, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.started[p.Run], nil
		},
		Heard: func(plumbline.Plan, plumbline.Result) {},
		Judged: func(_ context.Context, _ string, _ plumbline.Color, run string) (plumbline.Verdict, bool, error) {
			v, judged := h.verdict(run)
			return v, judged, nil
		},
	}
	if err := records.Ensure(t.Context(), plumbline.Begin("plum", h.policy)); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) plan(_ context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
	return plumbline.Plan{Checks: []plumbline.Check{{Name: "health", Suite: "smoke", Timeout: time.Hour, Effect: plumbline.EffectNone, Prober: h.probe}}}, nil
}

func (h *house) records(m *worker.Memory) worker.Records {
	return worker.Records{
		Memory: m,
		Load: func(_ context.Context, service string) (plumbline.Record, uint64, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.record == nil || h.record.Service != service {
				return plumbline.Record{}, 0, errMissing
			}
			return h.record.Clone(), h.revision, nil
		},
		Create: func(_ context.Context, r plumbline.Record) (uint64, error) {
			if h.missing() {
				return h.write(r, h.revision)
			}
			return 0, errConflict
		},
		Update: func(_ context.Context, r plumbline.Record, revision uint64) (uint64, error) {
			return h.write(r, revision)
		},
		IsConflict: func(err error) bool { return errors.Is(err, errConflict) },
		IsMissing:  func(err error) bool { return errors.Is(err, errMissing) },
	}
}

func (h *house) missing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.record == nil
}

// remove deletes the record, as somebody with a key-value client might, and tells memories as a watch does.
func (h *house) remove(memories ...*worker.Memory) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record = nil
	h.revision++
	for _, m := range memories {
		m.Set(plumbline.Record{Service: "plum"}, h.revision)
	}
}

func (h *house) write(r plumbline.Record, revision uint64) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if revision != h.revision {
		return 0, errConflict
	}
	h.record, h.revision = &r, h.revision+1
	return h.revision, nil
}

func (h *house) publish(_ context.Context, v plumbline.Verdict) (plumbline.Verdict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if first, written := h.verdicts[v.Run]; written {
		return first, nil
	}
	h.wrote++
	h.verdicts[v.Run] = v
	return v, nil
}

func (h *house) verdict(run string) (plumbline.Verdict, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.verdicts[run]
	return v, ok
}

func (h *house) say(_ context.Context, e plumbline.Entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries[e.ID()] = e
	return nil
}

func (h *house) now() plumbline.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.record.Clone()
}

func (h *house) rules() plumbline.Policy {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.policy
}

func (h *house) setSuites(suites ...plumbline.SuiteRef) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.policy.Suites = suites
}

// event puts an event into the stream.
func (h *house) event(kind plumbline.EventKind, color plumbline.Color, id, version string) *delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sequence++
	e := plumbline.Event{Kind: kind, ID: id, Source: "/test", Service: "plum", Color: color, Sequence: h.sequence, At: time.Now(),
		Release: plumbline.Release{Version: version}, Hash: fmt.Sprint(kind, color, version)}
	e.Run = plumbline.RunID("plumbline.event.plum", e.Source, e.ID)
	d := &delivery{house: h, event: e, times: 1}
	if h.stream == nil {
		h.stream = make(map[uint64]*delivery)
	}
	h.stream[h.sequence] = d
	return d
}

// serve gives the event to the state handler and then to the worker, as the bus would.
func (h *house) serve(d *delivery) {
	h.t.Helper()
	h.state.Handle(h.t.Context(), d.copy())
	h.worker.Handle(h.t.Context(), d)
}

type delivery struct {
	house  *house
	event  plumbline.Event
	broken error
	times  int

	mu            sync.Mutex
	working, done int
	later         []time.Duration
}

func (d *delivery) copy() *delivery {
	return &delivery{house: d.house, event: d.event, broken: d.broken, times: d.times}
}
func (d *delivery) again() *delivery {
	c := d.copy()
	c.times++
	return c
}
func (d *delivery) beats() int                      { d.mu.Lock(); defer d.mu.Unlock(); return d.working }
func (d *delivery) Event() (plumbline.Event, error) { return d.event, d.broken }
func (d *delivery) Service() string                 { return d.event.Service }
func (d *delivery) Deliveries() int                 { return d.times }
func (d *delivery) Working() error                  { d.mu.Lock(); defer d.mu.Unlock(); d.working++; return nil }
func (d *delivery) Done(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done++
	return nil
}
func (d *delivery) Later(after time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.later = append(d.later, after)
	return nil
}
func (d *delivery) DeadLetter(_ context.Context, reason string) error {
	d.house.mu.Lock()
	defer d.house.mu.Unlock()
	d.house.letters = append(d.house.letters, reason)
	return nil
}
