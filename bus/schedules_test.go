package bus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestRandomSchedules lets workers write verdicts about the same runs while the broker comes and goes. Whatever the
// schedule, a run has one verdict, everybody is told the same one, and what was told is there at the end.
func TestRandomSchedules(t *testing.T) {
	for _, seed := range seeds(t, 12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, k *broker) { contend(t, k, seed) })
		})
	}
}

// seeds are fresh ones, or the one of PLUMBLINE_SEED.
func seeds(t *testing.T, n int) (all []uint64) {
	t.Helper()
	if text := os.Getenv("PLUMBLINE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{seed}
	}
	for range n {
		all = append(all, rand.Uint64())
	}
	return all
}

func contend(t *testing.T, k *broker, seed uint64) {
	const runs, workers = 6, 3
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var mu sync.Mutex
	told := map[string]string{}
	var group sync.WaitGroup
	for w := range workers {
		b := k.connect()
		defer b.Close()
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		group.Go(func() {
			for _, n := range random.Perm(runs) {
				time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
				v := verdict(n)
				v.Worker = fmt.Sprint("worker ", w)
				stored, wrote, err := b.PublishVerdict(ctx, v)
				if err != nil {
					t.Errorf("run %d: %v", n, err)
					return
				}
				mu.Lock()
				if was, before := told[v.Run]; before && was != stored.Worker || wrote && stored.Worker != v.Worker {
					t.Errorf("run %d: %s was told of %s, others of %s", n, v.Worker, stored.Worker, was)
				}
				told[v.Run] = stored.Worker
				mu.Unlock()
			}
		})
	}
	random := rand.New(rand.NewPCG(seed, 99))
	for range 4 {
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
		k.stop()
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
		k.start()
	}
	group.Wait()
	b := k.connect()
	defer b.Close()
	for n := range runs {
		v, there, err := b.Verdict(ctx, run(n))
		if err != nil || !there || v.Worker != told[run(n)] {
			t.Errorf("run %d: there %t by %s, want by %s: %v", n, there, v.Worker, told[run(n)], err)
		}
	}
}
