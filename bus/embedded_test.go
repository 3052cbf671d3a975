package bus_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestStoreIsLocked(t *testing.T) {
	dir := store(t)
	first, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = bus.StartEmbedded(bus.EmbeddedOptions{Store: dir})
	if err == nil || !strings.Contains(err.Error(), dir+" is in use") {
		t.Fatalf("second server on the same store: %v", err)
	}
	first.Close()
	second, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: dir})
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	second.Close()
}

func TestEmbeddedKeepsWhatItAcknowledged(t *testing.T) {
	dir := store(t)
	open := func() (*bus.Embedded, *bus.Bus) {
		e, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: dir})
		if err != nil {
			t.Fatal(err)
		}
		b := must(bus.Connect(t.Context(), bus.Options{NATS: []nats.Option{e.InProcess()}}))(t)
		if _, err := b.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		return e, b
	}
	e, b := open()
	if !bus.SyncsAlways(e) {
		t.Error("the server acknowledges what isn't on the disk: a power cut would lose it")
	}
	sent := must(b.Publish(t.Context(), release("1")))(t)
	b.Close()
	e.Close()
	e, b = open()
	defer e.Close()
	defer b.Close()
	again := must(b.Publish(t.Context(), release("1")))(t)
	if again.Sequence != sent.Sequence {
		t.Errorf("the same event got sequence %d after a restart, want %d", again.Sequence, sent.Sequence)
	}
}

func TestEmbeddedRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options bus.EmbeddedOptions
		want    string
	}{
		"no store":        {bus.EmbeddedOptions{}, "set bus.store"},
		"store is a file": {bus.EmbeddedOptions{Store: file}, "bus store: "},
		"port in use":     {bus.EmbeddedOptions{Store: store(t), Listen: taken.Addr().String()}, "address already in use"},
		"not loopback":    {bus.EmbeddedOptions{Store: store(t), Listen: "0.0.0.0:4222"}, "loopback only"},
		"any host":        {bus.EmbeddedOptions{Store: store(t), Listen: ":4222"}, "loopback only"},
		"no port":         {bus.EmbeddedOptions{Store: store(t), Listen: "localhost"}, "want host:port"},
		"bad port":        {bus.EmbeddedOptions{Store: store(t), Listen: "localhost:nats"}, "want a number"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := bus.StartEmbedded(test.options)
			if err == nil {
				e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && test.options.Store != "" && test.options.Store != file && test.want == "address already in use" {
				e, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: test.options.Store})
				if err != nil {
					t.Fatalf("the store stayed locked: %v", err)
				}
				e.Close()
			}
		})
	}
}

func TestEmbeddedListens(t *testing.T) {
	e, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: store(t), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if !strings.HasPrefix(e.URL(), "nats://127.0.0.1:") {
		t.Fatalf("URL %q", e.URL())
	}
	b := must(bus.Connect(t.Context(), bus.Options{URL: e.URL()}))(t)
	defer b.Close()
	if _, err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if embedded(t).URL() != "" {
		t.Error("a server that doesn't listen has a URL")
	}
}
