package bus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoLetter says that there is no dead letter of a number.
var ErrNoLetter = errors.New("no such dead letter")

// A DeadLetter is a message that couldn't be served.
type DeadLetter struct {
	Number    uint64 // its own place in the dead letters, by which it is named
	At        time.Time
	Service   string // "unknown" if the subject named none
	Subject   string // where it was published
	Reason    string
	Sequence  uint64 // in the event stream
	SHA256    string // of the whole body, in hex
	Size      int    // of what is kept of the body, in bytes
	Truncated string // what was cut: "body", "headers" or "headers, body"
	Headers   http.Header
	Head      []byte // the first 512 bytes of the body
}

// DeadLetters are the last n, newest first.
func (b *Bus) DeadLetters(ctx context.Context, n int) ([]DeadLetter, error) {
	messages, err := b.tail(ctx, b.names.deadLetters(), b.names.subject("deadletter", ">"), n, false)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	letters := make([]DeadLetter, 0, len(messages))
	for _, m := range slices.Backward(messages) {
		letters = append(letters, b.letter(m.subject, m.header, m.data, m.sequence, m.at))
	}
	return letters, nil
}

// DeadLetter is the one of a number, with what is kept of its body. The error wraps ErrNoLetter if there is none.
func (b *Bus) DeadLetter(ctx context.Context, number uint64) (letter DeadLetter, body []byte, err error) {
	var m *jetstream.RawStreamMsg
	err = b.repeat(ctx, func(ctx context.Context) error {
		s, err := b.handle(ctx, b.names.deadLetters())
		if err != nil {
			return err
		}
		m, err = s.GetMsg(ctx, number)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNoLetter
	}
	if err != nil {
		return DeadLetter{}, nil, fmt.Errorf("dead letter %d: %w", number, err)
	}
	return b.letter(m.Subject, m.Header, m.Data, m.Sequence, m.Time), m.Data, nil
}

// DropDeadLetter removes a dead letter for good, and overwrites it. The error wraps ErrNoLetter if there is none.
func (b *Bus) DropDeadLetter(ctx context.Context, number uint64) error {
	var refused error
	err := b.repeat(ctx, func(ctx context.Context) error {
		s, err := b.handle(ctx, b.names.deadLetters())
		if err != nil {
			return err
		}
		if err = s.SecureDeleteMsg(ctx, number); errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
			refused, err = err, nil // it would be refused again
		}
		return err
	})
	if err == nil && refused != nil {
		if _, _, err := b.DeadLetter(ctx, number); errors.Is(err, ErrNoLetter) {
			return err
		}
		err = refused
	}
	if err != nil {
		return fmt.Errorf("dead letter %d: %w", number, err)
	}
	return nil
}

// WaitDeadLetter waits until an event of a service, by its place in the event stream, is put aside as a dead letter, or
// ctx is done; then the error is the context's cause.
func (b *Bus) WaitDeadLetter(ctx context.Context, service string, sequence uint64) (letter DeadLetter, err error) {
	found := false
	want := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: true,
		FilterSubject: b.names.subject("deadletter", service)}
	closed := b.follow(ctx, b.names.deadLetters(), want, func(uint64) {}, func(m jetstream.Msg, _ *jetstream.MsgMetadata) bool {
		letter = b.letterOf(m)
		found = letter.Sequence == sequence
		return !found
	})
	switch {
	case found:
		return letter, nil
	case closed != nil:
		return DeadLetter{}, closed
	}
	return DeadLetter{}, context.Cause(ctx)
}

// A LettersDelivery is dead letters in the hands of somebody who tells people. Exactly one of Done and Later ends it.
type LettersDelivery struct {
	Letters []DeadLetter // oldest first, without their bodies

	bus        *Bus
	messages   []jetstream.Msg
	deliveries int
}

// Deliveries is how often the first of them was delivered, this time included.
func (d *LettersDelivery) Deliveries() int { return d.deliveries }

// Done ends the delivery, and waits until the server knows.
func (d *LettersDelivery) Done(ctx context.Context) error {
	for _, m := range d.messages {
		if err := d.bus.acknowledge(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// Later hands all of them back: they are delivered again after the delay.
func (d *LettersDelivery) Later(delay time.Duration) (err error) {
	for _, m := range d.messages {
		err = errors.Join(err, m.NakWithDelay(delay))
	}
	return err
}

// How dead letters are handed out: as many at once as there are, and then none for a while, so that a flood of them is a
// few pieces of news.
const (
	maxLetters  = 100
	lettersWait = 500 * time.Millisecond // for those that come with the first
	lettersRest = 30 * time.Second
)

// ConsumeDeadLetters hands dead letters to handle, all that there are at once and not again for half a minute, until ctx
// is done. Each durable name has its own place in the stream, which begins with the letters after its first use.
func (b *Bus) ConsumeDeadLetters(ctx context.Context, durable string, handle func(context.Context, *LettersDelivery)) error {
	return b.pull(ctx, b.letterReader(durable), 1, func(first jetstream.Msg) {
		pause(ctx, lettersWait)
		d := &LettersDelivery{bus: b, messages: append([]jetstream.Msg{first}, b.others(ctx, durable)...)}
		for _, m := range d.messages {
			d.Letters = append(d.Letters, b.letterOf(m))
		}
		if meta, err := first.Metadata(); err == nil {
			d.deliveries = int(meta.NumDelivered) // #nosec G115 -- a message isn't delivered 2^63 times
		}
		handle(ctx, d)
		pause(ctx, lettersRest)
	})
}

// others are the dead letters that wait behind one that was delivered.
func (b *Bus) others(ctx context.Context, durable string) (messages []jetstream.Msg) {
	consumer, err := b.js.Consumer(ctx, b.names.deadLetters(), durable)
	if err != nil {
		return nil // they come next time
	}
	batch, err := consumer.FetchNoWait(maxLetters - 1)
	if err != nil {
		return nil
	}
	for m := range batch.Messages() {
		messages = append(messages, m)
	}
	return messages
}

func (b *Bus) letterOf(m jetstream.Msg) DeadLetter {
	var number uint64
	var at time.Time
	if meta, err := m.Metadata(); err == nil {
		number, at = meta.Sequence.Stream, meta.Timestamp
	}
	return b.letter(m.Subject(), m.Headers(), m.Data(), number, at)
}

func (b *Bus) letter(subject string, h nats.Header, body []byte, number uint64, at time.Time) DeadLetter {
	letter := DeadLetter{Number: number, At: at.UTC(), Service: strings.TrimPrefix(subject, b.names.subject("deadletter")+"."),
		Subject: h.Get(HeaderSubject), Reason: h.Get(HeaderReason), SHA256: h.Get(HeaderSHA256), Truncated: h.Get(HeaderTruncated),
		Size: len(body), Headers: http.Header{}, Head: body[:min(headSize, len(body))]}
	letter.Sequence, _ = strconv.ParseUint(h.Get(HeaderSequence), 10, 64) // 0: somebody else wrote it
	for name, values := range h {
		if original, is := strings.CutPrefix(name, HeaderOriginal); is {
			letter.Headers[original] = values
		}
	}
	return letter
}
