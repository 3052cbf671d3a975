package worker

import (
	"slices"

	"github.com/plumbline-dev/plumbline"
)

// forgotten rebuilds a run that was accepted and that the record had no room for. One whose color was released to, or
// whose service was switched, since then ends superseded, everything else refused.
func forgotten(record plumbline.Record, event plumbline.Event) (plumbline.RunRef, bool) {
	state := record.Colors[event.Color]
	if seen, recent := record.SeenRun(event.Run); recent && seen.Sequence != event.Sequence || event.Sequence > state.Forgot {
		return plumbline.RunRef{}, false
	}
	run := plumbline.RunRef{
		Run: event.Run, Service: event.Service, Color: event.Color, Release: event.Release, Change: event.Change, AcceptedAt: event.At,
		Event: plumbline.EventRef{ID: event.ID, Sequence: event.Sequence}, Deployment: event.Sequence,
		Role: plumbline.RoleIdle, Trigger: plumbline.TriggerRelease,
	}
	refused := "too many newer events came before this release could be asked about: release it again"
	switch event.Kind {
	case plumbline.EventDeployed:
	case plumbline.EventRequested:
		run.Trigger, run.Role = plumbline.TriggerManual, roleThen(record, event)
		run.Deployment, run.Release, run.Change = deployedAt(state, event.Sequence)
		refused = "too many newer events came before this request could be served: ask again"
	default:
		return plumbline.RunRef{}, false // another slot is as good
	}
	run.Suites = state.Suites // which of them it was begun with isn't known any more: what any of them left behind is taken back
	if state.Deployment <= event.Sequence && event.Sequence >= record.Switched {
		run.Refused = refused
	}
	return run, true
}

// roleThen is the role that the color of an event had, as far as the record remembers: before the last switch, the other
// color was live, and this one idle unless it was kept for a rollback.
func roleThen(record plumbline.Record, event plumbline.Event) plumbline.Role {
	switch {
	case event.Sequence >= record.Switched:
		return record.RoleAt(event.Color, event.At)
	case event.Color == record.Live:
		return plumbline.RoleIdle
	}
	return plumbline.RoleLive
}

// deployedAt is what the color ran when the stream was at a sequence, as far as its record remembers.
func deployedAt(state plumbline.ColorState, sequence uint64) (deployment uint64, release plumbline.Release, change plumbline.Change) {
	if state.Deployment <= sequence {
		return state.Deployment, state.Release, state.Change
	}
	for _, past := range slices.Backward(state.Former) {
		if past.Deployment <= sequence {
			return past.Deployment, past.Release, change
		}
	}
	return 0, release, change
}
