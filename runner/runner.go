// Package runner asks every check of a plan at once, within bounds, and joins the answers in the plan's order.
package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/plumbline-dev/plumbline"
)

// The bounds that hold when Options names none.
const (
	DefaultConcurrency = 64
	DefaultPerHost     = 16
	DefaultTimeout     = 10 * time.Second
	DefaultGrace       = 20 * time.Second
)

// Options bound a Runner. The zero Options are the defaults.
type Options struct {
	Concurrency int                                     // checks under way at once in one run
	PerHost     int                                     // checks under way at once against one host, over all runs
	Grace       time.Duration                           // for what takes back, after the run was cut off
	Redact      func(string) string                     // takes secrets out of what probers say
	Jitter      func(pause time.Duration) time.Duration // spreads the pauses between attempts
}

// A Runner asks plans. Its bound per host holds over all its runs.
type Runner struct {
	options Options // but for its bounds, which Limit changes
	mu      sync.Mutex
	bounds  bounds
	hosts   map[string]*semaphore.Weighted
	answers map[answerKey]answered // that serve standby runs
}

// New makes a Runner.
func New(o Options) *Runner {
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.Redact == nil {
		o.Redact = func(s string) string { return s }
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d) } // #nosec G404 -- a pause that others needn't be unable to guess
	}
	r := &Runner{options: o, answers: map[answerKey]answered{}}
	r.Limit(o.Concurrency, o.PerHost)
	return r
}

// bounds are how many checks may be under way at once: in a run, and against a host.
type bounds struct{ concurrency, perHost int }

// Limit changes the bounds of the Options for runs that begin from now on; less than 1 is the default.
func (r *Runner) Limit(concurrency, perHost int) {
	next := bounds{concurrency, perHost}
	if next.concurrency <= 0 {
		next.concurrency = DefaultConcurrency
	}
	if next.perHost <= 0 {
		next.perHost = DefaultPerHost
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if next.perHost != r.bounds.perHost {
		r.hosts = map[string]*semaphore.Weighted{} // who holds a place gives it back where it was taken
	}
	r.bounds = next
}

func (r *Runner) limits() bounds {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bounds
}

// A Watcher hears of checks as they begin and end. Calls don't overlap.
type Watcher struct {
	Started  func(plumbline.Check)
	Finished func(plumbline.Result)
}

// Run asks every check of the plan and returns one result each, in the plan's order, whatever happens: what was not
// asked when ctx ended is errored with the cause. What was left behind is taken back even then, within the grace.
func (r *Runner) Run(ctx context.Context, plan plumbline.Plan, watch Watcher) []plumbline.Result {
	limits := r.limits()
	s := &session{
		Runner: r, plan: plan, watch: watch, limits: limits,
		slots:   semaphore.NewWeighted(int64(limits.concurrency)),
		results: make([]plumbline.Result, len(plan.Checks)),
		done:    make([]chan struct{}, len(plan.Checks)),
		index:   make(map[string]int, len(plan.Checks)),
		public:  publicOf(plan), begun: map[string]bool{}, controls: map[string]*controlled{},
		own: newSide(ownSite(plan), plan.Live), other: newSide(plan.Live, plan.Live),
	}
	s.ends, _ = ctx.Deadline()
	s.fresh = s.firstAsked()
	for i, c := range plan.Checks {
		s.done[i], s.index[c.ID()] = make(chan struct{}), i
	}
	suites, release := s.suiteContexts(ctx)
	defer release()
	late, over := withGrace(ctx, r.options.Grace)
	defer over()
	var group sync.WaitGroup
	for _, q := range s.queues() {
		for range s.workers(q) {
			group.Go(func() { q.work(func(i int) { s.one(suites, late, i) }) })
		}
	}
	group.Wait()
	return s.results
}

// one sees to one check of the plan.
func (s *session) one(suites map[string]context.Context, late context.Context, i int) {
	defer close(s.done[i])
	c := s.plan.Checks[i]
	if c.Phase == plumbline.PhaseTeardown {
		s.finish(i, s.tearDown(late, i))
		return
	}
	s.finish(i, s.check(suites[c.Suite], c))
}

// A session is one run.
type session struct {
	*Runner
	plan   plumbline.Plan
	watch  Watcher
	limits bounds
	slots  *semaphore.Weighted
	done   []chan struct{} // of each check
	index  map[string]int  // of a check's ID
	fresh  string          // the check that is asked even if an answer is kept
	ends   time.Time       // when the run is over at the latest; zero: nobody bounds it

	own, other *side // the color that the run is about, and the one that it is held against

	public map[string]map[string]bool // captures that may be shown, by suite, then name

	mu       sync.Mutex
	results  []plumbline.Result
	begun    map[string]bool        // checks that were asked, by id, and their suites by name
	controls map[string]*controlled // what the other side answered, by check
}

func (s *session) suiteContexts(ctx context.Context) (map[string]context.Context, func()) {
	suites, cancels := map[string]context.Context{}, []context.CancelFunc(nil)
	for _, c := range s.plan.Checks {
		if _, known := suites[c.Suite]; known {
			continue
		}
		suites[c.Suite] = ctx
		if timeout := s.plan.Timeouts[c.Suite]; timeout > 0 {
			timeout += s.waits(c.Suite)
			bounded, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the suite took longer than %s", timeout))
			suites[c.Suite], cancels = bounded, append(cancels, cancel)
		}
	}
	return suites, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// check waits for what the check needs and for its turn, then asks it.
func (s *session) check(ctx context.Context, c plumbline.Check) plumbline.Result {
	result := resultOf(c)
	switch {
	case c.Skip != "":
		return ended(result, plumbline.Skipped, c.Skip)
	case s.plan.Takeover && c.Effect == plumbline.EffectLasting && !c.Repeatable:
		return ended(result, plumbline.Errored, "may have been sent already by a run that was cut off: put $(run.id) into the request to let it be asked again")
	case c.Prober == nil:
		return ended(result, plumbline.Errored, "has nothing to ask")
	}
	if missing, whose := s.await(ctx, c); missing != "" {
		result.Attribution, result.Class = whose.Attribution, whose.Class
		return ended(result, plumbline.Skipped, missing)
	}
	if kept, ok := s.kept(c); ok {
		return kept
	}
	if left := s.takeBack(ctx, c); left != "" {
		return ended(result, plumbline.Errored, left)
	}
	at := s.seat(c)
	if err := at.take(ctx); err != nil {
		return ended(result, plumbline.Errored, "was not asked: "+context.Cause(ctx).Error())
	}
	defer at.leave()
	s.begin(c)
	result = s.ask(ctx, at, result)
	s.keep(c, result)
	return s.attribute(ctx, at, result)
}

// resultOf is what is known of a check's result before it is asked.
func resultOf(c plumbline.Check) plumbline.Result {
	return plumbline.Result{Name: c.Name, Suite: c.Suite, Phase: c.Phase, Kind: c.Kind, Place: c.Place, Severity: c.Severity, Effect: c.Effect,
		Owner: c.Owner, Impact: c.Impact, Cure: c.Cure}
}

func ended(r plumbline.Result, outcome plumbline.Outcome, reason string) plumbline.Result {
	r.Outcome, r.Reason = outcome, reason
	return r
}

// await blocks until every check that c needs has ended, and says why c can't be asked, and the result that keeps it.
func (s *session) await(ctx context.Context, c plumbline.Check) (missing string, of plumbline.Result) {
	for _, name := range c.Needs {
		id := plumbline.Check{Suite: c.Suite, Name: name}.ID()
		i, known := s.index[id]
		if !known {
			return fmt.Sprintf("needs %q, which is not part of this run", name), of
		}
		if s.plan.Checks[i].Phase == plumbline.PhaseTeardown {
			return fmt.Sprintf("needs %q, which comes behind all others", name), of // and would wait for this one
		}
		select {
		case <-s.done[i]:
		case <-ctx.Done():
			return "was not asked: " + context.Cause(ctx).Error(), of
		}
		s.mu.Lock()
		needed := s.results[i]
		s.mu.Unlock()
		if needed.Outcome != plumbline.Passed {
			return fmt.Sprintf("needs %q, which %s", name, verb(needed.Outcome)), needed
		}
	}
	return "", of
}

func verb(o plumbline.Outcome) string {
	switch o {
	case plumbline.Failed:
		return "failed"
	case plumbline.Skipped:
		return "was skipped"
	}
	return "could not be asked"
}

func (s *session) begin(c plumbline.Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun[c.ID()], s.begun[c.Suite] = true, true
	if s.watch.Started != nil {
		s.watch.Started(c)
	}
}

func (s *session) wasAsked(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun[id]
}

func (s *session) finish(i int, result plumbline.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[i] = result
	if s.watch.Finished != nil {
		s.watch.Finished(result)
	}
}
