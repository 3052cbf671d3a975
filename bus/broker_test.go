package bus_test

import (
	"context"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline/bus"
)

// A broker is an embedded server that can be stopped and started beneath its clients, inside a bubble, where hours pass
// in milliseconds.
type broker struct {
	t     *testing.T
	store string
	mu    sync.Mutex
	now   *bus.Embedded
}

func (k *broker) start() {
	e, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: k.store})
	if err != nil {
		k.t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = e
}

func (k *broker) stop() {
	k.mu.Lock()
	e := k.now
	k.now = nil
	k.mu.Unlock()
	if e != nil {
		e.Close()
	}
}

// InProcessConn is what nats.InProcessServer dials, again at each reconnect.
func (k *broker) InProcessConn() (net.Conn, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil {
		return nil, net.ErrClosed
	}
	return k.now.InProcessConn()
}

func (k *broker) connect() *bus.Bus {
	k.t.Helper()
	b, err := bus.Connect(k.t.Context(), bus.Options{NATS: []nats.Option{nats.InProcessServer(k)}})
	if err != nil {
		k.t.Fatal(err)
	}
	if _, err := b.Ensure(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	return b
}

// bubble runs a test with a broker whose clock is the bubble's.
func bubble(t *testing.T, test func(t *testing.T, k *broker)) {
	t.Helper()
	dir := store(t)
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		k := &broker{t: t, store: dir}
		k.start()
		defer k.stop()
		test(t, k)
	})
}

// emptyPools drops what sync.Pools hold: the NATS client pools timers, and one of another bubble is fatal in this one.
func emptyPools() {
	runtime.GC() // to the victims
	runtime.GC() // and away
}

// alongside runs beside the test; stop ends it.
func alongside(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
	}
}
