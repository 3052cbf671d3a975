package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plumbline-dev/plumbline/internal/cutproxy"
	"github.com/plumbline-dev/plumbline/internal/failpoint"
)

// How a daemon may end.
const (
	byKill  = "killed at random"
	byStop  = "told to end"
	byStart = "did not start"
	byCrash = "crashed"
)

// How a daemon ends that can't reach its bus, which a supervisor starts again, and one that is told to end while it starts.
const (
	exitUnknown   = 3
	exitInterrupt = 130
)

// A death is the end of a daemon.
type death struct {
	slot, pid int
	born, at  time.Time
	how       string // one of the above, or the point that it reached
	state     string
}

// killed says whether the daemon was killed.
func (d death) killed() bool { return d.how != byStop && d.how != byStart && d.how != byCrash }

// A slot is a place for a daemon, in which another one is started when one ends, as any supervisor does.
type slot struct {
	number  int
	name    string
	address string // of its gate
	proxy   *cutproxy.Proxy
	log     string
	program string
	config  string
	rng     *rand.Rand
	points  bool // some of the daemons die at points

	mu      sync.Mutex
	current *process
	deaths  []death
	stopped bool
}

// newSlot writes the configuration of a daemon that reaches the bus through a proxy of its own.
func (s *stage) newSlot(number int) (*slot, error) {
	d := &slot{
		number: number, name: fmt.Sprintf("daemon-%d", number+1), address: fmt.Sprintf("%s:%d", s.host, 8080+number),
		program: s.programs.plumbline, rng: s.rng(fmt.Sprint("slot ", number)), points: !s.spike && !s.cutoff,
	}
	dir := filepath.Join(s.dir, d.name)
	d.config, d.log = filepath.Join(dir, "plumbline.yaml"), filepath.Join(dir, "log")
	var calls atomic.Int64
	proxy, err := cutproxy.Listen(fmt.Sprintf("%s:%d", s.host, 5222+number), func() string {
		return s.brokers[(number+int(calls.Add(1)))%len(s.brokers)].address
	})
	if err != nil {
		return nil, err
	}
	d.proxy = proxy
	var text strings.Builder
	fmt.Fprintf(&text, "bus: {url: \"nats://%s\"}\nlisten: %q\nreceiver: {listen: \"%s:0\"}\nlimits: {per_host: 256}\nservices:\n", proxy.Address(), d.address, s.host)
	for _, service := range s.names {
		fmt.Fprintf(&text, "  %s:\n    environments: {blue: {url: \"http://%[2]s/blue\"}, green: {url: \"http://%[2]s/green\"}}\n"+
			"    live: {color: blue, version: 0-good-0}\n    new: true\n    suites: [../suite.yaml]\n    deadline: 30m\n"+
			"    standby: {schedule: \"*/15 * * * * *\", retain: %[3]s}\n", service, s.target.listener.Addr(), retain)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return d, err
	}
	return d, os.WriteFile(d.config, []byte(text.String()), 0o600)
}

// supervise keeps a daemon running until ctx ends, and then tells it to end.
func (d *slot) supervise(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		var env []string
		point := d.arm(n)
		if point != "" {
			env = append(env, "PLUMBLINE_FAILPOINT="+point)
		}
		p, err := begin(d.log, env, d.program, "serve", "--config", d.config)
		if err != nil {
			return err
		}
		d.set(p)
		select {
		case <-p.ended:
		case <-ctx.Done():
			p.signal(syscall.SIGCONT)
			p.stop(20 * time.Second)
		}
		d.record(p, point)
		wait := time.Duration(100+d.rng.IntN(700)) * time.Millisecond
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// arm picks the point at which the next daemon dies: none for the first of a slot, and for one of four later ones.
func (d *slot) arm(n int) string {
	d.mu.Lock()
	calm := d.stopped
	d.mu.Unlock()
	all := failpoint.All()
	point, times, armed := all[d.rng.IntN(len(all))], 1+d.rng.IntN(2), d.rng.IntN(4) > 0
	if point == failpoint.LetterWritten {
		times = 1 // there are few
	}
	if n == 0 || !d.points || calm || !armed {
		return ""
	}
	return fmt.Sprintf("%s:%d", point, times)
}

// calm arms no more daemons.
func (d *slot) calm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
}

func (d *slot) set(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = p
}

// daemon is the one that runs there now, or ended last; nil before the first.
func (d *slot) daemon() *process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

func (d *slot) record(p *process, point string) {
	how := byCrash
	point, _, _ = strings.Cut(point, ":")
	switch {
	case p.told.Load() && (p.shot.Load() || p.cmd.ProcessState.Success() || p.cmd.ProcessState.ExitCode() == exitInterrupt):
		how = byStop
	case p.shot.Load():
		how = byKill
	case p.killed() && point != "":
		how = point
	case p.cmd.ProcessState.ExitCode() == exitUnknown:
		how = byStart
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deaths = append(d.deaths, death{slot: d.number, pid: p.pid(), born: p.born, at: p.died, how: how, state: p.cmd.ProcessState.String()})
}

// ends are the daemons that ended there.
func (d *slot) ends() []death {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]death(nil), d.deaths...)
}
