package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
)

// Clock says how far the bus' clock is ahead of this machine's, and within which bounds that is known.
func (b *Bus) Clock(ctx context.Context) (ahead, give time.Duration, err error) {
	stream, err := b.js.Stream(ctx, b.names.events())
	if err != nil {
		return 0, 0, err
	}
	asked := b.options.Now()
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	give = b.options.Now().Sub(asked) / 2
	return info.TimeStamp.Sub(asked.Add(give)), give, nil
}

// LastEvent is the sequence of the newest message of the event stream.
func (b *Bus) LastEvent(ctx context.Context) (uint64, error) {
	stream, err := b.js.Stream(ctx, b.names.events())
	if err != nil {
		return 0, fmt.Errorf("the event stream: %w", err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// Backlog is how many verdicts a durable consumer of them has still to be told, and whether it is there.
func (b *Bus) Backlog(ctx context.Context, durable string) (waiting int, there bool, err error) {
	consumer, err := b.js.Consumer(ctx, b.names.verdicts(), durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	info := consumer.CachedInfo()
	return int(info.NumPending) + info.NumAckPending, true, nil // #nosec G115 -- a stream doesn't hold 2^63 messages
}

// Daemons counts who answers for gates within a while.
func (b *Bus) Daemons(ctx context.Context, within time.Duration) (n int, err error) {
	subject, err := micro.ControlSubject(micro.PingVerb, gateService, "")
	if err != nil {
		return 0, err
	}
	if b.mayNot(ctx, subject) {
		return 0, errors.New(mayNotAsk)
	}
	inbox := b.conn.NewInbox()
	answers, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection's end does it, too
	if err := b.conn.PublishRequest(subject, inbox, nil); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	seen := map[string]bool{}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			return 0, nil
		case errors.Is(err, context.DeadlineExceeded):
			return len(seen), nil
		case err != nil:
			return len(seen), err
		}
		var ping micro.Ping
		if json.Unmarshal(m.Data, &ping) == nil && ping.ID != "" {
			seen[ping.ID] = true
		}
	}
}
