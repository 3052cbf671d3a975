package bus_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// full is a bus on which things happened: ten events, five of them done, a verdict each, and all else that streams hold.
func full(t *testing.T, b *bus.Bus) (suite string) {
	t.Helper()
	if err := b.EnsureReaders(t.Context(), plums); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		must(b.Publish(t.Context(), release(fmt.Sprint(n))))(t)
		publish(t, b, verdict(n))
		if err := b.PublishEntry(t.Context(), plumbline.Entry{Service: "plum", Kind: "released", Text: fmt.Sprint(n), At: verdict(n).FinishedAt}); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{}, 5)
	stop := background(t, func(ctx context.Context) error {
		return b.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			if d.Sequence() > 5 {
				return // under way
			}
			if err := d.DeadLetter(ctx, "for the test"); err != nil {
				t.Error(err)
			}
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			done <- struct{}{}
		})
	})
	for range 5 {
		receive(t, done)
	}
	stop()
	text := bytes.Repeat([]byte("a suite\n"), 100_000)
	sum := sha256.Sum256(text)
	suite = "sha256:" + hex.EncodeToString(sum[:])
	if err := b.PutSuite(t.Context(), suite, text); err != nil {
		t.Fatal(err)
	}
	record := plumbline.Begin("plum", plumbline.Policy{New: true, Live: plumbline.Blue})
	revision := must(b.CreateRecord(t.Context(), record))(t)
	must(b.UpdateRecord(t.Context(), record, revision))(t)
	return suite
}

// contents is everything that streams hold, as it is stored.
func contents(t *testing.T, b *bus.Bus) map[string][]string {
	t.Helper()
	js := must(jetstream.New(b.Conn()))(t)
	all := map[string][]string{}
	for _, name := range []string{"PLUMBLINE_EVENTS", "PLUMBLINE_RESULTS", "PLUMBLINE_VERDICTS", "PLUMBLINE_LEDGER", "PLUMBLINE_DEADLETTER", "KV_PLUMBLINE_SERVICES", "OBJ_PLUMBLINE_SUITES"} {
		stream := must(js.Stream(t.Context(), name))(t)
		config := stream.CachedInfo().Config
		config.Metadata = nil
		all[name] = append(all[name], string(must(json.Marshal(config))(t)))
		state := stream.CachedInfo().State
		for sequence := state.FirstSeq; sequence <= state.LastSeq && state.Msgs > 0; sequence++ {
			m, err := stream.GetMsg(t.Context(), sequence)
			if err != nil {
				all[name] = append(all[name], err.Error())
				continue
			}
			all[name] = append(all[name], fmt.Sprint(m.Sequence, m.Time.UnixNano(), m.Subject, m.Header, sha256.Sum256(m.Data)))
		}
	}
	return all
}

func TestABackupComesBackAsItWas(t *testing.T) {
	before := ready(t)
	suite := full(t, before)
	want := contents(t, before)
	if n := len(want["PLUMBLINE_DEADLETTER"]); n != 6 {
		t.Fatalf("%d dead letters", n-1)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	var written []string
	backup := must(before.Backup(t.Context(), dir, func(s bus.StreamBackup) { written = append(written, s.Name) }))(t)
	if len(written) != 7 || written[6] != "PLUMBLINE_EVENTS" || len(backup.Places) != 4 {
		t.Errorf("written %v, places %+v", written, backup.Places)
	}
	for _, file := range must(os.ReadDir(dir))(t) {
		if mode := must(file.Info())(t).Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", file.Name(), mode)
		}
	}

	after := connect(t, embedded(t))
	restored := map[string]uint64{}
	if err := after.Restore(t.Context(), dir, func(r bus.Restored) { restored[r.Name] = r.Messages }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, after)); diff != "" {
		t.Errorf("other than it was:\n%s", diff)
	}
	if restored["PLUMBLINE_VERDICTS"] != 10 || len(restored) != 7 {
		t.Errorf("restored %v", restored)
	}
	if warnings := must(after.Ensure(t.Context()))(t); len(warnings) > 0 {
		t.Errorf("weaker: %v", warnings)
	}
	must(after.Suite(t.Context(), suite))(t)
	if _, revision, err := after.Record(t.Context(), "plum"); err != nil || revision != 2 {
		t.Errorf("record %d, %v", revision, err)
	}

	// What was done stays done, what was under way comes again, and the next event is the next.
	got := make(chan uint64, 10)
	background(t, func(ctx context.Context) error {
		return after.ConsumeState(ctx, "plum", func(ctx context.Context, d *bus.Delivery) {
			if err := d.Done(ctx); err != nil {
				t.Error(err)
			}
			got <- d.Sequence()
		})
	})
	for n := range 5 {
		if sequence := receive(t, got); sequence != uint64(n+6) {
			t.Errorf("event %d comes, want %d", sequence, n+6)
		}
	}
	if e := must(after.Publish(t.Context(), release("11")))(t); e.Sequence != 11 || receive(t, got) != 11 {
		t.Errorf("the next event has sequence %d", e.Sequence)
	}
	other := verdict(3)
	other.Outcome = plumbline.Fail
	if stored, wrote, err := after.PublishVerdict(t.Context(), other); err != nil || wrote || stored.Outcome != plumbline.Pass {
		t.Errorf("another verdict: %s, %t, %v", stored.Outcome, wrote, err)
	}
	told := make(chan plumbline.Verdict, 1)
	background(t, func(ctx context.Context) error {
		return after.ConsumeVerdicts(ctx, "reporter-releases", func(ctx context.Context, d *bus.VerdictDelivery) {
			if v, err := d.Verdict(); d.Sequence() == 1 {
				told <- v
			} else if err != nil {
				t.Error(err)
			}
			_ = d.Done(ctx) // the test may be over
		})
	})
	same(t, receive(t, told), verdict(0)) // the reporter was never there: it has told nothing yet
}

func TestARestoreOverwritesNothing(t *testing.T) {
	b := ready(t)
	full(t, b)
	dir := filepath.Join(t.TempDir(), "backup")
	must(b.Backup(t.Context(), dir, func(bus.StreamBackup) {}))(t)
	if _, err := b.Backup(t.Context(), dir, func(bus.StreamBackup) {}); !errors.Is(err, bus.ErrNotEmpty) {
		t.Errorf("a second backup there: %v", err)
	}
	want := contents(t, b)
	if err := b.Restore(t.Context(), dir, func(bus.Restored) { t.Error("restored") }); !errors.Is(err, bus.ErrNotEmpty) || !strings.Contains(err.Error(), "PLUMBLINE_VERDICTS") {
		t.Errorf("onto itself: %v", err)
	}
	if diff := cmp.Diff(want, contents(t, b)); diff != "" {
		t.Error(diff)
	}
	one := connect(t, embedded(t))
	js := must(jetstream.New(one.Conn()))(t)
	must(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PLUMBLINE_EVENTS", Subjects: []string{"plumbline.event.>"}}))(t)
	if err := one.Restore(t.Context(), dir, func(bus.Restored) { t.Error("restored") }); !errors.Is(err, bus.ErrNotEmpty) {
		t.Errorf("onto the last stream: %v", err)
	}
}

func TestADamagedBackupIsRefused(t *testing.T) {
	b := ready(t)
	full(t, b)
	dir := filepath.Join(t.TempDir(), "backup")
	must(b.Backup(t.Context(), dir, func(bus.StreamBackup) {}))(t)
	edit := func(name string, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			text := must(os.ReadFile(filepath.Join(dir, name)))(t)
			if err := os.WriteFile(filepath.Join(dir, name), change(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(from, to string) func([]byte) []byte {
		return func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(from), []byte(to)) }
	}
	for name, test := range map[string]struct {
		damage func(*testing.T, string)
		want   string
	}{
		"a bit":           {edit("PLUMBLINE_VERDICTS.snapshot", func(text []byte) []byte { text[len(text)/2] ^= 1; return text }), "it is damaged"},
		"the end":         {edit("PLUMBLINE_EVENTS.snapshot", func(text []byte) []byte { return text[:len(text)-1] }), "it is damaged"},
		"a stream's file": {func(_ *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "PLUMBLINE_LEDGER.snapshot")) }, "PLUMBLINE_LEDGER.snapshot"},
		"the manifest":    {func(_ *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "backup.json")) }, "it is no backup, or one that was not finished"},
		"its schema":      {edit("backup.json", replace("plumbline.backup/v1", "plumbline.backup/v9")), `schema "plumbline.backup/v9", want plumbline.backup/v1`},
		"its prefix":      {edit("backup.json", replace(`"prefix": "plumbline"`, `"prefix": "other"`)), `the backup is of prefix "other", and bus.prefix is "plumbline"`},
		"a way out":       {edit("backup.json", replace(`"name": "PLUMBLINE_LEDGER"`, `"name": "../PLUMBLINE_LEDGER"`)), "is no stream"},
		"another stream":  {edit("backup.json", replace(`"name": "PLUMBLINE_RESULTS"`, `"name": "PLUMBLINE_LEDGER"`)), "damaged"},
		"a consumer":      {edit("backup.json", replace(`"stream": "PLUMBLINE_VERDICTS"`, `"stream": "OTHERS"`)), `isn't plumbline's`},
		"the last number": {edit("backup.json", replace(`"last": 10,`, `"last": 11,`)), "want 10 up to 11"},
		"no JSON":         {edit("backup.json", func([]byte) []byte { return []byte("{") }), "backup.json"},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(damaged, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			test.damage(t, damaged)
			empty := connect(t, embedded(t))
			err := empty.Restore(t.Context(), damaged, func(bus.Restored) {})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			js := must(jetstream.New(empty.Conn()))(t)
			for left := range js.StreamNames(t.Context()).Name() {
				t.Errorf("%s is left behind", left)
			}
		})
	}
}

// TestABackupTakesAnAdmin plays it under the accounts that are shipped.
func TestABackupTakesAnAdmin(t *testing.T) {
	f := newFortress(t, shippedAccounts(t), "admin")
	admin := f.bus("admin")
	must(admin.Provision(t.Context(), plums, false))(t)
	full(t, f.daemon)
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := f.daemon.Backup(t.Context(), filepath.Join(t.TempDir(), "none"), func(bus.StreamBackup) {}); err == nil {
		t.Error("a daemon makes backups")
	}
	must(admin.Backup(t.Context(), dir, func(bus.StreamBackup) {}))(t)
	other := emptyFortress(t, shippedAccounts(t))
	if err := other.bus("admin").Restore(t.Context(), dir, func(bus.Restored) {}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, f.daemon), contents(t, other.bus("validator"))); diff != "" {
		t.Error(diff)
	}
	if err := other.bus("validator").EnsureReaders(t.Context(), plums); err != nil {
		t.Error(err)
	}
}
