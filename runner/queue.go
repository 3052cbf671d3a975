package runner

import (
	"strings"
	"sync/atomic"

	"github.com/plumbline-dev/plumbline"
)

// A queue is checks of one suite that wait for the same: one worker each would take memory and do nothing. The queue ends
// as its suite does, so no suite waits for the checks of another.
type queue struct {
	checks []int
	next   atomic.Int64
}

// queues are all checks of the plan. What leaves its place while it rests, what takes places at two hosts and what takes
// back has a queue of its own, so that nothing stands behind it.
func (s *session) queues() []*queue {
	var all []*queue
	shared := map[string]*queue{}
	for i, c := range s.plan.Checks {
		both, ok := c.Prober.(interface{ AsksLive() bool })
		if c.Poll.For > 0 || c.Phase == plumbline.PhaseTeardown || ok && both.AsksLive() {
			all = append(all, &queue{checks: []int{i}})
			continue
		}
		what := strings.Join(append([]string{c.Suite, hostOf(c.Prober, s.plan.Site)}, c.Needs...), "\x00")
		if shared[what] == nil {
			shared[what] = &queue{}
			all = append(all, shared[what])
		}
		shared[what].checks = append(shared[what].checks, i)
	}
	return all
}

// workers is how many of a queue's checks can be under way at once.
func (s *session) workers(q *queue) int {
	return min(len(q.checks), s.limits.perHost, s.limits.concurrency)
}

// work does one check of the queue after another.
func (q *queue) work(do func(i int)) {
	for at := int(q.next.Add(1)) - 1; at < len(q.checks); at = int(q.next.Add(1)) - 1 {
		do(q.checks[at])
	}
}
