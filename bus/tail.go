package bus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A stored is a message as its stream holds it.
type stored struct {
	subject  string
	header   nats.Header
	data     []byte
	sequence uint64
	at       time.Time
}

// tail are the last n messages of a subject, oldest first. What is read is at most a few times what is wanted.
func (b *Bus) tail(ctx context.Context, stream, filter string, n int, headersOnly bool) (messages []stored, err error) {
	err = insist(ctx, func() (err error) {
		messages, err = b.tailOnce(ctx, stream, filter, n, headersOnly)
		return err
	})
	return messages, err
}

func (b *Bus) tailOnce(ctx context.Context, stream, filter string, n int, headersOnly bool) ([]stored, error) {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	read := func(from uint64, enough int) ([]stored, bool, error) {
		return b.readFrom(ctx, stream, filter, from, n, enough, headersOnly)
	}
	if b.mayNotConsume(ctx, stream) {
		read = func(from uint64, enough int) ([]stored, bool, error) { return walk(ctx, s, filter, from, n, enough) }
	}
	state := s.CachedInfo().State
	for width := uint64(max(n, 64)); state.Msgs > 0 && n > 0; width *= 4 {
		from, enough := state.FirstSeq, 0
		if state.LastSeq > width && state.LastSeq-width > from {
			from, enough = state.LastSeq-width, n
		}
		messages, there, err := read(from, enough)
		if err != nil || there {
			return messages, err
		}
	}
	return nil, nil
}

// readFrom reads by a consumer, and gives the last n; there is false if there are fewer than enough.
func (b *Bus) readFrom(ctx context.Context, stream, filter string, from uint64, n, enough int, headersOnly bool) (messages []stored, there bool, err error) {
	consumer, err := b.nameless(ctx, stream, jetstream.ConsumerConfig{FilterSubject: filter, HeadersOnly: headersOnly,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from})
	if err != nil {
		return nil, false, err
	}
	info := consumer.CachedInfo()
	defer b.dropConsumer(stream, info.Name)
	if info.NumPending < uint64(enough) { // #nosec G115 -- a number of rows that was asked for, never below zero
		return nil, false, nil
	}
	messages, err = lastOf(ctx, consumer, info.NumPending, n)
	return messages, true, err
}

// lastOf reads what a consumer has, in bites, and keeps the last n.
func lastOf(ctx context.Context, consumer jetstream.Consumer, there uint64, n int) ([]stored, error) {
	const bite = 100
	var kept []stored
	for read := uint64(0); read < there; {
		batch, err := consumer.Fetch(int(min(bite, there-read)), jetstream.FetchContext(ctx)) // #nosec G115 -- at most bite
		if err != nil {
			return nil, err
		}
		before := read
		for m := range batch.Messages() {
			read++
			meta, err := m.Metadata()
			if err != nil {
				return nil, err
			}
			kept = append(kept, stored{m.Subject(), m.Headers(), m.Data(), meta.Sequence.Stream, meta.Timestamp.UTC()})
		}
		if err := batch.Error(); err != nil {
			return nil, err
		}
		if read == before {
			return nil, errGap
		}
		kept = slices.Clone(kept[max(0, len(kept)-n):])
	}
	return kept, nil
}

// walk is readFrom for who may ask for messages one by one, and make no consumer.
func walk(ctx context.Context, s jetstream.Stream, filter string, from uint64, n, enough int) (messages []stored, there bool, err error) {
	found := 0
	for next := from; ; {
		m, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return messages, found >= enough, nil
		}
		if err != nil {
			return nil, false, err
		}
		found++
		messages = append(messages, stored{m.Subject, m.Header, m.Data, m.Sequence, m.Time.UTC()})
		messages = messages[max(0, len(messages)-n):]
		next = m.Sequence + 1
	}
}
