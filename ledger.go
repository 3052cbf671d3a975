package plumbline

import (
	"fmt"
	"time"
)

// EntryKind says what a ledger entry tells.
type EntryKind string

// The kinds of ledger entries.
const (
	EntryVerdict  EntryKind = "verdict"
	EntrySwitch   EntryKind = "switch"
	EntryRelease  EntryKind = "release"
	EntryRefusal  EntryKind = "refusal"
	EntryWindow   EntryKind = "window"
	EntryRecorded EntryKind = "recorded"
	EntryAdoption EntryKind = "adoption" // a person said which color is live
	EntryIntent   EntryKind = "intent"   // a run is about to leave behind what it takes back itself
)

// LedgerSchema names the shape of an Entry.
const LedgerSchema = "plumbline.ledger/v1"

// An Entry is one line of a service's ledger.
type Entry struct {
	Schema   string    `json:"schema"`
	Kind     EntryKind `json:"kind"`
	Service  string    `json:"service"`
	Color    Color     `json:"color,omitempty"`
	At       time.Time `json:"at"`
	Sequence uint64    `json:"sequence,omitempty"` // of the event
	Event    string    `json:"event,omitempty"`
	Run      string    `json:"run,omitempty"`
	Release  Release   `json:"release,omitzero"`
	Outcome  string    `json:"outcome,omitempty"`
	By       string    `json:"by,omitempty"`
	Gap      bool      `json:"gap,omitempty"` // traffic moved under a gate that wasn't open
	Text     string    `json:"text"`
}

// ID makes a repeated write of the same entry recognizable.
func (e Entry) ID() string {
	return fmt.Sprintf("%s.%s.%d.%s.%s", e.Service, e.Kind, e.Sequence, e.Color, e.Run)
}
