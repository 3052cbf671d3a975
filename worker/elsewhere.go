package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// An event of a service that isn't configured here is offered to others: somebody who serves it may just begin, or begin
// again. Whoever is given it again and again knows that the others were asked in between, for each waits in line.
const (
	offerFor    = 2 * time.Minute
	droppedFor  = 4500 * time.Millisecond // of a service that this process served and was told to serve no more
	offerTimes  = 3
	offerDelay  = 500 * time.Millisecond
	offerNobody = "service %s is not configured: no daemon that serves it took the event within %s"
)

// An offer is an event that this process left to others.
type offer struct {
	sequence uint64
	since    time.Time
	times    int
	refused  bool // nobody took it
}

// leave hands an event back to those who serve its service, which made its record, and puts it aside when none of them
// takes it. An event that had its effect needs nobody who serves the service.
func (s *State) leave(ctx context.Context, d Delivery, event plumbline.Event) error {
	record, _, err := s.Records.Load(ctx, event.Service)
	switch {
	case err != nil && s.Records.IsMissing(err):
		return s.bury(ctx, d, notConfigured(event.Service))
	case err != nil:
		return err
	case event.Sequence <= record.Applied:
		return s.conclude(ctx, d, event, record, record.Clash(event))
	}
	within, over := s.offered(event, record.Applied)
	if !over {
		return d.Later(offerDelay)
	}
	if err := s.letter(ctx, d, fmt.Sprintf(offerNobody, event.Service, within)); err != nil {
		return err
	}
	_, err = s.Records.Change(ctx, event.Service, func(r plumbline.Record) (plumbline.Record, bool) {
		if event.Sequence <= r.Applied {
			return r, false
		}
		return r.Ignore(event), true // else its run would wait for it, whoever serves the service one day
	})
	if err != nil && !s.Records.IsMissing(err) {
		return err
	}
	return d.Done(ctx)
}

// offered says whether an event was left to others for long enough, and how long that is. How often it was delivered to all
// of them together says nothing: on a bus with many who don't serve it, who does may be the last in line. applied is the last
// event that had its effect: where nobody took that one either, those behind it don't wait as long again.
func (s *State) offered(event plumbline.Event, applied uint64) (within time.Duration, over bool) {
	within = offerFor
	if s.Dropped != nil && s.Dropped(event.Service) {
		within = droppedFor
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offers == nil {
		s.offers = map[string]offer{}
	}
	o := s.offers[event.Service]
	if o.sequence != event.Sequence {
		since := time.Now()
		if o.refused && o.sequence == applied {
			since = o.since
		}
		o = offer{sequence: event.Sequence, since: since}
	}
	o.refused = o.times >= offerTimes && time.Since(o.since) >= within
	o.times++
	s.offers[event.Service] = o
	return within, o.refused
}
