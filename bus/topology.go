package bus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How long and how much streams keep.
const (
	day         = 24 * time.Hour
	eventAge    = 30 * day
	resultAge   = 7 * day
	resultBytes = 1 << 30
	duplicates  = time.Hour
)

// codeNoPeers is the server's answer when a cluster has too few servers for the replicas of a stream.
const codeNoPeers jetstream.ErrorCode = 10005

// Ensure makes the streams and buckets that aren't there. What is there is left as it is: each way in which it is weaker
// than it should be is a warning. Several daemons may call it at once.
func (b *Bus) Ensure(ctx context.Context) (warnings []string, err error) {
	for _, want := range b.streams() {
		got, _, err := b.ensureStream(ctx, want)
		if noJetStream(err) {
			return warnings, errNoJetStream
		}
		if err != nil {
			return warnings, fmt.Errorf("stream %s: %w", want.Name, err)
		}
		for _, f := range faults(want, got) {
			warnings = append(warnings, "stream "+want.Name+" "+f.text)
		}
	}
	return warnings, nil
}

var errNoJetStream = errors.New("the bus has no JetStream: start nats-server with -js, or enable it for this account")

func noJetStream(err error) bool {
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) ||
		errors.Is(err, nats.ErrNoResponders)
}

// streams is the whole topology. Everything is read from its leader, never from a follower: direct gets stay off.
func (b *Bus) streams() []jetstream.StreamConfig {
	n, kept := b.names, b.options.VerdictAge
	limits := func(name string, age time.Duration, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: name, Subjects: subjects, MaxAge: age, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1,
			MaxMsgSize: -1, MaxConsumers: -1, Storage: jetstream.FileStorage, Replicas: b.replicas(), Duplicates: duplicates}
	}
	events := limits(n.events(), eventAge, n.subject("event", ">"), n.subject("slot", ">"))
	events.DenyDelete, events.DenyPurge = true, true

	results := limits(n.results(), resultAge, n.subject("result", "*", "*", "*"))
	results.MaxBytes = resultBytes
	if results.Replicas == 1 {
		results.PersistMode = jetstream.AsyncPersistMode // a result is no truth: it may be lost with the power
	}

	verdicts := limits(n.verdicts(), kept, n.subject("verdict", "*", "*", "*"))
	verdicts.MaxMsgsPerSubject, verdicts.Discard, verdicts.DiscardNewPerSubject = 1, jetstream.DiscardNew, true
	verdicts.DenyDelete, verdicts.DenyPurge = true, true

	ledger := limits(n.ledger(), kept, n.subject("ledger", "*"))
	ledger.DenyDelete, ledger.DenyPurge = true, true

	suites := limits("OBJ_"+n.suites(), kept, "$O."+n.suites()+".C.>", "$O."+n.suites()+".M.>")
	suites.Discard, suites.AllowRollup, suites.Duplicates = jetstream.DiscardNew, true, 2*time.Minute

	services := limits("KV_"+n.services(), 0, "$KV."+n.services()+".>")
	services.MaxMsgsPerSubject, services.Discard, services.AllowRollup, services.DenyDelete = 1, jetstream.DiscardNew, true, true
	services.Duplicates = 2 * time.Minute

	return []jetstream.StreamConfig{events, results, verdicts, ledger,
		limits(n.deadLetters(), eventAge, n.subject("deadletter", ">")), suites, services}
}

func (b *Bus) replicas() int {
	switch {
	case b.options.Replicas > 0:
		return b.options.Replicas
	case b.conn.ConnectedClusterName() != "":
		return 3
	}
	return 1
}

// ensureStream gives the settings of a stream, and says whether it was made.
func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) (got jetstream.StreamConfig, made bool, err error) {
	got, err = b.streamConfig(ctx, want.Name)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return got, false, fmt.Errorf("the bus didn't answer, or this user may not ask for streams: %w", err)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return got, false, err
	case b.mayNot(ctx, "$JS.API.STREAM.CREATE."+want.Name):
		return got, false, errNotProvisioned
	}
	for _, attempt := range attempts(want) {
		if got, err = b.createStream(ctx, attempt); err == nil {
			return got, true, nil
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another daemon was faster
			got, err = b.streamConfig(ctx, want.Name)
			return got, false, err
		}
	}
	var answer *jetstream.APIError
	if errors.As(err, &answer) && answer.ErrorCode == codeNoPeers {
		err = fmt.Errorf("the cluster has no %d servers to keep it on: %w", want.Replicas, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the bus didn't answer, or this user may not create streams: %w", err)
	}
	return want, false, err
}

// createStream tries until the server says yes or no.
func (b *Bus) createStream(ctx context.Context, config jetstream.StreamConfig) (got jetstream.StreamConfig, err error) {
	var refused error
	err = b.repeat(ctx, func(ctx context.Context) error {
		stream, err := b.js.CreateStream(ctx, config)
		var no *jetstream.APIError
		switch {
		case err == nil:
			got = stream.CachedInfo().Config
		case errors.As(err, &no) && no.Code != http.StatusServiceUnavailable:
			refused = err
			return nil
		}
		return err
	})
	if refused != nil {
		err = refused
	}
	return got, err
}

// attempts are the ways to make a stream, best first: an older server knows no persist mode, a small disk has no room to
// reserve.
func attempts(want jetstream.StreamConfig) []jetstream.StreamConfig {
	all := []jetstream.StreamConfig{want}
	if want.PersistMode != jetstream.DefaultPersistMode {
		want.PersistMode = jetstream.DefaultPersistMode
		all = append(all, want)
	}
	if want.MaxBytes > 0 {
		want.MaxBytes /= 16
		all = append(all, want)
	}
	return all
}

// streamConfig asks until somebody answers: a cluster that begins, or lost a leader, takes its time.
func (b *Bus) streamConfig(ctx context.Context, name string) (config jetstream.StreamConfig, err error) {
	var none error
	err = b.repeat(ctx, func(ctx context.Context) error {
		stream, err := b.js.Stream(ctx, name)
		switch {
		case noJetStream(err):
			none = err
			return nil
		case err == nil:
			config = stream.CachedInfo().Config
		}
		return err
	})
	if none != nil {
		err = none
	}
	return config, err
}
