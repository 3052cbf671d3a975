package bus

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A fault is a way in which a stream is weaker than it should be.
type fault struct {
	text string
	cure func(*jetstream.StreamConfig) // nil if the stream would have to be made anew
}

// faults says in which ways a stream keeps less than it should, or lets more happen to it.
func faults(want, got jetstream.StreamConfig) (all []fault) {
	say := func(bad bool, cure func(*jetstream.StreamConfig), format string, args ...any) {
		if bad {
			all = append(all, fault{fmt.Sprintf(format, args...), cure})
		}
	}
	for _, subject := range want.Subjects {
		heard := slices.ContainsFunc(got.Subjects, func(pattern string) bool { return covers(pattern, subject) })
		say(!heard, func(c *jetstream.StreamConfig) { c.Subjects = want.Subjects }, "listens to %s, want %s", strings.Join(got.Subjects, " "), subject)
	}
	say(got.Retention != want.Retention, nil, "has retention %s, want %s", lower(got.Retention), lower(want.Retention))
	say(got.Storage != want.Storage, nil, "is kept in %s, want %s", lower(got.Storage), lower(want.Storage))
	say(got.Replicas < want.Replicas, func(c *jetstream.StreamConfig) { c.Replicas = want.Replicas }, "has %d replicas, want %d", got.Replicas, want.Replicas)
	all = append(all, limits(want, got)...)
	all = append(all, openings(want, got)...)
	say(got.NoAck, func(c *jetstream.StreamConfig) { c.NoAck = false }, "acknowledges nothing, want no_ack off")
	say(got.Sealed, nil, "is sealed, want it open")
	say(got.PersistMode == jetstream.AsyncPersistMode && want.PersistMode != jetstream.AsyncPersistMode,
		nil, "acknowledges before it writes, want persist_mode default")
	return all
}

// limits are the faults of a stream that keeps less than it should.
func limits(want, got jetstream.StreamConfig) (all []fault) {
	say := func(bad bool, cure func(*jetstream.StreamConfig), format string, args ...any) {
		if bad {
			all = append(all, fault{fmt.Sprintf(format, args...), cure})
		}
	}
	say(less(got.MaxAge, want.MaxAge), func(c *jetstream.StreamConfig) { c.MaxAge = want.MaxAge },
		"keeps messages for %s, want %s", got.MaxAge, orEver(want.MaxAge))
	say(less(got.MaxBytes, want.MaxBytes), func(c *jetstream.StreamConfig) { c.MaxBytes = want.MaxBytes },
		"keeps %d bytes, want %s", got.MaxBytes, orAny(want.MaxBytes))
	say(less(got.MaxMsgs, want.MaxMsgs), func(c *jetstream.StreamConfig) { c.MaxMsgs = want.MaxMsgs },
		"keeps %d messages, want %s", got.MaxMsgs, orAny(want.MaxMsgs))
	say(less(int64(got.MaxMsgSize), int64(want.MaxMsgSize)), func(c *jetstream.StreamConfig) { c.MaxMsgSize = want.MaxMsgSize },
		"takes messages of %d bytes, want any size", got.MaxMsgSize)
	say(got.Duplicates < want.Duplicates, func(c *jetstream.StreamConfig) { c.Duplicates = want.Duplicates },
		"knows duplicates for %s, want %s", got.Duplicates, want.Duplicates)
	say(got.Discard != want.Discard, func(c *jetstream.StreamConfig) { c.Discard = want.Discard },
		"has %s, want %s", lower(got.Discard), lower(want.Discard))
	var perSubject func(*jetstream.StreamConfig)
	if less(got.MaxMsgsPerSubject, want.MaxMsgsPerSubject) { // the other way round, the server would remove what is there
		perSubject = func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = want.MaxMsgsPerSubject }
	}
	say(got.MaxMsgsPerSubject != want.MaxMsgsPerSubject, perSubject,
		"keeps %s messages of a subject, want %s", orAny(got.MaxMsgsPerSubject), orAny(want.MaxMsgsPerSubject))
	return all
}

// openings are the faults of a stream that lets more happen to it than it should.
func openings(want, got jetstream.StreamConfig) (all []fault) {
	say := func(bad bool, cure func(*jetstream.StreamConfig), text string) {
		if bad {
			all = append(all, fault{text, cure})
		}
	}
	say(want.DenyDelete && !got.DenyDelete, func(c *jetstream.StreamConfig) { c.DenyDelete = true }, "lets messages be deleted, want deny_delete")
	say(want.DenyPurge && !got.DenyPurge, func(c *jetstream.StreamConfig) { c.DenyPurge = true }, "lets messages be purged, want deny_purge")
	say(want.DiscardNewPerSubject && !got.DiscardNewPerSubject, func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject = true },
		"isn't write-once, want discard_new_per_subject")
	say(got.AllowDirect && !want.AllowDirect, func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"lets servers answer that don't lead it, want allow_direct off")
	say(got.AllowRollup && !want.AllowRollup, func(c *jetstream.StreamConfig) { c.AllowRollup = false },
		"lets a message remove others, want allow_rollup_hdrs off")
	say(got.AllowMsgSchedules && !want.AllowMsgSchedules, nil, "lets a message ask to be sent to another subject, want allow_msg_schedules off")
	say(got.AllowAtomicPublish || got.AllowBatchPublish, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish, c.AllowBatchPublish = false, false },
		"takes batches, want allow_atomic and allow_batched off")
	say(got.RePublish != nil || got.SubjectTransform != nil, func(c *jetstream.StreamConfig) { c.RePublish, c.SubjectTransform = nil, nil },
		"sends messages on or renames them, want neither republish nor subject_transform")
	say(got.Mirror != nil || len(got.Sources) > 0, nil, "takes messages from other streams, want neither mirror nor sources")
	say(got.AllowMsgTTL && !want.AllowMsgTTL, nil, "lets a message name its own end, want allow_msg_ttl off")
	return all
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
