package plumbline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Seen remembers an event, so that the same event again is recognized and a forged repetition is refused.
type Seen struct {
	Run      string `json:"run"`
	Mark     string `json:"mark"` // Event.Mark
	Sequence uint64 `json:"sequence"`
}

// Mark is what tells an event from another with the same id: 16 hex digits that depend on its kind and its data.
func (e Event) Mark() string {
	sum := sha256.Sum256([]byte(string(e.Kind) + "\x00" + e.Hash))
	return hex.EncodeToString(sum[:8])
}

// UsedBefore says why an event with a used id can't be served, of which the stream holds the first at a sequence.
func (e Event) UsedBefore(sequence uint64) string {
	return fmt.Sprintf("event id %q was used before, with other data or another type (stream sequence %d): send it with a new id", e.ID, sequence)
}

// SeenRun is the event whose run this is, if it is remembered.
func (r Record) SeenRun(run string) (Seen, bool) {
	for _, seen := range [][]Seen{r.Recent, r.Facts} {
		for i := len(seen) - 1; i >= 0; i-- {
			if seen[i].Run == run {
				return seen[i], true
			}
		}
	}
	return Seen{}, false
}

// Clash says why an event can't be served: its id came before, with other data or another type, or it can't be about this service at
// all, which decoders refuse before.
func (r Record) Clash(e Event) string {
	if e.Service != r.Service {
		return fmt.Sprintf("the event is about service %q, want %q", e.Service, r.Service)
	}
	if _, err := ParseColor(string(e.Color)); err != nil {
		return err.Error()
	}
	switch e.Kind {
	case EventDeploying, EventDeployed, EventSwitched, EventRequested, EventSlot:
	default:
		return fmt.Sprintf("unknown kind of event %q", e.Kind)
	}
	seen, again := r.SeenRun(e.Run)
	if again && seen.Sequence == e.Sequence {
		return "" // the same message
	}
	if e.Sequence <= r.Applied && !r.AppliedAt.IsZero() && e.At.Sub(r.AppliedAt) > ClockTolerance {
		return fmt.Sprintf("stream sequence %d comes after %d: the event stream was made anew, and the record of %s is of the old one (plumbline adopt %s --live COLOR --reason TEXT)",
			e.Sequence, r.Applied, r.Service, r.Service)
	}
	if !again || seen.Mark == e.Mark() {
		return ""
	}
	return e.UsedBefore(seen.Sequence)
}

// Ignore is the record after an event that has no effect.
func (r Record) Ignore(e Event) Record {
	next := r.Clone()
	next.Applied, next.AppliedAt, next.Outbox = e.Sequence, e.At, nil
	for _, entry := range r.Outbox {
		if entry.Kind == EntryWindow { // it came without an event, and is kept until it is heard
			next.Outbox = append(next.Outbox, entry)
		}
	}
	return next
}

func (r *Record) remember(e Event) {
	seen := Seen{Run: e.Run, Mark: e.Mark(), Sequence: e.Sequence}
	r.Recent = append(r.Recent, seen)
	r.Recent = r.Recent[max(0, len(r.Recent)-MaxRecent):]
	if e.Kind == EventSwitched || e.Kind == EventDeploying {
		r.Facts = append(r.Facts, seen)
		r.Facts = r.Facts[max(0, len(r.Facts)-MaxFacts):]
	}
}
