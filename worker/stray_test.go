package worker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/plumbline-dev/plumbline"
)

// Whoever looks for strays leaves to a service what is its own, puts aside what is nobody's, and does neither while it
// doesn't know.
func TestStrays(t *testing.T) {
	errAway := errors.New("the bus is away")
	for name, c := range map[string]struct {
		service string
		broken  error
		policy  bool // the service is configured here
		load    error
		letter  string
		done    int
		later   int
	}{
		"configured here":                    {service: "plum", policy: true, done: 1},
		"configured here, and no event":      {service: "plum", policy: true, broken: errors.New("not JSON"), done: 1},
		"with a record, and configured away": {service: "plum", done: 1},
		"of a service nobody heard of":       {service: "peach", letter: "service peach is not configured", done: 1},
		"of such a service, and no event":    {service: "peach", broken: errors.New("not JSON"), letter: "not JSON", done: 1},
		"of no service":                      {broken: errors.New("the subject names no service"), letter: "the subject names no service", done: 1},
		"while the bus is away":              {service: "peach", load: errAway, later: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.state.Policy = func(string) (plumbline.Policy, bool) { return h.rules(), c.policy }
				if c.load != nil {
					h.state.Records.Load = func(context.Context, string) (plumbline.Record, uint64, error) { return plumbline.Record{}, 0, c.load }
				}
				d := h.event(plumbline.EventDeployed, plumbline.Green, "e1", "2")
				d.event.Service, d.broken = c.service, c.broken
				h.state.HandleStray(t.Context(), d)
				if d.done != c.done || len(d.later) != c.later {
					t.Errorf("settled %d times, handed back %d times; want %d and %d", d.done, len(d.later), c.done, c.later)
				}
				var letter string
				if len(h.letters) > 0 {
					letter = h.letters[0]
				}
				if letter != c.letter || h.now().Applied != 0 {
					t.Errorf("dead letter %q, want %q; the record has applied %d", letter, c.letter, h.now().Applied)
				}
			})
		})
	}
}
