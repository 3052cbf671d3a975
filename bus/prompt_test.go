package bus_test

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A lossy broker's connections lose the next thing that a client writes about a subject, as a server does that dies with
// the question.
type lossy struct {
	*broker
	subject atomic.Pointer[string] // nil: nothing is lost
	lost    atomic.Int64
}

func (l *lossy) InProcessConn() (net.Conn, error) {
	c, err := l.broker.InProcessConn()
	return lossyConn{c, l}, err
}

type lossyConn struct {
	net.Conn
	*lossy
}

func (c lossyConn) Write(p []byte) (int, error) {
	if s := c.subject.Load(); s != nil && bytes.Contains(p, []byte(*s)) && c.subject.CompareAndSwap(s, nil) {
		c.lost.Add(1)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A question that is lost on its way costs seconds, however much time the caller has.
func TestLostQuestionsAreAskedAgain(t *testing.T) {
	for _, test := range []struct {
		subject string
		ask     func(context.Context, *bus.Bus) error
	}{
		{"$JS.API.CONSUMER.CREATE.PLUMBLINE_VERDICTS", func(ctx context.Context, b *bus.Bus) error {
			v, err := b.WaitVerdict(ctx, "plum", plumbline.Green, verdict(1).Run)
			if err == nil && !v.Passed() {
				t.Errorf("%s %q, want the verdict that was there", v.Outcome, v.Reason)
			}
			return err
		}},
		{"$JS.API.STREAM.INFO.PLUMBLINE_RESULTS", func(ctx context.Context, b *bus.Bus) error {
			_, err := b.Attempts(ctx, "plum", plumbline.Green, verdict(1).Run)
			return err
		}},
		{"$JS.API.CONSUMER.CREATE.PLUMBLINE_RESULTS", func(ctx context.Context, b *bus.Bus) error {
			_, err := b.Attempts(ctx, "plum", plumbline.Green, verdict(1).Run)
			return err
		}},
	} {
		t.Run(test.subject, func(t *testing.T) {
			bubble(t, func(t *testing.T, k *broker) {
				l := &lossy{broker: k}
				b, err := bus.Connect(t.Context(), bus.Options{NATS: []nats.Option{nats.InProcessServer(l)}})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				if _, err := b.Ensure(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, _, err := b.PublishVerdict(t.Context(), verdict(1)); err != nil {
					t.Fatal(err)
				}
				if _, err := b.StartRun(t.Context(), plumbline.Plan{Run: verdict(1).Run, Service: "plum", Color: plumbline.Green}); err != nil {
					t.Fatal(err)
				}
				l.subject.Store(&test.subject)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				began := time.Now()
				if err := test.ask(ctx, b); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); l.lost.Load() != 1 || took > 20*time.Second {
					t.Errorf("%d questions lost, an answer after %s, want one lost and an answer within seconds", l.lost.Load(), took)
				}
			})
		})
	}
}

// In a cluster, the same event from two daemons at once is a conflict for the second as long as the first is on its way to
// the replicas. It isn't for long.
func TestAConflictOfTheMomentIsTriedAgain(t *testing.T) {
	b := connect(t, embedded(t)) // has no streams: this test answers for one
	answers := []string{`{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}`,
		`{"stream":"PLUMBLINE_EVENTS","seq":7,"duplicate":true}`}
	asked := 0
	sub, err := b.Conn().Subscribe("plumbline.event.plum", func(m *nats.Msg) {
		_ = m.Respond([]byte(answers[min(asked, 1)])) // if it is lost, the test says so
		asked++
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if e, err := b.Publish(t.Context(), release("1")); err != nil || e.Sequence != 7 {
		t.Errorf("sequence %d, %v, want 7 at the second try", e.Sequence, err)
	}
}
