package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		got, err := b.ensureStream(ctx, want)
		if noJetStream(err) {
			return warnings, errors.New("the bus has no JetStream: start nats-server with -js, or enable it for this account")
		}
		if err != nil {
			return warnings, fmt.Errorf("stream %s: %w", want.Name, err)
		}
		warnings = append(warnings, weaker(want, got)...)
	}
	return warnings, nil
}

func noJetStream(err error) bool {
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) ||
		errors.Is(err, nats.ErrNoResponders)
}

// streams is the whole topology. Records are read from their leader, never from a follower: direct gets stay off.
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
	suites.Discard, suites.AllowRollup, suites.AllowDirect, suites.Duplicates = jetstream.DiscardNew, true, true, 2*time.Minute

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

func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	got, err := b.streamConfig(ctx, want.Name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return got, err
	}
	for _, attempt := range attempts(want) {
		var stream jetstream.Stream
		if stream, err = b.js.CreateStream(ctx, attempt); err == nil {
			return stream.CachedInfo().Config, nil
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another daemon was faster
			return b.streamConfig(ctx, want.Name)
		}
	}
	var answer *jetstream.APIError
	if errors.As(err, &answer) && answer.ErrorCode == codeNoPeers {
		err = fmt.Errorf("the cluster has no %d servers to keep it on: %w", want.Replicas, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the bus didn't answer, or this user may not create streams: %w", err)
	}
	return want, err
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

func (b *Bus) streamConfig(ctx context.Context, name string) (jetstream.StreamConfig, error) {
	stream, err := b.js.Stream(ctx, name)
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	return stream.CachedInfo().Config, nil
}

// weaker says in which ways a stream keeps less than it should.
func weaker(want, got jetstream.StreamConfig) (warnings []string) {
	say := func(bad bool, format string, args ...any) {
		if bad {
			warnings = append(warnings, "stream "+want.Name+" "+fmt.Sprintf(format, args...))
		}
	}
	for _, subject := range want.Subjects {
		heard := slices.ContainsFunc(got.Subjects, func(pattern string) bool { return covers(pattern, subject) })
		say(!heard, "listens to %s, want %s", strings.Join(got.Subjects, " "), subject)
	}
	say(got.Retention != want.Retention, "has retention %s, want %s", lower(got.Retention), lower(want.Retention))
	say(got.Storage != want.Storage, "is kept in %s, want %s", lower(got.Storage), lower(want.Storage))
	say(got.Replicas < want.Replicas, "has %d replicas, want %d", got.Replicas, want.Replicas)
	say(less(got.MaxAge, want.MaxAge), "keeps messages for %s, want %s", got.MaxAge, orEver(want.MaxAge))
	say(less(got.MaxBytes, want.MaxBytes), "keeps %d bytes, want %s", got.MaxBytes, orAny(want.MaxBytes))
	say(less(got.MaxMsgs, want.MaxMsgs), "keeps %d messages, want %s", got.MaxMsgs, orAny(want.MaxMsgs))
	say(less(int64(got.MaxMsgSize), int64(want.MaxMsgSize)), "takes messages of %d bytes, want any size", got.MaxMsgSize)
	say(got.Duplicates < want.Duplicates, "knows duplicates for %s, want %s", got.Duplicates, want.Duplicates)
	say(want.DenyDelete && !got.DenyDelete, "lets messages be deleted, want deny_delete")
	say(want.DenyPurge && !got.DenyPurge, "lets messages be purged, want deny_purge")
	say(got.Discard != want.Discard, "has %s, want %s", lower(got.Discard), lower(want.Discard))
	say(got.MaxMsgsPerSubject != want.MaxMsgsPerSubject, "keeps %s messages of a subject, want %s", orAny(got.MaxMsgsPerSubject), orAny(want.MaxMsgsPerSubject))
	say(want.DiscardNewPerSubject && !got.DiscardNewPerSubject, "isn't write-once, want discard_new_per_subject")
	say(got.NoAck, "acknowledges nothing, want no_ack off")
	say(got.Sealed, "is sealed, want it open")
	say(got.AllowMsgTTL && !want.AllowMsgTTL, "lets a message name its own end, want allow_msg_ttl off")
	say(got.PersistMode == jetstream.AsyncPersistMode && want.PersistMode != jetstream.AsyncPersistMode,
		"acknowledges before it writes, want persist_mode default")
	return warnings
}

// less compares limits, of which everything below 1 means none.
func less[N ~int64](got, want N) bool { return got > 0 && (want <= 0 || got < want) }

func lower(s fmt.Stringer) string { return strings.ToLower(s.String()) }

// covers says whether a stream that listens to pattern hears everything that one with subject would.
func covers(pattern, subject string) bool {
	have, want := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range have {
		switch {
		case token == ">":
			return i < len(want)
		case i >= len(want) || want[i] == ">" || token != "*" && token != want[i]:
			return false
		}
	}
	return len(have) == len(want)
}

func orAny(n int64) string {
	if n <= 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}

func orEver(d time.Duration) string {
	if d <= 0 {
		return "for ever"
	}
	return d.String()
}
