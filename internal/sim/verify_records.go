package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// reports holds: who reports has heard of every verdict.
func (v *verifier) reports() {
	for run := range v.durable.verdicts {
		if len(v.world.script.Reporters) > 0 && v.world.seen.reports[run] == 0 {
			v.violation("the verdict of run %s was never reported", run)
		}
	}
}

// records holds what the records say in the end against the models.
func (v *verifier) records() {
	for name, m := range v.models {
		r, now := v.durable.records[name], time.Now()
		if len(m.past) > 1 && r.Applied < m.now.sequence {
			v.violation("the record of %s has applied %d, want %d", name, r.Applied, m.now.sequence)
		}
		if r.Live != m.now.live || r.Switched != m.now.switched {
			v.violation("the record of %s says that %s is live since %d, want %s since %d", name, r.Live, r.Switched, m.now.live, m.now.switched)
		}
		for _, c := range plumbline.Colors() {
			has, want := r.Colors[c], m.now.side(c)
			if has.Deployment != want.deployment || has.Release != (plumbline.Release{Version: want.version, Digest: want.digest}) || has.Deploying != want.deploying || !v.roleOf(m, c, r.RoleAt(c, now)) {
				v.violation("%s %s is %s, runs %s of %d, is being changed %t; want %s, %s of %d, %t", name, c, r.RoleAt(c, now), has.Release.Version,
					has.Deployment, has.Deploying, m.now.role(c, now), want.version, want.deployment, want.deploying)
			}
			if len(has.Pending) > 0 {
				v.violation("%s %s still waits for %d verdicts", name, c, len(has.Pending))
			}
			if has.Last != nil {
				if kept := v.durable.verdicts[has.Last.Run]; len(kept) == 0 || kept[0].Outcome != has.Last.Outcome || kept[0].Deployment != has.Deployment {
					v.violation("the record of %s says %s of run %s, which is not what its verdict says", name, has.Last.Outcome, has.Last.Run)
				}
			}
		}
	}
}

// roleOf says whether a color may have a role in the end. A window is over for all when it is by the clock of one of them.
func (v *verifier) roleOf(m *model, c plumbline.Color, role plumbline.Role) bool {
	now := time.Now()
	return role == m.now.role(c, now) || role == m.now.role(c, now.Add(v.skews("")))
}

// leftovers holds: what a run left behind was taken back, and what can't be taken back was done once. A process that was
// paused may have had no time for it any more: its verdict tells.
func (v *verifier) leftovers() {
	orders, mails := map[string]*probed{}, map[string]int{}
	for _, p := range v.world.seen.probes {
		switch {
		case p.check == orderCheck:
			orders[p.run] = p
		case p.check == cancelCheck && p.took:
			delete(orders, p.run)
		case p.check == mailCheck:
			mails[p.run]++
		}
	}
	for run, p := range orders {
		if !v.world.seen.away(p.worker, p.begun, time.Now()) {
			v.violation("what run %s left behind by %s was never taken back: %s", run, p.worker, v.told(run))
		}
	}
	for run, n := range mails {
		if n > 1 {
			v.violation("run %s sent its mail %d times: %s", run, n, v.told(run))
		}
	}
}

// told is what was asked in a run.
func (v *verifier) told(run string) string {
	var b strings.Builder
	for _, p := range v.world.seen.probes {
		if p.run == run {
			fmt.Fprintf(&b, "\n    %s %s of %s by %s, until %s: %s", p.begun.Sub(v.world.began), p.check, p.color, p.worker, p.ended.Sub(v.world.began), p.end)
		}
	}
	return b.String()
}

// counts says how often what happened, so that a simulation in which nothing does isn't taken for a good one.
func (v *verifier) counts() map[string]int {
	n := map[string]int{"worlds": 1, "events": len(v.durable.events), "daemons": v.world.lives, "dead letters": len(v.durable.letters)}
	for _, e := range v.durable.events {
		if e.kind == deployed && !e.broken {
			n["releases"]++
		}
	}
	for run, all := range v.durable.verdicts {
		n["verdicts"]++
		if cause := all[0].Cause; cause == "" {
			n["verdict: pass"]++
		} else {
			n["verdict: "+string(cause)]++
		}
		if v.world.seen.starts[run] > 1 {
			n["runs begun again"]++
		}
	}
	for _, a := range v.world.seen.answers {
		n["gate answers"]++
		switch {
		case a.err != nil:
			n["gate: unknown"]++
		case a.doc.Gate == plumbline.GateOpen:
			n["gate: open, "+a.doc.Because]++
		default:
			n["gate: "+string(a.doc.Gate)]++
		}
	}
	for _, a := range v.world.script.Acts {
		switch a.Do {
		case brokerStop, brokerKill, pauseOne, cutOne, muteOne, jumpClock, forgetful:
			n["fault: "+string(a.Do)]++
		}
	}
	n["daemons killed"] = v.world.seen.killed
	return n
}
