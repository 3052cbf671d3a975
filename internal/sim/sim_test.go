package sim_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"

	"github.com/plumbline-dev/plumbline/internal/sim"
)

func TestMain(m *testing.M) {
	ats.Register() // else the first server of a bubble would start this process-wide clock inside it
	os.Exit(m.Run())
}

// The environment of a test.
const (
	oneSeed   = "PLUMBLINE_SEED"  // plays this seed alone, and tells what happened
	howMany   = "PLUMBLINE_SEEDS" // how many seeds are played
	firstSeed = "PLUMBLINE_FIRST" // the first of them, default 1
	shardOf   = "PLUMBLINE_SHARD" // a child process: first seed, last seed and stride
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
	began := time.Now()
	stride := uint64(runtime.GOMAXPROCS(0))
	var shards sync.WaitGroup
	for i := range stride {
		shards.Go(func() { shard(t, first+i, first+count-1, stride) })
	}
	shards.Wait()
	took := time.Since(began)
	t.Logf("%d seeds from %d on in %s: %.0f a minute", count, first, took.Round(time.Second), float64(count)/took.Minutes())
}

// replay tells a seed's story as it goes.
func replay(t *testing.T, seed uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as in a shard: the same seed goes the same way
	t.Log(sim.Write(seed))
	for _, violation := range play(t, seed, sim.None, slog.New(slog.NewTextHandler(t.Output(), nil))) {
		t.Errorf("%s=%d: %s", oneSeed, seed, violation)
	}
}

// shard plays some of the seeds in a process of its own: the NATS client shares timers among all bubbles of a process.
func shard(t *testing.T, first, last, stride uint64) {
	child := exec.Command(os.Args[0], "-test.run=^TestShard$", "-test.timeout=0")
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d", shardOf, first, last, stride), "GOMAXPROCS=1", "GOGC=400")
	out, in := io.Pipe()
	child.Stdout, child.Stderr = in, in
	ended := make(chan error, 1)
	go func() { ended <- child.Run(); in.Close() }()
	seed, said := "none", []string{}
	const most = 200 // lines
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if playing, is := strings.CutPrefix(lines.Text(), "playing "); is {
			seed = playing
		} else if len(said) < most {
			said = append(said, lines.Text())
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("%v; the last seed was %s, %s=%s replays it:\n%s", err, seed, oneSeed, seed, strings.Join(said, "\n"))
	}
}

// TestShard is a child of TestSeeds.
func TestShard(t *testing.T) {
	var seed, last, stride uint64
	if n, _ := fmt.Sscan(os.Getenv(shardOf), &seed, &last, &stride); n != 3 {
		t.Skip("a child of TestSeeds")
	}
	const most = 3
	for failed := 0; seed <= last && failed < most; seed += stride {
		fmt.Println("playing", seed)
		violations := play(t, seed, sim.None, slog.New(slog.DiscardHandler))
		if len(violations) > 0 {
			failed++
			fmt.Println(sim.Write(seed))
		}
		for _, violation := range violations {
			fmt.Printf("%s=%d: %s\n", oneSeed, seed, violation)
			t.Fail()
		}
	}
}

// play plays one seed in a bubble, with its stores in memory where there is one for files.
func play(t *testing.T, seed uint64, mutation sim.Mutation, log *slog.Logger) (violations []string) {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "plumbline-sim-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	runtime.GC() // twice, so that nothing is left in the pools of the NATS client: a timer of another bubble is fatal in this one
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if violations, err = sim.Play(t.Context(), sim.Write(seed), mutation, dir, log); err != nil {
			t.Errorf("%s=%d: %v", oneSeed, seed, err)
		}
	})
	return violations
}

// memory is where files don't touch a disk, if there is such a place.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
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
