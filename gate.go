package plumbline

import "time"

// A Purpose says what traffic would move for. The zero Purpose is read as PurposePromote.
type Purpose string

// The purposes of a switch.
const (
	PurposePromote  Purpose = "promote"
	PurposeRollback Purpose = "rollback"
)

// GateState is the answer of a gate. The zero state is none of these and is read as closed.
type GateState string

// The states of a gate.
const (
	GateOpen    GateState = "open"
	GateClosed  GateState = "closed"
	GateWaiting GateState = "waiting" // not decided yet
)

// Asked is a question to a gate. What isn't named means what is deployed there now.
type Asked struct {
	Color   Color
	Purpose Purpose
	Version string
	Digest  string
	Event   string // id of the release event that is meant
}

// A Gate is the answer: may traffic move to this color, for this deployment, now?
type Gate struct {
	Schema      string    `json:"schema"`
	Gate        GateState `json:"gate"`
	Verdict     string    `json:"verdict"` // pass, fail, pending, expired
	Because     string    `json:"because"`
	Fresh       bool      `json:"fresh"`
	Advice      string    `json:"advice"` // none or rollback
	Progress    string    `json:"progress"`
	Reason      string    `json:"reason"`
	Warning     string    `json:"warning,omitempty"`
	WouldBe     GateState `json:"would_be,omitempty"`
	Readiness   string    `json:"readiness,omitempty"` // of a rollback
	Next        []string  `json:"next"`
	Run         string    `json:"run,omitempty"`
	Service     string    `json:"service"`
	Color       Color     `json:"color"`
	Role        Role      `json:"role"`
	Purpose     Purpose   `json:"purpose"`
	Deployment  uint64    `json:"deployment"`
	Release     Release   `json:"release"`
	Signed      string    `json:"signed"` // yes or no
	EvaluatedAt time.Time `json:"evaluated_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Epoch       uint64    `json:"epoch"`
}

// GateSchema names the shape of a Gate.
const GateSchema = "plumbline.gate/v1"

// What a gate document says of the verdict.
const (
	VerdictPending = "pending"
	VerdictExpired = "expired"
)

// Why a gate is as it is.
const (
	BecauseVerdict     = "verdict"
	BecauseAlreadyLive = "already_live"
	BecauseRollback    = "rollback"
	BecauseNoRecord    = "no_record"
	BecauseNoRelease   = "no_release"
	BecauseOtherGone   = "other_release"
	BecauseUnknown     = "unknown_release"
	BecauseDeploying   = "deploying"
	BecauseRunning     = "running"
	BecauseNoVerdict   = "no_verdict"
	BecauseStandby     = "standby"
	BecauseNotStandby  = "not_standby"
	BecauseExpired     = "expired"
	BecauseVoid        = "void"
	BecauseSuites      = "suites_changed"
	BecauseRefused     = "refused"
	BecauseObserving   = "observing"
)

// Rollback readiness.
const (
	Ready    = "ready"
	AtRisk   = "at_risk"
	NotReady = "not_ready"
)

// AdviceRollback and AdviceNone are the advice of a gate document.
const (
	AdviceNone     = "none"
	AdviceRollback = "rollback"
)
