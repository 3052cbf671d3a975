package plumbline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Check is one question put to an environment.
type Check struct {
	Name     string // unique in its suite
	Suite    string
	Kind     string
	Place    string // file:line of its definition
	Severity Severity
	Effect   Effect
	Owner    string // who answers for it
	Impact   string // what is broken for whom when it fails
	Cure     string // what to do about it
	Tags     []string

	Timeout        time.Duration // for all attempts and the waits between them
	AttemptTimeout time.Duration // for one attempt; 0 means Timeout/(Retries+1)
	Retries        int
	RetryOn        RetryRule

	Poll   Poll   // asks until the answer is right; the zero Poll doesn't
	Phase  Phase  // when in its suite it is asked
	Undoes string // of PhaseTeardown: the check whose effect it takes back, or nothing if it is the suite's

	Needs      []string // names of checks of the suite that must pass first; captures imply them
	Uses       []string // of Needs, those whose captures it uses
	Public     []string // its captures that may be shown
	Skip       string   // a reason, if the check isn't asked
	Repeatable bool     // its request carries the run's id: the target can recognize that it is sent again

	Uncontrolled bool          // it is not asked of the live color when it fails
	Connection   string        // whose provider it asks, itself or through the environment; nothing: it asks no provider
	OnShared     OnShared      // what its failure does if the live color shares it
	WaitFor      time.Duration // of SharedWait: how long it is asked again
	MaxAge       time.Duration // how old an answer of another run may be that serves a standby; 0: none serves
	Prober
}

// A Phase is when in its suite a check is asked.
type Phase string

// The phases. What was set up or torn down proves nothing of a release.
const (
	PhaseChecks   Phase = ""
	PhaseSetup    Phase = "setup"    // before all others
	PhaseTeardown Phase = "teardown" // behind all others, however they and the run end
)

// A Poll asks again until the answer is right or final.
type Poll struct {
	Every time.Duration // from the end of one attempt to the next
	For   time.Duration // no attempt begins later than this; 0 means that nothing is polled
}

// ID names a check in a plan of several suites.
func (c Check) ID() string { return c.Suite + "/" + c.Name }

// A Prober asks once.
type Prober interface {
	// Probe returns nil when the answer is right, an error that wraps ErrFailed when it is wrong, and any other
	// error when the question could not be asked. It returns soon after ctx is done.
	Probe(ctx context.Context, ask Ask) (Answer, error)
}

// ProberFunc makes a Prober of a function.
type ProberFunc func(ctx context.Context, ask Ask) (Answer, error)

// Probe calls f.
func (f ProberFunc) Probe(ctx context.Context, ask Ask) (Answer, error) { return f(ctx, ask) }

// A Site is an environment to ask: where one color of a service answers.
type Site struct {
	Service string
	Color   Color
	URL     string // base of relative URLs
	Vars    map[string]any
	Role    Role    // what the color is used for, where that is known
	Release Release // what runs there, where that is known

	Until time.Time // when its standby window ends; zero: it is no standby, or nobody knows
}

// An Ask is what a prober may know about the run it belongs to.
type Ask struct {
	Site     Site
	Live     Site   // what Site is held against: the live color, or the standby where Site is live; no URL: there is none
	Run      string // the same for every attempt and redelivery
	Release  Release
	Captures map[string]any  // of the checks this one needs
	Public   map[string]bool // captures that may be shown
	Ends     time.Time       // when the run is over at the latest; zero: nobody bounds it
}

// An Answer is what a prober saw.
type Answer struct {
	Latency  time.Duration  // of the exchange, body included
	Status   int            // of an HTTP exchange, otherwise 0
	Captures map[string]any // values for later checks of the suite
	Detail   string         // a bounded, redacted piece of what was answered, for a person
	Final    bool           // of a wrong answer: it stays so, however often it is asked
	Steps    []StepResult   // of a scenario

	Class      Class         // of a failure
	Tier       Tier          // how far a question to a provider got
	RetryAfter time.Duration // how long who answered wants to be left alone
	Warnings   []string      // what is right today and won't stay so
}

// A StepResult is one step of a scenario.
type StepResult struct {
	Name    string        `json:"name"`
	Place   string        `json:"place,omitempty"` // file:line
	Outcome Outcome       `json:"outcome"`
	Reason  string        `json:"reason,omitempty"`
	Seconds Seconds       `json:"seconds"`
	Latency time.Duration `json:"-"`
}

// A Witness is a prober that says whether asking two sites is asking twice: at other addresses, or with other
// credentials. What is no Witness proves nothing by failing twice.
type Witness interface {
	Independent(a, b Site) bool
}

// ErrFailed marks an answer that came and was wrong.
var ErrFailed = errors.New("failed")

// Failf says what was seen and what was wanted: "answered 503, want 200".
func Failf(format string, args ...any) error {
	return &failure{fmt.Sprintf(format, args...)}
}

type failure struct{ text string }

func (f *failure) Error() string        { return f.text }
func (f *failure) Is(target error) bool { return target == ErrFailed }

// A RetryRule says after which attempts a check is asked again. The zero rule is the default of the language: what
// could not be asked, and answers that throttle or that come from a proxy without a backend.
type RetryRule struct {
	Never    bool
	Errored  bool
	Failed   bool
	Statuses []int
}

// DefaultRetryStatuses are the answers that don't come from the application itself.
var DefaultRetryStatuses = []int{429, 502, 503, 504}

// Wants says whether an attempt with this end is worth another.
func (r RetryRule) Wants(answer Answer, err error) bool {
	if err == nil || r.Never {
		return false
	}
	failed := errors.Is(err, ErrFailed)
	if !r.Errored && !r.Failed && r.Statuses == nil {
		r = RetryRule{Errored: true, Statuses: DefaultRetryStatuses}
	}
	if !failed {
		return r.Errored
	}
	for _, status := range r.Statuses {
		if answer.Status == status {
			return true
		}
	}
	return r.Failed
}
