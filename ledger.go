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
	EntryDropped  EntryKind = "dropped"  // a person removed a dead letter
	EntryReload   EntryKind = "reload"   // a daemon goes on with another configuration or other suites
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
	Reason   string    `json:"reason,omitempty"` // why traffic moved, as its event says: a SwitchReason
	Gap      bool      `json:"gap,omitempty"`    // traffic moved under a gate that wasn't open
	Letter   uint64    `json:"letter,omitempty"` // the dead letter that was dropped, by its number
	Reload   *Reload   `json:"reload,omitempty"`
	Text     string    `json:"text"`
}

// A Reload is what a daemon does differently from now on.
type Reload struct {
	From    string   `json:"from"`             // digest of the configuration before
	To      string   `json:"to"`               // and of the one that is in force
	Changes []string `json:"changes"`          // what differs, a line each
	Weaker  []string `json:"weaker,omitempty"` // by what a gate opens more easily than before
}

// ID makes a repeated write of the same entry recognizable.
func (e Entry) ID() string {
	id := fmt.Sprintf("%s.%s.%d.%s.%s", e.Service, e.Kind, e.Sequence, e.Color, e.Run)
	switch e.Kind {
	case EntryDropped:
		return fmt.Sprintf("%s.%d", id, e.Letter)
	case EntryReload: // no event brought it about
		return fmt.Sprintf("%s.%s.%d", id, e.By, e.At.UnixNano())
	}
	return id
}
