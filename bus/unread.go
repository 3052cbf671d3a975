package bus

import (
	"fmt"
	"sync"
	"time"
)

// unread are the durable consumers that can't be read, by name.
type unread struct {
	mu    sync.Mutex
	since map[string]time.Time
	why   map[string]error
}

// missed notes that a consumer can't be read, and why; nil notes that it can.
func (u *unread) missed(consumer string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		delete(u.since, consumer)
		return
	}
	if u.since == nil {
		u.since, u.why = map[string]time.Time{}, map[string]error{}
	}
	if _, before := u.since[consumer]; !before {
		u.since[consumer] = time.Now()
	}
	u.why[consumer] = err
}

// EventsUnread says for how long nothing of the event stream can be read by a process that runs ConsumeStrays, and why. Nil
// says that it is read, or that the trouble is younger than this.
func (b *Bus) EventsUnread(longer time.Duration) error {
	b.unread.mu.Lock()
	defer b.unread.mu.Unlock()
	since, missed := b.unread.since[strays]
	if away := time.Since(since); missed && away >= longer {
		return fmt.Errorf("the events can't be read for %s: %w", away.Round(time.Second), b.unread.why[strays])
	}
	return nil
}
