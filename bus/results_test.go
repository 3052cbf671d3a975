package bus_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func plan(n, checks int) plumbline.Plan {
	p := plumbline.Plan{Run: run(n), Service: "plum", Color: plumbline.Green, Worker: "w", StartedAt: time.Unix(1, 0)}
	for i := range checks {
		p.Checks = append(p.Checks, plumbline.Check{Suite: "s", Name: fmt.Sprint(i)})
	}
	return p
}

func result(i int) plumbline.Result {
	return plumbline.Result{Suite: "s", Name: fmt.Sprint(i), Outcome: plumbline.Passed}
}

type step struct {
	done, total int
	name        string
}

func TestResults(t *testing.T) {
	b := ready(t)
	p := plan(1, 3)
	steps := make(chan step, 100)
	background(t, func(ctx context.Context) error {
		return b.WatchResults(ctx, p.Service, p.Color, p.Run, func(done, total int, r *plumbline.Result) {
			s := step{done: done, total: total}
			if r != nil {
				s.name = r.Name
			}
			steps <- s
		})
	})
	must(b.StartRun(t.Context(), plan(2, 9)))(t) // another run
	tell := func(before int, results ...int) {
		t.Helper()
		if got := must(b.StartRun(t.Context(), p))(t); got != before {
			t.Errorf("started %d times before, want %d", got, before)
		}
		for _, i := range results {
			b.PublishResult(p, result(i))
		}
		if err := b.FlushResults(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tell(0, 2, 0)
	tell(1, 0, 0, 1) // a second attempt, with a result that comes twice
	for _, want := range []step{{0, 3, ""}, {1, 3, "2"}, {2, 3, "0"}, {0, 3, ""}, {1, 3, "0"}, {1, 3, "0"}, {2, 3, "1"}} {
		if got := receive(t, steps); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for n, want := range map[int]int{1: 2, 2: 1, 3: 0} {
		if got := must(b.Attempts(t.Context(), p.Service, p.Color, run(n)))(t); got != want {
			t.Errorf("run %d: %d attempts, want %d", n, got, want)
		}
	}
}

func TestOfManyWhoStartARunOneIsTheFirst(t *testing.T) {
	b := ready(t)
	const many = 8
	before := make(chan int, many)
	var starting sync.WaitGroup
	for range many {
		starting.Go(func() {
			n, err := b.StartRun(t.Context(), plan(1, 1))
			if err != nil {
				t.Error(err)
			}
			before <- n
		})
	}
	starting.Wait()
	close(before)
	seen := map[int]bool{}
	for n := range before {
		seen[n] = true
	}
	for n := range many {
		if !seen[n] {
			t.Errorf("nobody was the start after %d others: %v", n, seen)
		}
	}
}

func TestManyResults(t *testing.T) {
	b := ready(t)
	p := plan(1, 5000)
	must(b.StartRun(t.Context(), p))(t)
	for i := range p.Checks {
		b.PublishResult(p, result(i))
	}
	if err := b.FlushResults(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := make(chan struct{})
	background(t, func(ctx context.Context) error {
		return b.WatchResults(ctx, p.Service, p.Color, p.Run, func(done, total int, _ *plumbline.Result) {
			if done == total {
				close(all)
			}
		})
	})
	receive(t, all)
	if got := must(b.Attempts(t.Context(), p.Service, p.Color, p.Run))(t); got != 1 {
		t.Errorf("%d attempts, want 1", got)
	}
}

func TestResultsNeverBlock(t *testing.T) {
	var log logged
	b := connect(t, embedded(t), func(o *bus.Options) { o.Log = log.logger() }) // no streams: nothing is ever acknowledged
	p := plan(1, 1)
	for i := range 10000 { // whoever waited for an acknowledgement would wait for ever
		b.PublishResult(p, result(i))
	}
	if !strings.Contains(log.String(), "results were dropped") {
		t.Error("no line in the log about dropped results")
	}
	if lines := strings.Count(log.String(), "\n"); lines > 20 {
		t.Errorf("%d lines in the log", lines)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_ = b.FlushResults(ctx) // with or without an error, it ends
}

func TestProgressOfAllRuns(t *testing.T) {
	b := ready(t)
	told := make(chan string, 100)
	background(t, func(ctx context.Context) error {
		return b.WatchProgress(ctx, func(run string, done, total int) { told <- fmt.Sprintf("%s %d/%d", run, done, total) })
	})
	p := plan(1, 1)
	eventually(t, "the progress is heard", func() bool {
		must(b.StartRun(t.Context(), p))(t)
		select {
		case got := <-told:
			return got == p.Run+" 0/1"
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
	b.PublishResult(p, result(0))
	for got := receive(t, told); got != p.Run+" 1/1"; got = receive(t, told) {
	}
}

func TestLedger(t *testing.T) {
	b := ready(t)
	entry := func(n uint64, service string) plumbline.Entry {
		return plumbline.Entry{Schema: plumbline.LedgerSchema, Kind: plumbline.EntrySwitch, Service: service, Sequence: n, At: time.Unix(int64(n), 0).UTC(), Text: "traffic moved"}
	}
	for n := range uint64(4) {
		for _, service := range []string{"plum", "plum", "pear"} { // one of them twice
			if err := b.PublishEntry(t.Context(), entry(n, service)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := must(b.Entries(t.Context(), "plum", 3))(t)
	if len(got) != 3 || got[0] != entry(3, "plum") || got[1] != entry(2, "plum") || got[2] != entry(1, "plum") {
		t.Errorf("got %+v", got)
	}
	if all := must(b.Entries(t.Context(), "", 100))(t); len(all) != 8 {
		t.Errorf("%d entries, want 8", len(all))
	}
	if err := b.PublishEntry(t.Context(), plumbline.Entry{}); err == nil {
		t.Error("an entry of no service was written")
	}
}

func TestSuiteStore(t *testing.T) {
	b := ready(t)
	data := bytes.Repeat([]byte("suite: plum-smoke\n"), 20000) // several chunks
	sum := sha256.Sum256(data)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if _, err := b.Suite(t.Context(), digest); !errors.Is(err, bus.ErrNoSuite) {
		t.Errorf("got %v, want ErrNoSuite", err)
	}
	if err := b.PutSuite(t.Context(), digest, data[1:]); err == nil || !strings.Contains(err.Error(), "want "+digest) {
		t.Errorf("other bytes: %v", err)
	}
	for range 2 {
		if err := b.PutSuite(t.Context(), digest, data); err != nil {
			t.Fatal(err)
		}
	}
	if got := must(b.Suite(t.Context(), digest))(t); !bytes.Equal(got, data) {
		t.Errorf("%d other bytes came back", len(got))
	}
	store := must(must(jetstream.New(b.Conn()))(t).ObjectStore(t.Context(), "PLUMBLINE_SUITES"))(t)
	if got := must(store.GetBytes(t.Context(), digest))(t); !bytes.Equal(got, data) {
		t.Errorf("a stock client gets %d other bytes", len(got))
	}
	if err := store.Delete(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	if err := b.PutSuite(t.Context(), digest, data); err != nil {
		t.Fatal(err)
	}
	if got := must(b.Suite(t.Context(), digest))(t); !bytes.Equal(got, data) {
		t.Errorf("after it was removed and kept again, %d other bytes came back", len(got))
	}
	must(store.PutBytes(t.Context(), digest, []byte("forged")))(t)
	if got, err := b.Suite(t.Context(), digest); err == nil || got != nil {
		t.Errorf("forged bytes: %q, %v", got, err)
	}
}
