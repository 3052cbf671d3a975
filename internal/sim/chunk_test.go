package sim_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/sim"
)

// chunkOf tells a child process which seeds it plays, and storesIn where it keeps its stores.
const (
	chunkOf  = "PLUMBLINE_SIM_CHUNK"
	storesIn = "PLUMBLINE_SIM_STORES"
)

// atATime is how many seeds a child process plays at most.
const atATime = 100

// standstill is how long one world may take in real time. One that took longer stands still, for ever.
const standstill = 2 * time.Minute

// tries is how often a world is played that stands still. A bubble's time passes only while all its goroutines wait for each
// other or for the time; if one that holds a lock of the NATS server or client waits for the time, who wants the lock isn't
// waiting for anything that the bubble knows, and the time doesn't pass. Which one is first is Go's to say, and a world that
// is played again goes another way; one that stands still each time is a fault.
const tries = 3

// A chunk is a row of seeds that a process plays: first to last.
type chunk struct{ first, last uint64 }

// play plays a chunk in processes of their own, which share nothing with other worlds: the NATS client and server share timers
// and pools among all bubbles of a process. The error means that no process could be started.
func (c chunk) play(t *testing.T, total *tally) error {
	for stood := 0; c.first <= c.last; {
		child, err := c.start()
		if err != nil {
			return err
		}
		err = child.listen(total)
		switch {
		case err == nil && child.ended:
			return nil
		case !child.stuck:
			t.Errorf("%v; the last seed was %d, %s=%d replays it:\n%s", err, child.seed, oneSeed, child.seed, strings.Join(child.said, "\n"))
			return nil
		}
		if child.seed != c.first {
			stood = 0
		}
		if stood++; stood == tries {
			t.Errorf("seed %d stood still %d times:\n%s", child.seed, stood, strings.Join(child.said, "\n"))
			return nil
		}
		total.stood(t, child.seed, child.said)
		c.first = child.seed
	}
	return nil
}

// A child is a process that plays a chunk.
type child struct {
	command *exec.Cmd
	stores  string
	out     *io.PipeReader
	exit    chan error
	seed    uint64 // that it plays
	said    []string
	stuck   bool // it was ended because a world stood still
	ended   bool // it played all its seeds
}

func (c chunk) start() (*child, error) {
	stores, err := newStores()
	if err != nil {
		return nil, err
	}
	k := &child{command: exec.Command(os.Args[0], "-test.run=^TestChunk$", "-test.timeout=0"), stores: stores, exit: make(chan error, 1), seed: c.first}
	k.command.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", chunkOf, c.first, c.last), storesIn+"="+k.stores, "GOMAXPROCS=1", "GOGC=400", "GOTRACEBACK=all")
	var in *io.PipeWriter
	k.out, in = io.Pipe()
	k.command.Stdout, k.command.Stderr = in, in
	if err := k.command.Start(); err != nil {
		return nil, errors.Join(err, os.Remove(stores))
	}
	go func() { k.exit <- k.command.Wait(); in.Close() }()
	return k, nil
}

// The words that begin a line of a child.
const (
	playing = "playing" // a seed
	counted = "counted" // what happened in it
	allDone = "all done"
)

// listen hears a child out, and ends it when a world stands still.
func (k *child) listen(total *tally) error {
	defer os.RemoveAll(k.stores)
	stuck := make(chan struct{})
	watch := time.AfterFunc(standstill, func() {
		close(stuck)
		_ = k.command.Process.Signal(syscall.SIGQUIT) // which tells where everybody stands
		time.AfterFunc(10*time.Second, func() { _ = k.command.Process.Kill() })
	})
	const most = 20_000 // lines
	lines := bufio.NewScanner(k.out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case word == playing:
			k.seed, _ = strconv.ParseUint(rest, 10, 64)
			watch.Reset(standstill)
		case word == counted:
			total.add(rest)
		case lines.Text() == allDone:
			k.ended = true
		case len(k.said) < most:
			k.said = append(k.said, lines.Text())
		}
	}
	watch.Stop()
	_, _ = io.Copy(io.Discard, k.out)
	select {
	case <-stuck:
		k.stuck = true
	default:
	}
	return <-k.exit
}

// TestChunk is a child of TestSeeds.
func TestChunk(t *testing.T) {
	var c chunk
	if n, _ := fmt.Sscan(os.Getenv(chunkOf), &c.first, &c.last); n != 2 {
		t.Skip("a child of TestSeeds")
	}
	for seed := c.first; seed <= c.last; seed++ {
		fmt.Println(playing, seed)
		report := play(t, seed, sim.None, slog.New(slog.DiscardHandler))
		if len(report.Violations) > 0 {
			t.Fail()
			report.Counts["violations"] = len(report.Violations)
			fmt.Println(sim.Write(seed))
		}
		for _, violation := range report.Violations {
			fmt.Printf("%s=%d: %s\n", oneSeed, seed, violation)
		}
		counts, err := json.Marshal(report.Counts)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(counted, string(counts))
	}
	fmt.Println(allDone)
}

// newStores is an empty directory, in memory where there is room.
func newStores() (string, error) {
	in := os.Getenv(storesIn)
	if in == "" {
		in = inMemory()
	}
	return os.MkdirTemp(in, "plumbline-sim-")
}
