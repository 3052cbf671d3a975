package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// maxFollowed bounds the runs whose progress is kept.
const maxFollowed = 1024

// WatchProgress tells how far every run on the bus is until ctx is done. It hears what is published while it listens and
// nothing older: progress is for people, and a run that isn't heard of has none.
func (b *Bus) WatchProgress(ctx context.Context, each func(run string, done, total int)) error {
	runs := map[string]*progress{}
	sub, err := b.conn.Subscribe(b.names.subject("result", "*", "*", "*"), func(m *nats.Msg) {
		run := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
		p := runs[run]
		if p == nil {
			if len(runs) >= maxFollowed {
				clear(runs)
			}
			p = &progress{ended: map[string]bool{}}
			runs[run] = p
		}
		if _, err := p.take(m.Data); err != nil || p.total == 0 {
			return
		}
		each(run, len(p.ended), p.total)
		if len(p.ended) >= p.total {
			delete(runs, run)
		}
	})
	if err != nil {
		return fmt.Errorf("progress of runs: %w", err)
	}
	<-ctx.Done()
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("progress of runs: %w", err)
	}
	return nil
}
