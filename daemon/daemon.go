// Package daemon wires the rooms of the house into the running thing.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/gate"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/worker"
)

// runSlots is how many runs one daemon has under way at once, for each service.
const runSlots = 16

// startTimeout bounds how long a daemon waits for its bus when it starts.
const startTimeout = 30 * time.Second

// Options are what a daemon is started with.
type Options struct {
	Config  *configs.Config
	Name    string // of this daemon, in verdicts and at the bus
	Version string // of the program
	Log     *slog.Logger
	Redact  *redact.Keeper // of what Log says, too; nil makes one
	Watch   runner.Watcher // hears of the checks that this daemon asks; may be empty

	// Prober gives what is asked in place of a check's own prober, for measurements and simulations. Nil, as ever in
	// production, asks what the suite says.
	Prober func(plumbline.Check) plumbline.Prober
}

// A Daemon shares the events of a bus with all others on it, and answers for the gates of its services.
type Daemon struct {
	options  Options
	embedded *bus.Embedded
	bus      *bus.Bus
	memory   *worker.Memory
	plans    *plans
	worker   *worker.Worker
	gate     *gate.Gate
	listener net.Listener
	receiver net.Listener // of callbacks; nil if other daemons have it
	redact   *redact.Keeper
	log      *slog.Logger
	group    *errgroup.Group
	stop     context.CancelFunc
	finish   context.CancelFunc
	ending   <-chan struct{} // closed once no run is taken any more
	reloads  chan reload
}

// Start brings a daemon up: configuration and suites are checked before anything is touched, the bus is reached and its
// streams are there when Start returns, and the gate answers.
func Start(ctx context.Context, o Options) (*Daemon, error) {
	d := &Daemon{options: o, memory: worker.NewMemory(), log: o.Log, redact: o.Redact, reloads: make(chan reload)}
	if d.redact == nil {
		d.redact = redact.NewKeeper()
	}
	d.redact.Learn(o.Config.Secrets()...)
	first, err := d.load(o.Config)
	if err != nil {
		return nil, err
	}
	d.warn(first)
	d.plans = &plans{memory: d.memory, had: map[string]bool{}}
	d.plans.replace(first)
	if d.listener, err = net.Listen("tcp", o.Config.Listen); err != nil {
		return nil, fmt.Errorf("listen on %s: %w (the setting is listen)", o.Config.Listen, err)
	}
	if err := d.listenForCallbacks(); err != nil {
		d.close()
		return nil, err
	}
	if err := d.open(ctx); err != nil {
		d.close()
		return nil, err
	}
	d.worker = d.newWorker()
	d.gate = d.newGate()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.group, running = errgroup.WithContext(running)
	d.stop = stop
	if err := d.run(ctx, running); err != nil {
		stop()
		return nil, errors.Join(err, d.Wait())
	}
	return d, nil
}

// open reaches the bus and makes sure of its streams, the suites' bytes and the services' records.
func (d *Daemon) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	settings := d.Config().Bus
	options := BusOptions(settings)
	options.Name, options.Log = d.options.Name, d.log
	if settings.URL == "" {
		embedded, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: settings.Store, Listen: settings.Listen, Log: d.log})
		if err != nil {
			return err
		}
		d.embedded, options.NATS = embedded, []nats.Option{embedded.InProcess()}
	}
	var err error
	if d.bus, err = bus.Connect(ctx, options); err != nil {
		return err
	}
	for {
		err := d.furnish(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return &BusError{err}
		}
		d.log.Warn("the bus did not answer and is asked again", "error", err)
	}
}

// A BusError is why a daemon can't start though nothing is wrong with its configuration: the bus is there, and doesn't do
// its part. Later it may.
type BusError struct{ Cause error }

func (e *BusError) Error() string { return "the bus is in reach, but " + e.Cause.Error() }
func (e *BusError) Unwrap() error { return e.Cause }

// furnish makes sure that the bus has the streams, and what the daemon's services need.
func (d *Daemon) furnish(ctx context.Context) error {
	warnings, err := d.bus.Ensure(ctx)
	for _, warning := range warnings {
		d.log.Warn(warning)
	}
	if err != nil {
		return err
	}
	d.plans.bus = d.bus
	return d.prepare(ctx, d.plans.now())
}

// prepare makes sure that the bus has what a snapshot needs: places in its streams, its bytes and the records of its services.
func (d *Daemon) prepare(ctx context.Context, s *snapshot) error {
	if err := d.bus.EnsureReaders(ctx, Readers(s.config)); err != nil {
		return err
	}
	if err := s.store(ctx, d.bus); err != nil {
		return err
	}
	for _, service := range s.services() {
		if err := d.records().Ensure(ctx, plumbline.Begin(service, s.policy(service))); err != nil {
			return fmt.Errorf("the record of %s: %w", service, err)
		}
	}
	return nil
}

// run starts everything that a daemon does. It returns when memory is in step with the bus.
func (d *Daemon) run(starting, ctx context.Context) error {
	state := d.newState()
	d.group.Go(func() error { d.apply(ctx, state); return nil })
	d.group.Go(func() error {
		return d.bus.ConsumeStrays(ctx, straySlots, func(ctx context.Context, e *bus.Delivery) { state.HandleStray(ctx, e) })
	})
	taking, finish := context.WithCancel(ctx)
	d.finish, d.ending = finish, taking.Done()
	c := &crew{Daemon: d, consumers: map[string]context.CancelFunc{}, clocks: map[string]ticking{}, reporters: map[string]context.CancelFunc{}}
	c.staff(ctx, taking)
	d.group.Go(func() error { c.steward(ctx, taking); return nil })
	d.group.Go(func() error { return d.watchProgress(ctx) })
	d.group.Go(func() error { return d.serveBus(ctx) })
	d.group.Go(func() error { return d.serveHTTP(ctx) })
	d.group.Go(func() error { return d.serveCallbacks(ctx) })
	return d.watch(starting, ctx)
}

// straySlots is how many events at once are looked at for being of no service.
const straySlots = 8

// apply has every service's events applied, each service's for itself, so that none waits for another. A service that has a
// record and isn't served here counts, too: somebody has to say so to whoever releases to it.
func (d *Daemon) apply(ctx context.Context, state *worker.State) {
	applied := map[string]bool{}
	for {
		changed := d.memory.Changed()
		for _, service := range d.memory.Services() {
			if applied[service] {
				continue
			}
			applied[service] = true
			d.group.Go(func() error {
				return d.bus.ConsumeState(ctx, service, func(ctx context.Context, e *bus.Delivery) { state.Handle(ctx, e) })
			})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// watch keeps memory in step with the bus, and returns when it is for the first time.
func (d *Daemon) watch(starting, ctx context.Context) error {
	ready := make(chan struct{})
	d.group.Go(func() error { return d.bus.WatchRecords(ctx, d.memory.Watched, func() { close(ready) }) })
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-starting.Done():
		return context.Cause(starting)
	case <-time.After(startTimeout):
		return &BusError{fmt.Errorf("its records did not come within %s", startTimeout)}
	}
}

// Stop ends the daemon: runs under way are handed back to the bus, for another daemon or the next start.
func (d *Daemon) Stop() { d.stop() }

// Finish ends the daemon once the runs under way have their verdicts, or the grace of the configuration is over; then the
// rest is handed back. From its return on no run is taken any more, and the daemon isn't ready.
func (d *Daemon) Finish() { d.finish() }

// Wait returns when the daemon has ended, with what ended it if that wasn't Stop.
func (d *Daemon) Wait() error {
	err := d.group.Wait()
	d.stop()
	d.close()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (d *Daemon) close() {
	d.plans.now().accounts.Close()
	if d.listener != nil {
		_ = d.listener.Close() // the server may have closed it
	}
	if d.receiver != nil {
		_ = d.receiver.Close() // likewise
	}
	if d.bus != nil {
		d.bus.Close()
	}
	if d.embedded != nil {
		d.embedded.Close()
	}
}

// Bus is the daemon's connection, for those who share its process.
func (d *Daemon) Bus() *bus.Bus { return d.bus }

// Config is what is in force.
func (d *Daemon) Config() *configs.Config { return d.plans.now().config }

// Address is where the daemon's HTTP listener is reached: host and port.
func (d *Daemon) Address() string { return d.listener.Addr().String() }

// BusURL is where others reach the bus; empty if an embedded one doesn't listen.
func (d *Daemon) BusURL() string {
	if d.embedded != nil {
		return d.embedded.URL()
	}
	return d.Config().Bus.URL
}
