package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// askFor is how long an answer about a stream or a consumer is awaited. One that isn't there by then was lost with the
// server that had it, or nobody leads at the moment; the client itself would wait for it as long as the caller has.
const askFor = 5 * time.Second

// A prompt JetStream doesn't wait for answers that were lost. What is asked is asked again by who needs it.
type prompt struct{ jetstream.JetStream }

func (p prompt) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	stream, err := p.JetStream.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return promptStream{stream}, nil
}

func (p prompt) Consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return p.JetStream.Consumer(ctx, stream, name)
}

func (p prompt) CreateConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return p.JetStream.CreateConsumer(ctx, stream, config)
}

func (p prompt) UpdateConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return p.JetStream.UpdateConsumer(ctx, stream, config)
}

// tries is how often a reader asks for what gets lost. Then the bus is gone, and not only one of its servers.
const tries = 3

// insist tries again what was lost on the way, a few times.
func insist(ctx context.Context, try func() error) (err error) {
	for range tries {
		if err = try(); !lost(err) || !pause(ctx, retryWait) {
			return err
		}
	}
	return err
}

// lost says whether there was no answer. Nobody answers for a moment for a consumer that was just made on another server.
func lost(err error) bool {
	for _, e := range []error{context.DeadlineExceeded, jetstream.ErrNoHeartbeat, nats.ErrNoResponders, errGap} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

type promptStream struct{ jetstream.Stream }

func (s promptStream) Info(ctx context.Context, options ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return s.Stream.Info(ctx, options...)
}

func (s promptStream) GetMsg(ctx context.Context, sequence uint64, options ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return s.Stream.GetMsg(ctx, sequence, options...)
}

func (s promptStream) GetLastMsgForSubject(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return s.Stream.GetLastMsgForSubject(ctx, subject)
}
