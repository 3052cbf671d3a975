package sim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A tally is what happened in all worlds together.
type tally struct {
	first, count uint64
	began        time.Time

	mu     sync.Mutex
	counts map[string]int
	told   time.Time
}

func newTally(first, count uint64) *tally {
	return &tally{first: first, count: count, began: time.Now(), told: time.Now(), counts: map[string]int{}}
}

// add adds what happened in a world.
func (a *tally) add(world string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := map[string]int{}
	if json.Unmarshal([]byte(world), &counts) != nil {
		return // its process ended in the middle of the line
	}
	for what, n := range counts {
		a.counts[what] += n
	}
}

// stood takes note of a world that stood still and is played again, and shows the first of them.
func (a *tally) stood(t *testing.T, seed uint64, dump []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts[stoodStill]++; a.counts[stoodStill] == 1 {
		t.Logf("seed %d stood still and is played again:\n%s", seed, strings.Join(dump, "\n"))
	}
}

const stoodStill = "worlds that stood still and were played again"

// tell says now and then how far it is.
func (a *tally) tell(t *testing.T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.told) >= time.Minute {
		a.told = time.Now()
		t.Log(a.summary())
	}
}

func (a *tally) summary() string {
	took := time.Since(a.began)
	return fmt.Sprintf("%d of %d seeds from %d on in %s, %.0f a minute: %d daemons killed, %d releases, %d verdicts, %d violations, %d %s",
		a.counts["worlds"], a.count, a.first, took.Round(time.Second), float64(a.counts["worlds"])/took.Minutes(),
		a.counts["daemons killed"], a.counts["releases"], a.counts["verdicts"], a.counts["violations"], a.counts[stoodStill], stoodStill)
}

func (a *tally) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(a.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, a.counts[what]))
	}
	return a.summary() + "\n" + strings.Join(parts, " · ")
}
