package sim

import (
	"errors"
	"sync"
	"time"
)

// A trouble is what happens to a process at one of its steps.
type trouble string

const (
	dieBefore   trouble = "dies before"
	dieAfter    trouble = "dies after"
	stopAfter   trouble = "is stopped after"
	loseAnswer  trouble = "loses the answer of"
	pauseBefore trouble = "pauses before"
	pauseAfter  trouble = "pauses after"
	cutAfter    trouble = "loses its connection after"
)

func troubles() []trouble {
	return []trouble{dieBefore, dieAfter, dieAfter, stopAfter, loseAnswer, pauseBefore, pauseAfter, cutAfter}
}

// A fuse makes trouble at the nth step from when it was lit. The zero fuse makes none.
type fuse struct {
	mu      sync.Mutex
	left    int
	trouble trouble
	pause   time.Duration
}

func (f *fuse) light(left int, t trouble, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.trouble, f.pause = left, t, pause
}

// burn is the trouble of this step, if any.
func (f *fuse) burn() (trouble, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left != 0 {
		return "", 0
	}
	return f.trouble, f.pause
}

// step does something to the world, unless the process is dead, and makes the trouble that is due.
func (p *process) step(name string, do func() error) error {
	if err := p.await(); err != nil {
		return err
	}
	t, pause := p.fuse.burn()
	if t != "" {
		p.log.Info("trouble", "what", string(t)+" "+name, "for", pause)
	}
	switch t {
	case dieBefore:
		p.kill()
		return errKilled
	case pauseBefore:
		p.pause(pause)
		if err := p.await(); err != nil {
			return err
		}
	}
	err := do()
	switch t {
	case dieAfter:
		p.kill()
		return errKilled
	case stopAfter:
		p.end(errStop)
	case loseAnswer:
		return errors.Join(errLost, err)
	case pauseAfter:
		p.pause(pause)
	case cutAfter:
		p.link.drop()
	}
	if dead := p.await(); dead != nil {
		return dead
	}
	return err
}
