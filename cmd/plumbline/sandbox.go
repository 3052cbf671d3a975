package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// The accounts of the sandbox, by the names of the environment variables that hold their secrets.
const (
	sandboxClient       = "plumbline"
	sandboxSecretName   = "PLUM_CLIENT_SECRET" // #nosec G101 -- the name of a variable, no credential
	sandboxControlToken = "PLUM_CONTROL_TOKEN"
	sandboxGateToken    = "PLUM_GATE_TOKEN" // #nosec G101 -- the name of a variable, no credential
)

// sandboxFlags are what the sandbox command is told.
type sandboxFlags struct {
	blue, green, front, control string
	providers, accounts         string
	gate, bus, service          string
	rate                        float64
	version                     string
}

func (a *app) sandboxCommand() *cobra.Command {
	var f sandboxFlags
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "two colors of Plum behind a switch, with users, to try plumbline on",
		Long: `Serves two colors of Plum over one store, a switch in front of them that obeys the gate of a daemon alone, users who
never stop, providers with an account for each color, and a control to break things with. The secret of the API client
comes from ` + sandboxSecretName + `; a control beyond loopback needs ` + sandboxControlToken + `, and a gate that wants a
token ` + sandboxGateToken + `.`,
		Example: "  PLUM_CLIENT_SECRET=… plumbline sandbox --gate http://127.0.0.1:8080",
		Args:    arguments(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.sandbox(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.blue, "blue", "127.0.0.1:8081", "`ADDRESS` of blue")
	flags.StringVar(&f.green, "green", "127.0.0.1:8082", "`ADDRESS` of green")
	flags.StringVar(&f.front, "switch", "127.0.0.1:8090", "`ADDRESS` of the switch")
	flags.StringVar(&f.control, "control", "127.0.0.1:8091", "`ADDRESS` of the control")
	flags.StringVar(&f.providers, "providers", "127.0.0.1:8093", "`ADDRESS` of the simulated providers")
	flags.StringVar(&f.accounts, "accounts", "data/accounts", "`DIRECTORY` that gets the secrets of the accounts at the providers, a file each")
	flags.StringVar(&f.gate, "gate", "http://127.0.0.1:8080", "`URL` of the daemon whose gate the switch obeys")
	flags.StringVar(&f.bus, "bus", "", "`URL` of the bus that hears of switches (default: as --config says)")
	flags.StringVar(&f.service, "service", "plum", "`NAME` of the service at the gate")
	flags.StringVar(&f.version, "version", "2026.11.1", "the `VERSION` that both colors run at first")
	flags.Float64Var(&f.rate, "rate", 60, "user requests a second, a `NUMBER`; 0 for none")
	return cmd
}

func (a *app) sandbox(ctx context.Context, f sandboxFlags) error {
	secret := a.Getenv(sandboxSecretName)
	if secret == "" {
		return usagef("%s is empty: the sandbox needs the secret of its API client", sandboxSecretName)
	}
	if f.rate < 0 {
		return usagef("--rate %g: want 0 or more requests a second", f.rate)
	}
	if err := address("--gate", f.gate); err != nil {
		return err
	}
	at := configs.Bus{URL: f.bus}
	if f.bus == "" {
		var err error
		if at, err = a.busAddress(); err != nil {
			return err
		}
	}
	announcer := &announcer{options: daemon.BusOptions(at), service: f.service}
	defer announcer.close()
	s, err := sandbox.Start(ctx, sandbox.Options{
		Blue: f.blue, Green: f.green, Switch: f.front, Control: f.control, Providers: f.providers, Rate: f.rate, Rand: rand.Reader,
		Client: sandbox.Client{ID: sandboxClient, Secret: secret}, ControlToken: a.Getenv(sandboxControlToken),
		Releases: map[plumbline.Color]plumbline.Release{plumbline.Blue: {Version: f.version}, plumbline.Green: {Version: f.version}},
		Gate:     sandbox.HTTPGate(nil, f.gate, f.service, a.Getenv(sandboxGateToken)),
		Publish:  announcer.publish,
		Observe: func(e sandbox.Event) {
			if e.Kind != sandbox.Published {
				fmt.Fprintf(a.Err, "%-9s %s %s  %s\n", e.Kind, e.Color, e.Version, term.Line(e.Text))
			}
		},
	})
	if err != nil {
		return &exit{exitUsage, err}
	}
	if err := s.WriteSecrets(f.accounts); err != nil {
		return errors.Join(&exit{exitUsage, fmt.Errorf("--accounts %s: %w", f.accounts, err)}, s.Close())
	}
	fmt.Fprintf(a.Err, "blue %s, green %s, switch %s, control %s, providers %s\n", s.BlueURL, s.GreenURL, s.SwitchURL, s.ControlURL, s.ProvidersURL)
	watching := background(ctx, s.Switch.Watch)
	users := func() {}
	if f.rate > 0 {
		users = background(ctx, s.Traffic.Run)
	}
	<-ctx.Done()
	users()
	watching()
	stats := s.Traffic.Stats()
	fmt.Fprintf(a.Err, "%d user requests, %d failed\n", stats.Sent, stats.Failed)
	return s.Close()
}

// publishSwitch says on the bus that traffic moved.
func publishSwitch(b *bus.Bus, service string) sandbox.PublishFunc {
	return func(ctx context.Context, to plumbline.Color, reason plumbline.SwitchReason) error {
		_, err := b.Publish(ctx, plumbline.Event{Kind: plumbline.EventSwitched, Source: "/plumbline/sandbox/switch", Service: service,
			Color: to, Reason: string(reason), By: "sandbox"})
		return err
	}
}

// An announcer connects to the bus when the first switch must be told, and keeps the connection.
type announcer struct {
	options bus.Options
	service string
	mu      sync.Mutex
	bus     *bus.Bus
}

func (n *announcer) publish(ctx context.Context, to plumbline.Color, reason plumbline.SwitchReason) error {
	n.mu.Lock()
	if n.bus == nil {
		n.options.Name, n.options.Log = "plumbline sandbox", slog.New(slog.DiscardHandler)
		b, err := bus.Connect(ctx, n.options)
		if err != nil {
			n.mu.Unlock()
			return err
		}
		n.bus = b
	}
	b := n.bus
	n.mu.Unlock()
	return publishSwitch(b, n.service)(ctx, to, reason)
}

func (n *announcer) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bus != nil {
		n.bus.Close()
	}
}
