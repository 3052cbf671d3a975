// Package plumbline is the vocabulary of a gate for blue/green deployments: events, services, checks, runs,
// verdicts and gates, with the pure rules that connect them.
//
//   - Record.Apply moves the roles of a service's two colors, one event at a time.
//   - Judge turns the results of a run into a verdict.
//   - Decide answers from a record whether traffic may move.
//
// The package does no I/O and imports only the standard library. Everywhere in it the zero value says no.
package plumbline

import (
	"fmt"
	"regexp"
)

// A Color names one of the two identical environments of a service.
type Color string

// The two colors.
const (
	Blue  Color = "blue"
	Green Color = "green"
)

// Colors lists both colors in the order in which people read them.
func Colors() []Color { return []Color{Blue, Green} }

// Other returns the opposite color, and nothing for what is no color.
func (c Color) Other() Color {
	switch c {
	case Blue:
		return Green
	case Green:
		return Blue
	}
	return ""
}

// ParseColor refuses everything but the two colors.
func ParseColor(text string) (Color, error) {
	if c := Color(text); c.Other() != "" {
		return c, nil
	}
	return "", fmt.Errorf("unknown color %q, want blue or green", text)
}

// A Role says what a color is used for. The zero Role is unknown.
type Role string

// The roles of a color.
const (
	RoleLive    Role = "live"    // takes traffic
	RoleIdle    Role = "idle"    // awaits a release
	RoleStandby Role = "standby" // was live, kept for a rollback
)

// A Trigger says why a run happens.
type Trigger string

// The triggers.
const (
	TriggerRelease  Trigger = "release"  // the idle color, after a deployment
	TriggerSwitched Trigger = "switched" // the live color, right after traffic moved
	TriggerStandby  Trigger = "standby"  // the standby color, on a schedule
	TriggerManual   Trigger = "manual"   // a person asked
)

// SuiteTriggers lists the triggers a suite may answer to. A manual run has none of its own: see Role.SuiteTrigger.
func SuiteTriggers() []Trigger {
	return []Trigger{TriggerRelease, TriggerSwitched, TriggerStandby}
}

// SuiteTrigger is the trigger whose suites are asked of a color in this role: a manual run uses the plan of the role.
func (r Role) SuiteTrigger() Trigger {
	switch r {
	case RoleLive:
		return TriggerSwitched
	case RoleStandby:
		return TriggerStandby
	}
	return TriggerRelease
}

// Severity says whether a check decides a verdict. The zero Severity is read as Critical.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	Advisory Severity = "advisory"
)

// Effect says what a check leaves behind. The zero Effect is read as Lasting.
type Effect string

// The effects.
const (
	EffectNone    Effect = "none"    // nothing
	EffectUndone  Effect = "undone"  // something that its teardown removes
	EffectLasting Effect = "lasting" // something that stays
)

// MaxNameLength bounds names of services, suites, connections and reporters.
const MaxNameLength = 63

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// CheckName refuses a name that can't be a subject token, a key or a file name everywhere.
func CheckName(name string) error {
	if nameRule.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q is no name: want a lower-case letter, then up to %d letters, digits or dashes", name, MaxNameLength-1)
}
