package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A behaviour is how a version answers; it ends the version's name.
func behaviours() []string {
	return []string{"healthy", "healthy", "healthy", "healthy", "slow", "wrong", "flapping", "hanging", "deaf", "panicking", "killer"}
}

func behaviourOf(version string) string { return version[strings.LastIndexByte(version, '-')+1:] }

// suiteRefs are the suites of every service, those of today or those from before the last change.
func suiteRefs(today bool) []plumbline.SuiteRef {
	digest := "sha256:1"
	if today {
		digest = "sha256:1b"
	}
	return []plumbline.SuiteRef{
		{Name: "smoke", Digest: digest, Triggers: plumbline.SuiteTriggers()},
		{Name: "deep", Digest: "sha256:2", Triggers: []plumbline.Trigger{plumbline.TriggerRelease}},
	}
}

// checksOf are the checks of a suite. In the deep suite, an order is placed and cancelled, and a mail is sent, which
// nothing takes back.
func checksOf(suite string) []plumbline.Check {
	const timeout = 15 * time.Second
	if suite == "smoke" {
		return []plumbline.Check{
			{Name: "health", Severity: plumbline.Critical, Effect: plumbline.EffectNone, Timeout: timeout, Retries: 1},
			{Name: "login", Severity: plumbline.Critical, Effect: plumbline.EffectNone, Timeout: timeout, Needs: []string{"health"}},
			{Name: "extra", Severity: plumbline.Advisory, Effect: plumbline.EffectNone, Timeout: timeout},
		}
	}
	return []plumbline.Check{
		{Name: orderCheck, Severity: plumbline.Critical, Effect: plumbline.EffectUndone, Timeout: timeout},
		{Name: cancelCheck, Severity: plumbline.Advisory, Effect: plumbline.EffectNone, Phase: plumbline.PhaseTeardown, Undoes: orderCheck, Timeout: timeout},
		{Name: mailCheck, Severity: plumbline.Critical, Effect: plumbline.EffectLasting, Timeout: timeout},
	}
}

const (
	orderCheck  = "order"
	cancelCheck = "cancel"
	mailCheck   = "mail"
)

// plan resolves what a run pinned, as the daemon does.
func (p *process) plan(ctx context.Context, run plumbline.RunRef) (plumbline.Plan, error) {
	if err := p.await(); err != nil {
		return plumbline.Plan{}, err
	}
	record, _, _ := p.memory.Get(run.Service)
	plan := plumbline.Plan{Timeouts: map[string]time.Duration{}}
	at := func(c plumbline.Color) plumbline.Site {
		return plumbline.Site{Service: run.Service, Color: c, URL: fmt.Sprintf("http://%s.%s.test", c, run.Service),
			Role: record.RoleAt(c, p.now()), Release: record.Colors[c].Release}
	}
	plan.Site, plan.Live = at(run.Color), at(run.Color.Other())
	if plan.Live.Role != plumbline.RoleLive && plan.Site.Role != plumbline.RoleLive {
		plan.Live = plumbline.Site{}
	}
	session := p.world.sessions.Add(1)
	for _, ref := range run.Suites {
		for _, c := range checksOf(ref.Name) {
			c.Suite = ref.Name
			c.Prober = &prober{process: p, ctx: ctx, run: run, check: c, session: session}
			plan.Checks = append(plan.Checks, c)
		}
	}
	return plan, nil
}

// A prober asks the world, and remembers what was answered.
type prober struct {
	process *process
	ctx     context.Context
	run     plumbline.RunRef
	check   plumbline.Check
	session uint64
	turns   atomic.Uint64 // how often it was asked to ask
}

var errNoAnswer = errors.New("connection reset")

// Independent says that the two colors are two questions.
func (*prober) Independent(a, b plumbline.Site) bool { return a.Color != b.Color }

// Probe asks once.
func (q *prober) Probe(ctx context.Context, where plumbline.Ask) (answer plumbline.Answer, err error) {
	p, turn := q.process, q.turns.Add(1)
	if err := p.await(); err != nil {
		return answer, err
	}
	ctx, stop := p.world.cutShort(ctx, p.ctx)
	defer stop()
	seen, nth := p.world.seen.begin(q, turn, where.Site.Color)
	defer func() {
		broken := recover()
		if err == nil && broken == nil {
			p.world.seen.took(seen)
		}
		_ = p.await() // who is paused hears the answer later
		p.world.seen.ended(seen, answerOf(err, broken, ctx, p.ctx))
		if broken != nil {
			panic(broken)
		}
	}()
	return answer, q.answer(ctx, where, nth)
}

// answer is the same for the same question of the same seed.
func (q *prober) answer(ctx context.Context, where plumbline.Ask, nth int) error {
	dice := q.process.world.dice(q.run.Run, q.check.Name, where.Site.Color, nth)
	behaviour := behaviourOf(where.Site.Release.Version)
	if q.check.Name == cancelCheck {
		behaviour = "healthy" // what can't be taken back would tell nothing of who should take it back
	}
	switch behaviour {
	case "slow":
		return wait(ctx, time.Duration(dice%18000)*time.Millisecond)
	case "hanging":
		return wait(ctx, time.Hour)
	case "deaf":
		return wait(q.process.world.ctx, time.Duration(dice%120000)*time.Millisecond)
	}
	if err := wait(ctx, time.Duration(dice%1500)*time.Millisecond); err != nil {
		return err
	}
	fate := dice >> 20 % 100
	switch {
	case behaviour == "wrong" && q.check.Name != "extra":
		return plumbline.Failf("answered 500, want 2xx")
	case behaviour == "flapping" && fate < 30:
		return plumbline.Failf("answered 503, want 2xx")
	case behaviour == "flapping" && fate < 60:
		return errNoAnswer
	case behaviour == "panicking" && fate < 40:
		panic("index out of range")
	case behaviour == "killer" && where.Site.Color == q.run.Color:
		q.process.kill()
		return errKilled
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dice is a number made of the seed and what it is for.
func (w *world) dice(about ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, w.script.Seed)
	fmt.Fprintln(h, about...)
	return h.Sum64()
}

// The ends of a probe, as the world saw them.
const (
	endRight   = "right"
	endWrong   = "wrong"
	endNone    = "no answer"
	endLate    = "late"
	endBroken  = "broken"
	endStopped = "stopped" // the process ended, which says nothing of what it asked
)

func answerOf(err error, broken any, ctx, process context.Context) string {
	switch {
	case broken != nil:
		return endBroken
	case process.Err() != nil:
		return endStopped
	case err == nil && ctx.Err() != nil:
		return endLate
	case err == nil:
		return endRight
	case errors.Is(err, plumbline.ErrFailed):
		return endWrong
	case ctx.Err() != nil:
		return endLate
	}
	return endNone
}
