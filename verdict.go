package plumbline

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Outcome is the end of a check. The zero Outcome is none of these and never counts as passed.
type Outcome string

// The outcomes of a check.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"  // answered wrongly
	Errored Outcome = "errored" // could not be asked
	Skipped Outcome = "skipped"
)

// Seconds is a duration that reads as a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON writes seconds with millisecond precision.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', 3, 64), nil
}

// UnmarshalJSON reads a number of seconds.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

// An Attempt is one time a check was asked.
type Attempt struct {
	At      time.Time `json:"at"`
	Seconds Seconds   `json:"seconds"`
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
}

// A Result is the answer to one check.
type Result struct {
	Name        string       `json:"name"`
	Kind        string       `json:"kind,omitempty"`
	Suite       string       `json:"suite"`
	Phase       Phase        `json:"phase,omitempty"`
	Place       string       `json:"place,omitempty"`
	Severity    Severity     `json:"severity"`
	Effect      Effect       `json:"effect,omitempty"`
	Outcome     Outcome      `json:"outcome"`
	Class       Class        `json:"class,omitempty"`
	Tier        Tier         `json:"tier,omitempty"` // how far a question to a provider got
	Reason      string       `json:"reason,omitempty"`
	Detail      string       `json:"-"` // a piece of the answer, for the terminal of who asked: bodies never leave the process
	Attribution Attribution  `json:"attribution,omitempty"`
	Control     *Control     `json:"control,omitempty"`  // of a failure: what the live color said
	Waved       bool         `json:"waved,omitempty"`    // a failure that was only told, because it is shared
	Warnings    []string     `json:"warnings,omitempty"` // what is right today and won't stay so
	AskedAt     time.Time    `json:"asked_at,omitzero"`  // of an answer that another run was given
	Flaky       bool         `json:"flaky,omitempty"`    // passed, but not at once
	Owner       string       `json:"owner,omitempty"`
	Impact      string       `json:"impact,omitempty"`
	Cure        string       `json:"cure,omitempty"`
	Attempts    []Attempt    `json:"attempts,omitempty"`
	Asked       int          `json:"asked,omitempty"` // attempts in all, where not all of them are kept
	Steps       []StepResult `json:"steps,omitempty"`
	Seconds     Seconds      `json:"seconds"`
}

// ID names the check in its plan.
func (r Result) ID() string { return r.Suite + "/" + r.Name }

// Brief leaves of a passed check what a reader of the verdict needs.
func (r Result) Brief() Result {
	if r.Outcome != Passed {
		return r
	}
	b := Result{Name: r.Name, Suite: r.Suite, Severity: r.Severity, Outcome: r.Outcome, Seconds: r.Seconds, Flaky: r.Flaky, Phase: r.Phase,
		Tier: r.Tier, Warnings: r.Warnings, AskedAt: r.AskedAt}
	if len(r.Attempts) > 1 {
		b.Attempts, b.Asked = r.Attempts, r.Asked
	}
	return b
}

// A SuiteRef names the exact bytes of a suite, and when it is asked.
type SuiteRef struct {
	Name     string    `json:"name"`
	Digest   string    `json:"digest"`
	Triggers []Trigger `json:"triggers,omitempty"`
	Always   bool      `json:"always,omitempty"` // used as it is today, whatever was pinned
	Counts   *Counts   `json:"counts,omitempty"` // of its checks, in a verdict that doesn't name them all
}

// Answers says whether the suite is asked at this trigger.
func (s SuiteRef) Answers(to Trigger) bool {
	for _, t := range s.Triggers {
		if t == to {
			return true
		}
	}
	return false
}

// A Plan is everything a run asks, and for whom.
type Plan struct {
	Run          string
	Service      string
	Color        Color
	Role         Role
	Trigger      Trigger
	Deployment   uint64
	Release      Release
	Change       Change
	Event        EventRef
	Suites       []SuiteRef
	ConfigDigest string
	Site         Site
	Live         Site // see Ask
	Checks       []Check
	Timeouts     map[string]time.Duration // of suites by name, from the start of the run
	Takeover     bool                     // the run was begun before, by somebody who didn't end it
	StartedAt    time.Time
	ValidFor     time.Duration
	Worker       string
	Tool         string
}

// EventRef names the event that a run answers.
type EventRef struct {
	ID       string `json:"id"`
	Sequence uint64 `json:"sequence"`
}

// The outcomes of a verdict. The zero value is neither, and is no pass.
const (
	Pass = "pass"
	Fail = "fail"
)

// Cause says what made a verdict a fail; a pass has none.
type Cause string

// The causes.
const (
	CauseChecks     Cause = "checks"
	CauseSuperseded Cause = "superseded" // the color changed under the run
	CauseDeadline   Cause = "deadline"
	CauseUnfinished Cause = "unfinished" // started too often without an end
	CauseRefused    Cause = "refused"    // the event may not have a run
)

// Counts is how the checks of a run ended.
type Counts struct {
	Passed         int `json:"passed"`
	Failed         int `json:"failed"`
	Errored        int `json:"errored"`
	Skipped        int `json:"skipped"`
	AdvisoryFailed int `json:"advisory_failed"`
	Flaky          int `json:"flaky"`
	Waved          int `json:"waved,omitempty"` // critical failures that were only told, because they are shared
}

// Total is how many checks there were.
func (c Counts) Total() int { return c.Passed + c.Failed + c.Errored + c.Skipped }

// A Verdict is what a run says. It is written once. The zero Verdict says no.
type Verdict struct {
	Schema       string      `json:"schema"`
	Run          string      `json:"run"`
	Service      string      `json:"service"`
	Color        Color       `json:"color"`
	Role         Role        `json:"role"`
	Trigger      Trigger     `json:"trigger"`
	Deployment   uint64      `json:"deployment"`
	Release      Release     `json:"release"`
	Change       *Change     `json:"change,omitempty"`
	Outcome      string      `json:"outcome"`
	Cause        Cause       `json:"cause,omitempty"`
	Reason       string      `json:"reason"`
	Attribution  Attribution `json:"attribution,omitempty"`
	Unreached    bool        `json:"unreached,omitempty"` // what failed could be asked of neither color
	Counts       Counts      `json:"counts"`
	Checks       []Result    `json:"checks"`
	Suites       []SuiteRef  `json:"suites"`
	PlanDigest   string      `json:"plan_digest,omitempty"`
	ConfigDigest string      `json:"config_digest,omitempty"`
	Tool         string      `json:"tool"`
	Event        EventRef    `json:"event"`
	StartedAt    time.Time   `json:"started_at"`
	FinishedAt   time.Time   `json:"finished_at"`
	ExpiresAt    time.Time   `json:"expires_at"`
	Worker       string      `json:"worker"`
}

// VerdictSchema names the shape of a Verdict.
const VerdictSchema = "plumbline.verdict/v1"

// Passed says whether the verdict is a pass.
func (v Verdict) Passed() bool { return v.Outcome == Pass }

// PlanDigest names a set of suites by their digests, whatever their order.
func PlanDigest(suites []SuiteRef) string {
	names := make([]string, 0, len(suites))
	for _, s := range suites {
		names = append(names, s.Name+"@"+s.Digest)
	}
	slices.Sort(names)
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(strings.Join(names, "\n"))))
}
