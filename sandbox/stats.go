package sandbox

import (
	"maps"
	"math"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// maxFailures is how many failed user requests are kept with their reasons, the first ones.
const maxFailures = 50

// Stats is how users were served.
type Stats struct {
	Sent     int                     `json:"sent"`
	OK       int                     `json:"ok"`
	Failed   int                     `json:"failed"`
	P50      plumbline.Seconds       `json:"p50"` // from the instant a request was due to its whole answer
	P99      plumbline.Seconds       `json:"p99"`
	Max      plumbline.Seconds       `json:"max"`
	ByColor  map[plumbline.Color]int `json:"by_color"` // answers
	Failures []Failure               `json:"failures"` // the first ones
}

// A Failure is a request that a user would complain about.
type Failure struct {
	At     time.Time       `json:"at"`
	Errand string          `json:"errand"`
	Color  plumbline.Color `json:"color,omitempty"` // that answered, if one did
	Reason string          `json:"reason"`
}

// A tally counts answers of many goroutines.
type tally struct {
	mu        sync.Mutex
	stats     Stats
	latencies histogram
}

func (t *tally) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Sent++
}

func (t *tally) answered(latency time.Duration, f Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies.add(latency)
	t.stats.Max = max(t.stats.Max, plumbline.Seconds(latency))
	if f.Color != "" {
		if t.stats.ByColor == nil {
			t.stats.ByColor = map[plumbline.Color]int{}
		}
		t.stats.ByColor[f.Color]++
	}
	if f.Reason == "" {
		t.stats.OK++
		return
	}
	t.stats.Failed++
	if len(t.stats.Failures) < maxFailures {
		t.stats.Failures = append(t.stats.Failures, f)
	}
}

func (t *tally) read() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.ByColor = maps.Clone(s.ByColor)
	s.Failures = append([]Failure{}, s.Failures...)
	s.P50, s.P99 = t.latencies.quantile(0.50), t.latencies.quantile(0.99)
	return s
}

// A histogram counts durations from 10 µs to some minutes in buckets that are 5 % wide.
type histogram struct {
	buckets [400]int
	total   int
}

const (
	histogramLeast = 10 * time.Microsecond
	histogramWidth = 1.05
)

func (h *histogram) add(d time.Duration) {
	bucket := math.Ceil(math.Log(float64(max(d, histogramLeast))/float64(histogramLeast)) / math.Log(histogramWidth))
	h.buckets[min(int(bucket), len(h.buckets)-1)]++
	h.total++
}

// quantile is the upper edge of the bucket in which the quantile lies, and 0 where nothing was counted.
func (h *histogram) quantile(q float64) plumbline.Seconds {
	rank, seen := int(math.Ceil(q*float64(h.total))), 0
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= rank {
			return plumbline.Seconds(float64(histogramLeast) * math.Pow(histogramWidth, float64(i)))
		}
	}
	return 0
}
