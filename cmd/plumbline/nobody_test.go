package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A lonely bus has streams, and no daemon.
type lonely struct {
	bus    *bus.Bus
	config string
}

func lonelyBus(t *testing.T) lonely {
	t.Helper()
	address := freeAddress(t.Fatalf)
	server, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: t.TempDir(), Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	b, err := bus.Connect(t.Context(), bus.Options{URL: "nats://" + address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if _, err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := lonely{b, filepath.Join(t.TempDir(), "plumbline.yaml")}
	text := fmt.Sprintf(`bus: {url: "nats://%s"}
services:
  plum:
    environments: {blue: {url: "http://127.0.0.1:1"}, green: {url: "http://127.0.0.1:2"}}
    suites: [smoke.yaml]
`, address)
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

// says runs a command, and wants its exit code and what it says.
func (l lonely) says(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	var out, log bytes.Buffer
	got := Run(t.Context(), append(args, "--config", l.config), Shell{Out: &out, Err: &log})
	if said := out.String() + log.String(); got != code || !strings.Contains(said, want) {
		t.Errorf("%s: exit code %d, want %d and %q in\n%s", strings.Join(args, " "), got, code, want, said)
	}
}

// Without a record nobody can adopt a service either: what makes the record is said.
func TestARecordThatWasLostIsSaidToBe(t *testing.T) {
	l := lonelyBus(t)
	for _, command := range [][]string{{"gate", "plum", "green"}, {"release", "plum", "green", "--version", "2"},
		{"adopt", "plum", "--live", "blue", "--reason", "it was lost"}} {
		l.says(t, exitUsage, "a daemon makes those of its services when it is started or reloaded", command...)
	}
}

func TestNobodyAnswersForTheGate(t *testing.T) {
	l := lonelyBus(t)
	if _, err := l.bus.CreateRecord(t.Context(), plumbline.Begin("plum", plumbline.Policy{})); err != nil {
		t.Fatal(err)
	}
	l.says(t, exitUnknown, "plumbline: gate of plum green: no daemon answers\nplumbline doctor says what works", "gate", "plum", "green")
	l.says(t, exitTimeout, "not decided within 300ms: no daemon answered", "gate", "plum", "green", "--wait", "--timeout", "300ms")
}

// A run that goes on isn't one that there is none of.
func TestShowKnowsARunThatIsUnderWay(t *testing.T) {
	l := lonelyBus(t)
	record := plumbline.Begin("plum", plumbline.Policy{})
	run := strings.Repeat("a", 26)
	record.Colors[plumbline.Green] = plumbline.ColorState{Pending: []plumbline.RunRef{{Run: run}}}
	if _, err := l.bus.CreateRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	l.says(t, exitUnknown, "it is under way\nplumbline status plum", "show", run)
	l.says(t, exitUsage, "there is no such run", "show", strings.Repeat("b", 26))
}

func TestAStreamThatIsGoneIsSaidToBe(t *testing.T) {
	err := unanswered("the event may not have arrived", fmt.Errorf("publish: %w", errors.Join(errNoAnswer, jetstream.ErrNoStreamResponse)))
	if codeFor(err) != exitUnknown || !strings.Contains(err.Error(), "the stream isn't there") {
		t.Errorf("%v", err)
	}
}
