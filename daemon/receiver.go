package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/receiver"
)

// listenForCallbacks opens the receiver's listener, if this daemon has one.
func (d *Daemon) listenForCallbacks() (err error) {
	address := d.Config().Receiver.Listen
	if address == "" {
		return nil
	}
	if d.receiver, err = net.Listen("tcp", address); err != nil {
		return fmt.Errorf("listen on %s: %w (the setting is receiver.listen)", address, err)
	}
	return nil
}

// serveCallbacks takes what arrives until ctx ends, and hands it to whichever daemon waits for it.
func (d *Daemon) serveCallbacks(ctx context.Context) error {
	if d.receiver == nil {
		return nil
	}
	return receiver.New(receiver.Options{Random: rand.Reader, Log: d.log, HandOn: func(ctx context.Context, nonce string, r receiver.Receipt) error {
		data, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return d.bus.HandCallback(ctx, nonce, data)
	}}).Serve(ctx, d.receiver)
}

// receiving lets checks wait for callbacks, if there is a receiver anywhere.
func (d *Daemon) receiving(config *configs.Config) func(*checks.Clients) {
	return func(c *checks.Clients) {
		if settings := config.Receiver; settings.PublicURL != "" || settings.Listen != "" {
			c.Callbacks = func(ctx context.Context, nonce string) (checks.Callback, error) {
				return d.openCallback(ctx, d.receiverURL(settings), nonce)
			}
		}
	}
}

// receiverURL is where the environments reach the receiver, by the settings that a run began with.
func (d *Daemon) receiverURL(settings configs.Receiver) string {
	if public := settings.PublicURL; public != "" {
		return strings.TrimRight(public, "/")
	}
	return "http://" + d.receiver.Addr().String()
}

// openCallback opens an address at which any daemon's receiver takes what arrives: a new one, or the standing one of a
// nonce, at which several may wait.
func (d *Daemon) openCallback(ctx context.Context, base, nonce string) (checks.Callback, error) {
	var err error
	if nonce == "" {
		nonce, err = receiver.NewNonce(rand.Reader)
	} else {
		err = receiver.CheckNonce(nonce)
	}
	if err != nil {
		return checks.Callback{}, err
	}
	box := receiver.NewBox()
	stop, err := d.bus.AwaitCallbacks(ctx, nonce, func(data []byte) error {
		var r receiver.Receipt
		if json.Unmarshal(data, &r) != nil {
			return nil // whatever it is, it comes no better
		}
		return box.Put(r)
	})
	if err != nil {
		return checks.Callback{}, err
	}
	return callback(base, nonce, box, stop), nil
}

func callback(base, nonce string, box *receiver.Box, stop func()) checks.Callback {
	return checks.Callback{URL: base + "/" + nonce, Close: stop, Next: func(ctx context.Context) (checks.Received, error) {
		r, err := box.Next(ctx)
		return checks.Received{At: r.At, Header: r.Header, Body: r.Body}, err
	}}
}

// A LocalReceiver takes the callbacks of runs without a bus, on loopback. It listens from the first Open until Close; the
// zero LocalReceiver is ready.
type LocalReceiver struct {
	board receiver.Board
	mu    sync.Mutex
	url   string
	stop  context.CancelFunc
	ended chan error
}

// Open opens a new address; standing ones lead to daemons alone.
func (l *LocalReceiver) Open(ctx context.Context, at string) (checks.Callback, error) {
	if at != "" {
		return checks.Callback{}, errors.New("a standing address leads to a daemon: release, or plumbline validate")
	}
	base, err := l.listen(ctx)
	if err != nil {
		return checks.Callback{}, err
	}
	nonce, box, err := l.board.Open(rand.Reader)
	if err != nil {
		return checks.Callback{}, err
	}
	return callback(base, nonce, box, func() { l.board.Close(nonce) }), nil
}

func (l *LocalReceiver) listen(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.url != "" {
		return l.url, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx)) // it outlives the check that came first
	l.url, l.ended = "http://"+listener.Addr().String(), make(chan error, 1)
	go func() {
		l.ended <- receiver.New(receiver.Options{Random: rand.Reader, Now: time.Now, HandOn: l.board.HandOn}).Serve(ctx, listener)
	}()
	return l.url, nil
}

// Close ends it, if it ever listened.
func (l *LocalReceiver) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop == nil {
		return nil
	}
	l.stop()
	l.stop, l.url = nil, ""
	if err := <-l.ended; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
