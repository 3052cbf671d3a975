// Package gate answers whether traffic may move, over HTTP, as Flagger asks, and over NATS. It decides nothing itself:
// it finds the record, refuses questions it doesn't understand, and says nothing at all when it doesn't know.
package gate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plumbline-dev/plumbline"
)

// CutOffAfter is how long memory may be out of step with the bus before a gate doesn't know any more.
const CutOffAfter = 5 * time.Second

var (
	// ErrUnknown means that the service or the color isn't configured.
	ErrUnknown = errors.New("is not configured")
	// ErrCutOff means that the daemon doesn't know, because the bus is silent. Over NATS it is answered with silence.
	ErrCutOff = errors.New("cut off from the bus")
	// ErrQuestion means that the question can't be understood, so that no answer to it would be safe.
	ErrQuestion = errors.New("unclear question")
)

// Options is what a gate is told and may ask. Of the funcs, those that are missing say no: without Synced or Now a gate
// is always cut off, without Known it knows no service.
type Options struct {
	// Known finds what is known of a configured service. A record without a service means that there is none yet.
	Known func(service string, color plumbline.Color) (plumbline.Record, plumbline.Policy, bool)
	// Services lists the configured services.
	Services func() []string
	// Synced is the last moment at which memory was in step with the bus.
	Synced func() time.Time
	Now    func() time.Time
	// Run is the JSON of a verdict, by run; false if the run has none.
	Run func(ctx context.Context, run string) ([]byte, bool, error)
	// Ready says what keeps the daemon from its work, besides a silent bus.
	Ready func() error
	// PublicURL is where people reach the daemon, beside its address.
	PublicURL func() string

	Tokens   []Token              // see SetTokens
	Loopback bool                 // the listener can't be reached from outside: no token is needed
	Registry *prometheus.Registry // for this gate alone; nil makes one
}

// A Gate answers questions. It is safe for concurrent use.
type Gate struct {
	Options
	tokens  atomic.Pointer[[]Token]
	metrics metrics
}

// New makes a gate and registers its metrics.
func New(o Options) *Gate {
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	g := &Gate{Options: o}
	g.SetTokens(o.Tokens)
	g.metrics = newMetrics(o.Registry, g.silence)
	return g
}

// SetTokens changes who may ask, from the next question on.
func (g *Gate) SetTokens(tokens []Token) { g.tokens.Store(&tokens) }

// Answer decides. The error wraps ErrUnknown or ErrCutOff; with it the document is empty and says no.
func (g *Gate) Answer(service string, color plumbline.Color, asked plumbline.Asked) (plumbline.Gate, error) {
	known, err := g.look(service, color)
	if err != nil {
		g.metrics.refused(err)
		return plumbline.Gate{}, err
	}
	return g.decide(known, color, asked), nil
}

func (g *Gate) decide(known view, color plumbline.Color, asked plumbline.Asked) plumbline.Gate {
	asked.Color = color
	doc := plumbline.Decide(asked, known.record, known.policy, known.now)
	g.metrics.answered(doc)
	return doc
}

// A view is what was known at one moment.
type view struct {
	record plumbline.Record
	policy plumbline.Policy
	now    time.Time
}

// look finds what is known, if it is known: a configured color, and memory in step with the bus.
func (g *Gate) look(service string, color plumbline.Color) (view, error) {
	silent := g.cutOff() // before the record is read, which is then at least as fresh
	if color.Other() == "" {
		return view{}, fmt.Errorf("color %q of service %q %w", color, service, ErrUnknown)
	}
	if g.Known == nil {
		return view{}, fmt.Errorf("service %q %w", service, ErrUnknown)
	}
	record, policy, exists := g.Known(service, color)
	switch {
	case !exists:
		return view{}, fmt.Errorf("%s of service %q %w", color, service, ErrUnknown)
	case silent != nil:
		return view{}, silent
	case record.Service != service:
		record = plumbline.Record{Service: service}
	}
	return view{record, policy, g.Now()}, nil
}

// silence is how long memory has been out of step with the bus. Clocks that run backwards are no sign of life.
func (g *Gate) silence() time.Duration {
	if g.Now == nil || g.Synced == nil {
		return CutOffAfter
	}
	synced := g.Synced()
	if synced.IsZero() {
		return CutOffAfter
	}
	return g.Now().Sub(synced).Abs()
}

func (g *Gate) cutOff() error {
	if silence := g.silence(); silence >= CutOffAfter {
		return fmt.Errorf("%w: no heartbeat for %s, want one each second: nothing is known", ErrCutOff, silence.Round(time.Second))
	}
	return nil
}
