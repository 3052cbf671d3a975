package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plumbline-dev/plumbline"
)

// senders is how many send the events of a spike at the same time.
const senders = 32

// spike sends very many events at once to all services but one, which goes on releasing as ever.
func spike(ctx context.Context, s *stage) error {
	quiet, noisy := s.names[len(s.names)-1], s.names[:len(s.names)-1]
	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	seen := &scribe{stage: s}
	var watches sync.WaitGroup
	watches.Go(func() { seen.watch(watching) })
	q := &quietService{stage: s, name: quiet}
	before, err := q.release(ctx, 10)
	if err != nil {
		return err
	}
	resting := s.peaks()
	begun := time.Now()
	if err := s.send(ctx, noisy); err != nil {
		return err
	}
	sent := time.Since(begun)
	s.say("%d events are sent", s.events)
	during, err := q.releaseUntilIdle(ctx)
	if err != nil {
		return err
	}
	done := time.Since(begun)
	peaks := s.peaks()
	err = s.settle(ctx)
	unwatch()
	watches.Wait()
	if err != nil {
		return err
	}
	f, err := s.check(ctx, seen)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "seed %d: %d daemons, %d services, %d NATS servers\n", s.seed, s.daemons, len(s.names), len(s.brokers))
	fmt.Fprintf(s.out, "spike       %d events of %d services, sent within %.1f s, all served after %.1f s\n", s.events, len(noisy), sent.Seconds(), done.Seconds())
	fmt.Fprintf(s.out, "verdicts    %d: %s\n", len(f.endings), tally(f.verdicts))
	fmt.Fprintf(s.out, "memory      peak of each daemon: %s before, %s in the end\n", resting, peaks)
	fmt.Fprintf(s.out, "%s, from release to verdict:\n  before    %d: %s\n  meanwhile %d: %s\n", quiet, len(before), shape(before), len(during), shape(during))
	return s.tellBroken(f)
}

// send spreads the events over the services: releases that overtake each other, and requests about both colors.
func (s *stage) send(ctx context.Context, services []string) error {
	rng := s.rng("spike")
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(senders)
	for i := range s.events {
		e := plumbline.Event{Kind: plumbline.EventDeployed, Service: services[i%len(services)], Color: plumbline.Green,
			Release: plumbline.Release{Version: version{number: i + 1, good: rng.IntN(10) < 7}.String()}}
		if rng.IntN(10) < 4 {
			e = plumbline.Event{Kind: plumbline.EventRequested, Service: e.Service, Color: []plumbline.Color{plumbline.Blue, plumbline.Green}[rng.IntN(2)], Reason: "spike"}
		}
		all.Go(func() error { _, err := s.bus.Publish(ctx, e); return err })
	}
	return all.Wait()
}

// peaks are the most memory that each daemon ever had.
func (s *stage) peaks() string {
	var all []string
	for _, d := range s.slots {
		all = append(all, fmt.Sprintf("%.1f MiB", float64(d.daemon().peak())/1024))
	}
	return strings.Join(all, ", ")
}

// A quietService releases now and then, and waits for its verdict each time.
type quietService struct {
	*stage
	name   string
	number int
}

// release measures the time from event to verdict of some releases, and gives the times sorted.
func (q *quietService) release(ctx context.Context, n int) (took []time.Duration, err error) {
	for range n {
		q.number++
		begun := time.Now()
		e, err := q.bus.Publish(ctx, plumbline.Event{Kind: plumbline.EventDeployed, Service: q.name, Color: plumbline.Green,
			Release: plumbline.Release{Version: version{number: q.number, good: true}.String()}})
		if err != nil {
			return nil, err
		}
		if _, err := q.bus.WaitVerdict(ctx, q.name, plumbline.Green, e.Run); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
		rest(ctx, 200*time.Millisecond)
	}
	slices.Sort(took)
	return took, nil
}

// releaseUntilIdle goes on until nothing is left of the spike.
func (q *quietService) releaseUntilIdle(ctx context.Context) (took []time.Duration, err error) {
	for {
		one, err := q.release(ctx, 1)
		if err != nil {
			return nil, err
		}
		took = append(took, one...)
		if err := q.idle(ctx); err == nil {
			slices.Sort(took)
			return took, nil
		} else if len(took)%10 == 0 {
			q.say("%v", err)
		}
	}
}
