package worker

import (
	"context"
	"slices"
	"sync"

	"github.com/plumbline-dev/plumbline"
)

// Memory is what this process knows of all services: the newest record of each that a watch brought or that the process
// wrote itself. It is what the gate answers from.
type Memory struct {
	mu       sync.Mutex
	records  map[string]remembered
	progress map[string]plumbline.RunStatus // by run
	changed  chan struct{}                  // closed at the next change
}

type remembered struct {
	record   plumbline.Record
	revision uint64
	watched  uint64 // the last revision that the watch brought
}

// NewMemory knows nothing yet.
func NewMemory() *Memory {
	return &Memory{records: map[string]remembered{}, progress: map[string]plumbline.RunStatus{}, changed: make(chan struct{})}
}

// Set remembers a record that this process read or wrote, unless a newer revision is known. Revisions count the writes of
// all records.
func (m *Memory) Set(record plumbline.Record, revision uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.records[record.Service]; revision > known.revision {
		m.remember(record, revision, known.watched)
	}
}

// Watched is Set for what a watch brings, in the order of the revisions. A watch that goes back tells of a bus that lost
// its records and was given others: what was known before is forgotten.
func (m *Memory) Watched(record plumbline.Record, revision uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, heard := m.records[record.Service]
	switch {
	case revision > known.revision || revision < known.watched || !heard:
		m.remember(record, revision, revision)
	default:
		known.watched = revision
		m.records[record.Service] = known
	}
}

func (m *Memory) remember(record plumbline.Record, revision, watched uint64) {
	m.records[record.Service] = remembered{record, revision, watched}
	m.forgetEnded()
	m.wake()
}

// forgetEnded drops the progress of runs that no record waits for. A run whose event isn't applied yet has none.
func (m *Memory) forgetEnded() {
	if len(m.progress) == 0 {
		return
	}
	for run := range m.progress {
		pending := false
		for _, known := range m.records {
			_, found := known.record.Find(run)
			pending = pending || found
		}
		if !pending {
			delete(m.progress, run)
		}
	}
}

func (m *Memory) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Get is the newest known record of a service; there is none once it was deleted. Its runs carry their progress. The
// caller must not change it.
func (m *Memory) Get(service string) (plumbline.Record, uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.records[service]
	record := known.record
	if record.Schema == "" {
		return plumbline.Record{}, 0, false
	}
	colors := make(map[plumbline.Color]plumbline.ColorState, len(record.Colors))
	for c, state := range record.Colors {
		state.Progress = make(map[string]plumbline.RunStatus) // the caller's own: a record that was written may still carry one
		for _, run := range state.Pending {
			if status, ok := m.progress[run.Run]; ok {
				state.Progress[run.Run] = status
			}
		}
		colors[c] = state
	}
	record.Colors = colors
	return record, known.revision, true
}

// Services are those that have a record, in order.
func (m *Memory) Services() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for service, known := range m.records {
		if known.record.Schema != "" {
			all = append(all, service)
		}
	}
	slices.Sort(all)
	return all
}

// Wake has everybody look again who waits for a change: something else changed than a record.
func (m *Memory) Wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wake()
}

// Changed is closed when something changes after the call.
func (m *Memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Await returns the service's record as soon as it satisfies the condition.
func (m *Memory) Await(ctx context.Context, service string, condition func(plumbline.Record) bool) (plumbline.Record, error) {
	for {
		changed := m.Changed()
		if record, _, ok := m.Get(service); ok && condition(record) {
			return record, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return plumbline.Record{}, context.Cause(ctx)
		}
	}
}

// Progress remembers how far a run is; a total of 0 forgets the run.
func (m *Memory) Progress(run string, done, total int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if total == 0 {
		delete(m.progress, run)
		return
	}
	m.progress[run] = plumbline.RunStatus{Done: done, Total: total}
}
