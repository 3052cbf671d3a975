package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Readers are whose places in the streams the bus keeps for a set of daemons.
type Readers struct {
	Services []string // that are served
	Verdicts []string // durable names of ConsumeVerdicts
	Letters  []string // durable names of ConsumeDeadLetters
}

// A reader is a durable place in a stream.
type reader struct {
	stream string
	config jetstream.ConsumerConfig
	begin  func(context.Context) (uint64, error) // the first message of a place that is made, nil: as config says
}

func (b *Bus) readers(r Readers) []reader {
	all := []reader{b.strayReader()}
	for _, service := range r.Services {
		all = append(all, b.stateReader(service), b.runReader(service))
	}
	for _, durable := range r.Verdicts {
		all = append(all, b.verdictReader(durable))
	}
	for _, durable := range r.Letters {
		all = append(all, b.letterReader(durable))
	}
	return all
}

// strays is the durable name of those who look for events of no service.
const strays = "strays"

func (b *Bus) strayReader() reader {
	return reader{stream: b.names.events(), config: jetstream.ConsumerConfig{
		Durable: strays, AckPolicy: jetstream.AckExplicitPolicy, AckWait: StateAckWait, MaxDeliver: -1, MaxAckPending: 256,
		FilterSubjects: []string{b.names.subject("event", ">"), b.names.subject("slot", ">")},
	}}
}

func (b *Bus) stateReader(service string) reader {
	return reader{stream: b.names.events(), config: jetstream.ConsumerConfig{
		Durable: "state-" + service, AckPolicy: jetstream.AckExplicitPolicy, AckWait: StateAckWait, MaxDeliver: -1, MaxAckPending: 1,
		FilterSubjects: b.names.about(service),
	}, begin: func(ctx context.Context) (uint64, error) { return b.stateBegins(ctx, service) }}
}

// stateBegins is the first event that a service's record may not have applied. Before there was a record, events of the
// service were strays.
func (b *Bus) stateBegins(ctx context.Context, service string) (uint64, error) {
	record, _, err := b.Record(ctx, service)
	if errors.Is(err, ErrNoRecord) {
		consumer, err := b.js.Consumer(ctx, b.names.events(), strays)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return 1, nil
		}
		if err != nil {
			return 0, err
		}
		return consumer.CachedInfo().AckFloor.Stream + 1, nil
	}
	if err != nil {
		return 0, err
	}
	stream, err := b.js.Stream(ctx, b.names.events())
	if err != nil {
		return 0, err
	}
	events, applied := stream.CachedInfo(), record.AppliedAt
	if record.Applied > events.State.LastSeq || !applied.IsZero() && events.Created.After(applied) { // it outlived the events it was made from
		return 1, nil
	}
	return max(1, record.Applied), nil // what that one said may not be told yet
}

// StateBeginsAfter says whether ConsumeState of a service hands nobody the event of a sequence, because its consumer was made
// to begin after it.
func (b *Bus) StateBeginsAfter(ctx context.Context, service string, sequence uint64) (bool, error) {
	var first uint64
	err := b.repeat(ctx, func(ctx context.Context) error {
		consumer, err := b.js.Consumer(ctx, b.names.events(), b.stateReader(service).config.Durable)
		if err == nil {
			first = consumer.CachedInfo().Config.OptStartSeq
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("the beginning of the events of %s: %w", service, err)
	}
	return sequence < first, nil
}

func (b *Bus) runReader(service string) reader {
	return reader{stream: b.names.events(), config: jetstream.ConsumerConfig{
		Durable: "run-" + service, AckPolicy: jetstream.AckExplicitPolicy, AckWait: b.options.RunAckWait, MaxDeliver: -1, MaxAckPending: 1000,
		FilterSubjects: b.names.about(service),
	}}
}

func (b *Bus) verdictReader(durable string) reader {
	return reader{stream: b.names.verdicts(), config: jetstream.ConsumerConfig{
		Durable: durable, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second,
		MaxDeliver: -1, MaxAckPending: 64, FilterSubject: b.names.subject("verdict", ">"),
	}}
}

func (b *Bus) letterReader(durable string) reader {
	return reader{stream: b.names.deadLetters(), config: jetstream.ConsumerConfig{
		Durable: durable, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Minute,
		MaxDeliver: -1, MaxAckPending: maxLetters, HeadersOnly: true, FilterSubject: b.names.subject("deadletter", ">"),
	}}
}

// EnsureReaders makes the durable consumers that aren't there, and corrects those that are as far as this user may. Several
// daemons may call it at once.
func (b *Bus) EnsureReaders(ctx context.Context, r Readers) error {
	for _, want := range b.readers(r) {
		err := b.repeat(ctx, func(ctx context.Context) error {
			_, err := b.durable(ctx, want)
			return err
		})
		if err != nil {
			return fmt.Errorf("consumer %s of stream %s: %w", want.config.Durable, want.stream, err)
		}
	}
	return nil
}

// durable binds to a consumer, which needs less permission than making one, and makes or corrects it where needed.
func (b *Bus) durable(ctx context.Context, r reader) (jetstream.Consumer, error) {
	want := r.config
	consumer, err := b.js.Consumer(ctx, r.stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if b.mayNot(ctx, createConsumer(r)) {
			return nil, errNotProvisioned
		}
		consumer, err = b.createDurable(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	got := consumer.CachedInfo().Config
	if differs(want, got) == "" {
		return consumer, nil
	}
	err = errNotProvisioned
	if !b.mayNot(ctx, createConsumer(r)) {
		want.DeliverPolicy, want.OptStartSeq, want.Replicas = got.DeliverPolicy, got.OptStartSeq, got.Replicas
		var corrected jetstream.Consumer
		if corrected, err = b.js.UpdateConsumer(ctx, r.stream, want); err == nil {
			return corrected, nil
		}
	}
	b.log.Error("a consumer has other settings than it should, and can't be corrected", "stream", r.stream, "consumer", want.Durable,
		"settings", differs(r.config, got), "error", err)
	return consumer, nil
}

func (b *Bus) createDurable(ctx context.Context, r reader) (jetstream.Consumer, error) {
	want := r.config
	if r.begin != nil {
		first, err := r.begin(ctx)
		if err != nil {
			return nil, err
		}
		want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, first
	}
	consumer, err := b.js.CreateConsumer(ctx, r.stream, want)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return b.js.Consumer(ctx, r.stream, want.Durable)
	}
	return consumer, err
}

// createConsumer is the subject that makes a consumer.
func createConsumer(r reader) string {
	subject := "$JS.API.CONSUMER.CREATE." + r.stream + "." + r.config.Durable
	if r.config.FilterSubject != "" {
		subject += "." + r.config.FilterSubject
	}
	return subject
}

// errNotProvisioned is the error of a daemon that may not make what it needs.
var errNotProvisioned = errors.New("it isn't there as it should be, and this user may not make it: plumbline bus provision does, with an admin's credentials")

// differs says in which way a consumer has other settings than it should, or nothing.
func differs(want, got jetstream.ConsumerConfig) string {
	filters := func(c jetstream.ConsumerConfig) []string {
		all := slices.Clone(c.FilterSubjects)
		if c.FilterSubject != "" {
			all = append(all, c.FilterSubject)
		}
		slices.Sort(all)
		return all
	}
	switch {
	case want.AckPolicy != got.AckPolicy:
		return fmt.Sprintf("has ack policy %s, want %s", got.AckPolicy, want.AckPolicy)
	case want.AckWait != got.AckWait || len(got.BackOff) > 0:
		return fmt.Sprintf("waits %s for an acknowledgement, want %s", got.AckWait, want.AckWait)
	case want.MaxDeliver != got.MaxDeliver:
		return fmt.Sprintf("gives up after %d deliveries, want never", got.MaxDeliver)
	case want.MaxAckPending != got.MaxAckPending:
		return fmt.Sprintf("has %d messages under way at most, want %d", got.MaxAckPending, want.MaxAckPending)
	case want.HeadersOnly && !got.HeadersOnly:
		return "hears bodies, want headers alone"
	case !slices.Equal(filters(want), filters(got)):
		return fmt.Sprintf("hears %s, want %s", strings.Join(filters(got), " "), strings.Join(filters(want), " "))
	}
	return ""
}
