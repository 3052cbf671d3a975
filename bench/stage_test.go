package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
)

// The plan that is asked: all checks at once, of which one in the middle takes its time.
const (
	checks = 200
	pause  = 50 * time.Millisecond
)

// patience bounds everything that is waited for.
const patience = 30 * time.Second

// A stage is a daemon with an embedded bus, and somebody outside it who publishes events and hears of verdicts.
type stage struct {
	testing.TB
	*daemon.Daemon
	outside  *bus.Bus
	js       jetstream.JetStream // of the outside
	verdicts <-chan arrival
	events   int
	slept    atomic.Int64 // how long the last pause was, in nanoseconds: a timer is up to a millisecond late
}

// An arrival is a message of a stream in the hands of somebody outside.
type arrival struct {
	at      time.Time
	subject string
	data    []byte
}

// newStage starts a daemon as serve does, with its store in dir. Its checks are asked in the process: what is measured is
// the way of an event, and not an HTTP client.
func newStage(t testing.TB, dir string) *stage {
	t.Helper()
	var text strings.Builder
	text.WriteString("suite: plan\nchecks:\n")
	for i := range checks {
		fmt.Fprintf(&text, "  - {name: %s, get: /%d, retries: 0}\n", checkName(i), i)
	}
	write(t, filepath.Join(dir, "plan.yaml"), text.String())
	config := filepath.Join(dir, "plumbline.yaml")
	write(t, config, fmt.Sprintf(`bus: {store: store, listen: 127.0.0.1:0}
listen: 127.0.0.1:0
limits: {concurrency: %d, per_host: %d}
services:
  plum:
    environments: {blue: {url: "http://blue.test"}, green: {url: "http://green.test"}}
    live: {color: blue, version: "1"}
    new: true
    suites: [plan.yaml]
`, checks, checks))
	loaded, _, err := configs.Load(configs.Source{File: config})
	must(t, err)
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s := &stage{TB: t}
	s.Daemon, err = daemon.Start(t.Context(), daemon.Options{Config: loaded, Name: "bench", Version: "bench", Log: log, Prober: s.prober})
	must(t, err)
	t.Cleanup(func() {
		s.Stop()
		must(t, s.Wait())
	})
	s.outside, err = bus.Connect(t.Context(), bus.Options{URL: s.BusURL(), Name: "outside", Log: log})
	must(t, err)
	t.Cleanup(s.outside.Close)
	s.js, err = jetstream.New(s.outside.Conn())
	must(t, err)
	s.verdicts = s.hear("PLUMBLINE_VERDICTS")
	return s
}

// prober answers at once, except for one check of the plan.
func (s *stage) prober(c plumbline.Check) plumbline.Prober {
	slow := c.Name == checkName(checks/2)
	return plumbline.ProberFunc(func(context.Context, plumbline.Ask) (plumbline.Answer, error) {
		if slow {
			s.sleep()
		}
		return plumbline.Answer{}, nil
	})
}

func checkName(i int) string { return fmt.Sprintf("check %03d of the plan", i) }

// sleep is the pause, and remembers how long it was.
func (s *stage) sleep() {
	begun := time.Now()
	time.Sleep(pause)
	s.slept.Store(int64(time.Since(begun)))
}

// beyond is a duration without the pause in it.
func (s *stage) beyond(d time.Duration) time.Duration { return d - time.Duration(s.slept.Load()) }

// hear subscribes the outside to a stream. A stream delivers what it has stored, and here that is what is on the disk.
func (s *stage) hear(stream string) <-chan arrival {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	consumer, err := s.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true})
	must(s, err)
	messages, err := consumer.Messages()
	must(s, err)
	heard, ended := make(chan arrival, 16), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			m, err := messages.Next()
			if err != nil {
				return
			}
			heard <- arrival{time.Now(), m.Subject(), m.Data()}
		}
	}()
	s.Cleanup(func() { messages.Stop(); <-ended })
	return heard
}

// A trip is the way of one event: what was spent beyond the pause of the slow check.
type trip struct {
	verdict time.Duration // from the call that publishes the event until the outside has the verdict
	settled time.Duration // until the event is settled for good
	stored  time.Duration // of verdict: until the call that publishes the event returns
	moved   time.Duration // of verdict: until the record is moved and the run begins
	asked   time.Duration // of verdict: from there until all checks are answered
	judged  time.Duration // of verdict: from there until the outside has it
}

// release publishes a release event and follows it.
func (s *stage) release() trip {
	s.Helper()
	s.events++
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	event := plumbline.Event{Kind: plumbline.EventDeployed, ID: fmt.Sprintf("release-%08d", s.events), Source: "/bench", Service: "plum",
		Color: plumbline.Green, Release: plumbline.Release{Version: fmt.Sprintf("2026.11.%06d", s.events),
			Digest: "sha256:" + strings.Repeat("0123456789abcdef", 4)}}
	time.Sleep(*rest)
	begun := time.Now()
	sent, err := s.outside.Publish(ctx, event)
	stored := time.Since(begun)
	must(s, err)
	heard := s.next(s.verdicts)
	settled := s.awaitSettled(sent.Sequence).Sub(begun)
	var message struct {
		Data struct{ Verdict plumbline.Verdict }
	}
	must(s, json.Unmarshal(heard.data, &message))
	v := message.Data.Verdict
	if v.Run != sent.Run || !v.Passed() || v.Counts.Passed != checks || len(v.Checks) != checks {
		s.Fatalf("%s of run %s: %s; want a pass of %d checks of run %s", v.Outcome, v.Run, v.Reason, checks, sent.Run)
	}
	return trip{
		verdict: s.beyond(heard.at.Sub(begun)), settled: s.beyond(settled), stored: stored, moved: v.StartedAt.Sub(begun),
		asked: s.beyond(v.FinishedAt.Sub(v.StartedAt)), judged: heard.at.Sub(v.FinishedAt),
	}
}

// fill gives the service as long a past as its record remembers.
func (s *stage) fill() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	var last plumbline.Event
	for i := range plumbline.MaxRecent {
		var err error
		last, err = s.outside.Publish(ctx, plumbline.Event{Kind: plumbline.EventSwitched, ID: fmt.Sprintf("switch-%d", i), Source: "/bench",
			Service: "plum", Color: plumbline.Blue})
		must(s, err)
	}
	s.awaitSettled(last.Sequence)
}

// awaitSettled asks the server until both consumers have settled all events up to a sequence.
func (s *stage) awaitSettled(sequence uint64) time.Time {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	for _, name := range []string{"run-plum", "state-plum"} {
		consumer, err := s.js.Consumer(ctx, "PLUMBLINE_EVENTS", name)
		for err == nil && consumer.CachedInfo().AckFloor.Stream < sequence {
			time.Sleep(100 * time.Microsecond)
			_, err = consumer.Info(ctx)
		}
		must(s, err)
	}
	return time.Now()
}

func (s *stage) next(heard <-chan arrival) arrival {
	s.Helper()
	select {
	case a := <-heard:
		return a
	case <-time.After(patience):
		s.Fatalf("nothing came within %s", patience)
		return arrival{}
	}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A testWriter makes the log of the daemon part of the test's.
type testWriter struct{ testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
