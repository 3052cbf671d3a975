package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/logging"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "the daemon: state, workers, clocks, gate, reporters",
		Long: `Runs until it is told to end. Any number of daemons may share a bus; each event is handled once. Without bus.url in
the configuration the bus is embedded, and other commands reach it where bus.listen says.

SIGHUP reloads configuration and suites, all or nothing. SIGTERM ends it: runs under way may end within shutdown_grace,
the rest goes to another daemon. A second one hands back everything at once, and a third waits for nothing.`,
		Example: "  plumbline serve --config configs/plumbline.yaml",
		Args:    arguments(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
}

func (a *app) serve(ctx context.Context) error {
	config, warnings, err := a.read(false)
	if err != nil {
		return err
	}
	hide, level := redact.NewKeeper(config.Secrets()...), &slog.LevelVar{}
	level.Set(logging.Level(config.Log.Level))
	log := logging.New(a.Err, logging.Options{Level: level, Format: config.Log.Format, Getenv: a.Getenv, Redact: hide.String})
	warn(log, warnings)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	d, err := daemon.Start(ctx, daemon.Options{Config: config, Name: hostName(), Version: version(), Log: log, Redact: hide})
	var weak *daemon.BusError
	switch {
	case errors.Is(err, bus.ErrUnreachable):
		return unknownf("%w\nstart the NATS server that bus.url names; without bus.url the bus is embedded", err)
	case errors.As(err, &weak):
		return unknownf("%w\nplumbline doctor says what is wrong with it", err)
	case err != nil:
		return err
	}
	log.Info("serving", "gate", "http://"+d.Address(), "bus", d.BusURL(), "version", version())
	ended := make(chan error, 1)
	go func() { ended <- d.Wait() }()
	for {
		select {
		case err := <-ended:
			return unknownf("the daemon ended: %w", err)
		case <-hangup:
			a.reload(ctx, d, level, log)
		case <-ctx.Done():
			return end(d, ended, log)
		}
	}
}

// reload puts the configuration in force as it is now, or says why the former one stays.
func (a *app) reload(ctx context.Context, d *daemon.Daemon, level *slog.LevelVar, log *slog.Logger) {
	config, warnings, err := a.read(false)
	warn(log, warnings)
	if err == nil {
		err = d.Reload(ctx, config)
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			log.Error("not reloaded: " + strings.TrimSpace(line))
		}
		log.Error("the configuration from before stays in force")
		return
	}
	level.Set(logging.Level(config.Log.Level))
	log.Info("reloaded", "config_digest", config.Digest())
}

// warn is for whoever reads the log, which may be a program.
func warn(log *slog.Logger, warnings []configs.Warning) {
	for _, w := range warnings {
		log.Warn(w.Error())
	}
}

// end lets the daemon finish, unless it is told once more to end.
func end(d *daemon.Daemon, ended <-chan error, log *slog.Logger) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	d.Finish()
	log.Info("ending: runs under way may end, the rest is handed back to the bus", "shutdown_grace", d.Config().ShutdownGrace.String())
	var err error
	select {
	case err = <-ended:
	case <-again:
		log.Warn("ending at once: runs under way are handed back to the bus")
		d.Stop()
		select {
		case err = <-ended:
		case <-again:
			return silent(exitInterrupt) // whatever it still waits for comes again
		}
	}
	if err != nil {
		return &exit{exitFail, fmt.Errorf("the daemon did not end as it should: %w", err)}
	}
	return nil
}

// hostName tells daemons apart, in verdicts and at the bus.
func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// load reads the configuration that --config names, or the default one, and says once what about it is worth a warning.
func (a *app) load(withoutSecrets bool) (*configs.Config, error) {
	config, warnings, err := a.read(withoutSecrets)
	for _, w := range warnings {
		if !a.warned {
			fmt.Fprintln(a.Err, w)
		}
	}
	a.warned = a.warned || err == nil
	return config, err
}

func (a *app) read(withoutSecrets bool) (*configs.Config, []configs.Warning, error) {
	source, err := a.source()
	if err != nil {
		return nil, nil, err
	}
	source.WithoutSecrets = withoutSecrets
	config, warnings, err := configs.Load(source)
	if err != nil {
		return nil, warnings, &exit{exitUsage, err}
	}
	return config, warnings, nil
}

// source is what --config names, or the default file, with the environment.
func (a *app) source() (configs.Source, error) {
	source := configs.Source{File: a.config, Environ: a.Env}
	if source.File == "" {
		if _, err := os.Stat(configs.DefaultFile); err != nil {
			return source, usagef("no configuration: %s isn't here, and --config names no other", configs.DefaultFile)
		}
		source.File = configs.DefaultFile
	}
	return source, nil
}

// busAddress is where the configuration says that the bus is. Without any it is where an embedded one listens.
func (a *app) busAddress() (configs.Bus, error) {
	if a.config == "" {
		if _, err := os.Stat(configs.DefaultFile); err != nil {
			return configs.Bus{URL: "nats://" + configs.DefaultBusListen, Prefix: configs.DefaultPrefix}, nil
		}
	}
	config, err := a.load(true)
	if err != nil {
		return configs.Bus{}, err
	}
	address := config.Bus
	if address.Embedded() {
		if address.Listen == "" {
			return address, usagef("the embedded bus of this configuration doesn't listen: set bus.listen to let commands reach it")
		}
		address.URL = "nats://" + address.Listen
	}
	return address, nil
}

func hostOf(address string) string {
	_, host, _ := strings.Cut(address, "://")
	return host
}
