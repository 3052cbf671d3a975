package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A cost is what one process took.
type cost struct {
	wall, cpu time.Duration // cpu: user and system
	peak      int64         // of resident memory, in KiB
}

// A turn is a process to run, where no configuration lies.
type turn struct {
	dir  string
	args []string
}

// take runs the process, which must end well.
func (t turn) take(ctx context.Context) (cost, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, t.args[0], t.args[1:]...)
	cmd.Dir, cmd.Stderr = t.dir, &said
	begun := time.Now()
	err := cmd.Run()
	wall := time.Since(begun)
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w: %.400s", t.args[0], err, said.String())
	}
	usage, is := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !is {
		return cost{}, fmt.Errorf("no resource usage on this system")
	}
	return cost{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), int64(usage.Maxrss)}, nil
}

// median is taken of each kind of cost by itself.
func median(all []cost) cost {
	return cost{middle(all, func(c cost) time.Duration { return c.wall }), middle(all, func(c cost) time.Duration { return c.cpu }),
		middle(all, func(c cost) int64 { return c.peak })}
}

func middle[T cmp.Ordered](all []cost, of func(cost) T) T {
	values := make([]T, len(all))
	for i, c := range all {
		values[i] = of(c)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func head(out io.Writer) {
	fmt.Fprintln(out, "| checks | wall ms | loop | ratio | CPU ms | loop | ratio | peak MiB | loop |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
}

func tell(out io.Writer, c course, ours, bare cost) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	fmt.Fprintf(out, "| %s | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f | %.1f | %.1f |\n", c,
		ms(ours.wall), ms(bare.wall), ms(ours.wall)/ms(bare.wall), ms(ours.cpu), ms(bare.cpu), ms(ours.cpu)/ms(bare.cpu),
		float64(ours.peak)/1024, float64(bare.peak)/1024)
}

// perSuite is how many checks stand in one file, which may have 1 MiB.
const perSuite = 5_000

// writeSuites has n checks of three matchers each, in suites of a directory.
func writeSuites(dir string, n int) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for first := 0; first < n; first += perSuite {
		var text bytes.Buffer
		fmt.Fprintf(&text, "suite: bench-%d\nchecks:\n", first/perSuite)
		for i := first; i < min(first+perSuite, n); i++ {
			fmt.Fprintf(&text, "  - get: %s\n    expect: {status: 200, $.project.state: ready, latency: {lt: 5s}}\n", pathOf(i))
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("bench-%d.yaml", first/perSuite)), text.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}
