package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/failpoint"
	"github.com/plumbline-dev/plumbline/runner"
)

// run reaches a verdict. An error means that there is none yet: the run was interrupted or could not be begun.
func (w *Worker) run(ctx context.Context, record plumbline.Record, run plumbline.RunRef, settings Settings) (plumbline.Verdict, error) {
	plan := plumbline.Plan{
		Run: run.Run, Service: record.Service, Color: run.Color, Role: run.Role, Trigger: run.Trigger, Deployment: run.Deployment,
		Release: run.Release, Change: run.Change, Event: run.Event, Suites: run.Suites, StartedAt: w.Now(),
		ValidFor: settings.ValidFor, ConfigDigest: settings.ConfigDigest, Worker: w.Name, Tool: w.Tool,
	}
	refuse := func(cause plumbline.Cause, reason string) (plumbline.Verdict, error) {
		return plumbline.Refuse(plan, cause, reason, nil, w.Now()), nil
	}
	end := func(cause plumbline.Cause, reason string) (plumbline.Verdict, error) {
		results, left := w.takeBack(ctx, run, plan)
		if ctx.Err() != nil {
			return plumbline.Verdict{}, context.Cause(ctx) // a shutdown is not a verdict
		}
		return plumbline.Refuse(plan, cause, reason+left, results, w.Now()), nil
	}
	deadline := run.AcceptedAt.Add(settings.Deadline)
	switch stale := record.Stale(run, w.Now()); {
	case run.Refused != "":
		return end(plumbline.CauseRefused, run.Refused)
	case stale != "":
		return end(plumbline.CauseSuperseded, stale)
	case !w.Now().Before(deadline):
		return end(plumbline.CauseDeadline, fmt.Sprintf("no verdict within %s of the event%s", settings.Deadline, w.hindrance(ctx, run, plan)))
	}
	asking, cancel := context.WithDeadlineCause(ctx, time.Now().Add(deadline.Sub(w.Now())), errDeadline)
	defer cancel()
	resolved, err := w.resolve(asking, run, plan)
	if err != nil {
		if errors.Is(context.Cause(asking), errDeadline) {
			return refuse(plumbline.CauseDeadline, fmt.Sprintf("no verdict within %s of the event: %s", settings.Deadline, err))
		}
		return plumbline.Verdict{}, err
	}
	plan = resolved
	before, err := w.begin(asking, plan)
	if err != nil {
		return plumbline.Verdict{}, err
	}
	if before > 0 { // who began it may have ended it since it was looked for
		if verdict, judged, err := w.Judged(asking, run.Service, run.Color, run.Run); judged || err != nil {
			return verdict, err
		}
	}
	if before >= MaxAttempts {
		return end(plumbline.CauseUnfinished, fmt.Sprintf("the run was started %d times and never ended", before))
	}
	failpoint.Reach(failpoint.RunStarted)
	if err := w.intend(asking, plan); err != nil {
		return plumbline.Verdict{}, err
	}
	plan.Takeover = before > 0
	verdict, err := w.judge(asking, plan, run, settings)
	if err == nil {
		err = w.stillOurs(ctx, plan, before+1)
	}
	return verdict, err
}

// begin says how often the run was begun before. Results may be lost with a server that is killed, and starts among them:
// where a second start does more than the first, the record knows, too.
func (w *Worker) begin(ctx context.Context, plan plumbline.Plan) (before int, err error) {
	before, err = w.Begin(ctx, plan)
	if err != nil || !runner.CountsStarts(plan) {
		return before, err
	}
	by, noted := fmt.Sprintf("%s %s", w.Name, plan.StartedAt.UTC().Format(time.RFC3339Nano)), 0
	record, err := w.Records.Change(ctx, plan.Service, func(r plumbline.Record) (next plumbline.Record, changed bool) {
		next, noted, changed = r.Started(plan.Run, by)
		return next, changed
	})
	if _, pending := record.Find(plan.Run); !pending {
		noted = 1 // somebody ended it in the meantime
	}
	return max(before, noted), err
}

// begun is how often the run was begun.
func (w *Worker) begun(ctx context.Context, plan plumbline.Plan) (int, error) {
	counted, err := w.Begun(ctx, plan)
	if err != nil {
		return 0, err
	}
	record, _, err := w.Records.Load(ctx, plan.Service)
	if err != nil && !w.Records.IsMissing(err) {
		return 0, err
	}
	run, _ := record.Find(plan.Run)
	return max(counted, len(run.Starts)), nil
}

// stillOurs says whether nobody else began the run since. Whoever did may have died, and left behind what only the next one
// takes back who is given the event: it must not be settled here.
func (w *Worker) stillOurs(ctx context.Context, plan plumbline.Plan, starts int) error {
	if w.Begun == nil || !runner.LeavesBehind(plan) {
		return nil
	}
	begun, err := w.begun(ctx, plan)
	if err == nil && begun > starts {
		return errOvertaken
	}
	return err
}

// hindranceTime bounds how long it is looked for.
const hindranceTime = 5 * time.Second

// hindrance says why a run can't even be planned, if it can't: whoever reads its verdict should know.
func (w *Worker) hindrance(ctx context.Context, run plumbline.RunRef, plan plumbline.Plan) string {
	ctx, cancel := context.WithTimeout(ctx, hindranceTime)
	defer cancel()
	if _, err := w.resolve(ctx, run, plan); err != nil {
		return ": " + err.Error()
	}
	return ""
}

// resolve turns the pinned suites into checks, under the identity that the run already has.
func (w *Worker) resolve(ctx context.Context, run plumbline.RunRef, plan plumbline.Plan) (plumbline.Plan, error) {
	resolved, err := w.Plan(ctx, run)
	if err != nil {
		return plan, fmt.Errorf("the plan of run %s: %w", run.Run, err)
	}
	plan.Checks, plan.Timeouts, plan.ConfigDigest = resolved.Checks, resolved.Timeouts, resolved.ConfigDigest
	plan.Site, plan.Live = resolved.Site, resolved.Live
	return plan, nil
}

// judge asks the checks and judges the answers, unless the run's time or reason ends before.
func (w *Worker) judge(ctx context.Context, plan plumbline.Plan, run plumbline.RunRef, settings Settings) (plumbline.Verdict, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		if reason := w.awaitStale(ctx, plan.Service, run); reason != "" {
			cancel(superseded(reason))
		}
	}()
	watch, told := w.tell(plan)
	results := w.Runner.Run(ctx, plan, watch)
	told()
	var newer superseded
	cause := context.Cause(ctx)
	cancel(nil)
	<-watching
	failpoint.Reach(failpoint.RunAsked)
	switch {
	case cause == nil:
		return plumbline.Judge(plan, results, w.Now()), nil
	case errors.As(cause, &newer):
		return plumbline.Refuse(plan, plumbline.CauseSuperseded, newer.Error(), results, w.Now()), nil
	case errors.Is(cause, errDeadline):
		return plumbline.Refuse(plan, plumbline.CauseDeadline, fmt.Sprintf("no verdict within %s of the event", settings.Deadline), results, w.Now()), nil
	}
	return plumbline.Verdict{}, cause // a shutdown is not a verdict
}

// tell makes a watcher that passes on what it hears from a goroutine of its own: a check that could begin doesn't wait
// until others were told of. told returns when everything was.
func (w *Worker) tell(plan plumbline.Plan) (watch runner.Watcher, told func()) {
	news, ended := make(chan func(), 2*len(plan.Checks)), make(chan struct{}) // room for everything: nobody waits
	go func() {
		defer close(ended)
		for tell := range news {
			runtime.Gosched() // checks that can begin go first
			tell()
		}
	}()
	done := 0
	w.Records.Memory.Progress(plan.Run, done, len(plan.Checks))
	watch.Finished = func(r plumbline.Result) {
		news <- func() {
			done++
			w.Records.Memory.Progress(plan.Run, done, len(plan.Checks))
			w.Heard(plan, r)
			if w.Watch.Finished != nil {
				w.Watch.Finished(r)
			}
		}
	}
	if w.Watch.Started != nil {
		watch.Started = func(c plumbline.Check) { news <- func() { w.Watch.Started(c) } }
	}
	return watch, func() { close(news); <-ended }
}

// awaitStale returns the reason why the run must end early, or nothing when ctx ended first.
func (w *Worker) awaitStale(ctx context.Context, service string, run plumbline.RunRef) string {
	for {
		changed := w.Records.Memory.Changed()
		record, _, known := w.Records.Memory.Get(service)
		if known {
			if reason := record.Stale(run, w.Now()); reason != "" {
				return reason
			}
		}
		if !awaitChange(ctx, changed, record.Window, w.Now()) {
			return ""
		}
	}
}
