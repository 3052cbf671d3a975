package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/plumbline-dev/plumbline/bus"
)

// names are those of services.
var names = []string{"apple", "birch", "cedar", "dates", "elder", "fig", "grape", "hazel"}

// A stage is everything that runs: servers, daemons, what the daemons ask, and a client of its own that needs no proxy.
type stage struct {
	settings
	dir      string
	host     string
	names    []string // of the services that release
	out, log io.Writer
	begun    time.Time
	programs programs
	brokers  []*broker
	noDisk   error // why no disk can be full
	target   *target
	slots    []*slot
	bus      *bus.Bus
	js       jetstream.JetStream
	running  *errgroup.Group
	stopAll  context.CancelFunc
}

// rng is a source of its own for everything that draws, so that one doesn't change what another draws.
func (s settings) rng(what string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what)) // a hash takes everything
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// newStage builds the programs, and starts servers and daemons.
func newStage(ctx context.Context, set settings, out, log io.Writer) (*stage, error) {
	s := &stage{settings: set, host: "127.0.0.1", names: names[:set.services], out: out, log: log, begun: time.Now(), dir: set.keep}
	if runtime.GOOS == "linux" { // has millions of loopback hosts: one of its own keeps this run out of everybody's way
		s.host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(255), 1+rand.N(254))
	}
	if err := s.makeDir(); err != nil {
		return s, err
	}
	var err error
	if s.programs, err = build(ctx, s.dir, s.race); err != nil {
		return s, err
	}
	if err := s.raise(ctx); err != nil {
		s.close()
		return s, err
	}
	return s, nil
}

func (s *stage) makeDir() (err error) {
	if s.dir == "" {
		s.dir, err = os.MkdirTemp("", "chaos-")
		return err
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	if there, err := os.ReadDir(s.dir); err == nil && len(there) > 0 {
		return fmt.Errorf("%s is not empty: -keep wants a new directory", s.dir)
	}
	return os.MkdirAll(s.dir, 0o700)
}

func (s *stage) raise(ctx context.Context) (err error) {
	if s.target, err = newTarget(s.host + ":9000"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "suite.yaml"), []byte(suite), 0o600); err != nil {
		return err
	}
	servers := map[bool]int{false: 1, true: 3}[s.cluster]
	if s.brokers, err = newBrokers(s.dir, s.host, s.programs.nats, servers); err != nil {
		return err
	}
	for _, b := range s.brokers {
		if err := b.ownDisk(); err != nil {
			s.noDisk = err
		}
		if err := b.begin(ctx); err != nil {
			return err
		}
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	for i := range s.daemons {
		d, err := s.newSlot(i)
		if err != nil {
			return err
		}
		s.slots = append(s.slots, d)
	}
	s.startDaemons(ctx)
	return s.ready(ctx)
}

// startDaemons starts one in each slot, and another where one ends.
func (s *stage) startDaemons(ctx context.Context) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.running, s.stopAll = &errgroup.Group{}, stop
	for _, d := range s.slots {
		s.running.Go(func() error { return d.supervise(running) })
	}
}

// connect reaches the servers, and makes the streams as soon as a cluster can.
func (s *stage) connect(ctx context.Context) (err error) {
	var urls []string
	for _, b := range s.brokers {
		urls = append(urls, "nats://"+b.address)
	}
	s.bus, err = bus.Connect(ctx, bus.Options{URL: strings.Join(urls, ","), Name: "chaos", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.bus.Conn()); err != nil {
		return err
	}
	return s.until(ctx, "the streams are made", func() error {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := s.bus.Ensure(attempt)
		return err
	})
}

// ready waits until every daemon answers for its gates.
func (s *stage) ready(ctx context.Context) error {
	for _, d := range s.slots {
		if err := s.until(ctx, d.name+" is ready", func() error {
			status, _, err := get(ctx, "http://"+d.address+"/readyz")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("answered %d", status)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// until repeats something until it works, for two minutes.
func (s *stage) until(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it never came that %s: %w", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

var client = http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get asks without keeping the connection, as a daemon's successor answers at the same address.
func get(ctx context.Context, url string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, body, err
}

// say tells what happens, with the seconds since the beginning.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.log, "%7.1f  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// stopDaemons tells all daemons to end, and waits until they have.
func (s *stage) stopDaemons() error {
	if s.running == nil {
		return nil
	}
	s.stopAll()
	err := s.running.Wait()
	s.running = nil
	return err
}

// close ends everything that runs.
func (s *stage) close() {
	_ = s.stopDaemons() // what went wrong was said where it did
	for _, d := range s.slots {
		d.proxy.Close()
	}
	if s.bus != nil {
		s.bus.Conn().Close()
	}
	for _, b := range s.brokers {
		b.end()
	}
	if s.target != nil {
		s.target.close()
	}
}

// clean removes what was written, unless it is to be kept or something went wrong.
func (s *stage) clean(wrong bool) error {
	if s.keep != "" || wrong {
		fmt.Fprintf(s.out, "logs and stores are in %s\n", s.dir)
		return nil
	}
	return os.RemoveAll(s.dir)
}

// errBroken says that a promise wasn't kept.
var errBroken = errors.New("a promise was broken")
