// Package runner asks every check of a plan at once, within bounds, and joins the answers in the plan's order.
package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
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
	options Options
	mu      sync.Mutex
	hosts   map[string]*semaphore.Weighted
}

// New makes a Runner.
func New(o Options) *Runner {
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.PerHost <= 0 {
		o.PerHost = DefaultPerHost
	}
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.Redact == nil {
		o.Redact = func(s string) string { return s }
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d) }
	}
	return &Runner{options: o, hosts: map[string]*semaphore.Weighted{}}
}

// A Watcher hears of checks as they begin and end. Calls don't overlap.
type Watcher struct {
	Started  func(plumbline.Check)
	Finished func(plumbline.Result)
}

// Run asks every check of the plan and returns one result each, in the plan's order, whatever happens: what was not
// asked when ctx ended is errored with the cause. What was left behind is taken back even then, within the grace.
func (r *Runner) Run(ctx context.Context, plan plumbline.Plan, watch Watcher) []plumbline.Result {
	s := &session{
		Runner: r, plan: plan, watch: watch,
		slots:    semaphore.NewWeighted(int64(r.options.Concurrency)),
		results:  make([]plumbline.Result, len(plan.Checks)),
		done:     make([]chan struct{}, len(plan.Checks)),
		index:    make(map[string]int, len(plan.Checks)),
		captures: map[string]map[string]any{}, public: publicOf(plan), begun: map[string]bool{},
		host: siteHost(plan.Site),
	}
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
	plan  plumbline.Plan
	watch Watcher
	slots *semaphore.Weighted
	done  []chan struct{} // of each check
	index map[string]int  // of a check's ID
	host  string          // of the environment

	public map[string]map[string]bool // captures that may be shown, by suite, then name

	mu       sync.Mutex
	results  []plumbline.Result
	captures map[string]map[string]any // by suite, then name
	begun    map[string]bool           // checks that were asked, by id, and their suites by name
}

func (s *session) suiteContexts(ctx context.Context) (map[string]context.Context, func()) {
	suites, cancels := map[string]context.Context{}, []context.CancelFunc(nil)
	for _, c := range s.plan.Checks {
		if _, known := suites[c.Suite]; known {
			continue
		}
		suites[c.Suite] = ctx
		if timeout := s.plan.Timeouts[c.Suite]; timeout > 0 {
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
	if missing := s.await(ctx, c); missing != "" {
		return ended(result, plumbline.Skipped, missing)
	}
	if left := s.takeBack(ctx, c); left != "" {
		return ended(result, plumbline.Errored, left)
	}
	at := &seat{session: s, check: c}
	if err := at.take(ctx); err != nil {
		return ended(result, plumbline.Errored, "was not asked: "+context.Cause(ctx).Error())
	}
	defer at.leave()
	s.begin(c)
	return s.ask(ctx, at, result)
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

// await blocks until every check that c needs has ended, and says why c can't be asked.
func (s *session) await(ctx context.Context, c plumbline.Check) string {
	for _, name := range c.Needs {
		id := plumbline.Check{Suite: c.Suite, Name: name}.ID()
		i, known := s.index[id]
		if !known {
			return fmt.Sprintf("needs %q, which is not part of this run", name)
		}
		if s.plan.Checks[i].Phase == plumbline.PhaseTeardown {
			return fmt.Sprintf("needs %q, which comes behind all others", name) // and would wait for this one
		}
		select {
		case <-s.done[i]:
		case <-ctx.Done():
			return "was not asked: " + context.Cause(ctx).Error()
		}
		s.mu.Lock()
		outcome := s.results[i].Outcome
		s.mu.Unlock()
		if outcome != plumbline.Passed {
			return fmt.Sprintf("needs %q, which %s", name, verb(outcome))
		}
	}
	return ""
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

// A seat is a check's place among those under way.
type seat struct {
	*session
	check plumbline.Check
	hosts []*semaphore.Weighted // none: it isn't taken
}

// take waits for a place at the host first, so that a slow host holds no places of the run from the others. Of two hosts
// everybody takes the same one first: nobody waits for who waits for them.
func (t *seat) take(ctx context.Context) error {
	names := append(make([]string, 0, 2), t.hostOf(t.check.Prober))
	if both, ok := t.check.Prober.(interface{ AsksLive() bool }); ok && both.AsksLive() {
		names = append(names, siteHost(t.plan.Live))
	}
	slices.Sort(names)
	var hosts []*semaphore.Weighted
	free := func() {
		for _, host := range hosts {
			host.Release(1)
		}
	}
	for _, name := range slices.Compact(names) {
		host := t.places(name)
		if err := host.Acquire(ctx, 1); err != nil {
			free()
			return err
		}
		hosts = append(hosts, host)
	}
	if err := t.slots.Acquire(ctx, 1); err != nil {
		free()
		return err
	}
	t.hosts = hosts
	return nil
}

// leave makes room for others.
func (t *seat) leave() {
	if t.hosts == nil {
		return
	}
	t.slots.Release(1)
	for _, host := range t.hosts {
		host.Release(1)
	}
	t.hosts = nil
}

// places are those at a host, for all runs.
func (r *Runner) places(name string) *semaphore.Weighted {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts[name] == nil {
		r.hosts[name] = semaphore.NewWeighted(int64(r.options.PerHost))
	}
	return r.hosts[name]
}

// hostOf is the host that a prober names, or else the environment's.
func (s *session) hostOf(p plumbline.Prober) string {
	if named, ok := p.(interface{ Host(plumbline.Site) string }); ok {
		return named.Host(s.plan.Site)
	}
	return s.host
}

func siteHost(site plumbline.Site) string {
	if u, err := url.Parse(site.URL); err == nil {
		return u.Host
	}
	return site.URL
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
