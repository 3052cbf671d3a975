package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/plumbline-dev/plumbline/internal/cutproxy"
)

// The troubles.
const (
	kill   = "kill"         // a daemon, by SIGKILL
	end    = "end"          // a daemon, by SIGTERM
	pause  = "pause"        // a daemon, by SIGSTOP, for longer than AckWait
	tear   = "tear"         // the line of a daemon to its bus
	strike = "kill server"  // a NATS server, by SIGKILL
	raze   = "kill servers" // all NATS servers at once
	flood  = "fill disk"    // of a NATS server; it is killed afterwards, as an operator would start it again
)

// A trouble happens some time after the one before, and lasts.
type trouble struct {
	after, lasts time.Duration
	what         string
	slot, server int
	line         cutproxy.Line
}

func (t trouble) String() string {
	switch t.what {
	case kill, end:
		return fmt.Sprintf("%s daemon-%d", t.what, t.slot+1)
	case pause:
		return fmt.Sprintf("%s daemon-%d for %s", t.what, t.slot+1, t.lasts)
	case tear:
		return fmt.Sprintf("%s the line of daemon-%d, which is %s for %s", t.what, t.slot+1, t.line, t.lasts)
	case raze:
		return fmt.Sprintf("%s for %s", t.what, t.lasts)
	}
	return fmt.Sprintf("%s nats-%d for %s", t.what, t.server+1, t.lasts)
}

// weights are how often each trouble comes, of a hundred.
var weights = map[string]int{kill: 48, end: 8, pause: 12, tear: 16, strike: 9, raze: 3, flood: 4}

// troubles are those of a seed, without an end.
func (s settings) troubles() iter.Seq[trouble] {
	servers := map[bool]int{false: 1, true: 3}[s.cluster]
	return func(yield func(trouble) bool) {
		for rng := s.rng("troubles"); ; {
			ms := func(from, to int) time.Duration { return time.Duration(from+rng.IntN(to-from)) * time.Millisecond }
			t := trouble{after: ms(200, 3_500), slot: rng.IntN(s.daemons), server: rng.IntN(servers), line: cutproxy.Lines()[1+rng.IntN(4)]}
			draw := rng.IntN(100)
			for _, what := range slices.Sorted(maps.Keys(weights)) {
				if draw -= weights[what]; draw < 0 {
					t.what = what
					break
				}
			}
			switch t.what {
			case pause:
				t.lasts = ms(11_000, 17_000)
			case tear:
				t.lasts = ms(500, 15_000)
			case strike, raze:
				t.lasts = ms(0, 4_000)
			case flood:
				t.lasts = ms(1_000, 8_000)
			}
			if !yield(t) {
				return
			}
		}
	}
}

// printPlan says what a seed brings, at least until enough daemons were killed.
func printPlan(out io.Writer, s settings) {
	fmt.Fprintf(out, "seed %d\n", s.seed)
	at, kills := time.Duration(0), 0
	for t := range s.troubles() {
		at += t.after
		fmt.Fprintf(out, "%7.1f  %s\n", at.Seconds(), t)
		if t.what == kill {
			kills++
		}
		if kills >= s.kills {
			return
		}
	}
}

// A plague brings troubles to a stage. Those that last go on while others come, but the servers have one at a time.
type plague struct {
	*stage
	lasting sync.WaitGroup
	servers sync.Mutex

	mu    sync.Mutex
	count map[string]int
	err   error
}

// spread goes on until it is told to stop, and then puts everything right again.
func (p *plague) spread(ctx context.Context, stop func() bool) error {
	next, done := iter.Pull(p.troubles())
	defer done()
	for !stop() {
		t, _ := next()
		if !rest(ctx, t.after) {
			break
		}
		p.bring(ctx, t)
	}
	p.lasting.Wait()
	if p.err != nil {
		return p.err
	}
	return context.Cause(ctx)
}

func (p *plague) bring(ctx context.Context, t trouble) {
	d := p.slots[t.slot]
	switch t.what {
	case kill:
		if daemon := d.daemon(); daemon != nil && daemon.kill() {
			p.brought(t)
		}
	case end:
		if daemon := d.daemon(); daemon != nil && !daemon.over() {
			p.brought(t)
			p.lasting.Go(func() { daemon.stop(40 * time.Second) })
		}
	case pause:
		if daemon := d.daemon(); daemon != nil && !daemon.over() {
			p.brought(t)
			daemon.signal(syscall.SIGSTOP)
			p.lasting.Go(func() { rest(ctx, t.lasts); daemon.signal(syscall.SIGCONT) })
		}
	case tear:
		p.brought(t)
		_ = d.proxy.Set(t.line) // it is one of the lines
		p.lasting.Go(func() { rest(ctx, t.lasts); _ = d.proxy.Set(cutproxy.Whole) })
	default:
		p.shake(ctx, t)
	}
}

// shake brings a trouble of servers, unless they have one.
func (p *plague) shake(ctx context.Context, t trouble) {
	if t.what == flood && p.noDisk != nil || !p.servers.TryLock() {
		return
	}
	hit := p.brokers[t.server : t.server+1]
	if t.what == raze {
		hit = p.brokers
	}
	p.brought(t)
	p.lasting.Go(func() {
		defer p.servers.Unlock()
		if t.what == flood {
			p.fail(hit[0].fill())
			rest(ctx, t.lasts)
			p.fail(hit[0].drain())
		}
		for _, b := range hit {
			b.kill()
		}
		if t.what != flood {
			rest(ctx, t.lasts)
		}
		var all sync.WaitGroup
		for _, b := range hit {
			all.Go(func() { p.fail(b.begin(ctx)) })
		}
		all.Wait()
		rest(ctx, 5*time.Second) // some time to work between two troubles of servers
	})
}

func (p *plague) brought(t trouble) {
	p.say("%s", t)
	p.mu.Lock()
	defer p.mu.Unlock()
	what := t.what
	if what == tear {
		what += " " + string(t.line)
	}
	p.count[what]++
}

func (p *plague) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}
