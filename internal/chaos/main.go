// Chaos runs real daemons on real NATS servers, breaks whatever can break, and holds what the streams say in the end
// against what was promised: one verdict for every accepted event that asks for one, none lost, none false.
//
//	go run ./internal/chaos -kills 20
//
// It wants Linux, and root for the trouble of a full disk. It exits 0 when every promise was kept, 1 when one wasn't,
// 2 for a wrong flag and 3 when nothing can be said.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are what the flags say.
type settings struct {
	seed              uint64
	kills, releases   int
	daemons, services int
	cluster, race     bool
	spike, cutoff     bool
	plan              bool
	events            int
	limit             time.Duration
	keep              string
}

func parse(args []string, out io.Writer) (settings, error) {
	s := settings{}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Uint64Var(&s.seed, "seed", rand.Uint64N(1<<32), "what happens, and when, comes from it; what processes make of it doesn't")
	flags.IntVar(&s.kills, "kills", 20, "daemons to kill, at least")
	flags.IntVar(&s.releases, "releases", 0, "releases to make meanwhile, at least")
	flags.IntVar(&s.daemons, "daemons", 3, "daemons on the bus")
	flags.IntVar(&s.services, "services", 4, "services that release")
	flags.BoolVar(&s.cluster, "cluster", false, "three NATS servers and streams of three replicas, instead of one")
	flags.BoolVar(&s.race, "race", false, "daemons with the race detector")
	flags.BoolVar(&s.spike, "spike", false, "many events at once, instead of trouble")
	flags.IntVar(&s.events, "events", 10_000, "events of a spike")
	flags.BoolVar(&s.cutoff, "cutoff", false, "measure how soon a daemon that is cut off says so, instead of trouble")
	flags.BoolVar(&s.plan, "plan", false, "print the troubles of the seed, and do nothing")
	flags.DurationVar(&s.limit, "limit", time.Hour, "give up after this time")
	flags.StringVar(&s.keep, "keep", "", "an empty or new directory for logs and stores, which stay; default: a temporary one, which stays only if a promise was broken")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case s.daemons < 1 || s.daemons > 16 || s.services < 1 || s.services > len(names):
		return s, fmt.Errorf("want 1 to 16 daemons and 1 to %d services", len(names))
	case s.spike && s.cutoff:
		return s, errors.New("-spike and -cutoff are two different runs")
	case s.spike && s.services < 2:
		return s, errors.New("a spike wants 2 services at least: one of them is the quiet one")
	}
	if s.cutoff {
		s.daemons = 1 // another one would answer over NATS
	}
	return s, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	os.Exit(run(ctx, s, os.Stdout, os.Stderr))
}

func run(ctx context.Context, s settings, out, log io.Writer) int {
	if s.plan {
		printPlan(out, s)
		return 0
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("not done within %s: see -limit", s.limit))
	defer cancel()
	fmt.Fprintf(log, "seed %d\n", s.seed)
	stage, err := newStage(ctx, s, out, log)
	if err == nil {
		err = play(s)(ctx, stage)
		stage.close()
	}
	broken := errors.Is(err, errBroken)
	err = errors.Join(err, stage.clean(err != nil))
	if err != nil {
		fmt.Fprintln(log, "chaos:", err)
	}
	switch {
	case broken:
		return 1
	case err != nil:
		return 3
	}
	return 0
}

// play is what the flags choose.
func play(s settings) func(context.Context, *stage) error {
	switch {
	case s.spike:
		return spike
	case s.cutoff:
		return cutoff
	}
	return storm
}
