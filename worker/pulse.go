package worker

import (
	"errors"
	"sync"
	"time"
)

// errSlept is the end of a run whose process stood still while it asked: its time-outs tell of that and not of the
// release, what it heard may be of long ago, and another daemon may have the run.
var errSlept = errors.New("this process stood still while it asked")

// A pulse says again and again that a message is in good hands, and knows whether it ever fell silent.
type pulse struct {
	interval    time.Duration
	done, ended chan struct{}

	mu      sync.Mutex
	last    time.Time
	longest time.Duration // between two beats
}

// startPulse calls beat at every interval until the pulse is stopped.
func startPulse(interval time.Duration, beat func()) *pulse {
	p := &pulse{interval: interval, done: make(chan struct{}), ended: make(chan struct{}), last: time.Now()}
	go func() {
		defer close(p.ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				select {
				case <-p.done:
					return // of two that are ready either may come first
				default:
				}
				p.silence()
				beat()
			case <-p.done:
				return
			}
		}
	}()
	return p
}

func (p *pulse) stop() { close(p.done); <-p.ended }

// silence ends the time since the last beat.
func (p *pulse) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.longest, p.last = max(p.longest, now.Sub(p.last)), now
}

// faltered says whether a whole beat was left out.
func (p *pulse) faltered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.longest, time.Since(p.last)) >= 2*p.interval
}
