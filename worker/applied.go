package worker

import (
	"context"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// appliedWithin is how long a run waits for the state handler while it holds a place among the runs under way.
const appliedWithin = 10 * time.Second

// applied is the record once the event had its effect on it.
func (w *Worker) applied(ctx context.Context, event plumbline.Event) (plumbline.Record, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, appliedWithin, errUnapplied)
	defer cancel()
	return w.Records.Memory.Await(ctx, event.Service, func(r plumbline.Record) bool { return r.Applied >= event.Sequence })
}

// neverApplied says whether the event has no effect on the record: it was put aside before anybody served the service. What
// can't be found out is asked again when the event comes again.
func (w *Worker) neverApplied(ctx context.Context, event plumbline.Event) bool {
	if w.BeginsAfter == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	if before, err := w.BeginsAfter(ctx, event.Service, event.Sequence); err != nil || !before {
		return false
	}
	// The events may begin anew where the record is, after an operator removed their consumer.
	record, _, err := w.Records.Load(ctx, event.Service)
	return err == nil && record.Applied < event.Sequence
}
