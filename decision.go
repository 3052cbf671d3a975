package plumbline

import (
	"fmt"
	"time"
)

// expiry is when a pass stops to open a gate: by the policy of today, and never later than the verdict itself says.
func (d *decision) expiry(v *VerdictRef) time.Time {
	until := v.FinishedAt.Add(d.policy.ValidFor)
	if !v.ExpiresAt.IsZero() && v.ExpiresAt.Before(until) {
		until = v.ExpiresAt
	}
	return until.UTC()
}

func (d *decision) isFresh(v *VerdictRef) bool {
	return d.now.Before(d.expiry(v)) && v.FinishedAt.Before(d.now.Add(ClockTolerance))
}

func (d *decision) whyStale(v *VerdictRef) string {
	finished := v.FinishedAt.UTC().Format(time.RFC3339)
	if ahead := v.FinishedAt.Sub(d.now); ahead >= ClockTolerance {
		return fmt.Sprintf("the pass ended %s, which is %s from now: the clocks are too far apart", finished, ahead.Round(time.Second))
	}
	return fmt.Sprintf("the pass ended %s and was valid until %s", finished, d.expiry(v).Format(time.RFC3339))
}

func (d *decision) progress() {
	for _, run := range d.state.Pending {
		if status, known := d.state.Progress[run.Run]; known {
			d.Progress = fmt.Sprintf("%d/%d", status.Done, status.Total)
		}
	}
}

// observe lets through what would be held back, and says so, while a service is only being watched.
func (d *decision) observe() {
	if !d.now.Before(d.policy.ObserveUntil) {
		return
	}
	until := d.policy.ObserveUntil.UTC().Format(time.RFC3339)
	if d.Gate.Gate != GateOpen {
		d.WouldBe, d.Because = d.Gate.Gate, BecauseObserving
		d.Gate.Gate = GateOpen
		d.Warning = "OBSERVING: the gate would be " + string(d.WouldBe)
	}
	d.Reason = "OBSERVING until " + until + ": " + d.Reason
}

func (d *decision) set(state GateState, because, format string, args ...any) {
	d.Gate.Gate, d.Because, d.Reason = state, because, fmt.Sprintf(format, args...)
}

func (d *decision) open(because, format string, args ...any) {
	d.set(GateOpen, because, format, args...)
}

func (d *decision) close(because, format string, args ...any) {
	d.set(GateClosed, because, format, args...)
}

func (d *decision) wait(because, format string, args ...any) {
	d.set(GateWaiting, because, format, args...)
}

func (d *decision) next(format string, args ...any) {
	d.Next = append(d.Next, fmt.Sprintf(format, args...))
}

// sameSuites says whether a run asked exactly the suites that are configured. No suites are never the same.
func sameSuites(ran, configured []SuiteRef) bool {
	if len(configured) == 0 || len(ran) != len(configured) {
		return false
	}
	digests := make(map[string]string, len(ran))
	for _, s := range ran {
		digests[s.Name] = s.Digest
	}
	for _, s := range configured {
		if digest, known := digests[s.Name]; !known || digest != s.Digest {
			return false
		}
	}
	return true
}

func orUnknown(r Release) string {
	switch {
	case r == (Release{}):
		return "nothing that was announced"
	case r.Version == "":
		return r.Digest
	}
	return r.String()
}
