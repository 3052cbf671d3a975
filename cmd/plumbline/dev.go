package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// devRate is how many requests a second the users of the sandbox make, and those of a stage that examples are tried on.
const (
	devRate   = 200
	quietRate = 5
)

func (a *app) devCommand() *cobra.Command {
	var once bool
	var port int
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "everything on one machine: a bus, a sandbox of two colors, the daemon",
		Long: `Starts an embedded bus, a sandbox in which two colors of Plum serve traffic behind a switch, and the daemon, releases
to the idle color, and stays up for play. With --once it plays a whole story to its end and exits 0 if it went as told:
a bad release that is halted, a good one, the standby, and a rollback of a live color that turned slow.
PLUM_CLIENT_SECRET may say the secret of the API client, so that plumbline run can log in, too.`,
		Example: "  plumbline dev\n  plumbline dev --once",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.dev(cmd.Context(), port, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "play the story to its end, on free ports")
	cmd.Flags().IntVar(&port, "port", 8080, "`PORT` of the daemon on loopback")
	return cmd
}

// accountsDir is where a stage keeps the secrets of its accounts at the providers, within its own directory.
const accountsDir = "accounts"

// A stage is a sandbox and a daemon that gates it, in one process.
type stage struct {
	sandbox *sandbox.Sandbox
	daemon  *daemon.Daemon
	live    *live
	log     *storyLog
	secret  string // of the sandbox's client

	accounts string // directory of the secrets of the accounts at the providers
	stop     func() error
}

func (a *app) dev(ctx context.Context, port int, once bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := a.setStage(ctx, port, once, devRate)
	if err != nil {
		return err
	}
	if once {
		err = a.playStory(ctx, s)
	} else {
		err = a.playOpening(ctx, s)
	}
	cancel()
	return errors.Join(err, s.stop())
}

// setStage starts sandbox and daemon. What they keep lives in a directory that goes with them.
func (a *app) setStage(ctx context.Context, port int, once bool, rate float64) (*stage, error) {
	dir, err := os.MkdirTemp("", "plumbline-dev-")
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 16)
	rand.Read(secret)
	client := sandbox.Client{ID: "plumbline", Secret: cmp.Or(a.Getenv("PLUM_CLIENT_SECRET"), hex.EncodeToString(secret))}
	s := &stage{live: newLive(a.Out, a.style(), "")}
	s.live.silent, s.live.indent = true, 18 // a verdict says what went wrong
	s.secret, s.accounts = client.Secret, filepath.Join(dir, accountsDir)
	s.log = &storyLog{live: s.live, style: a.style(), begun: time.Now()}
	gates := &lateGate{}
	s.sandbox, err = startSandbox(ctx, once, rate, client, gates, s)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	config, err := a.devConfig(dir, port, once, s.sandbox, client)
	if err == nil {
		s.daemon, err = daemon.Start(ctx, daemon.Options{
			Config: config, Name: "dev", Version: version(), Log: slog.New(slog.DiscardHandler),
			Watch: runner.Watcher{Started: s.live.Started, Finished: s.heard},
		})
	}
	if err != nil {
		return nil, errors.Join(err, s.sandbox.Close(), os.RemoveAll(dir))
	}
	gates.open(s.daemon)
	users, watching := background(ctx, s.sandbox.Traffic.Run), background(ctx, s.sandbox.Switch.Watch)
	s.stop = func() error {
		users()
		watching()
		s.live.Close()
		err := s.sandbox.Close()
		s.daemon.Stop()
		return errors.Join(err, s.daemon.Wait(), os.RemoveAll(dir))
	}
	return s, nil
}

// background runs f and returns what stops it and waits for its end.
func background(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); f(ctx) }()
	return func() { cancel(); <-ended }
}

// lateGate lets the sandbox know the daemon, which is started after it.
type lateGate struct {
	ask     sandbox.GateFunc
	publish sandbox.PublishFunc
	opened  chan struct{}
}

func (g *lateGate) open(d *daemon.Daemon) {
	g.ask = sandbox.HTTPGate(nil, "http://"+d.Address(), "plum", "")
	g.publish = publishSwitch(d.Bus(), "plum")
	close(g.opened)
}

func startSandbox(ctx context.Context, once bool, rate float64, client sandbox.Client, gates *lateGate, s *stage) (*sandbox.Sandbox, error) {
	gates.opened = make(chan struct{})
	ready := func(ctx context.Context) error {
		select {
		case <-gates.opened:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	options := sandbox.Options{
		Client: client, Rand: rand.Reader, Rate: rate, Observe: s.log.switched,
		Releases: map[plumbline.Color]plumbline.Release{plumbline.Blue: {Version: firstVersion}, plumbline.Green: {Version: "2026.10.9"}},
		Gate: func(ctx context.Context, c plumbline.Color, p plumbline.Purpose, v string) (plumbline.Gate, error) {
			if err := ready(ctx); err != nil {
				return plumbline.Gate{}, err
			}
			return gates.ask(ctx, c, p, v)
		},
		Publish: func(ctx context.Context, to plumbline.Color, reason plumbline.SwitchReason) error {
			if err := ready(ctx); err != nil {
				return err
			}
			return gates.publish(ctx, to, reason)
		},
	}
	if !once {
		options.Blue, options.Green, options.Switch, options.Control = "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8090", "127.0.0.1:8091"
		options.Providers = "127.0.0.1:8093"
	}
	return sandbox.Start(ctx, options)
}

// devConfig is the shipped configuration, pointed at this sandbox.
func (a *app) devConfig(dir string, port int, once bool, s *sandbox.Sandbox, client sandbox.Client) (*configs.Config, error) {
	listen, busListen, schedule := fmt.Sprintf("127.0.0.1:%d", port), configs.DefaultBusListen, "*/10 * * * * *"
	if once {
		listen, busListen, schedule = "127.0.0.1:0", "127.0.0.1:0", "*/2 * * * * *"
	} else if !free(busListen) {
		return nil, usagef("127.0.0.1:4222 is taken: another plumbline or NATS server runs on this machine")
	}
	overrides := map[string]any{
		"bus.store":                      filepath.Join(dir, "bus"),
		"bus.listen":                     busListen,
		"listen":                         listen,
		"receiver.listen":                "127.0.0.1:0",
		"services.plum.suites":           []string{"shipped:plum", "shipped:plum-providers"},
		"services.plum.standby.schedule": schedule,
	}
	for _, color := range plumbline.Colors() {
		if once {
			overrides["services.plum.environments."+string(color)+".vars.in_time"] = storyInTime.String()
		}
	}
	accounts := filepath.Join(dir, accountsDir)
	if err := s.WriteSecrets(accounts); err != nil {
		return nil, err
	}
	maps.Copy(overrides, s.Settings(accounts))
	config, warnings, err := configs.Load(configs.Source{
		File: configs.DefaultFile, Data: configs.Default, Environ: []string{"PLUM_CLIENT_SECRET=" + client.Secret}, Overrides: overrides,
	})
	for _, warning := range warnings {
		fmt.Fprintln(a.Err, warning)
	}
	return config, err
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// heard is told of every check that ends: that of the run on the stage, or of another beside it.
func (s *stage) heard(r plumbline.Result) { s.live.Ended(r) }
