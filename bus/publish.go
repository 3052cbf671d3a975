package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// One try of something that is repeated until its context is done. A stream that loses its leader answers again within
// milliseconds, but not to the request that was under way.
const (
	tryFor    = 2 * time.Second
	retryWait = 100 * time.Millisecond
	retryMost = 2 * time.Second
)

// errNoAnswer is what a try that ran out of time says.
var errNoAnswer = errors.New("the bus didn't answer")

// codeOneASubject is the server's refusal of a second message on a write-once subject; of a full stream, too.
const codeOneASubject jetstream.ErrorCode = 10077

// codeUnderWay is a cluster's answer to a second message with an id whose first is on its way to the replicas, of another
// publisher or of an earlier try: soon it is a duplicate, or the first was lost.
const codeUnderWay jetstream.ErrorCode = 10158

// persist publishes until the stream acknowledged. Tries share the message id, so that the stream holds one message.
func (b *Bus) persist(ctx context.Context, m *nats.Msg, id string, options ...jetstream.PublishOpt) (ack *jetstream.PubAck, err error) {
	options = append(options, jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0))
	err = b.repeat(ctx, func(ctx context.Context) error {
		ack, err = b.js.PublishMsg(ctx, m, options...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", m.Subject, err)
	}
	return ack, nil
}

// repeat tries until it works, can't work, or ctx is done.
func (b *Bus) repeat(ctx context.Context, try func(context.Context) error) error {
	for wait := retryWait; ; wait = min(2*wait, retryMost) {
		attempt, cancel := context.WithTimeout(ctx, tryFor)
		err := try(attempt)
		cancel()
		if err == nil || final(err) {
			return err
		}
		if !pause(ctx, wait) {
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				err = errNoAnswer
			}
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// final says whether an error comes again however often one tries.
func final(err error) bool {
	var answer *jetstream.APIError
	if errors.As(err, &answer) {
		return answer.Code != 503 && answer.Code != 500 && answer.ErrorCode != codeUnderWay || answer.ErrorCode == codeOneASubject
	}
	for _, e := range []error{errGone, nats.ErrConnectionClosed, nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrHeadersNotSupported,
		jetstream.ErrKeyNotFound, jetstream.ErrMsgNotFound, jetstream.ErrInvalidKey, jetstream.ErrObjectNotFound, errNotProvisioned} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isWrongSequence says whether a publish was refused because the subject's last message was another than expected.
func isWrongSequence(err error) bool {
	var answer *jetstream.APIError
	return errors.As(err, &answer) && (answer.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		answer.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// pause waits, and says whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
