package bench_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	store = flag.String("store", "", "directory on the disk to measure; default the temporary directory")
	rest  = flag.Duration("rest", 0, "how long everything is quiet before each turn")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// BenchmarkEventToVerdict follows one event at a time to its verdict, and carries one through the bare loop before each:
// by turns as fast as it goes, and with the pause of the plan before the answer. The service has a young record, or one
// that remembers all it can.
func BenchmarkEventToVerdict(b *testing.B) {
	for _, past := range []string{"young", "full"} {
		b.Run("record="+past, func(b *testing.B) {
			dir := storeDir(b)
			figures := measure(b, dir, past == "full", b.Loop)
			b.ReportMetric(0, "ns/op")
			figures.report(b)
			var table bytes.Buffer
			fmt.Fprintf(&table, "%d events, %d instant checks and one of %s each; store on %s, sync always\n", len(figures["trip"]),
				checks-1, pause, filesystem(dir))
			figures.print(&table)
			b.Log(strings.TrimSpace(table.String()))
		})
	}
}

// TestSmoke takes a few events both ways, each to a pass of all checks; how long things take is no test.
func TestSmoke(t *testing.T) {
	left := 2
	figures := measure(t, t.TempDir(), false, func() bool { left--; return left >= 0 })
	for i, verdict := range figures["trip"] {
		if settled := figures["trip settled"][i]; settled < verdict || verdict <= 0 {
			t.Errorf("event %d was settled after %s, before its verdict came after %s", i, settled, verdict)
		}
	}
	var table bytes.Buffer
	figures.print(&table)
	if len(figures["trip"]) != 4 || len(figures["loop"]) != 2 || strings.Count(table.String(), "\n") != 6 {
		t.Errorf("%d events, %d turns, want 4 and 2:\n%s", len(figures["trip"]), len(figures["loop"]), table.String())
	}
}

// measure alternates between the loop and the pipeline for as long as more says so.
func measure(t testing.TB, dir string, full bool, more func() bool) figures {
	t.Helper()
	s := newStage(t, dir)
	s.release()
	l := newLoop(s)
	if full {
		s.fill()
	}
	l.turn(false)
	f := figures{}
	for more() {
		for _, name := range []string{"loop", "pausing loop"} {
			answered, settled := l.turn(name == "pausing loop")
			f.add(name, answered)
			f.add(name+" settled", settled)
			f.trip(s.release())
		}
	}
	return f
}

// figures are what was measured, by name.
type figures map[string][]time.Duration

func (f figures) add(name string, d time.Duration) { f[name] = append(f[name], d) }

func (f figures) trip(t trip) {
	f.add("trip", t.verdict)
	f.add("trip settled", t.settled)
	f.add("stored", t.stored)
	f.add("moved", t.moved)
	f.add("asked", t.asked)
	f.add("judged", t.judged)
}

// quantile is the smallest duration that q of all of a name don't exceed.
func (f figures) quantile(name string, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(f[name]))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (f figures) ratio(name, base string, q float64) float64 {
	return float64(f.quantile(name, q)) / float64(f.quantile(base, q))
}

func (f figures) report(b *testing.B) {
	for q, name := range map[float64]string{0.5: "p50", 0.99: "p99"} {
		b.ReportMetric(milliseconds(f.quantile("trip", q)), name+"-ms")
		b.ReportMetric(milliseconds(f.quantile("loop", q)), name+"-loop-ms")
		b.ReportMetric(f.ratio("trip", "loop", q), name+"-ratio")
	}
}

func (f figures) print(w io.Writer) {
	columns := []string{"trip", "loop", "pausing loop"}
	fmt.Fprintf(w, "%-32s %10s %10s %14s %14s\n", "beyond the pause, in ms", "plumbline", "bare loop", "and it pauses", "ratios")
	for _, end := range []struct{ title, suffix string }{{"published → verdict received", ""}, {"published → acknowledged", " settled"}} {
		for _, q := range []float64{0.5, 0.99} {
			fmt.Fprintf(w, "%-28s p%02.0f", end.title, q*100)
			for _, c := range columns {
				fmt.Fprintf(w, " %10.2f", milliseconds(f.quantile(c+end.suffix, q)))
			}
			fmt.Fprintf(w, "%14.2f %6.2f\n", f.ratio("trip"+end.suffix, "loop"+end.suffix, q), f.ratio("trip"+end.suffix, "pausing loop"+end.suffix, q))
		}
	}
	fmt.Fprintf(w, "p50 of the parts: event stored %.2f, record moved and run begun %.2f; start written, checks asked %.2f; judged, written, received %.2f\n",
		milliseconds(f.quantile("stored", 0.5)), milliseconds(f.quantile("moved", 0.5)), milliseconds(f.quantile("asked", 0.5)),
		milliseconds(f.quantile("judged", 0.5)))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// storeDir is a fresh directory on the disk to measure.
func storeDir(b *testing.B) string {
	if *store == "" {
		return b.TempDir()
	}
	must(b, os.MkdirAll(*store, 0o700))
	dir, err := os.MkdirTemp(*store, "plumbline-bench-")
	must(b, err)
	b.Cleanup(func() { must(b, os.RemoveAll(dir)) })
	return dir
}

// filesystem names what a directory is on, where the system says it as Linux does.
func filesystem(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "an unknown file system"
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return "an unknown file system"
	}
	kind, longest := "an unknown file system", -1
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest || dir != f[1] && !strings.HasPrefix(dir, strings.TrimSuffix(f[1], "/")+"/") {
			continue
		}
		kind, longest = f[2], len(f[1])
	}
	if kind == "tmpfs" {
		return "tmpfs, which is no disk: name another directory with -store"
	}
	return kind
}
