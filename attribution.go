package plumbline

import (
	"errors"
	"slices"
	"time"
)

// Attribution says whose fault a failure is.
type Attribution string

// The attributions.
const (
	AttributedRelease Attribution = "release" // the other color passes the same check
	AttributedShared  Attribution = "shared"  // the other color fails it too, asked independently
	AttributedUnknown Attribution = "unknown"
)

// Class says what kind of failure it was. The zero Class is none: two failures without a class are never the same.
type Class string

// The classes of failures.
const (
	ClassCredential  Class = "credential"  // who asks isn't known, or not any more
	ClassPermission  Class = "permission"  // who asks is known, and may not
	ClassMisconfig   Class = "misconfig"   // the question went to the wrong place, tenant, channel or account
	ClassThrottled   Class = "throttled"   // asked too often
	ClassOutage      Class = "outage"      // nobody is there, or not well
	ClassMaintenance Class = "maintenance" // down on purpose
	ClassEmptyData   Class = "empty_data"  // everything is allowed, and nothing comes
	ClassProtocol    Class = "protocol"    // an answer, and not the one that was agreed on
)

// Classes lists all classes.
func Classes() []Class {
	return []Class{ClassCredential, ClassPermission, ClassMisconfig, ClassThrottled, ClassOutage, ClassMaintenance, ClassEmptyData, ClassProtocol}
}

// Passing says whether a class of failure is one that goes by itself.
func (c Class) Passing() bool {
	return c == ClassOutage || c == ClassMaintenance || c == ClassThrottled
}

// A Tier says how far a question to a provider got. The zero Tier is nowhere.
type Tier string

// The tiers, each behind the one before it.
const (
	TierReach      Tier = "reach"      // the provider itself answered
	TierCredential Tier = "credential" // it knows who asks
	TierPermission Tier = "permission" // who asks may have what the check names
	TierData       Tier = "data"       // a row really came
)

// Tiers lists the tiers in their order.
func Tiers() []Tier { return []Tier{TierReach, TierCredential, TierPermission, TierData} }

// OnShared says what a failure does that the live color shares. The zero OnShared is read as SharedBlock.
type OnShared string

// What a shared failure does.
const (
	SharedBlock OnShared = "block" // it fails the verdict
	SharedWait  OnShared = "wait"  // the run stays pending and asks again, and fails in the end
	SharedWarn  OnShared = "warn"  // where a provider is down, it is only told
)

// SharedPolicies lists what a shared failure may do.
func SharedPolicies() []OnShared { return []OnShared{SharedBlock, SharedWait, SharedWarn} }

// ErrUnreached marks a question whose target could not be resolved, dialled or verified: the fault may be our own.
var ErrUnreached = errors.New("unreached")

// A Control is what the live color said to a check that failed elsewhere.
type Control struct {
	Color     Color   `json:"color,omitempty"`
	Outcome   Outcome `json:"outcome"` // skipped: it could not be asked there, and the reason says why
	Class     Class   `json:"class,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Unreached bool    `json:"unreached,omitempty"` // nobody was there to answer
}

// Beside is who is asked the same when a check of the run fails.
func (v Verdict) Beside() string {
	if v.Role == RoleLive {
		return "the standby"
	}
	return "the live color"
}

// Attribute says whose fault a failure is, given what the control said. Independent means that the control was asked at
// another address or with another credential.
func Attribute(failed Result, control *Control, independent bool) Attribution {
	switch {
	case control == nil:
		return AttributedUnknown
	case control.Outcome == Passed:
		return AttributedRelease
	case control.Outcome != Failed && control.Outcome != Errored, control.Unreached, !independent:
		return AttributedUnknown
	case failed.Class == "" || control.Class != failed.Class:
		return AttributedUnknown
	}
	return AttributedShared
}

// settleAttribution trusts an attribution only as far as it is proven by the control that comes with it.
func settleAttribution(c Check, r Result) Attribution {
	if r.Outcome == Skipped { // it needed another, whose attribution it has
		if slices.Contains([]Attribution{AttributedRelease, AttributedShared}, r.Attribution) {
			return r.Attribution
		}
		return AttributedUnknown
	}
	if c.Effect != EffectNone {
		return AttributedUnknown
	}
	if proven := Attribute(r, r.Control, true); proven == r.Attribution {
		return proven
	}
	return AttributedUnknown
}

// waved says whether a shared failure is only told: its service, connection or check wants that, a provider was asked,
// and what is wrong there goes by itself.
func waved(c Check, r Result) bool {
	return r.Attribution == AttributedShared && r.Outcome != Skipped && c.OnShared == SharedWarn && c.Connection != "" && r.Class.Passing()
}

// attributionOf is the verdict's: the release's if any failure is, else unknown if any is, else shared.
func attributionOf(failures []Result) Attribution {
	worst := Attribution("")
	for _, r := range failures {
		switch {
		case r.Attribution == AttributedRelease:
			return AttributedRelease
		case r.Attribution != AttributedShared:
			worst = AttributedUnknown
		case worst == "":
			worst = AttributedShared
		}
	}
	return worst
}

// unreached says whether every failure could be asked of neither color.
func unreached(failures []Result) bool {
	for _, r := range failures {
		if r.Outcome != Skipped && (r.Outcome != Errored || r.Control == nil || !r.Control.Unreached) {
			return false
		}
	}
	return len(failures) > 0
}

// fault says in a few words whose fault it is and what follows.
func fault(v Verdict, failures []Result) string {
	other := Color("")
	for _, r := range failures {
		if r.Control != nil && r.Control.Color != "" {
			other = r.Control.Color
		}
	}
	if other == "" {
		return ""
	}
	switch v.Attribution {
	case AttributedRelease:
		return "it is the release: " + string(other) + " passes the same"
	case AttributedShared:
		return "it is not the release: " + string(other) + " fails the same way"
	}
	if v.Unreached {
		return "whose fault it is can't be told: neither color could be asked"
	}
	return "whose fault it is can't be told"
}

// oldest is when the oldest of the answers was given that were kept from another run; zero if none was.
func oldest(results []Result) time.Time {
	var first time.Time
	for _, r := range results {
		if !r.AskedAt.IsZero() && (first.IsZero() || r.AskedAt.Before(first)) {
			first = r.AskedAt
		}
	}
	return first
}
