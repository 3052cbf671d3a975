package plumbline

import (
	"fmt"
	"strings"
	"time"
)

// Judge passes a plan when every critical check of it passed, save those that the suite itself skips and failures that
// are shared where that is only to be told, and at least one passed in this very run. Results are matched to the plan by suite and name: a check without a result or with several counts as errored, a
// result without a check counts for nothing. Where nothing critical was asked, the cause is CauseRefused. Judge is pure:
// the same plan, results and time give the same verdict.
func Judge(plan Plan, results []Result, at time.Time) Verdict {
	v := verdictOf(plan, at)
	answers, twice := byCheck(results)
	critical, kept, failures, told := 0, 0, []Result(nil), []int(nil)
	v.Checks = make([]Result, 0, len(plan.Checks))
	for _, c := range plan.Checks {
		r, id := Result{Name: c.Name, Suite: c.Suite, Outcome: Errored, Reason: "was not asked"}, c.ID()
		if i, asked := answers[id]; asked {
			if r = results[i]; twice[id] {
				r.Outcome, r.Reason = Errored, "was answered twice"
			}
		}
		delete(answers, id) // one answer never serves two checks
		r = settle(c, r)
		v.Counts.Add(r)
		switch {
		case r.Severity == Advisory:
		case r.Outcome == Skipped && c.Skip != "": // skipped on purpose: neither a pass nor a failure
		case r.Outcome == Passed && c.Phase != PhaseChecks: // it made room for checks, and is none
		case r.Outcome == Passed && !r.AskedAt.IsZero():
			kept++ // another run asked it
		case r.Outcome == Passed:
			critical++
		default:
			if r.Attribution = settleAttribution(c, r); waved(c, r) {
				told = append(told, len(v.Checks))
			} else {
				failures = append(failures, r)
			}
		}
		v.Checks = append(v.Checks, r.Brief())
	}
	if first := oldest(v.Checks); !first.IsZero() && first.Add(plan.ValidFor).Before(v.ExpiresAt) {
		v.ExpiresAt = first.Add(plan.ValidFor).UTC()
	}
	for _, i := range told {
		if v.Checks[i].Waved = critical > 0; critical == 0 { // what only fails is not only told
			failures = append(failures, v.Checks[i])
			continue
		}
		v.Counts.Waved++
	}
	if critical > 0 && len(failures) == 0 {
		v.Outcome, v.Cause = Pass, ""
		v.Reason = passReason(v.Counts)
		return v
	}
	v.Attribution, v.Unreached = attributionOf(failures), unreached(failures)
	v.Reason = failReason(v, critical+kept, failures)
	if len(failures) == 0 {
		v.Cause = CauseRefused // no check failed, so nothing may be rolled back for it
	}
	return v
}

// byCheck finds results by the checks they answer, and the checks that are answered twice.
func byCheck(results []Result) (index map[string]int, twice map[string]bool) {
	index, twice = make(map[string]int, len(results)), map[string]bool{}
	for i, r := range results {
		id := r.ID()
		if _, before := index[id]; before {
			twice[id] = true
		}
		index[id] = i
	}
	return index, twice
}

// Refuse is the verdict of a run that ended, or never began, for another reason than its checks.
func Refuse(plan Plan, cause Cause, reason string, results []Result, at time.Time) Verdict {
	v := verdictOf(plan, at)
	v.Cause, v.Reason = cause, reason
	v.Checks = make([]Result, 0, len(results))
	for _, r := range results {
		v.Counts.Add(r)
		v.Checks = append(v.Checks, r.Brief())
	}
	return v
}

// verdictOf is a fail for this plan, to be improved on.
func verdictOf(plan Plan, at time.Time) Verdict {
	v := Verdict{
		Schema: VerdictSchema, Run: plan.Run, Service: plan.Service, Color: plan.Color, Role: plan.Role,
		Trigger: plan.Trigger, Deployment: plan.Deployment, Release: plan.Release,
		Outcome: Fail, Cause: CauseChecks, ConfigDigest: plan.ConfigDigest, Tool: plan.Tool, Event: plan.Event,
		StartedAt: plan.StartedAt.UTC(), FinishedAt: at.UTC(), ExpiresAt: at.Add(plan.ValidFor).UTC(), Worker: plan.Worker,
	}
	if plan.Change != (Change{}) {
		change := plan.Change
		v.Change = &change
	}
	v.Suites = make([]SuiteRef, 0, len(plan.Suites))
	for _, s := range plan.Suites {
		v.Suites = append(v.Suites, SuiteRef{Name: s.Name, Digest: s.Digest})
	}
	return v
}

// settle takes what the plan says of a check over what the result says, and trusts no unknown outcome.
func settle(c Check, r Result) Result {
	r.Kind, r.Place, r.Effect, r.Owner, r.Impact, r.Cure = c.Kind, c.Place, c.Effect, c.Owner, c.Impact, c.Cure
	r.Phase, r.Severity = c.Phase, c.Severity
	if r.Severity != Advisory {
		r.Severity = Critical
	}
	switch r.Outcome {
	case Passed, Failed, Errored, Skipped:
	default:
		r.Reason = fmt.Sprintf("ended as %q, which is no outcome", r.Outcome)
		r.Outcome = Errored
	}
	r.Reason = oneLine(r.Reason)
	return r
}

// maxReason bounds the reason of one check, in bytes.
const maxReason = 1024

// oneLine makes a text fit to stand among others in a line.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// Add counts a result.
func (c *Counts) Add(r Result) {
	switch r.Outcome {
	case Passed:
		c.Passed++
	case Failed:
		c.Failed++
	case Skipped:
		c.Skipped++
	default:
		c.Errored++
	}
	if r.Severity == Advisory && (r.Outcome == Failed || r.Outcome == Errored) {
		c.AdvisoryFailed++
	}
	if r.Flaky {
		c.Flaky++
	}
	if r.Waved {
		c.Waved++
	}
}

func passReason(c Counts) string {
	text := fmt.Sprintf("%d of %d checks passed", c.Passed, c.Total())
	if c.AdvisoryFailed > 0 {
		text += fmt.Sprintf(", %d advisory failed", c.AdvisoryFailed)
	}
	if c.Flaky > 0 {
		text += fmt.Sprintf(", %d flaky", c.Flaky)
	}
	if c.Waved > 0 {
		text += fmt.Sprintf(", %d failed as they do on the live color, which is only told", c.Waved)
	}
	return text
}

func failReason(v Verdict, passed int, failures []Result) string {
	if len(failures) == 0 {
		switch {
		case v.Counts.Total() == 0:
			return "no check was asked"
		case passed > 0:
			return "no critical check was asked in this very run"
		}
		return "no critical check was asked"
	}
	const named = 3
	var parts []string
	for _, r := range failures[:min(named, len(failures))] {
		parts = append(parts, r.Name+": "+r.Reason)
	}
	text := fmt.Sprintf("%d of %d critical checks failed: %s", len(failures), passed+len(failures), strings.Join(parts, "; "))
	if more := len(failures) - named; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	if whose := fault(v, failures); whose != "" {
		text += "; " + whose
	}
	return text
}
