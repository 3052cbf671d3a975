package runner

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/plumbline-dev/plumbline"
)

// A side is where a run asks: the color that it is about, or the one that it is held against.
type side struct {
	site, live plumbline.Site

	mu       sync.Mutex
	captures map[string]map[string]any // by suite, then name
}

func newSide(site, live plumbline.Site) *side {
	return &side{site: site, live: live, captures: map[string]map[string]any{}}
}

// ownSite is the site that the run is about, with the release that it is about.
func ownSite(plan plumbline.Plan) plumbline.Site {
	site := plan.Site
	site.Release = plan.Release
	return site
}

func (s *side) captured(suite string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.captures[suite])
}

func (s *side) capture(suite string, values map[string]any) {
	if len(values) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.captures[suite] == nil {
		s.captures[suite] = map[string]any{}
	}
	maps.Copy(s.captures[suite], values)
}

// A seat is a check's place among those under way, on one side.
type seat struct {
	*session
	side  *side
	check plumbline.Check
	hosts []*semaphore.Weighted // none: it isn't taken
}

func (s *session) seat(c plumbline.Check) *seat { return &seat{session: s, side: s.own, check: c} }

// take waits for a place at the host first, so that a slow host holds no places of the run from the others. Of two hosts
// everybody takes the same one first: nobody waits for who waits for them.
func (t *seat) take(ctx context.Context) error {
	names := append(make([]string, 0, 2), hostOf(t.check.Prober, t.side.site))
	if both, ok := t.check.Prober.(interface{ AsksLive() bool }); ok && both.AsksLive() {
		names = append(names, siteHost(t.side.live))
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
		r.hosts[name] = semaphore.NewWeighted(int64(r.bounds.perHost))
	}
	return r.hosts[name]
}

// hostOf is the host that a prober names, or else the environment's.
func hostOf(p plumbline.Prober, site plumbline.Site) string {
	if named, ok := p.(interface{ Host(plumbline.Site) string }); ok {
		return named.Host(site)
	}
	return siteHost(site)
}

func siteHost(site plumbline.Site) string {
	if u, err := url.Parse(site.URL); err == nil {
		return u.Host
	}
	return site.URL
}
