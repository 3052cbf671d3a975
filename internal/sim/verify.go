package sim

import (
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A verifier holds what became of a world against what had to.
type verifier struct {
	world      *world
	durable    *durable
	models     map[string]*model
	due        map[string]*owed
	violations []string
}

func (v *verifier) violation(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

func (v *verifier) verify() {
	v.models, v.due = map[string]*model{}, map[string]*owed{}
	for _, s := range v.world.script.Services {
		v.models[s.Name] = newModel(s)
	}
	for _, e := range v.durable.events {
		letter, sure := e.broken, true
		if m := v.models[e.service]; m != nil {
			letter, sure = m.take(e), m.remembers(e)
		}
		v.letter(e, letter, sure)
	}
	for _, m := range v.models {
		for run, owed := range m.due() {
			v.due[run] = owed
		}
	}
	v.exactlyOne()
	for run, owed := range v.due {
		if all := v.durable.verdicts[run]; len(all) > 0 {
			v.verdict(owed, all[0])
		}
	}
	v.unchanged()
	v.reports()
	v.records()
	v.leftovers()
	v.gates()
}

// letter holds the dead letters against what can't be served, as far as that is sure.
func (v *verifier) letter(e told, want, sure bool) {
	switch reasons := v.durable.letters[e.sequence]; {
	case want && (len(reasons) < 1 && sure || len(reasons) > 1 && !v.night()):
		v.violation("event %d can't be served and has %d dead letters, want 1", e.sequence, len(reasons))
	case !want && len(reasons) > 0:
		v.violation("event %d (%s of %s) is a dead letter: %s", e.sequence, e.kind, e.service, reasons[0])
	}
}

// exactlyOne holds: every event that asks for a verdict has one, and nothing else has.
func (v *verifier) exactlyOne() {
	for run, owed := range v.due {
		if n := len(v.durable.verdicts[run]); n != 1 && (n > 0 || owed.kind != slot || !v.models[owed.service].flooded(owed)) {
			v.violation("event %d (%s of %s %s %s) has %d verdicts, want 1", owed.sequence, owed.kind, owed.service, owed.color, owed.version, n)
		}
	}
	for run, all := range v.durable.verdicts {
		if v.due[run] == nil {
			v.violation("run %s has a verdict, %s %s of event %d, and nobody asked for one", run, all[0].Outcome, all[0].Cause, all[0].Event.Sequence)
		}
	}
	for run, owed := range v.due {
		entry := plumbline.Entry{Service: owed.service, Kind: plumbline.EntryVerdict, Sequence: owed.sequence, Color: owed.color, Run: run}
		if n := v.durable.entries[entry.ID()]; n < 1 && len(v.durable.verdicts[run]) > 0 || n > 1 && !v.night() {
			v.violation("the ledger tells the verdict of event %d %d times, want once", owed.sequence, n)
		}
	}
}

// verdict holds a verdict against the event that asked for it, and against what the world saw.
func (v *verifier) verdict(run *owed, got written) {
	about := fmt.Sprintf("the verdict of event %d (%s of %s %s %s, %s %s)", run.sequence, run.kind, run.service, run.color, run.version, got.Outcome, got.Cause)
	role := got.Role == run.role || v.models[run.service].flooded(run) // who has forgotten a run knows only the roles of today
	if got.Service != run.service || got.Color != run.color || !role || got.Trigger != run.trigger ||
		got.Deployment != run.deployment || got.Event.Sequence != run.sequence || got.Release != (plumbline.Release{Version: run.version, Digest: run.digest}) {
		v.violation("%s is about %s %s %s, role %s, trigger %s, deployment %d, event %d, want role %s, trigger %s, deployment %d", about,
			got.Service, got.Color, got.Release, got.Role, got.Trigger, got.Deployment, got.Event.Sequence, run.role, run.trigger, run.deployment)
	}
	if forgotten := got.Cause == plumbline.CauseRefused && v.models[run.service].flooded(run); (got.Cause == plumbline.CauseRefused) != run.refused && !forgotten {
		v.violation("%s: refused must be %t: %s", about, run.refused, got.Reason)
		return
	}
	if late := v.late(run, got); late > 0 {
		v.violation("%s came %s after its deadline", about, late)
	}
	switch {
	case got.Passed():
		v.pass(about, run, got)
	case got.Outcome != plumbline.Fail:
		v.violation("%s is neither pass nor fail", about)
	case got.Cause == plumbline.CauseChecks:
		v.failed(about, run, got)
	case got.Cause == plumbline.CauseSuperseded:
		if over := v.over(run); over.IsZero() || over.After(got.at.Add(v.skews(got.Worker))) {
			v.violation("%s, and nothing overtook it: %s", about, got.Reason)
		}
	case got.Cause == plumbline.CauseDeadline:
		if early := run.at.Add(v.rules(run).Deadline).Sub(got.FinishedAt) - v.skews(got.Worker); early > 0 {
			v.violation("%s came %s before its deadline", about, early)
		}
	case got.Cause == plumbline.CauseUnfinished:
		if n := v.world.seen.starts[run.run]; n < 10 {
			v.violation("%s after %d starts, want 10", about, n)
		}
	case got.Cause == plumbline.CauseRefused:
	default:
		v.violation("%s has an unknown cause", about)
	}
}

// night says whether the world lasted longer than what the bus remembers of message ids.
func (v *verifier) night() bool { return v.world.script.Length > time.Hour }

func (v *verifier) rules(run *owed) *Service { return v.world.script.service(run.service) }

// over is when a run lost its reason, zero if it never did.
func (v *verifier) over(run *owed) time.Time {
	if run.role == plumbline.RoleStandby && (run.overtaken.IsZero() || run.window.Before(run.overtaken)) {
		return run.window
	}
	return run.overtaken
}

// pass holds a pass against what was answered: every critical check, in this very run, to who says so; and the run had a
// reason until shortly before.
func (v *verifier) pass(about string, run *owed, got written) {
	v.inTime(about, run, got)
	for _, session := range v.sessions(run, got) {
		missing := ""
		for check := range critical(run.trigger, run.role) {
			if last := session[check]; last == nil || last.end != endRight || last.ended.After(got.at) {
				missing = check
			}
		}
		if missing == "" {
			return
		}
	}
	v.violation("%s, and %s asked no critical checks that all passed in this run: %s", about, got.Worker, v.told(run.run))
}

// sessions are the last askings of each check, of each time that the worker of a verdict had the run in its hands.
func (v *verifier) sessions(run *owed, got written) map[uint64]map[string]*probed {
	all := map[uint64]map[string]*probed{}
	for _, p := range v.world.seen.probes {
		if p.run != run.run || p.worker != got.Worker || p.color != run.color || p.begun.After(got.at) {
			continue
		}
		if all[p.session] == nil {
			all[p.session] = map[string]*probed{}
		}
		if before := all[p.session][p.check]; before == nil || before.turn < p.turn {
			all[p.session][p.check] = p
		}
	}
	return all
}

// inTime says that a run that was overtaken long before it ended must say so.
func (v *verifier) inTime(about string, run *owed, got written) {
	over := v.over(run)
	if over.IsZero() {
		return
	}
	known := over
	if run.overtaker != 0 && over.Equal(run.overtaken) {
		if known = v.world.seen.when(v.world.seen.applied[run.service], run.overtaker); known.IsZero() {
			return
		}
	}
	finished := got.FinishedAt.Add(-v.skews(got.Worker))
	if finished.Sub(known) > hearsay && !v.world.seen.away(got.Worker, known, finished) {
		v.violation("%s, and it was overtaken %s before, which all could know", about, finished.Sub(known))
	}
}

// hearsay is how long it takes a process that is not away to hear of what another one did, with a broken connection between.
const hearsay = 3 * time.Second

// lag is how far behind the bus a process may be that is not cut off from it.
const lag = 5500 * time.Millisecond

// failed holds a fail by checks against what was answered: at least one critical check ended otherwise than right, and
// not because its process was told to end.
func (v *verifier) failed(about string, run *owed, got written) {
	v.inTime(about, run, got)
	for _, session := range v.sessions(run, got) {
		for check := range critical(run.trigger, run.role) {
			last := session[check]
			sent := last == nil && check == mailCheck && v.world.seen.starts[run.run] > 1 // before, by somebody else
			if sent || last != nil && last.failed(got.at) {
				return
			}
		}
	}
	v.violation("%s, and no critical check failed in the run of %s: %s%s", about, got.Worker, got.Reason, v.told(run.run))
}

// failed says whether a probe was anything but right by the time of a verdict, for another reason than the end of its
// process.
func (p *probed) failed(by time.Time) bool {
	return p.end == "" || p.ended.After(by) || p.end != endRight && p.end != endStopped
}

// critical are the checks that decide in a run.
func critical(trigger plumbline.Trigger, role plumbline.Role) map[string]bool {
	names := map[string]bool{}
	for _, ref := range suiteRefs(true) {
		if !ref.Answers(trigger) && (trigger != plumbline.TriggerManual || !ref.Answers(role.SuiteTrigger())) {
			continue
		}
		for _, c := range checksOf(ref.Name) {
			if c.Severity == plumbline.Critical {
				names[c.Name] = true
			}
		}
	}
	return names
}

// late is how long after its deadline a verdict came, less the time in which nobody could have given it. Each process that
// dies with the event in its hands takes it along until the bus gives it to the next one: a version that kills whoever asks
// it takes those of other services along, again and again.
func (v *verifier) late(run *owed, got written) time.Duration {
	deadline := run.at.Add(v.rules(run).Deadline)
	taken := time.Duration(v.world.seen.dropped[run.sequence]) * (v.world.script.AckWait + reboot)
	return got.at.Sub(deadline) - grace - taken - v.world.seen.lost(run.at, got.at)
}

// reboot is how long it takes at most until another process is in the place of one that ended.
const reboot = 3500 * time.Millisecond

// grace is what a verdict may take beyond the deadline: redelivery, and what a run takes back before it ends.
const grace = 45 * time.Second

// skews is how far the clock of a process may have been off.
func (v *verifier) skews(string) time.Duration {
	total := time.Duration(0)
	for _, a := range v.world.script.Acts {
		if a.Do == jumpClock {
			total += a.For.Abs()
		}
	}
	return total
}

// unchanged holds: whoever was given a verdict was given the one that is kept.
func (v *verifier) unchanged() {
	for run, copies := range v.world.seen.verdicts {
		kept := v.durable.verdicts[run]
		for _, c := range copies {
			if len(kept) == 0 || c.text != kept[0].text {
				v.violation("%s was given another verdict of run %s than is kept: %s", c.process, run, c.text)
			}
		}
	}
}
