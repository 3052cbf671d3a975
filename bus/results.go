package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// The types of the messages about a run that goes on.
const (
	TypeRunStarted    = "dev.plumbline.run.started.v1"
	TypeCheckFinished = "dev.plumbline.check.finished.v1"
)

// headerType repeats the type of a result's event, so that starts can be counted without reading bodies.
const headerType = "Plumbline-Type"

// maxResult is the size in bytes of its message above which a result is told without its attempts.
const maxResult = 128 << 10

// runStarted is the data of a run's first message.
type runStarted struct {
	Run       string            `json:"run"`
	Trigger   plumbline.Trigger `json:"trigger"`
	Worker    string            `json:"worker"`
	StartedAt time.Time         `json:"started_at"`
	Checks    []string          `json:"checks"` // suite/name
}

// StartRun says that a worker begins with a run, and which checks it asks, and returns how often the run was begun before:
// of several who begin at once, one is the first. It tries until ctx is done.
func (b *Bus) StartRun(ctx context.Context, plan plumbline.Plan) (before int, err error) {
	started := runStarted{Run: plan.Run, Trigger: plan.Trigger, Worker: plan.Worker, StartedAt: plan.StartedAt.UTC(), Checks: make([]string, 0, len(plan.Checks))}
	for _, c := range plan.Checks {
		started.Checks = append(started.Checks, c.ID())
	}
	m, err := b.resultMessage(plan, TypeRunStarted, started)
	if err != nil {
		return 0, err
	}
	id := m.Header.Get(jetstream.MsgIDHeader)
	if _, err = b.persist(ctx, m, id, jetstream.WithExpectLastSequencePerSubject(0)); !isWrongSequence(err) {
		return 0, err
	}
	m.Header.Del(jetstream.ExpectedLastSubjSeqHeader)
	ack, err := b.persist(ctx, m, id) // if an earlier try was stored, this one only tells where
	if err != nil {
		return 0, err
	}
	return b.starts(ctx, plan.Service, plan.Color, plan.Run, ack.Sequence)
}

// PublishResult tells the result of a check. It never waits: a result that finds too many before it is dropped, with a
// line in the log, because the verdict holds it anyway.
func (b *Bus) PublishResult(plan plumbline.Plan, r plumbline.Result) {
	m, err := b.resultMessage(plan, TypeCheckFinished, r)
	if err == nil && len(m.Data) > maxResult {
		m, err = b.resultMessage(plan, TypeCheckFinished, short(r))
	}
	if err == nil && b.results.PublishAsyncPending() >= maxResultsInFlight {
		err = fmt.Errorf("%d results are under way", maxResultsInFlight)
	}
	if err == nil {
		_, err = b.results.PublishMsgAsync(m, jetstream.WithStallWait(time.Millisecond))
	}
	if err != nil {
		b.lose(b.names.result(plan.Service, plan.Color, plan.Run), err)
	}
}

// lose counts a result that wasn't stored. There is one line a second about them, not thousands.
func (b *Bus) lose(subject string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost++
	if now := b.options.Now(); now.Sub(b.told) >= time.Second {
		b.log.Warn("results were dropped", "count", b.lost, "last", subject, "error", err)
		b.lost, b.told = 0, now
	}
}

// FlushResults waits until the published results are stored or given up, or ctx is done.
func (b *Bus) FlushResults(ctx context.Context) error {
	select {
	case <-b.results.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d results are under way: %w", b.results.PublishAsyncPending(), context.Cause(ctx))
	}
}

// Attempts is how often a run was started.
func (b *Bus) Attempts(ctx context.Context, service string, c plumbline.Color, run string) (int, error) {
	return b.starts(ctx, service, c, run, math.MaxUint64)
}

// starts is how often a run was started before a stream sequence.
func (b *Bus) starts(ctx context.Context, service string, c plumbline.Color, run string, until uint64) (int, error) {
	const most = 1 << 20
	messages, err := b.tail(ctx, b.names.results(), b.names.result(service, c, run), most, true)
	if err != nil {
		return 0, fmt.Errorf("attempts of run %s: %w", run, err)
	}
	n := 0
	for _, m := range messages {
		if m.header.Get(headerType) == TypeRunStarted && m.sequence < until {
			n++
		}
	}
	return n, nil
}

// WatchResults follows a run until ctx is done: how many of its checks have ended, how many there are, and what came,
// which is nothing for a start. A run that is started again counts from the beginning.
func (b *Bus) WatchResults(ctx context.Context, service string, c plumbline.Color, run string, each func(done, total int, r *plumbline.Result)) error {
	progress := progress{}
	want := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, FilterSubject: b.names.result(service, c, run)}
	return b.follow(ctx, b.names.results(), want, func(uint64) { progress.restart(0) }, func(m jetstream.Msg, _ *jetstream.MsgMetadata) bool {
		r, err := progress.take(m.Data())
		if err != nil {
			b.log.Debug("a result can't be read", "subject", m.Subject(), "error", err)
			return true
		}
		each(len(progress.ended), progress.total, r)
		return true
	})
}

// progress counts the checks of a run.
type progress struct {
	ended map[string]bool
	total int
}

func (p *progress) restart(total int) { p.ended, p.total = map[string]bool{}, total }

func (p *progress) take(body []byte) (*plumbline.Result, error) {
	kind, data, err := open(body)
	if err != nil {
		return nil, err
	}
	switch kind {
	case TypeRunStarted:
		var started runStarted
		if err := json.Unmarshal(data, &started); err != nil {
			return nil, err
		}
		p.restart(len(started.Checks))
		return nil, nil
	case TypeCheckFinished:
		var r plumbline.Result
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, err
		}
		p.ended[r.ID()] = true
		return &r, nil
	}
	return nil, fmt.Errorf("type %q, want %s or %s", kind, TypeRunStarted, TypeCheckFinished)
}

func (b *Bus) resultMessage(plan plumbline.Plan, kind string, data any) (*nats.Msg, error) {
	id := uuid.NewString()
	m, err := structured(b.names.result(plan.Service, plan.Color, plan.Run), kind, sourceDaemon, id, b.options.Now(), data)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", plan.Run, err)
	}
	m.Header.Set(headerType, kind)
	m.Header.Set(jetstream.MsgIDHeader, id)
	return m, nil
}
