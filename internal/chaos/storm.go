package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plumbline-dev/plumbline"
)

// storm releases and breaks until enough of both was done, lets everything settle, and checks what is left.
func storm(ctx context.Context, s *stage) error {
	var released atomic.Int64
	questions := &asked{}
	enough := func() bool { return s.killed() >= s.kills && int(released.Load()) >= s.releases }
	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	seen, gates := &scribe{stage: s}, &gateWatch{stage: s, asked: questions, answers: map[string]int{}}
	var watches sync.WaitGroup
	watches.Go(func() { seen.watch(watching) })
	watches.Go(func() { gates.watch(watching) })
	plague := &plague{stage: s, count: map[string]int{}}
	all, working := errgroup.WithContext(ctx)
	all.Go(func() error { return plague.spread(working, enough) })
	all.Go(func() error { return s.progress(working, enough, &released) })
	for _, name := range s.names {
		d := &driver{stage: s, service: name, rng: s.rng("service " + name), live: plumbline.Blue, released: &released, asked: questions}
		all.Go(func() error { return d.drive(working, enough) })
	}
	err := all.Wait()
	if err == nil {
		err = s.settle(ctx)
	}
	unwatch()
	watches.Wait()
	if err != nil {
		return err
	}
	f, err := s.check(ctx, seen)
	if err != nil {
		return err
	}
	f.broken = append(f.broken, gates.accused...)
	s.tellStorm(f, plague, gates, int(released.Load()))
	return s.tellBroken(f)
}

// killed is how many daemons were killed so far.
func (s *stage) killed() (n int) {
	for _, d := range s.deaths() {
		if d.killed() {
			n++
		}
	}
	return n
}

func (s *stage) deaths() (all []death) {
	for _, d := range s.slots {
		all = append(all, d.ends()...)
	}
	return all
}

func (s *stage) progress(ctx context.Context, stop func() bool, released *atomic.Int64) error {
	for n := 1; !stop(); n++ {
		if !rest(ctx, time.Second) {
			return context.Cause(ctx)
		}
		if n%10 == 0 {
			s.say("%d killed, %d releases", s.killed(), released.Load())
		}
	}
	return nil
}

// settlePatience is how long daemons may take to do all that is left, once nothing breaks any more: a server that was
// killed takes a while, and a run that was handed back often rests half a minute.
const settlePatience = 3 * time.Minute

// settle lets daemons do what is left, and ends them when nothing is: their clocks ask again and again.
func (s *stage) settle(ctx context.Context) error {
	s.say("all is whole again: what is left is done")
	for _, d := range s.slots {
		d.calm()
	}
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	for n := 0; ; n++ {
		err := s.idle(ctx)
		if err == nil {
			if err := s.stopDaemons(); err != nil {
				return err
			}
			if s.idle(ctx) == nil {
				return nil
			}
			s.startDaemons(ctx) // a clock ticked while they ended
		}
		if !rest(ctx, 100*time.Millisecond) {
			s.say("left undone: %v", err) // the streams will tell of what
			return s.stopDaemons()
		}
	}
}

func (s *stage) tellStorm(f *finding, p *plague, g *gateWatch, released int) {
	hows := map[string]int{}
	for _, d := range s.deaths() {
		hows[d.how]++
	}
	points := maps.Clone(hows)
	for _, how := range []string{byKill, byStop, byStart, byCrash} {
		delete(points, how)
	}
	var atPoints int
	for _, n := range points {
		atPoints += n
	}
	fmt.Fprintf(s.out, "seed %d: %d daemons, %d services, %d NATS servers, %.0f s\n", s.seed, s.daemons, len(s.names), len(s.brokers), time.Since(s.begun).Seconds())
	fmt.Fprintf(s.out, "kills       %d: at random %d, at points %d (%s)\n", s.killed(), hows[byKill], atPoints, tally(points))
	fmt.Fprintf(s.out, "troubles    %s\n", tally(p.count))
	if s.noDisk != nil {
		fmt.Fprintf(s.out, "            no disk was full: %v\n", s.noDisk)
	}
	fmt.Fprintf(s.out, "ends        told to end %d, did not start %d, crashed %d\n", hows[byStop], hows[byStart], hows[byCrash])
	fmt.Fprintf(s.out, "events      %d, of which %d releases; %d dead letters\n", f.events, released, f.letters)
	fmt.Fprintf(s.out, "verdicts    %d: %s\n", len(f.endings), tally(f.verdicts))
	took := f.takeovers(s.deaths())
	fmt.Fprintf(s.out, "takeovers   %d: %s\n", len(took), shape(took))
	fmt.Fprintf(s.out, "gate asked  %s\n", tally(g.answers))
}

// tellBroken says which promises were broken.
func (s *stage) tellBroken(f *finding) error {
	const most = 50
	for i, broken := range f.broken {
		if i == most {
			fmt.Fprintf(s.out, "BROKEN      and %d more\n", len(f.broken)-most)
			break
		}
		fmt.Fprintf(s.out, "BROKEN      %s\n", broken)
	}
	if len(f.broken) > 0 {
		return fmt.Errorf("%w %d times: seed %d", errBroken, len(f.broken), s.seed)
	}
	fmt.Fprintln(s.out, "broken      nothing")
	return nil
}
