package sim

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/gate"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/worker"
)

func (p *process) records() worker.Records {
	return worker.Records{
		Memory: p.memory, Create: p.bus.CreateRecord,
		Load: func(ctx context.Context, service string) (plumbline.Record, uint64, error) {
			r, revision, err := p.bus.Record(ctx, service)
			if err == nil {
				p.world.seen.record(r)
			}
			return r, revision, err
		},
		Update: func(ctx context.Context, r plumbline.Record, revision uint64) (written uint64, err error) {
			err = p.step("record", func() error {
				if written, err = p.bus.UpdateRecord(ctx, r, revision); err == nil {
					p.world.seen.record(r)
				}
				return err
			})
			return written, err
		},
		IsConflict: func(err error) bool { return errors.Is(err, bus.ErrConflict) },
		IsMissing:  func(err error) bool { return errors.Is(err, bus.ErrNoRecord) },
	}
}

func (p *process) policy(service string) (plumbline.Policy, bool) {
	s := p.world.script.service(service)
	if s == nil {
		return plumbline.Policy{}, false
	}
	return s.policy(p.reloaded(s)), true
}

// reloaded says whether the process has read the suites again since they were changed.
func (p *process) reloaded(s *Service) bool {
	const each = 3 * time.Second
	return s.Changed > 0 && time.Since(p.world.began) >= s.Changed+time.Duration(p.seat)*each
}

func (p *process) say(ctx context.Context, e plumbline.Entry) error {
	return p.step("ledger", func() error { return p.bus.PublishEntry(ctx, e) })
}

func (p *process) newState() *worker.State {
	return &worker.State{
		Policy: p.policy, Records: p.records(), Say: p.say, Log: p.log,
		Judged: func(ctx context.Context, e plumbline.Event) (plumbline.Event, bool, error) {
			if _, _, err := p.judged(ctx, e.Service, e.Color, e.Run); err != nil {
				return e, false, err
			}
			return p.bus.Earlier(ctx, e)
		},
	}
}

func (p *process) newWorker() *worker.Worker {
	return &worker.Worker{
		Name: p.name, Tool: "plumbline sim", AckWait: p.bus.RunAckWait(), Records: p.records(), Say: p.say, Now: p.now, Log: p.log,
		Runner: runner.New(runner.Options{Jitter: func(d time.Duration) time.Duration { return d }}),
		Settings: func(service string) (worker.Settings, bool) {
			s := p.world.script.service(service)
			if s == nil {
				return worker.Settings{}, false
			}
			return worker.Settings{Deadline: s.Deadline, ValidFor: s.ValidFor}, true
		},
		Plan:  p.plan,
		Begin: p.begin,
		Begun: func(ctx context.Context, plan plumbline.Plan) (int, error) {
			return p.bus.Attempts(ctx, plan.Service, plan.Color, plan.Run)
		},
		Heard:   p.bus.PublishResult,
		Publish: p.publish,
		Judged:  p.judged,
	}
}

func (p *process) begin(ctx context.Context, plan plumbline.Plan) (before int, err error) {
	err = p.step("start", func() error {
		p.world.seen.start(plan.Run)
		before, err = p.bus.StartRun(ctx, plan)
		return err
	})
	return before, err
}

func (p *process) publish(ctx context.Context, v plumbline.Verdict) (stored plumbline.Verdict, err error) {
	v = p.world.overlook(v)
	err = p.step("verdict", func() error {
		stored, _, err = p.bus.PublishVerdict(ctx, v)
		return err
	})
	if err == nil {
		p.world.seen.verdict(p.name, stored)
	}
	return stored, err
}

func (p *process) judged(ctx context.Context, service string, color plumbline.Color, run string) (v plumbline.Verdict, judged bool, err error) {
	if err := p.await(); err != nil {
		return v, false, err
	}
	v, judged, err = p.bus.VerdictOf(ctx, service, color, run)
	if err == nil && judged {
		p.world.seen.verdict(p.name, v)
	}
	return v, judged, err
}

func (p *process) newClock(s *Service) *worker.Clock {
	return &worker.Clock{
		Service: s.Name, Timetable: worker.Timetable{Standby: every(s.Slots), Renew: s.Renew}, Records: p.records(), Say: p.say, Now: p.now, Log: p.log,
		Policy: func() plumbline.Policy { return s.policy(p.reloaded(s)) },
		Publish: func(ctx context.Context, e plumbline.Event) error {
			if p.world.quiet.Load() {
				return nil
			}
			return p.step("event", func() error {
				_, err := p.bus.Publish(ctx, e)
				return err
			})
		},
	}
}

// every is a schedule that ticks at the multiples of an interval; 0 never ticks.
type every time.Duration

func (e every) Next(after time.Time) time.Time {
	if e == 0 {
		return time.Time{}
	}
	return after.Truncate(time.Duration(e)).Add(time.Duration(e))
}

func (p *process) newGate() *gate.Gate {
	return gate.New(gate.Options{
		Known: func(service string, _ plumbline.Color) (plumbline.Record, plumbline.Policy, bool) {
			policy, exists := p.policy(service)
			record, _, _ := p.memory.Get(service)
			record, policy = p.world.trust(record, policy)
			return record, policy, exists
		},
		Services: p.world.script.names,
		Synced:   p.synced,
		Now:      p.now,
		Ready:    p.worker.Ready,
		Loopback: true,
	})
}

// synced is by the clock of the process: what passed since then is not changed by its jumps, as a time that Go has read is
// not.
func (p *process) synced() time.Time {
	synced := p.bus.Synced()
	if p.world.mutation == AnswersWhileCutOff {
		return p.now()
	}
	if synced.IsZero() {
		return synced
	}
	return synced.Add(time.Duration(p.skew.Load()))
}

// serveGate answers gates over the bus as the daemon does.
func (p *process) serveGate(ctx context.Context) error {
	return p.bus.ServeGate(ctx, func(ctx context.Context, service, color string, body []byte) ([]byte, error) {
		if err := p.await(); err != nil {
			return nil, bus.ErrSilent
		}
		answer, err := p.gate.AnswerNATS(ctx, service, color, body)
		switch {
		case errors.Is(err, gate.ErrCutOff):
			return nil, bus.ErrSilent
		case errors.Is(err, gate.ErrUnknown):
			return nil, &bus.GateError{Status: http.StatusNotFound, Text: err.Error()}
		case errors.Is(err, gate.ErrQuestion):
			return nil, &bus.GateError{Status: http.StatusBadRequest, Text: err.Error()}
		}
		return answer, err
	})
}

// report takes note of a verdict as a reporter would.
func (p *process) report(ctx context.Context, d *bus.VerdictDelivery) {
	v, err := d.Verdict()
	if err != nil || p.step("report", func() error { p.world.seen.report(v.Run); return nil }) != nil {
		return
	}
	_ = p.step("report ack", func() error { return d.Done(ctx) }) // unheard, it comes twice
}

// A delivery is a message in the hands of a process that may die at each step.
type delivery struct {
	*bus.Delivery
	process *process
	whose   string // the handler's consumer
}

func (p *process) deliver(whose string, d *bus.Delivery) worker.Delivery {
	return &delivery{d, p, whose}
}

// handleRun hands a message to the worker as the daemon does, unless a mutation does it differently.
func (p *process) handleRun(ctx context.Context, d *bus.Delivery, state *worker.State) {
	if p.await() != nil {
		return
	}
	p.busy.Add(1)
	defer func() {
		if p.busy.Add(-1); p.isDead() {
			p.world.seen.drop(d.Sequence())
		}
	}()
	if p.world.mutation == OutOfOrder {
		_ = wait(ctx, p.world.shuffle(d))
		state.Handle(ctx, &settled{p.deliver("state", d)})
	}
	ctx, heard := p.world.deafen(ctx)
	defer heard()
	p.worker.Handle(ctx, p.world.hasten(ctx, p.deliver("run", d)))
}

func (d *delivery) Event() (plumbline.Event, error) {
	e, err := d.Delivery.Event()
	return d.process.world.forget(e), err
}

func (d *delivery) Working() error {
	if err := d.process.await(); err != nil {
		return err
	}
	return d.Delivery.Working()
}

func (d *delivery) Done(ctx context.Context) error {
	return d.process.step(d.whose+" ack", func() error { return d.Delivery.Done(ctx) })
}

func (d *delivery) Later(delay time.Duration) error {
	return d.process.step(d.whose+" nak", func() error { return d.Delivery.Later(delay) })
}

func (d *delivery) DeadLetter(ctx context.Context, reason string) error {
	return d.process.step("dead letter", func() error { return d.Delivery.DeadLetter(ctx, reason) })
}
