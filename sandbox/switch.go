package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A GateFunc asks whether traffic may move to a color. An empty version means what is deployed there.
type GateFunc func(ctx context.Context, color plumbline.Color, purpose plumbline.Purpose, version string) (plumbline.Gate, error)

// A PublishFunc says that traffic moved. It may be called again for the same switch until it returns nil.
type PublishFunc func(ctx context.Context, to plumbline.Color, reason plumbline.SwitchReason) error

// SwitchOptions is what a switch stands between.
type SwitchOptions struct {
	Live    plumbline.Color              // takes traffic at first
	Targets map[plumbline.Color]*url.URL // where the two colors answer
	Gate    GateFunc                     // without it the switch never moves
	Publish PublishFunc                  // without it nobody is told
	Observe func(Event)                  // called one event at a time, optional; must not wait for the switch
	Poll    time.Duration                // how often Watch asks, default 200 ms
	Clock   func() time.Time             // default time.Now
}

// ErrHeld is the error of a switch that stays because its gate isn't open.
var ErrHeld = errors.New("traffic stays")

// Defaults of a switch.
const (
	DefaultPoll = 200 * time.Millisecond
	gateTimeout = 2 * time.Second
)

// A Switch is a reverse proxy in front of two colors. It obeys the gate alone: it moves when the answer is open and
// stays in every other case. Requests under way end on the color where they began.
type Switch struct {
	options SwitchOptions
	proxies map[plumbline.Color]http.Handler
	idle    func() // closes unused connections
	live    atomic.Value
	outbox  outbox

	deciding sync.Mutex // one question, answer and move at a time

	mu     sync.Mutex
	wanted *wanted
	said   map[string]string // the last answer of each gate that Watch told of

	observing sync.Mutex
}

// wanted is the release that the switch was told to promote.
type wanted struct {
	Color   plumbline.Color `json:"color"`
	Version string          `json:"version"`
}

// NewSwitch refuses targets that aren't both colors. It starts nothing: see Run and Watch.
func NewSwitch(options SwitchOptions) (*Switch, error) {
	if options.Live.Other() == "" {
		return nil, fmt.Errorf("live color: unknown color %q, want blue or green", options.Live)
	}
	if options.Poll < 0 {
		return nil, fmt.Errorf("poll is %s, want a positive duration", options.Poll)
	}
	if options.Poll == 0 {
		options.Poll = DefaultPoll
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	transport := newTransport()
	s := &Switch{options: options, proxies: map[plumbline.Color]http.Handler{}, idle: transport.CloseIdleConnections,
		said: map[string]string{}, outbox: outbox{wake: make(chan struct{}, 1)}}
	for _, color := range plumbline.Colors() {
		target := options.Targets[color]
		if target == nil || target.Host == "" {
			return nil, fmt.Errorf("%s has no address", color)
		}
		s.proxies[color] = newProxy(target, transport)
	}
	s.live.Store(options.Live)
	return s, nil
}

func newProxy(target *url.URL, transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			if r.Context().Err() == nil {
				errUpstream.write(w, "switch")
			}
		},
		ErrorLog: quietLog(),
	}
}

// ServeHTTP passes a request on to the live color.
func (s *Switch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.proxies[s.Live()].ServeHTTP(w, r)
}

// Live is the color that new requests go to.
func (s *Switch) Live() plumbline.Color {
	color, _ := s.live.Load().(plumbline.Color)
	return color
}

// Promote moves traffic to a color if the gate is open for this version there. Its error wraps ErrHeld where the gate
// answered something else. It does nothing for the live color.
func (s *Switch) Promote(ctx context.Context, to plumbline.Color, version string) error {
	if version == "" {
		return errors.New("a promotion needs a version")
	}
	return s.decide(ctx, to, plumbline.PurposePromote, version)
}

// Rollback moves traffic back to the other color if its rollback gate is open.
func (s *Switch) Rollback(ctx context.Context) error {
	return s.decide(ctx, s.Live().Other(), plumbline.PurposeRollback, "")
}

func (s *Switch) decide(ctx context.Context, to plumbline.Color, purpose plumbline.Purpose, version string) error {
	if to.Other() == "" {
		return fmt.Errorf("unknown color %q, want blue or green", to)
	}
	s.deciding.Lock()
	defer s.deciding.Unlock()
	if s.Live() == to {
		return nil
	}
	gate, err := s.ask(ctx, to, purpose, version)
	if err != nil {
		return fmt.Errorf("%w: the gate of %s can't be asked: %w", ErrHeld, to, err)
	}
	if gate.Gate != plumbline.GateOpen {
		return fmt.Errorf("%w: the gate of %s is %s: %s", ErrHeld, to, orClosed(gate.Gate), gate.Reason)
	}
	s.move(to, purpose, gate)
	return nil
}

func (s *Switch) ask(ctx context.Context, color plumbline.Color, purpose plumbline.Purpose, version string) (plumbline.Gate, error) {
	if s.options.Gate == nil {
		return plumbline.Gate{}, errors.New("the switch has no gate")
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	return s.options.Gate(ctx, color, purpose, version)
}

// move is the switch itself. From here on it is a fact, and only left to be told.
func (s *Switch) move(to plumbline.Color, purpose plumbline.Purpose, gate plumbline.Gate) {
	s.live.Store(to)
	s.mu.Lock()
	if s.wanted != nil && s.wanted.Color == to {
		s.wanted = nil
	}
	clear(s.said)
	s.mu.Unlock()
	reason := plumbline.ReasonPromote
	if purpose == plumbline.PurposeRollback {
		reason = plumbline.ReasonRollback
	}
	s.observe(Event{Kind: Moved, Color: to, Version: gate.Release.Version, Reason: reason, Gate: gate, Text: gate.Reason})
	s.outbox.add(announcement{to, reason})
}

// Want names the release to promote as soon as its gate opens. A later one replaces it.
func (s *Switch) Want(color plumbline.Color, version string) error {
	if color.Other() == "" {
		return fmt.Errorf("unknown color %q, want blue or green", color)
	}
	if version == "" {
		return errors.New("a promotion needs a version")
	}
	s.mu.Lock()
	s.wanted = &wanted{color, version}
	clear(s.said)
	s.mu.Unlock()
	s.observe(Event{Kind: Wanted, Color: color, Version: version, Text: "to be promoted when its gate opens"})
	return nil
}

func (s *Switch) isWanted() *wanted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// orClosed names a gate state; the zero state is closed.
func orClosed(state plumbline.GateState) plumbline.GateState {
	if state == "" {
		return plumbline.GateClosed
	}
	return state
}
