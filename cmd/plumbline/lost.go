package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// A lost is the end of an event that was put aside: it has no verdict.
type lost struct{ letter bus.DeadLetter }

func (l *lost) Error() string {
	return fmt.Sprintf("the event is a dead letter, and nothing is asked: %s\nplumbline deadletters show %d has all of it",
		term.Line(l.letter.Reason), l.letter.Number)
}

// decided waits for the verdict of an event. The error is a *lost if the event was put aside instead.
func decided(ctx context.Context, b *bus.Bus, e plumbline.Event) (plumbline.Verdict, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		letter, err := b.WaitDeadLetter(ctx, e.Service, e.Sequence)
		if err == nil && !askedElsewhere(ctx, b, e) {
			cancel(&lost{letter})
		}
	})
	defer watching.Wait()
	defer cancel(nil)
	v, err := b.WaitVerdict(ctx, e.Service, e.Color, e.Run)
	if gone := (*lost)(nil); errors.As(context.Cause(ctx), &gone) {
		return v, gone
	}
	if err == nil && !isVerdictOf(v, e) {
		return v, usagef("event id %q was used before, for %s: send the event with a new id", e.ID, v.Release)
	}
	return v, err
}

// isVerdictOf says whether a verdict is that of an event. An event may have been sent before, with the same id, and is one with
// that; another event with a used id is none of them.
func isVerdictOf(v plumbline.Verdict, e plumbline.Event) bool {
	return v.Event.Sequence == e.Sequence || e.Kind != plumbline.EventDeployed || v.Release == e.Release
}

// askedElsewhere says whether the same event counts though this message of it was put aside: it was replayed.
func askedElsewhere(ctx context.Context, b *bus.Bus, e plumbline.Event) bool {
	record, _, err := b.Record(ctx, e.Service)
	if seen, known := record.SeenRun(e.Run); err == nil && known {
		return seen.Mark == e.Mark()
	}
	v, judged, err := b.VerdictOf(ctx, e.Service, e.Color, e.Run)
	return err == nil && judged && isVerdictOf(v, e)
}
