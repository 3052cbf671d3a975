// Command run measures `plumbline run` as a whole process, start-up included, beside a loop over net/http that asks the
// same requests and compares the same three values. docs/performance.md has the figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// A course is what both run, in turns.
type course struct {
	checks int
	delay  time.Duration // of every answer
	rounds int           // odd, for the median
}

func (c course) String() string {
	if c.delay > 0 {
		return fmt.Sprintf("%d, %s each", c.checks, c.delay)
	}
	return fmt.Sprint(c.checks)
}

var courses = []course{
	{checks: 200, rounds: 15},
	{checks: 5_000, rounds: 9},
	{checks: 200, delay: 50 * time.Millisecond, rounds: 5},
	{checks: 5_000, delay: 50 * time.Millisecond, rounds: 3},
	{checks: 50_000, rounds: 3},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := play(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/run:", err)
		os.Exit(1)
	}
}

// play takes the part that the process has: one binary is the server, the loop and who measures.
func play(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == serving {
		return serve(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == looping {
		return loop(ctx, args[1:])
	}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	concurrency := flags.Int("concurrency", 64, "requests under way at once")
	binary := flags.String("plumbline", "", "the binary to measure; empty builds ./cmd/plumbline")
	only := flags.Int("checks", 0, "measure only the courses of so many checks")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "plumbline-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *binary == "" {
		*binary = filepath.Join(dir, "plumbline")
		build := exec.CommandContext(ctx, "go", "build", "-o", *binary, "./cmd/plumbline")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("go build ./cmd/plumbline, which wants the repository's root: %w", err)
		}
	}
	head(out)
	for _, c := range courses {
		if *only != 0 && c.checks != *only {
			continue
		}
		if err := compare(ctx, out, c, *binary, dir, *concurrency); err != nil {
			return fmt.Errorf("%s checks: %w", c, err)
		}
	}
	return nil
}

// compare runs both in turns over one course, each once before it counts.
func compare(ctx context.Context, out io.Writer, c course, binary, dir string, concurrency int) error {
	suites := filepath.Join(dir, fmt.Sprint(c.checks))
	if err := writeSuites(suites, c.checks); err != nil {
		return err
	}
	server, err := startServer(ctx, c.delay)
	if err != nil {
		return err
	}
	defer server.stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	at := fmt.Sprint(concurrency)
	ours := turn{dir, []string{binary, "run", suites, "--target", server.url, "--concurrency", at}}
	bare := turn{dir, []string{self, looping, server.url, fmt.Sprint(c.checks), at}}
	var a, b []cost
	for round := range c.rounds + 1 {
		for _, each := range []struct {
			turn
			costs *[]cost
		}{{ours, &a}, {bare, &b}} {
			spent, err := each.take(ctx)
			if err != nil {
				return err
			}
			if asked, err := server.asked(ctx); err != nil || asked != c.checks {
				return fmt.Errorf("the server was asked %d times: %w", asked, err)
			}
			if round > 0 {
				*each.costs = append(*each.costs, spent)
			}
		}
	}
	tell(out, c, median(a), median(b))
	return nil
}
