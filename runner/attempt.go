package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// Pauses between attempts double from firstPause to maxPause, spread by the jitter.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// grace is how long a prober whose context ended may take to say so in its own words.
const grace = 500 * time.Millisecond

// maxAttempts is how many attempts of a check are kept.
const maxAttempts = 20

// maxReason bounds what a prober may say, in bytes.
const maxReason = 2 << 10

// ask asks until the answer is right, no attempt is left or the time is over, and keeps every attempt, of very many the
// first and the last ones.
func (s *session) ask(ctx context.Context, at *seat, result plumbline.Result) plumbline.Result {
	c := at.check
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	begun := time.Now()
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	asked, putOff := 1, 0
	for ; ; asked++ {
		began := time.Now()
		answer, err := s.attempt(bounded, at.side, c, timeout)
		if err == nil && bounded.Err() != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // an answer after the end of the run is no answer
		}
		s.record(&result, c, began, answer, err)
		if err == nil {
			at.side.capture(c.Suite, answer.Captures)
		} else if throttled(c, answer) && at.rest(bounded, answer.RetryAfter) {
			putOff++ // which is no refusal
			continue
		}
		if c.Poll.For > 0 {
			if err == nil || answer.Final || time.Since(begun)+c.Poll.Every > c.Poll.For || !at.rest(bounded, c.Poll.Every) {
				break
			}
		} else if asked-putOff > c.Retries || !c.RetryOn.Wants(answer, err) || !s.pause(bounded, asked-putOff-1) {
			break
		}
	}
	if len(result.Attempts) < asked {
		result.Asked = asked
	}
	switch passed := result.Outcome == plumbline.Passed; {
	case c.Poll.For == 0:
		result.Flaky = passed && asked-putOff > 1
	case !passed && ctx.Err() != nil:
		result.Outcome = plumbline.Errored
		result.Reason = bound(fmt.Sprintf("%s; then it was cut off: %s", result.Reason, context.Cause(ctx)))
	case !passed && asked > 1:
		result.Reason = bound(fmt.Sprintf("%s; still so after %s", result.Reason, time.Since(begun).Round(100*time.Millisecond)))
	}
	result.Seconds = plumbline.Seconds(time.Since(begun))
	return result
}

var errTimeout = errors.New("the check's time is over")

// record adds an attempt to the result, which ends as its last attempt did. What is said is made printable once its
// secrets are out, which that would disguise.
func (s *session) record(result *plumbline.Result, c plumbline.Check, at time.Time, answer plumbline.Answer, err error) {
	said := func(text string) string { return bound(term.Line(s.options.Redact(text))) }
	result.Class, result.Tier, result.Warnings = classOf(answer, err), answer.Tier, nil
	for _, warning := range answer.Warnings {
		result.Warnings = append(result.Warnings, said(warning))
	}
	outcome, reason := plumbline.Errored, ""
	switch {
	case err == nil:
		outcome = plumbline.Passed
	case errors.Is(err, plumbline.ErrFailed):
		outcome = plumbline.Failed
	}
	if err != nil {
		reason = said(err.Error())
	}
	result.Outcome, result.Reason, result.Steps = outcome, reason, slices.Clone(answer.Steps)
	result.Detail = term.Printable(s.options.Redact(answer.Detail))
	for i, step := range result.Steps {
		result.Steps[i].Reason = said(step.Reason)
	}
	result.Attempts = append(result.Attempts, plumbline.Attempt{
		At: at.UTC(), Seconds: plumbline.Seconds(time.Since(at)), Outcome: outcome, Reason: reason,
	})
	if len(result.Attempts) > maxAttempts {
		result.Attempts = slices.Delete(result.Attempts, maxAttempts/2, maxAttempts/2+1)
	}
}

func (s *session) pause(ctx context.Context, n int) bool {
	return sleep(ctx, s.options.Jitter(min(firstPause<<min(n, 10), maxPause)))
}

// rest lets others have the place until the next attempt.
func (t *seat) rest(ctx context.Context, pause time.Duration) bool {
	t.leave()
	return sleep(ctx, pause) && t.take(ctx) == nil
}

// sleep says whether there is time for another attempt behind the pause.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

type asked struct {
	answer plumbline.Answer
	err    error
}

// attempt asks once. A prober that panics, or that doesn't come back soon after its time, is errored.
func (s *session) attempt(ctx context.Context, on *side, c plumbline.Check, timeout time.Duration) (plumbline.Answer, error) {
	limit := c.AttemptTimeout
	if limit <= 0 {
		limit = timeout / time.Duration(c.Retries+1)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ask := plumbline.Ask{Site: on.site, Live: on.live, Run: s.plan.Run, Release: on.site.Release, Captures: on.captured(c.Suite),
		Public: s.public[c.Suite], Ends: s.ends}
	back := make(chan asked, 1)
	go func() { back <- s.probe(ctx, c, ask) }()
	select {
	case got := <-back:
		return got.answer, plainly(ctx, got.err, limit)
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case got := <-back:
		if got.err == nil {
			got.err = late(ctx, limit)
		}
		return got.answer, plainly(ctx, got.err, limit)
	case <-timer.C:
		return plumbline.Answer{}, fmt.Errorf("did not come back within %s of its time limit of %s", grace, limit)
	}
}

func (s *session) probe(ctx context.Context, c plumbline.Check, ask plumbline.Ask) (got asked) {
	defer func() {
		if p := recover(); p != nil {
			where := ""
			for line := range strings.Lines(string(debug.Stack())) {
				if strings.Contains(line, ".go:") && !strings.Contains(line, "/runtime/") && !strings.Contains(line, "runner/attempt.go") {
					where = " at " + strings.TrimSpace(line[strings.LastIndexByte(line, '/')+1:])
					break
				}
			}
			got = asked{err: fmt.Errorf("the check itself broke: %v%s", p, where)}
		}
	}()
	answer, err := c.Probe(ctx, ask)
	return asked{answer, err}
}

// late says why a good answer counts for nothing: it came after its time, or after the run had ended.
func late(ctx context.Context, limit time.Duration) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("answered only after its time limit of %s", limit)
	}
	return fmt.Errorf("was cut off: %w", context.Cause(ctx))
}

// plainly gives the end of an attempt's time in words, where the prober has none of its own.
func plainly(ctx context.Context, err error, limit time.Duration) error {
	switch {
	case err == nil || errors.Is(err, plumbline.ErrFailed):
		return err
	case err.Error() != context.DeadlineExceeded.Error() && err.Error() != context.Canceled.Error():
		return err
	}
	switch cause := context.Cause(ctx); cause {
	case nil:
		return err
	case context.DeadlineExceeded, errTimeout:
		return fmt.Errorf("timed out after %s", limit)
	default:
		return fmt.Errorf("was cut off: %w", cause)
	}
}

func bound(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "…"
}
