package bus

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrNobodyWaits is the end of a callback that no daemon took.
var ErrNobodyWaits = errors.New("no daemon waits for it")

// callbackTry is how long one daemon has to say that it took a callback.
const callbackTry = 500 * time.Millisecond

// callback is the subject of an address: not the address itself, which whoever may listen here could post to.
func (n names) callback(address string) string {
	sum := sha256.Sum256([]byte(address))
	return n.subject("callback", strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:26]))
}

// AwaitCallbacks hears what arrives for an address at any daemon, until stop is called. When it returns, the server it is
// connected to knows of it. take must not block; what it refuses is offered again. The same may come twice. Nothing is
// stored: what arrives while nobody listens is lost.
func (b *Bus) AwaitCallbacks(ctx context.Context, address string, take func(data []byte) error) (stop func(), err error) {
	sub, err := b.conn.Subscribe(b.names.callback(address), func(m *nats.Msg) {
		if take(m.Data) == nil {
			_ = m.Respond(nil) // unheard, it comes again
		}
	})
	if err != nil {
		return nil, fmt.Errorf("await a callback: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	if err := b.conn.FlushWithContext(ctx); err != nil {
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("await a callback: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // a closed connection has no subscriptions
}

// HandCallback brings what arrived for an address to the daemon that waits for it, however it is connected. It repeats
// until that daemon took it or ctx is done; the error wraps ErrNobodyWaits if none listens.
func (b *Bus) HandCallback(ctx context.Context, address string, data []byte) error {
	subject, nobody := b.names.callback(address), false
	for {
		attempt, cancel := context.WithTimeout(ctx, callbackTry)
		_, err := b.conn.RequestWithContext(attempt, subject, data)
		cancel()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrMaxPayload):
			return fmt.Errorf("hand a callback on: %w", err)
		case ctx.Err() == nil: // an attempt that ctx cut short says nothing new
			nobody = errors.Is(err, nats.ErrNoResponders)
		}
		if !pause(ctx, retryWait) { // another server may not have heard of who waits yet
			if nobody {
				err = ErrNobodyWaits
			}
			return fmt.Errorf("hand a callback on: %w", err)
		}
	}
}
