package bench_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A loop is the least that can be done with an event on this bus: it is published, consumed, answered and acknowledged.
// Streams, consumer, connections and messages are as the daemon has them; nothing is asked, decoded or remembered. It
// may wait before it answers, as a run waits for its slow check: a disk and processors that had nothing to do are slower.
type loop struct {
	*stage
	event   []byte
	answers <-chan arrival
	settled chan time.Time
	turns   int
	waits   atomic.Bool
}

// newLoop makes the loop's streams on the stage's server. At least one event must have had its verdict.
func newLoop(s *stage) *loop {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	l := &loop{stage: s, settled: make(chan time.Time, 1), event: s.copyStream(ctx, "PLUMBLINE_EVENTS", "BENCH_IN", "bench.in")}
	verdict := s.copyStream(ctx, "PLUMBLINE_VERDICTS", "BENCH_OUT", "bench.out.*")
	inside, err := jetstream.New(s.Bus().Conn()) // the daemon's own connection
	must(s, err)
	like, err := inside.Consumer(ctx, "PLUMBLINE_EVENTS", "run-plum")
	must(s, err)
	want := like.CachedInfo().Config
	want.Name, want.Durable, want.FilterSubject, want.FilterSubjects = "loop", "loop", "bench.in", nil
	consumer, err := inside.CreateConsumer(ctx, "BENCH_IN", want)
	must(s, err)
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1))
	must(s, err)
	l.answers = s.hear("BENCH_OUT")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			m, err := messages.Next()
			if err != nil {
				return
			}
			if err := l.answer(inside, m, verdict); err != nil {
				s.Errorf("the loop broke: %v", err)
				return
			}
		}
	}()
	s.Cleanup(func() { messages.Stop(); <-ended })
	return l
}

// copyStream makes a stream with the settings of another, and gives what the last message of that one says.
func (s *stage) copyStream(ctx context.Context, from, name, subject string) []byte {
	s.Helper()
	stream, err := s.js.Stream(ctx, from)
	must(s, err)
	config := stream.CachedInfo().Config
	last, err := stream.GetMsg(ctx, stream.CachedInfo().State.LastSeq)
	must(s, err)
	config.Name, config.Subjects = name, []string{subject}
	_, err = s.js.CreateStream(ctx, config)
	must(s, err)
	return last.Data
}

func (l *loop) answer(js jetstream.JetStream, m jetstream.Msg, verdict []byte) error {
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	if l.waits.Load() {
		l.sleep()
	}
	id := m.Headers().Get(nats.MsgIdHdr)
	if err := publish(ctx, js, "bench.out."+id, id, verdict); err != nil {
		return err
	}
	if err := m.DoubleAck(ctx); err != nil {
		return err
	}
	l.settled <- time.Now()
	return nil
}

// turn carries one event and its answer, and gives what was spent beyond the pause.
func (l *loop) turn(waits bool) (answered, settled time.Duration) {
	l.Helper()
	l.turns++
	l.waits.Store(waits)
	l.slept.Store(0)
	time.Sleep(*rest)
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	begun := time.Now()
	must(l, publish(ctx, l.js, "bench.in", fmt.Sprintf("turn-%034d", l.turns), l.event))
	answered = l.next(l.answers).at.Sub(begun)
	select {
	case at := <-l.settled:
		return l.beyond(answered), l.beyond(at.Sub(begun))
	case <-ctx.Done():
		l.Fatalf("the event was not settled within %s", patience)
		return 0, 0
	}
}

func publish(ctx context.Context, js jetstream.JetStream, subject, id string, data []byte) error {
	_, err := js.Publish(ctx, subject, data, jetstream.WithMsgID(id))
	return err
}
