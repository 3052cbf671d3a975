package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/runner"
)

// undoTime bounds how long a run that will ask nothing more takes back what it left behind.
const undoTime = 2 * time.Minute

// intend records what the run will leave behind and take back, before it does: whoever comes after a crash can tell.
func (w *Worker) intend(ctx context.Context, plan plumbline.Plan) error {
	if !runner.LeavesBehind(plan) {
		return nil
	}
	var names []string
	for _, c := range plan.Checks {
		if c.Undoes != "" {
			names = append(names, c.Suite+"/"+c.Undoes)
		}
	}
	const most = 20
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return w.Say(ctx, plumbline.Entry{
		Schema: plumbline.LedgerSchema, Kind: plumbline.EntryIntent, Service: plan.Service, Color: plan.Color, At: w.Now().UTC(),
		Sequence: plan.Event.Sequence, Event: plan.Event.ID, Run: plan.Run, Release: plan.Release,
		Text: fmt.Sprintf("%s of %s on %s leaves behind, and takes back by run %s: %s", plan.Trigger, plan.Release, plan.Color, plan.Run, strings.Join(names, ", ")),
	})
}

// takeBack undoes what a run that was begun and cut off may have left behind, where it won't be asked again. The verdict
// is a fail in any case, so that what can't be undone is told in its reason.
func (w *Worker) takeBack(ctx context.Context, run plumbline.RunRef, plan plumbline.Plan) ([]plumbline.Result, string) {
	if w.Begun == nil {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	plan, err := w.resolve(ctx, run, plan)
	if err == nil && !runner.LeavesBehind(plan) {
		return nil, ""
	}
	begun, uncounted := w.begun(ctx, plan)
	switch err = errors.Join(err, uncounted); {
	case uncounted == nil && begun == 0:
		return nil, ""
	case err != nil:
		w.Log.Error("what a run may have left behind could not be taken back", "run", plan.Run, "error", err)
		return nil, fmt.Sprintf("; what it may have left behind was not taken back: %s", err)
	}
	return w.Runner.Undo(ctx, plan, runner.Watcher{Started: w.Watch.Started, Finished: w.Watch.Finished}), ""
}
