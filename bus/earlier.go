package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// Earlier is the event that the verdict is about that the run of an event has already, and says whether it has one: mostly
// it is the same event, that was sent before. One that the stream doesn't keep any more is taken for the same.
func (b *Bus) Earlier(ctx context.Context, e plumbline.Event) (earlier plumbline.Event, judged bool, err error) {
	for _, color := range []plumbline.Color{e.Color, e.Color.Other()} { // other data may name the other color
		v, judged, err := b.VerdictOf(ctx, e.Service, color, e.Run)
		if err != nil {
			return e, false, err
		}
		if !judged {
			continue
		}
		earlier, known, err := b.eventAt(ctx, v.Event.Sequence)
		if err != nil {
			return e, false, err
		}
		if !known || earlier.Run != e.Run {
			earlier = e
		}
		return earlier, true, nil
	}
	return e, false, nil
}

// eventAt reads the event at a sequence of the stream, and says whether there is one.
func (b *Bus) eventAt(ctx context.Context, sequence uint64) (plumbline.Event, bool, error) {
	var m *jetstream.RawStreamMsg
	err := b.repeat(ctx, func(ctx context.Context) error {
		s, err := b.handle(ctx, b.names.events())
		if err != nil {
			return err
		}
		m, err = s.GetMsg(ctx, sequence)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return plumbline.Event{}, false, nil
	case err != nil:
		return plumbline.Event{}, false, fmt.Errorf("event %d of the stream: %w", sequence, err)
	}
	e, err := Decode(b.options.Prefix, Message{Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: m.Sequence, Time: m.Time})
	return e, err == nil, nil // what can't be decoded is no event
}
