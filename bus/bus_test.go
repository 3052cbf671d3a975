package bus_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func TestMain(m *testing.M) {
	ats.Register() // else the first server of a bubble would start this process-wide clock inside it
	// The client's watch for a lost connection, begun while its publisher was being closed, waits for ever: nats.go v1.55.0.
	watch := goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect")
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), watch)
}

// store is a directory in memory where there is one: an fsync on a shared disk takes its time.
func store(t *testing.T) string {
	t.Helper()
	memory := inMemory()
	if memory == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "plumbline-bus-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "store")
}

func embedded(t *testing.T) *bus.Embedded {
	t.Helper()
	e, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: store(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func connect(t *testing.T, e *bus.Embedded, change ...func(*bus.Options)) *bus.Bus {
	t.Helper()
	o := bus.Options{NATS: []nats.Option{e.InProcess()}}
	for _, c := range change {
		c(&o)
	}
	b, err := bus.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// ready is a bus with all its streams.
func ready(t *testing.T, change ...func(*bus.Options)) *bus.Bus {
	t.Helper()
	b := connect(t, embedded(t), change...)
	if warnings, err := b.Ensure(t.Context()); err != nil || len(warnings) > 0 {
		t.Fatalf("Ensure: %v, %v", warnings, err)
	}
	return b
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// background runs until the test's end, or until the func that it returns was called; both wait for it.
func background(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// patience is as long as a busy machine may take. Nothing waits for it that went well.
const patience = time.Minute

// receive waits for a value.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came in %s", patience)
		panic("unreachable")
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s", patience, what)
		}
	}
}

// quiet says that nothing came for a moment.
func quiet[T any](t *testing.T, c <-chan T, d time.Duration) {
	t.Helper()
	select {
	case v := <-c:
		t.Fatalf("got %v, want nothing", v)
	case <-time.After(d):
	}
}

// logged collects a log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func release(version string) plumbline.Event {
	return plumbline.Event{Kind: plumbline.EventDeployed, ID: "release-" + version, Service: "plum", Color: plumbline.Green,
		Release: plumbline.Release{Version: version}}
}

// run is a well-formed run id.
func run(n int) string { return plumbline.RunID("plumbline.event.plum", "/test", fmt.Sprint(n)) }
