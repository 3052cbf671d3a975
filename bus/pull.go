package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How a consumer is read: a request waits on the server for pullExpiry, which says each pullBeat that it still does.
const (
	pullExpiry = 30 * time.Second
	pullBeat   = 2500 * time.Millisecond
	leftover   = time.Second
)

// pull hands the messages of a durable consumer to handle, at most slots at once, until ctx is done; then it waits for the
// handlers under way. A message is asked for when a slot is free: one that waited in the client would use up its AckWait.
// The consumer is made if it isn't there, and made again when it goes away.
func (b *Bus) pull(ctx context.Context, r reader, slots int, handle func(jetstream.Msg)) error {
	free := make(chan struct{}, max(1, slots))
	var running sync.WaitGroup
	defer running.Wait()
	next := func(it jetstream.MessagesContext) error {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			<-free
			return err
		}
		running.Go(func() {
			defer func() { <-free }()
			handle(m)
		})
		return nil
	}
	read := func() error {
		consumer, err := b.durable(ctx, r)
		if err != nil {
			return err
		}
		it, err := consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullBeat))
		if err != nil {
			return err
		}
		defer giveBack(it)
		b.unread.missed(r.config.Durable, nil)
		for {
			if err := next(it); err != nil {
				return err
			}
		}
	}
	defer b.unread.missed(r.config.Durable, nil)
	return b.keepUp(ctx, r.config.Durable, func() error {
		err := read()
		b.unread.missed(r.config.Durable, err)
		return err
	})
}

// giveBack ends the reading; a message that arrived in the meantime goes to somebody else at once.
func giveBack(it jetstream.MessagesContext) {
	it.Drain()
	for {
		m, err := it.Next(jetstream.NextMaxWait(leftover))
		if err != nil {
			it.Stop()
			return
		}
		_ = m.Nak() // if it is lost, AckWait does the same, later
	}
}

// keepUp runs what should go on until ctx is done, again and again. It gives up only when the connection was closed.
func (b *Bus) keepUp(ctx context.Context, what string, run func() error) error {
	wait := retryWait
	for {
		started := time.Now()
		err := run()
		switch {
		case ctx.Err() != nil:
			return nil
		case b.conn.IsClosed():
			return fmt.Errorf("consumer %s: %w", what, nats.ErrConnectionClosed)
		}
		b.log.Warn("reading from the bus was interrupted, starting again", "consumer", what, "error", err)
		if time.Since(started) > retryMost {
			wait = retryWait
		}
		if !pause(ctx, wait) {
			return nil
		}
		wait = min(2*wait, retryMost)
	}
}

// errReconnected says that the connection was lost and made again.
var errReconnected = errors.New("the connection was made anew")

// errGap says that a message was lost between the server and this client.
var errGap = errors.New("a message is missing")

// follow hands the messages that a nameless consumer selects to each, in order and without a gap, until ctx is done or
// each says to stop. After an interruption it begins anew: each sees messages again. left is how many more there are at
// the moment; start is called at every beginning with the number that is there already.
func (b *Bus) follow(ctx context.Context, stream string, want jetstream.ConsumerConfig, start func(there uint64), each func(m jetstream.Msg, meta *jetstream.MsgMetadata) (more bool)) error {
	done := false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return b.keepUp(ctx, stream, func() error {
		err := b.followOnce(ctx, stream, want, start, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
			done = !each(m, meta)
			return !done
		})
		if done {
			cancel()
		}
		return err
	})
}

func (b *Bus) followOnce(ctx context.Context, stream string, want jetstream.ConsumerConfig, start func(uint64), each func(jetstream.Msg, *jetstream.MsgMetadata) bool) error {
	ctx, end := b.withinSession(ctx)
	defer end()
	consumer, err := b.nameless(ctx, stream, want)
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	defer b.dropConsumer(stream, info.Name)
	it, err := consumer.Messages(jetstream.PullMaxMessages(256), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullBeat))
	if err != nil {
		return err
	}
	defer it.Stop()
	start(info.NumPending)
	for last := uint64(0); ; last++ {
		m, err := it.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != last+1 {
			return errGap
		}
		if !each(m, meta) {
			return nil
		}
	}
}

// withinSession is done, too, when the connection was lost and made again.
func (b *Bus) withinSession(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	session := b.thisSession()
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-session:
			cancel(errReconnected)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// nameless makes a consumer of this client alone, which keeps no account of what was acknowledged.
func (b *Bus) nameless(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	want.AckPolicy, want.MemoryStorage, want.Replicas = jetstream.AckNonePolicy, true, 1
	want.InactiveThreshold = time.Minute
	return b.js.CreateConsumer(ctx, stream, want)
}

// dropConsumer removes a nameless consumer. The server would do it itself, a minute later.
func (b *Bus) dropConsumer(stream, name string) {
	if !b.conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tryFor)
	defer cancel()
	if err := b.js.DeleteConsumer(ctx, stream, name); err != nil {
		b.log.Debug("a reader was not removed", "stream", stream, "consumer", name, "error", err)
	}
}
