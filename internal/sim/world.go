package sim

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A world is one script as it is played.
type world struct {
	script   *Script
	mutation Mutation
	broker   *broker
	tool     *bus.Bus // of release tooling and of who looks on
	toolLink *link
	seen     *witness
	log      *slog.Logger
	ctx      context.Context
	began    time.Time

	fleet sync.WaitGroup // supervisors
	work  sync.WaitGroup // whatever else goes on

	quiet    atomic.Bool   // no clock asks for anything any more
	sessions atomic.Uint64 // plans that were made

	mu     sync.Mutex
	seats  []*process // the processes of the moment
	lives  int
	boots  map[int]int       // of the next process of a seat, the write at which it is killed
	closed bool              // no process is started any more
	down   time.Time         // since when the broker is
	first  map[string]uint64 // sequence of the first event of a run
}

// A Report is what came of a world.
type Report struct {
	Violations []string       // everything in which it was not as it should be
	Counts     map[string]int // how often what happened
}

// Play plays a script inside the bubble of the caller, in an empty directory. The error means that it could not be played.
func Play(ctx context.Context, script *Script, mutation Mutation, dir string, log *slog.Logger) (r Report, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &world{script: script, mutation: mutation, broker: &broker{dir: dir}, seen: newWitness(), log: log, ctx: ctx,
		began: time.Now(), seats: make([]*process, script.Fleet), first: map[string]uint64{}, boots: map[int]int{}}
	if err := w.open(); err != nil {
		return r, err
	}
	defer w.close(cancel)
	for i := range w.seats {
		w.fleet.Go(func() { w.supervise(i) })
	}
	for _, a := range script.Acts {
		time.Sleep(time.Until(w.began.Add(a.At)))
		if err := w.do(a); err != nil {
			return r, fmt.Errorf("%s: %w", a, err)
		}
	}
	time.Sleep(time.Until(w.began.Add(script.Length)))
	settled := w.settle()
	d, err := read(ctx, w.tool.Conn(), script.names())
	if err != nil {
		return r, err
	}
	v := &verifier{world: w, durable: d}
	if !settled {
		v.violation("after %s something is still under way: %s", time.Since(w.began), w.unsettled())
	}
	v.verify()
	return Report{v.violations, v.counts()}, nil
}

func (w *world) open() error {
	if err := os.MkdirAll(w.broker.dir, 0o700); err != nil {
		return err
	}
	if err := w.broker.start(); err != nil {
		return err
	}
	w.toolLink = w.broker.link()
	var err error
	w.tool, err = bus.Connect(w.ctx, bus.Options{Name: "tool", NATS: []nats.Option{nats.InProcessServer(w.toolLink)}})
	if err == nil {
		_, err = w.tool.Ensure(w.ctx)
	}
	if err == nil {
		err = w.weaken(w.ctx, w.tool)
	}
	return err
}

// close ends everything, so that nothing is left in the bubble.
func (w *world) close(cancel context.CancelFunc) {
	w.mu.Lock()
	w.closed = true
	seats := append([]*process(nil), w.seats...)
	w.mu.Unlock()
	for _, p := range seats {
		if p != nil {
			p.end(errStop)
		}
	}
	cancel()
	w.fleet.Wait()
	w.work.Wait()
	if w.tool != nil {
		w.tool.Close()
	}
	w.broker.stop()
	time.Sleep(10 * time.Second) // for what the NATS clients still look after
}

// supervise keeps a process up: one that ended is followed by another, which knows nothing of it.
func (w *world) supervise(seat int) {
	for {
		w.mu.Lock()
		w.lives++
		name, closed := fmt.Sprint("p", w.lives), w.closed
		w.mu.Unlock()
		if closed {
			return
		}
		p, err := w.boot(w.ctx, seat, name)
		if err == nil {
			w.sit(seat, p)
			<-p.ctx.Done()
			w.log.Info("ended", "process", name, "why", context.Cause(p.ctx))
			w.sit(seat, nil)
			p.over()
		}
		if wait(w.ctx, time.Duration(500+w.dice("restart", seat, name)%3000)*time.Millisecond) != nil {
			return
		}
	}
}

func (w *world) sit(seat int, p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seats[seat] = p
}

// booting is the write at which the next process of a seat is killed, 0: it isn't.
func (w *world) booting(seat int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	write := w.boots[seat]
	delete(w.boots, seat)
	return write
}

func (w *world) at(seat int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seats[seat]
}

func (w *world) all() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*process
	for _, p := range w.seats {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// do does what the script says. It doesn't wait for what may take long.
func (w *world) do(a Act) error {
	w.log.Info("act", "what", a.String())
	switch a.Do {
	case brokerStop:
		w.fall()
		w.broker.stop()
		return nil
	case brokerKill:
		w.fall()
		return w.broker.kill()
	case brokerBack:
		return w.rise()
	case ask:
		w.work.Go(w.askAll)
		return nil
	case deploying, deployed, switched, requested, promote, poison, flood:
		w.work.Go(func() { w.send(a) })
		return nil
	}
	if a.Do == forgetful {
		w.work.Go(func() { w.deleteConsumer(a.ID) })
		return nil
	}
	if p := w.at(a.Process); p != nil {
		w.trouble(p, a)
	}
	return nil
}

// deleteConsumer is what an operator does who wants to help: everything in the stream comes again.
func (w *world) deleteConsumer(name string) {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	js, err := jetstream.New(w.tool.Conn())
	if err == nil {
		err = js.DeleteConsumer(ctx, "PLUMBLINE_EVENTS", name)
	}
	w.log.Info("deleted", "consumer", name, "error", err)
}

func (w *world) trouble(p *process, a Act) {
	switch a.Do {
	case fuseLit:
		p.fuse.light(a.Steps, a.Trouble, a.For)
	case wireLit:
		p.link.light(a.Steps, a.Trouble == dieBefore, p.kill)
	case bootLit:
		w.mu.Lock()
		w.boots[a.Process] = a.Steps
		w.mu.Unlock()
		p.kill()
	case killOne:
		p.kill()
	case stopOne:
		p.end(errStop)
	case finishOne:
		w.work.Go(func() { p.endWell(a.For) })
	case pauseOne:
		p.pause(a.For)
	case cutOne:
		w.work.Go(func() { w.hold(p, true, a.For) })
	case muteOne:
		w.work.Go(func() { w.hold(p, false, a.For) })
	case dropOne:
		p.link.drop()
	case jumpClock:
		p.skew.Add(int64(a.For))
	}
}

// hold keeps back for a while what goes over a process' network, without telling anybody.
func (w *world) hold(p *process, both bool, d time.Duration) {
	now := time.Now()
	w.seen.span(p.name, now, now.Add(d))
	p.link.hold(p.ctx, both, d)
}

// fall and rise say that the broker is gone, and is back.
func (w *world) fall() {
	if w.down.IsZero() {
		w.down = time.Now()
	}
}

func (w *world) rise() error {
	if w.down.IsZero() {
		return nil
	}
	w.seen.span("", w.down, time.Now())
	w.down = time.Time{}
	return w.broker.start()
}

// settle heals the world, as far as it isn't its daemons that are ill, and waits until everything has had its end.
func (w *world) settle() bool {
	if err := w.rise(); err != nil {
		w.log.Error("the broker doesn't come back", "error", err)
		return false
	}
	w.quiet.Store(true)
	for until := time.Now().Add(w.patience()); time.Now().Before(until); {
		time.Sleep(2 * time.Second)
		if w.unsettled() == "" {
			time.Sleep(12 * time.Second) // for what should not come any more
			if w.askAll(); w.unsettled() == "" {
				return true
			}
		}
	}
	return false
}

// patience is how long everything may take in the end.
func (w *world) patience() time.Duration {
	longest := time.Duration(0)
	for _, s := range w.script.Services {
		longest = max(longest, s.Deadline)
	}
	return 2*longest + 5*time.Minute
}

// unsettled says what isn't over yet.
func (w *world) unsettled() string {
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	js, err := jetstream.New(w.tool.Conn())
	if err != nil {
		return err.Error()
	}
	consumers := append([]string{"strays"}, w.script.Reporters...)
	for _, s := range w.script.Services {
		consumers = append(consumers, "run-"+s.Name)
		if w.mutation != OutOfOrder {
			consumers = append(consumers, "state-"+s.Name)
		}
		if r, _, err := w.tool.Record(ctx, s.Name); err != nil {
			return err.Error()
		} else if n := len(r.Colors[plumbline.Blue].Pending) + len(r.Colors[plumbline.Green].Pending); n > 0 {
			return fmt.Sprintf("%d runs of %s wait for their verdict", n, s.Name)
		}
	}
	for _, p := range w.all() {
		if n := p.busy.Load(); n > 0 {
			return fmt.Sprintf("%s has %d runs in its hands", p.name, n)
		}
	}
	for _, name := range consumers {
		stream := "PLUMBLINE_EVENTS"
		if slices.Contains(w.script.Reporters, name) {
			stream = "PLUMBLINE_VERDICTS"
		}
		consumer, err := js.Consumer(ctx, stream, name)
		if err != nil {
			return err.Error()
		}
		if info := consumer.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			return fmt.Sprintf("consumer %s has %d messages to deliver and %d to be acknowledged", name, info.NumPending, info.NumAckPending)
		}
	}
	return ""
}
