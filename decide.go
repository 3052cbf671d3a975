package plumbline

import (
	"fmt"
	"time"
)

// ClockTolerance is how far in the future a verdict may end before the clocks are too far apart to call it fresh.
const ClockTolerance = time.Minute

// Decide answers a gate question from what is known. It is pure and total, and closed where it is in doubt.
func Decide(asked Asked, r Record, p Policy, now time.Time) Gate {
	state := r.Colors[asked.Color]
	d := decision{asked: asked, record: r, state: state, policy: p, now: now, Gate: Gate{
		Schema: GateSchema, Gate: GateClosed, Verdict: VerdictPending, Because: BecauseNoVerdict, Advice: AdviceNone,
		Progress: "0/0", Next: []string{}, Service: r.Service, Color: asked.Color, Role: r.RoleAt(asked.Color, now),
		Purpose: asked.Purpose, Deployment: state.Deployment, Release: state.Release, Signed: "no",
		EvaluatedAt: now.UTC(), Epoch: r.Epoch,
	}}
	if d.Purpose == "" {
		d.Purpose = PurposePromote
	}
	switch {
	case d.Color.Other() == "":
		d.close(BecauseUnknown, "unknown color %q, want blue or green", d.Color)
	case d.Purpose != PurposePromote && d.Purpose != PurposeRollback:
		d.close(BecauseUnknown, "unknown purpose %q, want promote or rollback", d.Purpose)
	default:
		d.decide()
		d.progress()
		d.observe()
	}
	return d.Gate
}

// A decision is a gate document in the making: closed until a rule opens it.
type decision struct {
	Gate
	asked  Asked
	record Record
	state  ColorState
	policy Policy
	now    time.Time
}

func (d *decision) decide() {
	d.advise()
	if d.Purpose == PurposeRollback && d.Role != RoleLive {
		d.Readiness = NotReady
	}
	switch {
	case !d.record.Adopted || d.record.Live == "":
		d.close(BecauseNoRecord, "nobody said which color of %s is live", d.Service)
		d.next("plumbline adopt %s --live COLOR --reason TEXT", d.Service)
	case !d.meant():
	case d.Role == RoleLive:
		d.Verdict = d.lastOutcome()
		d.open(BecauseAlreadyLive, "%s is live with %s", d.Color, orUnknown(d.Release))
	case d.state.Deploying:
		d.close(BecauseDeploying, "%s is being changed: its gates are closed until the next release event", d.Color)
	case d.Purpose == PurposeRollback:
		d.rollback()
	case d.Role == RoleStandby:
		d.close(BecauseStandby, "%s is the standby of %s: ask for rollback", d.Color, d.record.Live)
		d.next("plumbline gate %s %s --purpose rollback", d.Service, d.Color)
	default:
		d.promote()
	}
}

// meant says whether the release that was asked about is the one that runs there. Otherwise it closes the gate, or
// leaves a promotion waiting for a release that was never heard of.
func (d *decision) meant() bool {
	a, has := d.asked, d.state
	version := a.Version == "" || a.Version == has.Release.Version
	event := a.Event == "" || a.Event == has.Event
	digest := a.Digest == "" || a.Digest == has.Release.Digest
	switch {
	case version && event && digest:
		return true
	case version && event && has.Release.Digest == "":
		d.close(BecauseOtherGone, "%s runs %s, released without a digest, and %s was asked for", d.Color, orUnknown(has.Release), a.Digest)
	case version && event:
		d.close(BecauseOtherGone, "%s runs digest %s, and %s was asked for", d.Color, has.Release.Digest, a.Digest)
	case a.Event != "" && event:
		d.close(BecauseOtherGone, "event %s released %s, and %s was asked for", a.Event, has.Release, a.Version)
	case has.Refused != nil && a.names(*has.Refused):
		d.close(BecauseRefused, "the release of %s to %s was refused, because %s was live", has.Refused.Release, d.Color, d.Color)
	case d.wasFormer():
		d.close(BecauseOtherGone, "%s no longer runs %s: it runs %s", d.Color, d.askedName(), has.Release)
	case d.Purpose == PurposeRollback:
		d.close(BecauseOtherGone, "%s was asked for, and a rollback to %s goes to %s", d.askedName(), d.Color, orUnknown(has.Release))
	default:
		d.wait(BecauseUnknown, "%s was never released to %s, which runs %s", d.askedName(), d.Color, orUnknown(has.Release))
	}
	return false
}

func (d *decision) wasFormer() bool {
	for _, past := range d.state.Former {
		if d.asked.names(past) {
			return true
		}
	}
	return false
}

// names says whether a past release is the one that is meant: an event names it better than a version, which may be
// released again.
func (a Asked) names(past PastRelease) bool {
	if a.Event != "" {
		return a.Event == past.Event
	}
	return a.Version != "" && a.Version == past.Release.Version
}

func (d *decision) askedName() string {
	if d.asked.Version != "" {
		return d.asked.Version
	}
	return "event " + d.asked.Event
}

func (d *decision) promote() {
	last := d.verdictOf(RoleIdle)
	switch {
	case d.state.Release == (Release{}):
		d.close(BecauseNoRelease, "nothing was released to %s", d.Color)
		d.next("plumbline release %s %s --version VERSION", d.Service, d.Color)
	case last == nil && d.running():
		d.wait(BecauseRunning, "%s is being validated", d.Release)
	case last == nil:
		d.close(BecauseNoVerdict, "%s", d.undecided())
		d.next("plumbline validate %s %s", d.Service, d.Color)
	case last.Outcome != Pass || last.Trigger != TriggerRelease && last.Trigger != TriggerManual:
		d.Verdict = Fail
		d.close(BecauseVerdict, "%s", last.Reason)
		d.next("plumbline show %s", last.Run)
		d.next("plumbline validate %s %s", d.Service, d.Color)
	case last.Sequence < d.record.Switched:
		d.Verdict = VerdictExpired
		d.close(BecauseVoid, "%s took traffic and lost it since it passed", d.Color)
		d.next("plumbline validate %s %s", d.Service, d.Color)
	case !d.isFresh(last):
		d.Verdict = VerdictExpired
		d.close(BecauseExpired, "%s", d.whyStale(last))
		d.next("plumbline validate %s %s", d.Service, d.Color)
	case !sameSuites(last.Suites, Pinned(d.policy.Suites, TriggerRelease)):
		d.wait(BecauseSuites, "the suites changed since %s passed: it is asked again", d.Release)
		d.next("plumbline validate %s %s", d.Service, d.Color)
	case d.policy.lacks(d.state.Release, d.state.Change) != "":
		d.Verdict, d.Fresh = Pass, true
		d.close(BecauseRefused, "%s requires a %s, and %s has none", d.Service, d.policy.lacks(d.state.Release, d.state.Change), d.Release)
	default:
		d.Verdict, d.Fresh = Pass, true
		d.open(BecauseVerdict, "%s passed on %s: %s", d.Release, d.Color, last.Reason)
	}
}

// undecided says that there is no verdict, and why the last one is none.
func (d *decision) undecided() string {
	reason := fmt.Sprintf("there is no verdict about %s on %s", d.Release, d.Color)
	if _, about := d.state.LastAs(RoleIdle); about != "" {
		reason += ": the last one was reached " + about
	}
	return reason
}

// running says whether a run about what the color runs was accepted and isn't decided.
func (d *decision) running() bool {
	for _, run := range d.state.Pending {
		if run.Deployment == d.state.Deployment && run.Role == RoleIdle && d.record.Stale(run, d.now) == "" {
			return true
		}
	}
	return false
}

// rollback isn't a promotion: time matters more than certainty, but a standby that is known to be broken stays shut.
func (d *decision) rollback() {
	if d.Role != RoleStandby {
		reason := fmt.Sprintf("%s is no standby: no rollback window is open", d.Color)
		if d.state.Overwrote != "" {
			reason = fmt.Sprintf("%s was overwritten by %s: there is no rollback", d.state.Overwrote, d.state.Overwriter)
		}
		d.close(BecauseNotStandby, "%s", reason)
		return
	}
	switch last := d.verdictOf(RoleStandby); {
	case last == nil || last.Sequence < d.record.Switched:
		d.risk("no standby run has ended since traffic moved")
	case last.Outcome == Pass && d.isFresh(last):
		d.Readiness, d.Verdict, d.Fresh = Ready, Pass, true
		d.open(BecauseRollback, "the standby %s runs %s and passed: %s", d.Color, orUnknown(d.Release), last.Reason)
	case last.Outcome == Pass:
		d.Verdict = VerdictExpired
		d.risk(d.whyStale(last))
	case last.Cause == CauseChecks && last.Attribution == AttributedShared:
		d.Verdict = Fail
		d.risk("the standby fails as the live color does: " + last.Reason)
	case last.Cause == CauseChecks && last.Unreached:
		d.Verdict = Fail
		d.risk("neither the standby nor the live color could be asked: " + last.Reason)
	default:
		d.Verdict = Fail
		d.close(BecauseVerdict, "the standby fails: %s", last.Reason)
		d.next("plumbline validate %s %s", d.Service, d.Color)
	}
}

// risk opens a rollback whose standby isn't proven, with a warning, unless the service enforces proof.
func (d *decision) risk(why string) {
	d.Readiness = AtRisk
	if d.policy.Enforce {
		d.close(BecauseRollback, "%s, and a rollback demands a fresh pass", why)
	} else {
		d.open(BecauseRollback, "the standby %s runs %s", d.Color, orUnknown(d.Release))
		d.Warning = why
	}
	d.next("plumbline validate %s %s", d.Service, d.Color)
}

// advise says on the live color whether to go back: its checks failed after traffic moved, and not only there.
func (d *decision) advise() {
	if d.Role != RoleLive || d.record.Switched == 0 {
		return
	}
	last := d.verdictOf(RoleLive)
	if last == nil || last.Sequence < d.record.Switched || last.Outcome == Pass {
		return
	}
	if last.Cause == CauseChecks && last.Attribution != AttributedShared {
		d.Advice = AdviceRollback
		if c := d.record.standby(d.now); c != "" {
			d.next("plumbline gate %s %s --purpose rollback", d.Service, c)
		}
	}
}

// verdictOf is the last verdict about what runs on the color, if it was reached in this role.
func (d *decision) verdictOf(role Role) *VerdictRef {
	last, _ := d.state.LastAs(role)
	if last != nil {
		d.Run, d.ExpiresAt = last.Run, d.expiry(last)
	}
	return last
}

func (d *decision) lastOutcome() string {
	last := d.verdictOf(RoleLive)
	switch {
	case last == nil:
		return VerdictPending
	case last.Outcome != Pass:
		return Fail
	case !d.isFresh(last):
		return VerdictExpired
	}
	d.Fresh = true
	return Pass
}
