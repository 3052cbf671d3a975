package plumbline

import (
	"fmt"
	"time"
)

// StartOver is the record over another event stream than the one that it is of: what runs where stays, places in the old
// stream mean nothing any more, and nobody vouches for the roles until Adopt. last is where the new stream ends; what is in
// it was put aside.
func (r Record) StartOver(last uint64, at time.Time) Record {
	next := Record{Schema: r.Schema, Service: r.Service, Live: r.Live, Colors: make(map[Color]ColorState, len(r.Colors)), Applied: last, AppliedAt: at}
	for c, state := range r.Colors {
		next.Colors[c] = ColorState{Release: state.Release, Change: state.Change, Deploying: state.Deploying, Suites: state.Suites}
	}
	return next
}

// Adopt is the record once a person vouched for the roles of its colors: live takes traffic, the other color is idle and
// needs a release before any gate of it can open. A version that isn't named stays as it was recorded. A record that is
// adopted already knows its roles from what happened, and is not adopted again.
func (r Record) Adopt(live Color, version, reason string, at time.Time) (Record, Entry, error) {
	switch {
	case live.Other() == "":
		return r, Entry{}, fmt.Errorf("unknown color %q, want blue or green", live)
	case r.Adopted:
		return r, Entry{}, fmt.Errorf("the roles of %s are known: %s is live", r.Service, r.Live)
	case reason == "":
		return r, Entry{}, fmt.Errorf("an adoption needs a reason")
	}
	next := r.Clone()
	next.Adopted, next.Live, next.Window, next.Ended = true, live, time.Time{}, time.Time{}
	state := next.Colors[live]
	if version != "" && version != state.Release.Version {
		state.Release = Release{Version: version}
	}
	state.Last = nil
	next.Colors[live] = state
	other := next.Colors[live.Other()]
	other.Last = nil // whatever it proved, it proved in a role that nobody vouched for
	next.Colors[live.Other()] = other
	runs := state.Release.String()
	if runs == "" {
		runs = "a version that nobody named"
	}
	entry := Entry{Schema: LedgerSchema, Kind: EntryAdoption, Service: r.Service, Color: live, At: at.UTC(), Sequence: r.Applied,
		Release: state.Release, Text: fmt.Sprintf("adopted: %s is live with %s: %s", live, runs, reason)}
	return next, entry, nil
}
