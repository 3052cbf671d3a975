package bus_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestEnsureTogether(t *testing.T) {
	e := embedded(t)
	var group sync.WaitGroup
	for range 4 {
		b := connect(t, e)
		group.Go(func() {
			if warnings, err := b.Ensure(t.Context()); err != nil || len(warnings) > 0 {
				t.Errorf("Ensure: %v, %v", warnings, err)
			}
		})
	}
	group.Wait()
}

func TestTopology(t *testing.T) {
	b := ready(t, func(o *bus.Options) { o.Prefix = "team-a" })
	js := must(jetstream.New(b.Conn()))(t)
	config := func(name string) jetstream.StreamConfig {
		t.Helper()
		return must(js.Stream(t.Context(), name))(t).CachedInfo().Config
	}
	events := config("TEAM_A_EVENTS")
	if !slices.Equal(events.Subjects, []string{"team-a.event.>", "team-a.slot.>"}) || !events.DenyDelete || !events.DenyPurge ||
		events.MaxAge != 30*24*time.Hour || events.Duplicates != time.Hour || events.MaxMsgSize > 0 {
		t.Errorf("events: %+v", events)
	}
	results := config("TEAM_A_RESULTS")
	if results.MaxBytes != 1<<30 || results.MaxAge != 7*24*time.Hour || results.PersistMode != jetstream.AsyncPersistMode {
		t.Errorf("results: %+v", results)
	}
	verdicts := config("TEAM_A_VERDICTS")
	if verdicts.MaxMsgsPerSubject != 1 || verdicts.Discard != jetstream.DiscardNew || !verdicts.DiscardNewPerSubject || verdicts.MaxBytes > 0 ||
		!verdicts.DenyDelete || !verdicts.DenyPurge || verdicts.MaxAge != 400*24*time.Hour || verdicts.AllowDirect {
		t.Errorf("verdicts: %+v", verdicts)
	}
	if ledger := config("TEAM_A_LEDGER"); !ledger.DenyDelete || !ledger.DenyPurge || ledger.MaxAge != verdicts.MaxAge {
		t.Errorf("ledger: %+v", ledger)
	}
	if dead := config("TEAM_A_DEADLETTER"); dead.MaxAge != 30*24*time.Hour {
		t.Errorf("dead letters: %+v", dead)
	}
	if _, err := js.KeyValue(t.Context(), "TEAM_A_SERVICES"); err != nil {
		t.Error("a stock client can't open the bucket:", err)
	}
	if _, err := js.ObjectStore(t.Context(), "TEAM_A_SUITES"); err != nil {
		t.Error("a stock client can't open the object store:", err)
	}
}

func TestWeakerStreamsAreSaid(t *testing.T) {
	b := connect(t, embedded(t))
	js := must(jetstream.New(b.Conn()))(t)
	weak := jetstream.StreamConfig{Name: "PLUMBLINE_VERDICTS", Subjects: []string{"plumbline.verdict.>"}, MaxAge: time.Hour,
		MaxMsgs: 10, Storage: jetstream.MemoryStorage}
	must(js.CreateStream(t.Context(), weak))(t)
	warnings := strings.Join(must(b.Ensure(t.Context()))(t), "\n")
	for _, want := range []string{"keeps messages for 1h0m0s, want 9600h0m0s", "keeps 10 messages, want no limit", "is kept in memory, want file",
		"isn't write-once", "deny_delete", "deny_purge"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in\n%s", want, warnings)
		}
	}
	if strings.Contains(warnings, "EVENTS") || strings.Contains(warnings, "listens") {
		t.Errorf("too many warnings:\n%s", warnings)
	}
	if got := must(js.Stream(t.Context(), "PLUMBLINE_VERDICTS"))(t).CachedInfo().Config.MaxMsgs; got != 10 {
		t.Errorf("the stream was modified: %d messages, want 10", got)
	}
}
