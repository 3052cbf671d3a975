package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/cutproxy"
)

// The contract of a daemon that is cut off, and what measuring it may add.
const (
	cutOffAfter = 5 * time.Second
	slack       = 250 * time.Millisecond
)

// rounds is how often each line is torn.
const rounds = 3

// cutoff tears the line of each daemon to its bus in every way, and measures how soon its gate says that it doesn't know.
func cutoff(ctx context.Context, s *stage) error {
	service, slot := s.names[0], s.slots[0]
	e, err := s.bus.Publish(ctx, plumbline.Event{Kind: plumbline.EventDeployed, Service: service, Color: plumbline.Green, Release: plumbline.Release{Version: "1-good-0"}})
	if err != nil {
		return err
	}
	if _, err := s.bus.WaitVerdict(ctx, service, plumbline.Green, e.Run); err != nil {
		return err
	}
	c := &cutting{stage: s, url: fmt.Sprintf("http://%s/v1/gates/%s/green?version=1-good-0", slot.address, service), subject: "plumbline.gate." + service + ".green", proxy: slot.proxy}
	f := &finding{}
	for _, line := range cutproxy.Lines()[1:] {
		var silent, back []time.Duration
		for range rounds {
			a, b, err := c.once(ctx, line, f)
			if err != nil {
				return err
			}
			silent, back = append(silent, a), append(back, b)
		}
		slices.Sort(silent)
		slices.Sort(back)
		fmt.Fprintf(s.out, "line %-5s 503 after: %s\n           200 after it is whole again: %s\n", line, shape(silent), shape(back))
		if worst := shape(silent).worst; worst > cutOffAfter+slack {
			f.breaks("cut off: the gate answered for %s on a line that was %s, want at most %s", worst, line, cutOffAfter)
		}
	}
	return s.tellBroken(f)
}

// A cutting asks one gate, over HTTP and over the bus.
type cutting struct {
	*stage
	url, subject string
	proxy        *cutproxy.Proxy
}

// once tears the line, and gives how long the gate answered all the same, and how long it didn't when the line was whole.
func (c *cutting) once(ctx context.Context, line cutproxy.Line, f *finding) (silent, back time.Duration, err error) {
	if _, err := c.await(ctx, http.StatusOK); err != nil {
		return 0, 0, err
	}
	if !c.overBus(ctx) {
		f.breaks("cut off: the gate is open over HTTP and silent over NATS")
	}
	torn := time.Now()
	if err := c.proxy.Set(line); err != nil {
		return 0, 0, err
	}
	at, err := c.await(ctx, http.StatusServiceUnavailable)
	if err != nil {
		return 0, 0, err
	}
	for range 3 {
		if c.overBus(ctx) {
			f.breaks("cut off: NATS is answered while the line is %s and HTTP says 503", line)
		}
		if status, body, err := get(ctx, c.url); err == nil && status != http.StatusServiceUnavailable {
			f.breaks("cut off: the gate answers %d while the line is %s: %s", status, line, body)
		}
	}
	if err := c.proxy.Set(cutproxy.Whole); err != nil {
		return 0, 0, err
	}
	whole := time.Now()
	again, err := c.await(ctx, http.StatusOK)
	return at.Sub(torn), again.Sub(whole), err
}

// await asks until this is the answer.
func (c *cutting) await(ctx context.Context, want int) (at time.Time, err error) {
	err = c.until(ctx, fmt.Sprintf("the gate answers %d", want), func() error {
		for range 100 {
			status, _, err := get(ctx, c.url)
			if err != nil {
				return err
			}
			if at = time.Now(); status == want {
				return nil
			}
			rest(ctx, 10*time.Millisecond)
		}
		return fmt.Errorf("still not")
	})
	return at, err
}

// overBus says whether the gate answers over the bus.
func (c *cutting) overBus(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	m, err := c.bus.Conn().RequestWithContext(ctx, c.subject, []byte(`{"version":"1-good-0"}`))
	if err != nil {
		return false
	}
	var doc plumbline.Gate
	return json.Unmarshal(m.Data, &doc) == nil && doc.Gate != ""
}
