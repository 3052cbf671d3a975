// Package reporters tells people what a run said, one file per audience.
//
// A reporter changes nothing: it is called after the verdict is durable, and what it can't deliver is retried by its
// caller, who asks Retryable whether that is worth it.
package reporters

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A Report is what there is to tell.
type Report struct {
	Verdict plumbline.Verdict

	// Gate is the answer for the verdict's color once the verdict counted: for a rollback if the color is the standby,
	// for a promotion otherwise. With the zero Gate the message says that it isn't known.
	Gate plumbline.Gate

	// Former is the outcome of the last standby run of this deployment that wasn't superseded; "" if there was none.
	Former string

	// PublicURL is where people reach the daemon; "" leaves the links out.
	PublicURL string

	// Lost are events that were put aside, oldest first: no verdict comes for them. A report of them has no verdict of
	// its own.
	Lost []Letter
}

// A Letter is an event that was put aside as a dead letter.
type Letter struct {
	Number  uint64
	Service string // "unknown" if the event named none
	Reason  string
}

// A Reporter tells one audience. Its errors never contain a secret.
type Reporter interface {
	Report(ctx context.Context, r Report) error
}

// News says whether anybody needs to hear of this. A standby is asked again and again: only a change is news.
func (r Report) News() bool {
	v := r.Verdict
	switch {
	case len(r.Lost) > 0:
		return true
	case v.Trigger != plumbline.TriggerStandby:
		return true
	case v.Cause == plumbline.CauseSuperseded:
		return false
	case v.Passed():
		return r.Former == plumbline.Fail
	}
	return r.Former != plumbline.Fail
}

// A Filter chooses verdicts. What it doesn't name, it takes: the zero Filter takes all.
type Filter struct {
	Services []string
	Outcomes []string // plumbline.Pass, plumbline.Fail
}

// Wants says whether the filter takes the verdict.
func (f Filter) Wants(v plumbline.Verdict) bool {
	return (len(f.Services) == 0 || slices.Contains(f.Services, v.Service)) &&
		(len(f.Outcomes) == 0 || slices.Contains(f.Outcomes, v.Outcome))
}

// WantsLetter says whether the filter takes a dead letter, which is the failure of whoever sent it.
func (f Filter) WantsLetter(l Letter) bool {
	return f.Wants(plumbline.Verdict{Service: l.Service, Outcome: plumbline.Fail})
}

// An Error is a report that didn't arrive.
type Error struct {
	Reason string
	Retry  bool          // the same report may arrive later
	After  time.Duration // how long the audience wants to be left alone; 0 if it didn't say
}

func (e *Error) Error() string { return e.Reason }

// Retryable says whether a report that ended with err is worth another try, and after how long at the earliest; 0
// leaves that to the caller. What isn't an Error of this package is not worth it.
func Retryable(err error) (bool, time.Duration) {
	var e *Error
	if !errors.As(err, &e) || !e.Retry {
		return false, 0
	}
	return true, e.After
}
