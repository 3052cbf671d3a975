package sim_test

import (
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats-server/v2/server/ats"

	"github.com/plumbline-dev/plumbline/internal/sim"
)

func TestMain(m *testing.M) {
	ats.Register() // else the first server of a bubble would start this process-wide clock inside it
	os.Exit(m.Run())
}

// The environment of a test.
const (
	oneSeed     = "PLUMBLINE_SEED"  // plays this seed alone, and tells what happened
	howMany     = "PLUMBLINE_SEEDS" // how many seeds are played
	firstSeed   = "PLUMBLINE_FIRST" // the first of them, default 1
	crewsAtOnce = "PLUMBLINE_CREWS" // how many processes play, default as many as there are processors
)

// few is how many seeds are played unless somebody wants more.
const few = 40

// TestSeeds plays many seeds, on all processors.
func TestSeeds(t *testing.T) {
	if seed := number(t, oneSeed, 0); seed != 0 {
		replay(t, seed)
		return
	}
	first, count := number(t, firstSeed, 1), number(t, howMany, few)
	if testing.Short() {
		count = min(count, few/4)
	}
	total := newTally(first, count)
	chunks := make(chan chunk)
	var crews sync.WaitGroup
	var stranded atomic.Bool // no process can be started any more
	atOnce := max(1, number(t, crewsAtOnce, uint64(runtime.GOMAXPROCS(0))))
	for range atOnce {
		crews.Go(func() {
			for c := range chunks {
				if stranded.Load() {
					continue
				}
				if err := c.play(t, total); err != nil {
					stranded.Store(true)
					t.Error(err)
				}
				total.tell(t)
			}
		})
	}
	size := min(atATime, (count+atOnce-1)/atOnce)
	for from := first; from < first+count; from += size {
		chunks <- chunk{from, min(from+size, first+count) - 1}
	}
	close(chunks)
	crews.Wait()
	t.Log(total)
	for _, what := range []string{"verdict: pass", "verdict: checks", "verdict: superseded", "verdict: refused", "verdict: deadline", "dead letters",
		"runs begun again", "gate: open, verdict", "gate: open, rollback", "gate: open, already_live", "gate: closed", "gate: unknown", "daemons killed"} {
		if count >= few && !t.Failed() && total.counts[what] == 0 {
			t.Errorf("no world had %q", what)
		}
	}
}

// replay tells a seed's story as it goes.
func replay(t *testing.T, seed uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as in a child: the same seed goes the same way
	t.Log(sim.Write(seed))
	for _, violation := range play(t, seed, sim.None, slog.New(slog.NewTextHandler(t.Output(), nil))).Violations {
		t.Errorf("%s=%d: %s", oneSeed, seed, violation)
	}
}

// play plays one seed in a bubble, with its stores in memory where there is room.
func play(t *testing.T, seed uint64, mutation sim.Mutation, log *slog.Logger) (report sim.Report) {
	t.Helper()
	dir, err := newStores()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	runtime.GC() // twice, so that nothing is left in the pools of the NATS client: a timer of another bubble is fatal in this one
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if report, err = sim.Play(t.Context(), sim.Write(seed), mutation, dir, log); err != nil {
			t.Errorf("%s=%d: %v", oneSeed, seed, err)
		}
	})
	return report
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: want a number", name, text)
	}
	return n
}
