package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// patience is how long a driver waits for one verdict before it goes on; the verdict is owed all the same.
const patience = 45 * time.Second

// A driver is the release tooling of one service: it releases, overtakes itself, asks again, switches, repeats itself and
// sends what is no event.
type driver struct {
	*stage
	service  string
	rng      *rand.Rand
	live     plumbline.Color
	number   int
	last     plumbline.Event // the last release
	released *atomic.Int64
	asked    *asked
}

// drive goes on until it is told to stop.
func (d *driver) drive(ctx context.Context, stop func() bool) error {
	for !stop() {
		if err := d.step(ctx); err != nil {
			return fmt.Errorf("service %s: %w", d.service, err)
		}
		if !rest(ctx, time.Duration(50+d.rng.IntN(400))*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// step does one of the things that release tooling does.
func (d *driver) step(ctx context.Context) error {
	idle := d.live.Other()
	switch n := d.rng.IntN(100); {
	case n < 45:
		return d.release(ctx, idle, d.rng.IntN(4) > 0)
	case n < 58: // the next one overtakes
		if err := d.release(ctx, idle, false); err != nil || !rest(ctx, time.Duration(d.rng.IntN(800))*time.Millisecond) {
			return err
		}
		return d.release(ctx, idle, true)
	case n < 64:
		if _, err := d.publish(ctx, plumbline.Event{Kind: plumbline.EventDeploying, Color: idle}); err != nil || !rest(ctx, 100*time.Millisecond) {
			return err
		}
		return d.release(ctx, idle, true)
	case n < 73:
		color := []plumbline.Color{plumbline.Blue, plumbline.Green}[d.rng.IntN(2)]
		e, err := d.publish(ctx, plumbline.Event{Kind: plumbline.EventRequested, Color: color, Reason: "chaos"})
		return d.await(ctx, e, err)
	case n < 83:
		e, err := d.publish(ctx, plumbline.Event{Kind: plumbline.EventSwitched, Color: idle, Reason: string(plumbline.ReasonPromote)})
		if err == nil {
			d.live = idle
		}
		if d.rng.IntN(2) == 0 {
			return err
		}
		return d.await(ctx, e, err)
	case n < 87:
		return d.release(ctx, d.live, true) // is refused
	case n < 91:
		return d.repeat(ctx)
	}
	return d.poison(ctx)
}

func (d *driver) publish(ctx context.Context, e plumbline.Event) (plumbline.Event, error) {
	e.Service = d.service
	return d.bus.Publish(ctx, e)
}

func (d *driver) release(ctx context.Context, color plumbline.Color, wait bool) error {
	d.number++
	v := anyVersion(d.rng, d.number)
	e, err := d.publish(ctx, plumbline.Event{Kind: plumbline.EventDeployed, Color: color, Release: plumbline.Release{Version: v.String()}})
	if err == nil {
		d.last = e
		d.released.Add(1)
		d.asked.add(d.service, color, v)
	}
	if !wait {
		return err
	}
	return d.await(ctx, e, err)
}

// await waits for the verdict of an event, but not for ever: what never comes is found in the end.
func (d *driver) await(ctx context.Context, e plumbline.Event, err error) error {
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = d.bus.WaitVerdict(waiting, e.Service, e.Color, e.Run)
	if err != nil && ctx.Err() == nil {
		if waiting.Err() == nil {
			return err
		}
		d.say("%s: no verdict of run %s within %s", d.service, e.Run, patience)
	}
	return context.Cause(ctx)
}

// repeat sends the last release again, as a sender does that missed the answer: the stream takes it as another message.
func (d *driver) repeat(ctx context.Context) error {
	if d.last.Run == "" {
		return nil
	}
	return d.again(ctx, func(ctx context.Context) error {
		stream, err := d.js.Stream(ctx, streamEvents)
		if err != nil {
			return err
		}
		m, err := stream.GetMsg(ctx, d.last.Sequence)
		if err != nil {
			return err
		}
		copied := &nats.Msg{Subject: m.Subject, Header: nats.Header{}, Data: m.Data}
		for name, values := range m.Header {
			if name != jetstream.MsgIDHeader {
				copied.Header[name] = values
			}
		}
		_, err = d.js.PublishMsg(ctx, copied)
		return err
	})
}

// poison sends what is no event, or about a color that isn't one, or the id of an earlier one with other data.
func (d *driver) poison(ctx context.Context) error {
	d.number++
	data := []string{
		"not an event",
		fmt.Sprintf(`{"specversion":"1.0","id":"p%d","source":"/chaos","type":"dev.plumbline.release.deployed.v1","data":{"service":%q,"color":"red","version":"1"}}`, d.number, d.service),
		fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":"dev.plumbline.release.deployed.v1","data":{"service":%q,"color":"green","version":"forged"}}`, d.last.ID, d.last.Source, d.service),
	}[d.rng.IntN(3)]
	return d.again(ctx, func(ctx context.Context) error {
		_, err := d.js.Publish(ctx, "plumbline.event."+d.service, []byte(data))
		return err
	})
}

// again repeats a step until it works: a server that is away comes back.
func (d *driver) again(ctx context.Context, try func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if !rest(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}
