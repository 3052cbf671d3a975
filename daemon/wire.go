package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/worker"
)

func (d *Daemon) records() worker.Records {
	return worker.Records{
		Memory: d.memory, Load: d.bus.Record, Create: d.bus.CreateRecord, Update: d.bus.UpdateRecord,
		IsConflict: func(err error) bool { return errors.Is(err, bus.ErrConflict) },
		IsMissing:  func(err error) bool { return errors.Is(err, bus.ErrNoRecord) },
	}
}

func (d *Daemon) newState() *worker.State {
	return &worker.State{
		Policy:  d.plans.known,
		Dropped: d.plans.dropped,
		Records: d.records(),
		Judged:  d.bus.Earlier,
		Say:     d.bus.PublishEntry,
		Log:     d.log,
	}
}

func (d *Daemon) newWorker() *worker.Worker {
	limits := d.Config().Limits
	return &worker.Worker{
		Name: d.options.Name, Tool: "plumbline " + d.options.Version, AckWait: d.bus.RunAckWait(), Records: d.records(),
		Runner:   runner.New(runner.Options{Concurrency: limits.Concurrency, PerHost: limits.PerHost, Redact: d.redact.String}),
		Watch:    d.options.Watch,
		Settings: d.plans.settings,
		Plan:     d.plan,
		Begin:    d.bus.StartRun,
		Begun: func(ctx context.Context, plan plumbline.Plan) (int, error) {
			return d.bus.Attempts(ctx, plan.Service, plan.Color, plan.Run)
		},
		Heard: d.bus.PublishResult,
		Publish: func(ctx context.Context, v plumbline.Verdict) (plumbline.Verdict, error) {
			stored, wrote, err := d.bus.PublishVerdict(ctx, v)
			if err == nil && wrote {
				d.gate.Observe(stored)
			}
			return stored, err
		},
		Judged:      d.bus.VerdictOf,
		BeginsAfter: d.bus.StateBeginsAfter,
		Say:         d.bus.PublishEntry,
		Now:         time.Now,
		Log:         d.log,
	}
}

// plan resolves what a run pinned.
func (d *Daemon) plan(ctx context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
	plan, err := d.plans.resolve(ctx, run)
	if err != nil || d.options.Prober == nil {
		return plan, err
	}
	for i, c := range plan.Checks {
		plan.Checks[i].Prober = d.options.Prober(c)
	}
	return plan, nil
}

func (d *Daemon) newClock(service string, timetable worker.Timetable) *worker.Clock {
	return &worker.Clock{
		Service: service, Timetable: timetable, Records: d.records(), Say: d.bus.PublishEntry, Now: time.Now, Log: d.log,
		Policy: func() plumbline.Policy { return d.plans.policy(service) },
		Publish: func(ctx context.Context, e plumbline.Event) error {
			_, err := d.bus.Publish(ctx, e)
			return err
		},
	}
}

// watchProgress follows the runs of all daemons, so that each of them can say how far a run is.
func (d *Daemon) watchProgress(ctx context.Context) error {
	return d.bus.WatchProgress(ctx, d.memory.Progress)
}
