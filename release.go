package plumbline

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Release is what a color runs: a version, and the digest of its artifact where it is known.
type Release struct {
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// String is the version, with the first digits of the digest.
func (r Release) String() string {
	if r.Digest == "" {
		return r.Version
	}
	algorithm, hex, _ := strings.Cut(r.Digest, ":")
	if len(hex) > 12 {
		hex = hex[:12]
	}
	return r.Version + " (" + algorithm + ":" + hex + ")"
}

// Change is what change management knows about a release. Nothing decides by it but its presence.
type Change struct {
	ID          string `json:"id,omitempty"`
	URL         string `json:"url,omitempty"`
	Commit      string `json:"commit,omitempty"`
	RequestedBy string `json:"requested_by,omitempty"`
	ApprovedBy  string `json:"approved_by,omitempty"`
}

// EventKind says what an event tells.
type EventKind string

// The kinds of events.
const (
	EventDeploying EventKind = "deploying" // a color is being changed
	EventDeployed  EventKind = "deployed"  // a release runs on a color
	EventSwitched  EventKind = "switched"  // traffic moved to a color
	EventRequested EventKind = "requested" // somebody wants a run
	EventSlot      EventKind = "slot"      // the standby clock ticked
)

// SwitchReason says why traffic moved.
type SwitchReason string

// The reasons of a switch.
const (
	ReasonPromote    SwitchReason = "promote"
	ReasonRollback   SwitchReason = "rollback"
	ReasonBreakGlass SwitchReason = "break_glass"
)

// An Event is a decoded message of the event stream. It names services and colors, never hosts.
type Event struct {
	Kind    EventKind
	Run     string // see RunID
	ID      string // the sender's id
	Source  string
	Service string
	Color   Color // for a switch, the color that traffic moved to
	Release Release
	Change  Change
	Reason  string // a SwitchReason, or why somebody wants a run
	By      string
	Epoch   uint64 // of a switch, 0 if the sender named none

	Sequence uint64    // stream sequence
	At       time.Time // stream time
	Hash     string    // first 16 hex digits of the SHA-256 of the data
}

var runEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// RunID names the run of an event: the same event, sent again, is the same run.
func RunID(subject, source, id string) string {
	sum := sha256.Sum256([]byte(subject + "\x00" + source + "\x00" + id))
	return runEncoding.EncodeToString(sum[:])[:26]
}

// Before says whether the version is lower than another, number by number: 2026.9.1 is before 2026.11. What follows a
// dash or a plus sign counts for nothing, and a version that isn't made of numbers is before none.
func (r Release) Before(version string) bool {
	own, other := numbers(r.Version), numbers(version)
	if own == nil || other == nil {
		return false
	}
	for len(own) < len(other) {
		own = append(own, 0)
	}
	for len(other) < len(own) {
		other = append(other, 0)
	}
	return slices.Compare(own, other) < 0
}

// numbers are those of a dotted version, or nil if it has others than numbers.
func numbers(version string) []uint64 {
	version = strings.TrimPrefix(version, "v")
	if end := strings.IndexAny(version, "-+"); end >= 0 {
		version = version[:end]
	}
	var all []uint64
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return nil
		}
		all = append(all, n)
	}
	return all
}
