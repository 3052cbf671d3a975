package daemon

import (
	"context"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/reporters"
)

// tellLost reports events that were put aside: whoever sent them may wait for something that doesn't come.
func (d *Daemon) tellLost(ctx context.Context, name string, to audience, delivery *bus.LettersDelivery) {
	var report reporters.Report
	for _, l := range delivery.Letters {
		letter := reporters.Letter{Number: l.Number, Service: l.Service, Reason: redact.Guess(l.Reason)}
		if to.filter.WantsLetter(letter) {
			report.Lost = append(report.Lost, letter)
		}
	}
	var err error
	if len(report.Lost) > 0 {
		bounded, cancel := context.WithTimeout(ctx, reportTimeout)
		err = to.Report(bounded, report)
		cancel()
	}
	if d.later(ctx, name, err, delivery) {
		return
	}
	if err := delivery.Done(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("a report could not be settled and may come twice", "reporter", name, "error", err)
	}
}
