//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Armed says whether this build heeds points.
const Armed = true

// Variable names the point at which the process ends and, after a colon, the how many-th time it gets there.
const Variable = "PLUMBLINE_FAILPOINT"

var armed, left = read()

func read() (Point, *atomic.Int64) {
	name, times, counted := strings.Cut(os.Getenv(Variable), ":")
	left, point := new(atomic.Int64), Point(name)
	left.Store(1)
	if n, err := strconv.ParseInt(times, 10, 64); counted && err == nil && n > 0 {
		left.Store(n)
	} else if counted {
		refuse("%s=%s:%s, want a count above 0", Variable, name, times)
	}
	if name != "" && !slices.Contains(All(), point) {
		refuse("%s=%s, want one of %v", Variable, name, All())
	}
	return point, left
}

func refuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

// Reach ends the process, without a word and without a chance to tidy up, if this is the point and the time.
func Reach(p Point) {
	if p != armed || left.Add(-1) != 0 {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing can keep a process from killing itself
	select {}
}
