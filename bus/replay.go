package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline"
)

// HeaderReplay is the number of the dead letter that a message was before it was published again.
const HeaderReplay = "Plumbline-Replay-Of"

// Replay publishes the message of a dead letter again: where it came, as it came, so that it is the same event with the
// same run. It says of itself that it is a replay, by HeaderReplay and by its message id, which also makes of several
// replays within an hour one; again says that this one was not the first. A letter that would only be a dead letter again
// isn't sent, which is a *BadEvent. The error wraps ErrNoLetter if there is no such letter.
func (b *Bus) Replay(ctx context.Context, number uint64) (sent plumbline.Event, again bool, err error) {
	letter, body, err := b.DeadLetter(ctx, number)
	if err != nil {
		return plumbline.Event{}, false, err
	}
	m, sent, err := b.original(letter, body)
	if err != nil {
		return plumbline.Event{}, false, &BadEvent{fmt.Errorf("dead letter %d: %w", number, err)}
	}
	switch reason, err := b.refusal(ctx, sent); {
	case err != nil:
		return plumbline.Event{}, false, err
	case reason != "":
		return plumbline.Event{}, false, &BadEvent{fmt.Errorf("dead letter %d: it would be a dead letter again: %s", number, reason)}
	}
	ack, err := b.persist(ctx, m, fmt.Sprintf("replay.%d.%s", number, hash16(body)))
	if err != nil {
		return plumbline.Event{}, false, err
	}
	sent.Sequence = ack.Sequence
	return sent, ack.Duplicate, nil
}

// refusal says why whoever applies an event that comes next would put it aside, as far as the record of its service tells.
func (b *Bus) refusal(ctx context.Context, e plumbline.Event) (string, error) {
	record, _, err := b.Record(ctx, e.Service)
	switch {
	case errors.Is(err, ErrNoRecord):
		return fmt.Sprintf("service %s has no record, which a daemon makes that is configured for it", e.Service), nil
	case err != nil:
		return "", err
	}
	e.Sequence = record.Applied + 1
	if reason := record.Clash(e); reason != "" {
		return reason, nil
	}
	earlier, judged, err := b.Earlier(ctx, e)
	if err == nil && judged && earlier.Mark() != e.Mark() {
		return e.UsedBefore(earlier.Sequence), nil
	}
	return "", err
}

// original is the message that a dead letter was, without headers that would mean something to the server. A letter says
// itself where it came from, and whoever wrote it could say anything: only an event goes back, to where events go.
func (b *Bus) original(letter DeadLetter, body []byte) (*nats.Msg, plumbline.Event, error) {
	var none plumbline.Event
	if letter.Truncated != "" {
		return nil, none, fmt.Errorf("only a part of it was kept, its %s were cut: send the event anew", letter.Truncated)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != letter.SHA256 {
		return nil, none, errors.New("its body isn't the one that was put aside: send the event anew")
	}
	to := b.names.address(letter.Subject)
	switch {
	case to.slot:
		return nil, none, errors.New("it is a slot of the standby clock, which asks again by itself")
	case to.service == "":
		return nil, none, fmt.Errorf("subject %q names no service, want %s", clip(letter.Subject, 128), b.names.event("SERVICE"))
	}
	m := nats.NewMsg(letter.Subject)
	m.Data = body
	for name, values := range letter.Headers {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") {
			m.Header[name] = values
		}
	}
	e, err := Decode(b.options.Prefix, Message{Subject: m.Subject, Header: m.Header, Data: m.Data, Time: b.options.Now()})
	if err != nil {
		return nil, none, fmt.Errorf("it would be a dead letter again: %w", err)
	}
	m.Header.Set(HeaderReplay, strconv.FormatUint(letter.Number, 10))
	return m, e, nil
}
