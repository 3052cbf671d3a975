package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// The streams of the contract.
const (
	streamEvents      = "PLUMBLINE_EVENTS"
	streamResults     = "PLUMBLINE_RESULTS"
	streamVerdicts    = "PLUMBLINE_VERDICTS"
	streamLedger      = "PLUMBLINE_LEDGER"
	streamDeadLetters = "PLUMBLINE_DEADLETTER"
)

// A message is what a stream holds.
type message struct {
	subject  string
	sequence uint64
	at       time.Time
	header   nats.Header
	data     []byte
}

// unwrap reads the data of a CloudEvent, if it is of this type.
func (m message) unwrap(kind string, into any) (is bool, err error) {
	var event struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(m.data, &event); err != nil {
		return false, fmt.Errorf("%s, message %d: %w", m.subject, m.sequence, err)
	}
	if event.Type != kind {
		return false, nil
	}
	return true, json.Unmarshal(event.Data, into)
}

// all reads a stream from its first message to its last, each from the stream's leader.
func (s *stage) all(ctx context.Context, name string) (messages []message, state jetstream.StreamState, err error) {
	var stream jetstream.Stream
	err = s.until(ctx, name+" answers", func() error { stream, err = s.js.Stream(ctx, name); return err })
	if err != nil {
		return nil, state, err
	}
	state = stream.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq && sequence > 0; sequence++ {
		var m *jetstream.RawStreamMsg
		err := s.until(ctx, fmt.Sprintf("message %d of %s is read", sequence, name), func() (err error) {
			if m, err = stream.GetMsg(ctx, sequence); errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil // it is gone, which the numbers of the state tell as well
			}
			return err
		})
		if err != nil {
			return nil, state, err
		}
		if m != nil {
			messages = append(messages, message{subject: m.Subject, sequence: m.Sequence, at: m.Time.UTC(), header: m.Header, data: m.Data})
		}
	}
	return messages, state, nil
}

// A scribe writes down each verdict as soon as it is there, to hold what the stream says in the end against it.
type scribe struct {
	*stage
	mu   sync.Mutex
	seen [][32]byte // by sequence, from 1
}

func (w *scribe) watch(ctx context.Context) {
	for ctx.Err() == nil {
		stream, err := w.js.Stream(ctx, streamVerdicts)
		for err == nil && ctx.Err() == nil {
			err = w.next(ctx, stream)
		}
		rest(ctx, 200*time.Millisecond)
	}
}

func (w *scribe) next(ctx context.Context, stream jetstream.Stream) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	m, err := stream.GetMsg(ctx, uint64(len(w.seen)+1))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		rest(ctx, 100*time.Millisecond)
		return nil
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, sha256.Sum256(m.Data))
	return nil
}

// changed are the sequences of verdicts that are gone, or aren't what they were.
func (w *scribe) changed(verdicts []message) (sequences []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[uint64][32]byte{}
	for _, m := range verdicts {
		now[m.sequence] = sha256.Sum256(m.data)
	}
	for i, sum := range w.seen {
		if sequence := uint64(i + 1); now[sequence] != sum {
			sequences = append(sequences, sequence)
		}
	}
	return sequences
}

// A beginning is the start of a run by a daemon.
type beginning struct {
	run, worker string
	at          time.Time
}

func beginnings(results []message) (all []beginning, err error) {
	for _, m := range results {
		var started struct {
			Run    string `json:"run"`
			Worker string `json:"worker"`
		}
		is, err := m.unwrap(bus.TypeRunStarted, &started)
		if err != nil {
			return nil, err
		}
		if is {
			all = append(all, beginning{started.Run, started.Worker, m.at})
		}
	}
	return all, nil
}

func verdictOf(m message) (plumbline.Verdict, error) {
	var data struct {
		Verdict plumbline.Verdict `json:"verdict"`
	}
	is, err := m.unwrap(bus.TypeVerdict, &data)
	if err == nil && !is {
		err = fmt.Errorf("%s, message %d is no verdict", m.subject, m.sequence)
	}
	return data.Verdict, err
}

func entryOf(m message) (entry plumbline.Entry, err error) {
	is, err := m.unwrap(bus.TypeEntry, &entry)
	if err == nil && !is {
		err = fmt.Errorf("%s, message %d is no entry", m.subject, m.sequence)
	}
	return entry, err
}
