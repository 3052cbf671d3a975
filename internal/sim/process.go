package sim

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/gate"
	"github.com/plumbline-dev/plumbline/worker"
)

// How a process may end.
var (
	errKilled = errors.New("the process was killed")
	errStop   = errors.New("the process is told to stop")
	errLost   = errors.New("the answer was lost")
)

// A process is a daemon: the rooms wired as the daemon wires them, with a step between them and the world wherever
// something may happen.
type process struct {
	name   string
	seat   int
	world  *world
	link   *link
	bus    *bus.Bus
	memory *worker.Memory
	worker *worker.Worker
	gate   *gate.Gate
	log    *slog.Logger

	ctx    context.Context
	end    context.CancelCauseFunc
	taking context.Context // done when no run is taken any more
	finish context.CancelFunc
	takers sync.WaitGroup
	group  sync.WaitGroup
	fuse   fuse
	skew   atomic.Int64 // of its clock, in nanoseconds
	busy   atomic.Int32 // runs in its hands

	mu     sync.Mutex
	dead   bool
	awake  chan struct{} // closed while the process is not paused
	paused bool
}

// boot starts a process as the daemon starts: it returns when the gate's memory is in step with the bus.
func (w *world) boot(ctx context.Context, seat int, name string) (*process, error) {
	p := &process{name: name, seat: seat, world: w, link: w.broker.link(), memory: worker.NewMemory(), log: w.log.With("process", name), awake: make(chan struct{})}
	close(p.awake)
	p.link.light(w.booting(seat), true, p.kill)
	p.ctx, p.end = context.WithCancelCause(ctx)
	p.taking, p.finish = context.WithCancel(p.ctx)
	starting, cancel := context.WithTimeout(p.ctx, startTimeout)
	defer cancel()
	if err := p.open(starting); err != nil {
		p.over()
		return nil, err
	}
	p.worker, p.gate = p.newWorker(), p.newGate()
	if err := p.run(starting); err != nil {
		p.over()
		return nil, err
	}
	return p, nil
}

const startTimeout = 30 * time.Second

// open reaches the bus and makes sure of its streams and the services' records.
func (p *process) open(ctx context.Context) (err error) {
	p.bus, err = bus.Connect(ctx, bus.Options{Name: p.name, Log: p.log, NATS: []nats.Option{nats.InProcessServer(p.link)}, RunAckWait: p.world.script.AckWait})
	if err != nil {
		return err
	}
	if _, err := p.bus.Ensure(ctx); err != nil {
		return err
	}
	if err := p.bus.EnsureReaders(ctx, bus.Readers{Services: p.world.script.names(), Verdicts: p.world.script.Reporters}); err != nil {
		return err
	}
	for _, s := range p.world.script.Services {
		if err := p.records().Ensure(ctx, plumbline.Begin(s.Name, s.policy(p.reloaded(s)))); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) run(starting context.Context) error {
	state := p.newState()
	p.goes(func(ctx context.Context) error {
		return p.bus.ConsumeStrays(ctx, straySlots, func(ctx context.Context, d *bus.Delivery) { state.HandleStray(ctx, p.deliver("stray", d)) })
	})
	for _, s := range p.world.script.Services {
		if p.world.mutation != OutOfOrder {
			p.goes(func(ctx context.Context) error {
				return p.bus.ConsumeState(ctx, s.Name, func(ctx context.Context, d *bus.Delivery) { state.Handle(ctx, p.deliver("state", d)) })
			})
		}
		p.takers.Add(1)
		p.goes(func(ctx context.Context) error {
			defer p.takers.Done()
			return p.bus.ConsumeRuns(p.taking, s.Name, runSlots, func(_ context.Context, d *bus.Delivery) { p.handleRun(ctx, d, state) })
		})
		clock := p.newClock(s)
		p.goes(func(context.Context) error { clock.Run(p.taking); return nil })
	}
	for _, name := range p.world.script.Reporters {
		p.goes(func(ctx context.Context) error { return p.bus.ConsumeVerdicts(ctx, name, p.report) })
	}
	p.goes(func(ctx context.Context) error { return p.bus.WatchProgress(ctx, p.memory.Progress) })
	p.goes(p.serveGate)
	ready := make(chan struct{})
	p.goes(func(ctx context.Context) error {
		return p.bus.WatchRecords(ctx, p.watched, func() { close(ready) })
	})
	select {
	case <-ready:
		return nil
	case <-starting.Done():
		return context.Cause(starting)
	}
}

const (
	runSlots   = 16
	straySlots = 8
)

// goes runs something until the process ends.
func (p *process) goes(run func(context.Context) error) {
	p.group.Go(func() {
		if err := run(p.ctx); err != nil {
			p.end(err)
		}
	})
}

// endWell takes no run any more, and ends the process once those under way have ended or the grace is over.
func (p *process) endWell(grace time.Duration) {
	p.finish()
	ended := make(chan struct{})
	go func() { p.takers.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(grace):
	case <-p.ctx.Done():
	}
	p.end(errStop)
}

// over waits until nothing of the process is left. Whoever calls it has ended the process.
func (p *process) over() {
	p.end(errStop)
	p.resume()
	p.group.Wait()
	if p.bus != nil {
		p.bus.Close()
	}
	p.link.sever()
}

// kill ends the process between two steps: nothing that it does from now on has an effect.
func (p *process) kill() {
	p.mu.Lock()
	before := p.dead
	p.dead = true
	p.mu.Unlock()
	if !before {
		p.world.seen.kill()
	}
	p.link.sever()
	p.end(errKilled)
	p.resume()
}

// pause stops the process where it stands, for a while. Nobody is told.
func (p *process) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused || p.dead || p.ctx.Err() != nil {
		return
	}
	p.paused, p.awake = true, make(chan struct{})
	p.world.work.Go(func() {
		p.world.hold(p, true, d)
		p.resume()
	})
}

func (p *process) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		p.paused = false
		close(p.awake)
	}
}

// await returns when the process isn't paused, with an error if it is dead.
func (p *process) await() error {
	for {
		p.mu.Lock()
		awake, dead, paused := p.awake, p.dead, p.paused
		p.mu.Unlock()
		switch {
		case dead:
			return errKilled
		case !paused:
			return nil
		}
		<-awake
	}
}

// now is what the clock of the process says.
func (p *process) now() time.Time { return time.Now().Add(time.Duration(p.skew.Load())) }

// isUp says whether somebody who asks the process would be heard.
func (p *process) isUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead && !p.paused && p.ctx.Err() == nil
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *process) watched(r plumbline.Record, revision uint64) {
	p.memory.Watched(r, revision)
	p.world.seen.record(r)
}
