package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/gate"
)

// gates holds every answer of a gate against what could be known at that moment, and the last ones against what had to be.
func (v *verifier) gates() {
	for _, a := range v.world.seen.answers {
		if v.silent(a); a.err == nil && a.doc.Gate == plumbline.GateOpen {
			v.open(a)
		}
	}
	for _, p := range v.world.all() {
		for name, m := range v.models {
			for _, c := range plumbline.Colors() {
				v.final(p, name, m, c)
			}
		}
	}
}

// silent holds: a process that is cut off from the bus doesn't answer.
func (v *verifier) silent(a answered) {
	if a.err != nil {
		return
	}
	for _, whose := range []string{a.process, ""} {
		for _, s := range v.world.seen.spans[whose] {
			if since := a.at.Sub(s.from); !a.at.After(s.to) && since >= gate.CutOffAfter {
				v.violation("%s answered for %s %s after it was cut off for %s", a.process, a.service, a.asked.Color, since)
			}
		}
	}
}

// open says that at least one state that the process might believe in opens the gate.
func (v *verifier) open(a answered) {
	from := v.world.seen.known(a.service, a.at.Add(-lag))
	to := uint64(0)
	for _, e := range v.durable.events {
		if !e.at.After(a.at) {
			to = e.sequence
		}
	}
	why := "no state is known"
	for _, state := range v.models[a.service].between(from, to) {
		if why = v.mayOpen(a, state); why == "" {
			return
		}
	}
	v.violation("%s said that the %s gate of %s %s is open because %s, run %s, at %s: %s", a.process, a.doc.Purpose, a.service, a.asked.Color,
		a.doc.Because, a.doc.Run, a.at.Sub(v.world.began).Round(time.Millisecond), why)
}

// mayOpen says why a gate must not be open in a state, or nothing.
func (v *verifier) mayOpen(a answered, state moment) string {
	c := a.asked.Color
	here, role := state.side(c), v.roleNear(state, c, a)
	switch {
	case a.doc.Release.Version != here.version || a.doc.Deployment != here.deployment:
		return fmt.Sprintf("it is about %s of %d, and the color runs %s of %d", a.doc.Release.Version, a.doc.Deployment, here.version, here.deployment)
	case a.asked.Version != "" && a.asked.Version != here.version || a.asked.Digest != "" && a.asked.Digest != here.digest || a.asked.Event != "" && a.asked.Event != here.event:
		return fmt.Sprintf("%+v was asked for, and the color runs %+v", a.asked, *here)
	case a.doc.Because == plumbline.BecauseAlreadyLive:
		if state.live != c {
			return "the color is not live"
		}
		return ""
	case here.deploying:
		return "the color is being changed"
	case a.doc.Purpose == plumbline.PurposePromote && !role[plumbline.RoleIdle], a.doc.Purpose == plumbline.PurposeRollback && !role[plumbline.RoleStandby]:
		return "the color has another role"
	case a.doc.Purpose == plumbline.PurposePromote && a.doc.Because != plumbline.BecauseVerdict:
		return "no verdict opened it"
	case a.doc.Purpose == plumbline.PurposeRollback && a.doc.Readiness == plumbline.AtRisk:
		if v.world.script.service(a.service).Enforce {
			return "a rollback demands a fresh pass"
		}
		than := state.switched
		if kept := v.durable.verdicts[a.doc.Run]; len(kept) > 0 {
			than = kept[0].Event.Sequence
		}
		return v.newer(a, state, plumbline.RoleStandby, than)
	}
	return v.passOpens(a, state)
}

// roleNear are the roles that a color may have by a clock that is a little off, or by any of the clocks.
func (v *verifier) roleNear(state moment, c plumbline.Color, a answered) map[plumbline.Role]bool {
	off := []time.Duration{0, a.skew, a.skew - time.Millisecond}
	if a.process == "bus" {
		off = append(off, v.skews(a.process), -v.skews(a.process))
	}
	roles := map[plumbline.Role]bool{}
	for _, d := range off {
		roles[state.role(c, a.at.Add(d))] = true
	}
	return roles
}

// passOpens says why the pass that is named doesn't open the gate, or nothing.
func (v *verifier) passOpens(a answered, state moment) string {
	kept := v.durable.verdicts[a.doc.Run]
	role := plumbline.RoleIdle
	if a.doc.Purpose == plumbline.PurposeRollback {
		role = plumbline.RoleStandby
	}
	switch {
	case len(kept) == 0:
		return "the run has no verdict"
	case kept[0].at.After(a.at):
		return "the verdict came later"
	case !kept[0].Passed():
		return "the verdict is no pass"
	case kept[0].Service != a.service || kept[0].Color != a.asked.Color || kept[0].Role != role || kept[0].Deployment != state.side(a.asked.Color).deployment:
		return fmt.Sprintf("the verdict is about %s %s, %s, deployment %d", kept[0].Service, kept[0].Color, kept[0].Role, kept[0].Deployment)
	case kept[0].Event.Sequence < state.switched:
		return "traffic moved since the run was asked for"
	case role == plumbline.RoleIdle && !slices.ContainsFunc(a.reloaded, func(today bool) bool { return sameDigests(kept[0].Suites, suiteRefs(today)) }):
		return "the suites were changed since"
	case role == plumbline.RoleIdle && v.world.script.service(a.service).Digests && state.side(a.asked.Color).digest == "":
		return "it needs a digest"
	}
	if age := a.at.Sub(kept[0].FinishedAt); age > v.world.script.service(a.service).ValidFor+v.skews(a.process) {
		return fmt.Sprintf("the pass is %s old", age)
	}
	return v.newer(a, state, role, kept[0].Event.Sequence)
}

// sameDigests says whether a run asked all suites that answer to a release, and no others.
func sameDigests(ran, configured []plumbline.SuiteRef) bool {
	digests := map[string]bool{}
	for _, ref := range configured {
		digests[ref.Digest] = true
	}
	for _, ref := range ran {
		if !digests[ref.Digest] {
			return false
		}
	}
	return len(ran) == len(digests)
}

// newer says that a run after the one that opened the gate has failed, which the process had to know.
func (v *verifier) newer(a answered, state moment, role plumbline.Role, than uint64) string {
	here := state.side(a.asked.Color)
	known := uint64(0)
	for _, r := range v.world.seen.last[lastKey(a.service, a.asked.Color, here.deployment)] {
		if a.at.Sub(r.at) > lag {
			known = r.number
		}
	}
	for _, run := range v.models[a.service].runs {
		if run.color != a.asked.Color || run.deployment != here.deployment || run.role != role || run.sequence <= than || run.sequence > known {
			continue
		}
		if kept := v.durable.verdicts[run.run]; len(kept) > 0 && kept[0].Cause != plumbline.CauseSuperseded && !atRisk(kept[0]) {
			return fmt.Sprintf("the run of event %d is newer, and is a %s", run.sequence, kept[0].Outcome)
		}
	}
	return ""
}

// atRisk says whether a verdict about a standby keeps a rollback from being proven, and doesn't forbid it.
func atRisk(v written) bool {
	shared := v.Cause == plumbline.CauseChecks && (v.Attribution == plumbline.AttributedShared || v.Unreached)
	return v.Role == plumbline.RoleStandby && (v.Passed() || shared)
}

// final holds: when all is over, every gate is open that has to be, and no other.
func (v *verifier) final(p *process, name string, m *model, c plumbline.Color) {
	if !p.isUp() || !v.world.seen.calm(p.name) {
		return
	}
	doc, err := p.gate.Answer(name, c, plumbline.Asked{Color: c})
	if err != nil {
		v.violation("%s doesn't know in the end whether the gate of %s %s is open: %v", p.name, name, c, err)
		return
	}
	want, why := v.finally(p, m, c)
	if (doc.Gate == plumbline.GateOpen) != want {
		v.violation("%s says in the end that the gate of %s %s is %s because %s: %s; want open %t: %s", p.name, name, c, doc.Gate, doc.Because, doc.Reason, want, why)
	}
}

// finally says whether the gate must be open in the end, and why.
func (v *verifier) finally(p *process, m *model, c plumbline.Color) (open bool, why string) {
	now := p.now()
	here := m.now.side(c)
	switch role := m.now.role(c, now); {
	case role == plumbline.RoleLive:
		return true, "it is live"
	case role != plumbline.RoleIdle:
		return false, "it is the standby"
	case here.deploying:
		return false, "it is being changed"
	case here.version == "":
		return false, "nothing was released there"
	}
	var last *written
	for _, run := range m.runs {
		kept := v.durable.verdicts[run.run]
		if run.color == c && run.deployment == here.deployment && run.role == plumbline.RoleIdle && len(kept) > 0 && kept[0].Cause != plumbline.CauseSuperseded {
			last = &kept[0]
		}
	}
	switch {
	case last == nil:
		return false, "it has no verdict"
	case !last.Passed():
		return false, "its last verdict is a fail"
	case last.Event.Sequence < m.now.switched:
		return false, "traffic moved since"
	case !sameDigests(last.Suites, suiteRefs(p.reloaded(m.rules))):
		return false, "the suites were changed since"
	case !now.Before(last.FinishedAt.Add(m.rules.ValidFor)):
		return false, "the pass is too old"
	case last.FinishedAt.Sub(now) >= time.Minute:
		return false, "the clocks are too far apart"
	}
	return true, "it passed"
}
