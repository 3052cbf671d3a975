package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// The ends of record calls that a caller acts upon.
var (
	ErrNoRecord = errors.New("no record")
	ErrConflict = errors.New("the record was changed by somebody else")
)

// beat is how often a watch makes sure that it holds everything; after patience beats behind, it begins anew.
const (
	beat     = time.Second
	patience = 3
)

// Record reads the record of a service from the bucket's leader, with the revision that UpdateRecord wants. The error
// wraps ErrNoRecord if there is none.
func (b *Bus) Record(ctx context.Context, service string) (plumbline.Record, uint64, error) {
	m, err := b.recordMessage(ctx, service)
	if err != nil {
		return plumbline.Record{}, 0, err
	}
	if deleted(m.Header) {
		return plumbline.Record{}, 0, fmt.Errorf("service %s: %w", service, ErrNoRecord)
	}
	r, err := decodeRecord(service, m.Data)
	return r, m.Sequence, err
}

// CreateRecord writes the first record of a service and returns its revision. The error wraps ErrConflict if there is one,
// which can be read then: a cluster refuses a second one before its leader gives out the first.
func (b *Bus) CreateRecord(ctx context.Context, r plumbline.Record) (uint64, error) {
	for {
		revision, err := b.putRecord(ctx, r, 0)
		if !errors.Is(err, ErrConflict) {
			return revision, err
		}
		m, get := b.recordMessage(ctx, r.Service)
		switch {
		case get == nil && deleted(m.Header):
			return b.putRecord(ctx, r, m.Sequence)
		case !errors.Is(get, ErrNoRecord) || !pause(ctx, applyWait):
			return 0, err
		}
	}
}

// applyWait is how long a cluster is given to apply what it has agreed upon, before it is asked again.
const applyWait = 20 * time.Millisecond

// UpdateRecord replaces the record of this revision and returns the next one. The error wraps ErrConflict if the record
// has another revision; that may be the caller's own, when the answer to an earlier try was lost.
func (b *Bus) UpdateRecord(ctx context.Context, r plumbline.Record, revision uint64) (uint64, error) {
	return b.putRecord(ctx, r, revision)
}

func (b *Bus) putRecord(ctx context.Context, r plumbline.Record, revision uint64) (next uint64, err error) {
	if err := plumbline.CheckName(r.Service); err != nil {
		return 0, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("record of %s: %w", r.Service, err)
	}
	err = b.repeat(ctx, func(ctx context.Context) error {
		m := &nats.Msg{Subject: b.recordSubject(r.Service), Data: body}
		ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithRetryAttempts(0))
		if err == nil {
			next = ack.Sequence
		}
		return err
	})
	if isWrongSequence(err) {
		err = ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("record of %s: %w", r.Service, err)
	}
	return next, nil
}

func (b *Bus) recordSubject(service string) string {
	return "$KV." + b.names.services() + "." + service
}

func (b *Bus) recordMessage(ctx context.Context, service string) (m *jetstream.RawStreamMsg, err error) {
	if err := plumbline.CheckName(service); err != nil {
		return nil, err
	}
	m, err = b.last(ctx, "KV_"+b.names.services(), b.recordSubject(service))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNoRecord
	}
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", service, err)
	}
	return m, nil
}

// last reads the last message of a subject from the stream's leader: see Bus.streams.
func (b *Bus) last(ctx context.Context, stream, subject string) (m *jetstream.RawStreamMsg, err error) {
	err = b.repeat(ctx, func(ctx context.Context) error {
		s, err := b.handle(ctx, stream)
		if err != nil {
			return err
		}
		m, err = s.GetLastMsgForSubject(ctx, subject)
		return err
	})
	return m, err
}

// handle is a stream's handle, for which the server is asked once; again and again only if the stream lets followers
// answer, which somebody may correct.
func (b *Bus) handle(ctx context.Context, stream string) (jetstream.Stream, error) {
	if known, ok := b.handles.Load(stream); ok {
		return known.(jetstream.Stream), nil
	}
	s, err := b.js.Stream(ctx, stream)
	if err == nil && !s.CachedInfo().Config.AllowDirect {
		b.handles.Store(stream, s)
	}
	return s, err
}

// deleted says whether a message of a bucket says that its key is gone.
func deleted(h nats.Header) bool {
	return h.Get("KV-Operation") != "" || h.Get(jetstream.MarkerReasonHeader) != ""
}

func decodeRecord(service string, body []byte) (plumbline.Record, error) {
	var r plumbline.Record
	if err := json.Unmarshal(body, &r); err != nil {
		return plumbline.Record{}, fmt.Errorf("record of %s: %w", service, err)
	}
	if r.Schema != plumbline.RecordSchema || r.Service != service {
		return plumbline.Record{}, fmt.Errorf("record of %s: schema %q of service %q, want %s", service, r.Schema, r.Service, plumbline.RecordSchema)
	}
	return r, nil
}
