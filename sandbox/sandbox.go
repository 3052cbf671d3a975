package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// Options is what a sandbox is made of. Blue, Green, Switch, Control and Providers are addresses to listen on; an empty one
// is an unused port of the loopback interface.
type Options struct {
	Blue, Green, Switch, Control, Providers string

	Live     plumbline.Color                       // takes traffic at first, default blue
	Releases map[plumbline.Color]plumbline.Release // what the colors run at first, default version 1.0.0
	Client   Client                                // who may log in; both parts are required
	Opening  Money                                 // of the balance, default 10,000,000
	TopUp    Money                                 // added whenever the balance sinks below a tenth of it, default Opening; negative for never

	// ControlToken is the bearer token of the control. A control beyond loopback must have one.
	ControlToken string

	Gate    GateFunc      // asks whether traffic may move; without it, it never does
	Publish PublishFunc   // says that traffic moved
	Observe func(Event)   // what happens at the switch
	Poll    time.Duration // of Switch.Watch, default 200 ms
	Rate    float64       // of Traffic, requests a second, default 60

	Rand  io.Reader        // for tokens, codes and errands
	Clock func() time.Time // default time.Now
}

// A Sandbox is a running Plum of two colors.
type Sandbox struct {
	BlueURL, GreenURL, SwitchURL, ControlURL, ProvidersURL string

	Blue, Green *Environment
	Switch      *Switch
	Traffic     *Traffic // runs when its Run is called

	store     *store
	providers *providers
	servers   []*http.Server
	idle      func()
	cancel    context.CancelFunc
	running   sync.WaitGroup
	closing   sync.Once

	mu  sync.Mutex
	err error // the first of what ran in the background
}

const drainTimeout = 15 * time.Second

// Start serves both colors, the switch and the control, and announces switches. Traffic and Switch.Watch are the caller's
// to run. ctx ends deliveries, webhooks and announcements; Close ends everything.
func Start(ctx context.Context, options Options) (*Sandbox, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	listeners, err := listen(ctx, options.Blue, options.Green, options.Switch, options.Control, options.Providers)
	if err != nil {
		return nil, err
	}
	s, err := assemble(options, listeners)
	if err != nil {
		for _, l := range listeners {
			_ = l.Close()
		}
		return nil, err
	}
	handlers := []http.Handler{s.Blue, s.Green, s.Switch, s.control(options.ControlToken), s.providers.simulators.handler()}
	for i, handler := range handlers {
		server := newServer(handler)
		s.servers = append(s.servers, server)
		s.running.Go(func() {
			if err := server.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				s.fail(err)
			}
		})
	}
	s.background(ctx)
	return s, nil
}

// complete sets defaults and refuses what can't work.
func (o *Options) complete() error {
	if o.Live == "" {
		o.Live = plumbline.Blue
	}
	if o.Client.ID == "" || o.Client.Secret == "" {
		return errors.New("the sandbox needs the id and the secret of a client")
	}
	if o.Rand == nil {
		return errors.New("the sandbox needs randomness")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Opening == 0 {
		o.Opening = Rupees(10_000_000)
	}
	if o.TopUp == 0 {
		o.TopUp = o.Opening
	}
	for color := range o.Releases {
		if color.Other() == "" {
			return fmt.Errorf("releases: unknown color %q, want blue or green", color)
		}
	}
	return nil
}

// listen opens all listeners or none.
func listen(ctx context.Context, addresses ...string) ([]net.Listener, error) {
	listeners := []net.Listener{}
	for _, address := range addresses {
		if address == "" {
			address = "127.0.0.1:0"
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// assemble makes the parts and lets them know each other.
func assemble(o Options, listeners []net.Listener) (*Sandbox, error) {
	control, ok := listeners[3].Addr().(*net.TCPAddr)
	if o.ControlToken == "" && (!ok || !control.IP.IsLoopback()) {
		return nil, fmt.Errorf("the control listens on %s, beyond loopback: it needs a token", listeners[3].Addr())
	}
	random := &source{reader: o.Rand}
	s := &Sandbox{store: newStore(o.Clock, random, o.Opening, o.TopUp)}
	s.store.key = o.Client.Secret
	for i, at := range []*string{&s.BlueURL, &s.GreenURL, &s.SwitchURL, &s.ControlURL, &s.ProvidersURL} {
		*at = reachable(listeners[i].Addr())
	}
	s.providers = newProviders(s.ProvidersURL, o.Clock, random)
	release := func(c plumbline.Color) plumbline.Release {
		if r := o.Releases[c]; r.Version != "" {
			return r
		}
		return plumbline.Release{Version: "1.0.0"}
	}
	s.Blue = newEnvironment(plumbline.Blue, release(plumbline.Blue), s.store, s.providers, o.Client)
	s.Green = newEnvironment(plumbline.Green, release(plumbline.Green), s.store, s.providers, o.Client)
	targets := map[plumbline.Color]*url.URL{}
	for color, address := range map[plumbline.Color]string{plumbline.Blue: s.BlueURL, plumbline.Green: s.GreenURL} {
		target, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		targets[color] = target
	}
	var err error
	s.Switch, err = NewSwitch(SwitchOptions{Live: o.Live, Targets: targets, Gate: o.Gate, Publish: o.Publish,
		Observe: o.Observe, Poll: o.Poll, Clock: o.Clock})
	if err != nil {
		return nil, err
	}
	s.Traffic, err = NewTraffic(TrafficOptions{URL: s.SwitchURL, Client: o.Client, Rate: o.Rate, Rand: random, Clock: o.Clock})
	return s, err
}

// reachable is the address under which this machine reaches a listener.
func reachable(at net.Addr) string {
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + at.String()
}

// background delivers orders, posts webhooks and announces switches until ctx ends or Close is called.
func (s *Sandbox) background(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	transport := newTransport()
	s.idle = func() {
		transport.CloseIdleConnections()
		s.providers.client.CloseIdleConnections()
	}
	s.running.Go(func() { s.store.deliverOrders(ctx) })
	s.running.Go(func() { s.store.postNotices(ctx, newClient(transport, webhookTimeout)) })
	s.running.Go(func() { s.store.postTrials(ctx, newClient(transport, webhookTimeout)) })
	s.running.Go(func() {
		if err := s.Switch.Run(ctx); err != nil {
			s.fail(err)
		}
	})
}

// Environment is the color's, and nil for what is no color.
func (s *Sandbox) Environment(color plumbline.Color) *Environment {
	switch color {
	case plumbline.Blue:
		return s.Blue
	case plumbline.Green:
		return s.Green
	}
	return nil
}

// SetProviderDown takes a provider away from both colors, or gives it back.
func (s *Sandbox) SetProviderDown(provider string, down bool) error {
	fault := ""
	if down {
		fault = providerOutage
	}
	return s.SetProviderFault(provider, "", fault)
}

// SetProviderFault lets a provider fail a color's account, or with no color both, as its documents say that it can. No
// fault ends it.
func (s *Sandbox) SetProviderFault(provider string, color plumbline.Color, fault string) error {
	return s.providers.simulators.set(provider, color, fault)
}

// ProviderFaults lists what can be wrong with a provider.
func (s *Sandbox) ProviderFaults(provider string) []string {
	if known, is := s.providers.simulators[provider]; is {
		return known.faults()
	}
	return nil
}

// SetWebhook says where deliveries are posted to, enables it, and forgets its failures. An empty address ends it.
func (s *Sandbox) SetWebhook(address string) error { return s.store.webhook.set(address) }

// Webhook is how posting to the customer goes.
func (s *Sandbox) Webhook() WebhookState { return s.store.webhook.state() }

// Accounts is the money of the store.
func (s *Sandbox) Accounts() Accounts { return s.store.orders.accounts() }

// Points is the points of the store.
func (s *Sandbox) Points() Ledger { return s.store.points.ledger() }

func (s *Sandbox) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// Close ends a sandbox whose Traffic and Switch.Watch have returned. It lets requests under way end, the switch first, then stops everything. Its error is the first thing that went
// wrong in the background: a listener that broke, or a switch that nobody was told of.
func (s *Sandbox) Close() error {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		for _, server := range []*http.Server{s.servers[2], s.servers[0], s.servers[1], s.servers[4], s.servers[3]} {
			if server.Shutdown(ctx) != nil {
				_ = server.Close()
			}
		}
		s.cancel()
		s.running.Wait()
		s.idle()
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
