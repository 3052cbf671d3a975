package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// Defaults of traffic.
const (
	DefaultRate    = 60  // requests a second
	maxUnderWay    = 256 // requests at once
	requestTimeout = 10 * time.Second
)

// TrafficOptions is who the users are and where they go.
type TrafficOptions struct {
	URL    string           // of the switch
	Client Client           // as which they log in
	Rate   float64          // requests a second, default 60
	Rand   io.Reader        // read once, for names and the order of errands
	Clock  func() time.Time // default time.Now
}

// Traffic is users who never stop and never ask twice. It is an open loop: requests are due at a fixed rate whether or
// not the former ones were answered, and a latency counts from the instant at which its request was due.
type Traffic struct {
	url      string
	clock    func() time.Time
	interval time.Duration
	client   *http.Client
	idle     func()
	session  session
	tally    tally

	mu     sync.Mutex
	random *rand.Rand
	prefix string
	orders int

	placed chan placedOrder // to be read back
	links  chan string      // to be redeemed
}

// NewTraffic starts nothing: see Run.
func NewTraffic(options TrafficOptions) (*Traffic, error) {
	if options.Rate == 0 {
		options.Rate = DefaultRate
	}
	if options.Rate < 0.1 || options.Rate > 10_000 {
		return nil, fmt.Errorf("rate is %g requests a second, want 0.1 to 10000", options.Rate)
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.Rand == nil {
		return nil, errors.New("traffic needs randomness")
	}
	var seed [24]byte
	if _, err := io.ReadFull(options.Rand, seed[:]); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	transport := newTransport()
	return &Traffic{url: options.URL, clock: options.Clock, interval: time.Duration(float64(time.Second) / options.Rate),
		client: newClient(transport, requestTimeout), idle: transport.CloseIdleConnections,
		session: session{client: options.Client},
		random:  rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:16]))), // #nosec G404 -- simulated people
		prefix:  "traffic-" + hex.EncodeToString(seed[16:]),
		placed:  make(chan placedOrder, 64), links: make(chan string, 64)}, nil
}

// Run sends requests until ctx ends, and returns when the last one was answered. Run it once.
func (t *Traffic) Run(ctx context.Context) {
	defer t.idle()
	var users sync.WaitGroup
	defer users.Wait()
	slots := make(chan struct{}, maxUnderWay)
	for due := t.clock(); ; due = due.Add(t.interval) {
		if wait(ctx, due.Sub(t.clock())) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		users.Go(func() {
			defer func() { <-slots }()
			t.serve(context.WithoutCancel(ctx), t.pick(), due)
		})
	}
}

// Stats is how users were served so far.
func (t *Traffic) Stats() Stats { return t.tally.read() }

// serve runs one errand of a user and counts its answer.
func (t *Traffic) serve(ctx context.Context, e errand, due time.Time) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	token, err := t.login(ctx)
	if err != nil {
		return // counted as a failed login, and the errand was never sent
	}
	v := &visit{traffic: t, ctx: ctx, token: token}
	t.tally.sent()
	t.record(v, e.name, e.run(v), due)
}

// intn is a random number below n.
func (t *Traffic) intn(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.random.IntN(n)
}

func (t *Traffic) poNumber() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.orders++
	return fmt.Sprintf("%s-%d", t.prefix, t.orders)
}

func (t *Traffic) user() string { return fmt.Sprintf("user%02d@acme.example", t.intn(50)) }

// A session is the token that all users share, renewed before it ends.
type session struct {
	client Client
	mu     sync.Mutex
	token  string
	until  time.Time
}

// login answers with a token that is good for some seconds at least. One user fetches it, through the switch as
// everything, while the others wait.
func (t *Traffic) login(ctx context.Context) (string, error) {
	s := &t.session
	s.mu.Lock()
	defer s.mu.Unlock()
	now := t.clock()
	if s.token != "" && now.Before(s.until) {
		return s.token, nil
	}
	v := &visit{traffic: t, ctx: ctx}
	t.tally.sent()
	token, ttl, err := v.login(s.client)
	t.record(v, "login", err, now)
	if err == nil {
		s.token, s.until = token, now.Add(ttl/2)
	}
	return token, err
}

func (t *Traffic) record(v *visit, errand string, err error, due time.Time) {
	now := t.clock()
	f := Failure{At: now.UTC(), Errand: errand, Color: plumbline.Color(v.color)}
	if err != nil {
		f.Reason = err.Error()
	}
	t.tally.answered(now.Sub(due), f)
}
