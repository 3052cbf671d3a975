package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// StateAckWait is how long a handler of ConsumeState or ConsumeStrays may go without Working before an event is delivered again.
const StateAckWait = 5 * time.Second

// A Delivery is a message of the event stream in somebody's hands. Exactly one of Done and Later ends it; without either
// it is delivered again after the consumer's AckWait.
type Delivery struct {
	bus     *Bus
	message jetstream.Msg
	meta    *jetstream.MsgMetadata
}

// Event decodes the message: see Decode.
func (d *Delivery) Event() (plumbline.Event, error) {
	return Decode(d.bus.options.Prefix, Message{Subject: d.message.Subject(), Header: d.message.Headers(), Data: d.message.Data(),
		Sequence: d.Sequence(), Time: d.At()})
}

// Service is the service that the subject names, or nothing.
func (d *Delivery) Service() string {
	return d.bus.names.address(d.message.Subject()).service
}

// Subject is where the message was published.
func (d *Delivery) Subject() string { return d.message.Subject() }

// Sequence is the message's place in the stream.
func (d *Delivery) Sequence() uint64 { return d.meta.Sequence.Stream }

// At is when the stream stored the message.
func (d *Delivery) At() time.Time { return d.meta.Timestamp.UTC() }

// Deliveries is how often the message was delivered, this time included.
func (d *Delivery) Deliveries() int { return int(d.meta.NumDelivered) } // #nosec G115 -- a message isn't delivered 2^63 times

// Working says that the message is being worked on: AckWait begins anew.
func (d *Delivery) Working() error { return d.message.InProgress() }

// Done ends the delivery, and waits until the server knows. It tries until ctx is done.
func (d *Delivery) Done(ctx context.Context) error { return d.bus.acknowledge(ctx, d.message) }

// Later hands the message back: it is delivered again after the delay.
func (d *Delivery) Later(delay time.Duration) error { return d.message.NakWithDelay(delay) }

// goneAfter is how long nobody may answer for a consumer until it is taken for gone. One that only lost its leader, or whose
// server starts, answers sooner.
const goneAfter = 5 * time.Second

// errGone ends what waited for a consumer's word. What it had handed out comes again from the one that is made in its place.
var errGone = errors.New("its consumer is gone")

// acknowledge tries until the server knows, ctx is done, or the consumer is gone: who waited for one that was deleted would
// wait for ever, and take no other message.
func (b *Bus) acknowledge(ctx context.Context, m jetstream.Msg) error {
	var missed time.Time // since when nobody answers for the consumer
	err := b.repeat(ctx, func(ctx context.Context) error {
		err := m.DoubleAck(ctx)
		switch {
		case errors.Is(err, jetstream.ErrMsgAlreadyAckd):
			return nil
		case !errors.Is(err, nats.ErrNoResponders):
			missed = time.Time{}
		case missed.IsZero():
			missed = time.Now()
		case time.Since(missed) >= goneAfter:
			return errGone
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("acknowledge %s: %w", m.Subject(), err)
	}
	return nil
}

// ConsumeState hands every message about a service to handle, in stream order and one at a time for all processes together,
// until ctx is done. It survives reconnects and makes its consumer anew when it is gone. What the service's record applied
// before the consumer was made may be left out.
func (b *Bus) ConsumeState(ctx context.Context, service string, handle func(context.Context, *Delivery)) error {
	if err := plumbline.CheckName(service); err != nil {
		return err
	}
	return b.consume(ctx, b.stateReader(service), 1, handle)
}

// ConsumeStrays hands every message of the event stream to handle, whatever it is about, at most slots at once in this
// process and in no order, until ctx is done. It is for those who look for what ConsumeState of no service is given.
func (b *Bus) ConsumeStrays(ctx context.Context, slots int, handle func(context.Context, *Delivery)) error {
	return b.consume(ctx, b.strayReader(), slots, handle)
}

// ConsumeRuns hands the messages about a service to handle, at most slots at once in this process, until ctx is done; then
// it waits for the handlers under way. A message that waits doesn't hold up the ones behind it.
func (b *Bus) ConsumeRuns(ctx context.Context, service string, slots int, handle func(context.Context, *Delivery)) error {
	if err := plumbline.CheckName(service); err != nil {
		return err
	}
	return b.consume(ctx, b.runReader(service), slots, handle)
}

func (b *Bus) consume(ctx context.Context, r reader, slots int, handle func(context.Context, *Delivery)) error {
	return b.pull(ctx, r, slots, func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil {
			b.log.Error("a message without metadata", "consumer", r.config.Durable, "subject", m.Subject(), "error", err)
			return
		}
		handle(ctx, &Delivery{bus: b, message: m, meta: meta})
	})
}
