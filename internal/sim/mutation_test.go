package sim_test

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/sim"
)

// betrays is what a violation says that a mutation leads to.
var betrays = map[sim.Mutation]string{
	sim.AckBeforePublish:   "has 0 verdicts, want 1",
	sim.NoWriteOnce:        "has 2 verdicts, want 1",
	sim.JudgesCancelled:    "no critical check failed in the run",
	sim.OutOfOrder:         "has 0 verdicts, want 1",
	sim.NoDedupe:           "and nobody asked for one",
	sim.StalePass:          "the pass is .* old",
	sim.AnswersWhileCutOff: "after it was cut off",
	sim.NoSupersession:     "it was overtaken .* before",
}

// within is how many seeds may pass before a mutation is found.
const within = 60

// TestMutations makes each mistake on purpose until it is found, first with the seed that the documentation names.
func TestMutations(t *testing.T) {
	if os.Getenv(oneSeed) != "" {
		t.Skip("one seed is replayed")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as in a child: the same seed goes the same way
	for _, mutation := range sim.Mutations() {
		t.Run(string(mutation), func(t *testing.T) {
			if betrays[mutation] == "" {
				t.Fatal("nobody knows what it leads to")
			}
			named := documented(t, mutation)
			for range 25 { // which of two goroutines runs first is Go's to say
				if found(t, mutation, named) {
					return
				}
			}
			for seed := range uint64(within) {
				if found(t, mutation, seed+1) {
					t.Errorf("not found by seed %d, as %s says, but by seed %d", named, document, seed+1)
					return
				}
			}
			t.Errorf("not found by %d seeds", within)
		})
	}
}

func found(t *testing.T, mutation sim.Mutation, seed uint64) bool {
	t.Helper()
	for _, violation := range play(t, seed, mutation, slog.New(slog.DiscardHandler)).Violations {
		if regexp.MustCompile(betrays[mutation]).MatchString(violation) {
			return true
		}
	}
	return false
}

// document is what people read about all this.
const document = "../../docs/reliability.md"

// documented is the seed that the documentation names for a mutation.
func documented(t *testing.T, mutation sim.Mutation) (seed uint64) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(string(mutation)) + ` \|.*\| (\d+) \|$`).FindSubmatch(text)
	if row == nil {
		t.Fatalf("%s has no row that ends with a seed for %q", document, mutation)
	}
	if _, err := fmt.Sscan(string(row[1]), &seed); err != nil {
		t.Fatal(err)
	}
	return seed
}
