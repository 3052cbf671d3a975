package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/reporters"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/suites"
)

// runFlags are what the run command is told.
type runFlags struct {
	target, environment string
	control             string
	version, digest     string
	vars, only, tags    []string
	concurrency         int
	output              string
	failFast, curl      bool
	watch               bool
}

// A job is what the flags of run ask for.
type job struct {
	config   *configs.Config // nil: there is none
	plan     plumbline.Plan
	suites   []suites.Suite
	redacted func(string) string
	receiver *daemon.LocalReceiver // of callbacks
	accounts *checks.Connections
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SUITE…",
		Short: "ask suites here and now, without a bus",
		Long: `Loads suites (files, directories, or shipped:plum), asks all their checks against an address or an environment of the
configuration, and exits 0 only if every critical check passed.`,
		Example: `  plumbline run suites/plum/smoke.yaml --environment plum/green --version 2026.11.3
  plumbline run checks.yaml --target https://green.plum.internal
  plumbline run both.yaml --target https://green.plum.internal --control https://blue.plum.internal`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("run wants at least one suite: %s", usageOf(cmd))
			}
			// What was begun is undone also when the terminal goes away, or whoever reads the answer.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP, syscall.SIGPIPE)
			defer stop()
			run := a.run
			if f.watch {
				run = a.watch
			}
			err := run(ctx, args, f)
			if code, quiet := codeOf(ctx, err); err != nil && quiet {
				return silent(code)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.target, "target", "", "`URL` to ask")
	flags.StringVar(&f.environment, "environment", "", "`SERVICE/COLOR` of the configuration to ask")
	flags.StringVar(&f.control, "control", "", "`URL` of the live color, which parity compares with (default: the other one of --environment)")
	flags.StringVar(&f.version, "version", "", "the `VERSION` that should run there: $(release.version)")
	flags.StringVar(&f.digest, "digest", "", "its `DIGEST`: $(release.digest)")
	flags.StringArrayVar(&f.vars, "var", nil, "`NAME=VALUE` of a variable of the suites; may be repeated")
	flags.StringArrayVar(&f.only, "only", nil, "ask only the check of this `NAME`, and what it needs; may be repeated")
	flags.StringArrayVar(&f.tags, "tag", nil, "ask only checks with this `TAG`, and what they need; may be repeated")
	flags.IntVar(&f.concurrency, "concurrency", runner.DefaultConcurrency, "`NUMBER` of checks under way at once")
	flags.StringVar(&f.output, "output", "", "`FILE` for the answer in --format; standard output keeps it pretty")
	flags.BoolVar(&f.failFast, "fail-fast", false, "end with the first critical check that goes wrong")
	flags.BoolVar(&f.curl, "curl", false, "show a curl command for each request that went wrong, without secrets")
	flags.BoolVar(&f.watch, "watch", false, "ask again whenever a suite changes")
	a.formats(cmd, verdictFormats...)
	return cmd
}

func (a *app) run(ctx context.Context, paths []string, f runFlags) error {
	job, err := a.job(paths, f)
	if err != nil {
		return err
	}
	out, err := a.outlet(f.output)
	if err != nil {
		return err
	}
	verdict, err := a.ask(ctx, job, f, out)
	if err != nil {
		return errors.Join(err, out.close())
	}
	page := reporters.Page{Style: a.style(), Source: sourceOf(job.suites)}
	if f.curl {
		page.Repeat = repeats(job.plan)
	}
	if err := out.verdict(verdict, page); err != nil {
		return err
	}
	return endOf(verdict)
}

// ask carries out the plan. An interrupted run is no verdict.
func (a *app) ask(ctx context.Context, job job, f runFlags, out *outlet) (plumbline.Verdict, error) {
	plan := job.plan
	live := a.progress(strings.TrimSpace("run " + plan.Release.Version))
	live.silent = false
	live.Result(0, len(plan.Checks), nil)
	out.begin(plan)
	asked, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	first := newFast(f.failFast, plan, stop)
	results := runner.New(runner.Options{Concurrency: f.concurrency, PerHost: f.concurrency, Redact: job.redacted}).
		Run(asked, plan, runner.Watcher{Started: live.Started, Finished: func(r plumbline.Result) {
			r = first.finished(r)
			live.Finished(r)
			out.check(r)
		}})
	live.Close()
	if live.terminal && live.told {
		fmt.Fprintln(a.Err)
	}
	job.accounts.Close()
	if err := job.receiver.Close(); err != nil {
		return plumbline.Verdict{}, err
	}
	if ctx.Err() != nil {
		return plumbline.Verdict{}, ctx.Err()
	}
	return plumbline.Judge(plan, first.settled(results), time.Now()), nil
}

// job is what the flags ask for.
func (a *app) job(paths []string, f runFlags) (job, error) {
	j := job{redacted: func(s string) string { return s }, receiver: &daemon.LocalReceiver{}}
	j.plan = plumbline.Plan{
		Run: plumbline.RunID("run", commandSource, uuid.NewString()), Trigger: plumbline.TriggerManual, StartedAt: time.Now(),
		Release: plumbline.Release{Version: f.version, Digest: f.digest}, Tool: "plumbline " + version(), Worker: hostName(),
		Timeouts: map[string]time.Duration{},
	}
	if f.concurrency < 1 {
		return j, usagef("--concurrency %d: want at least 1", f.concurrency)
	}
	config, err := a.optionalConfig(f.environment != "")
	if err != nil {
		return j, err
	}
	receiving := func(c *checks.Clients) {
		c.Callbacks, j.accounts = j.receiver.Open, c.Connections
		c.Transport.MaxIdleConnsPerHost = max(c.Transport.MaxIdleConnsPerHost, f.concurrency)
		if f.environment == "" {
			checks.Guard(c.Transport, checks.Egress{Anywhere: true}) // a person names the target here, no configuration
		}
	}
	options := suites.Options{}
	j.config = config
	if config == nil {
		clients := checks.Clients{Transport: checks.NewTransport(f.concurrency)}
		receiving(&clients)
		options.Kinds = checks.Kinds(clients)
	} else {
		j.redacted = redact.New(config.Secrets()...).String
		options = daemon.SuiteOptions(config, j.redacted, receiving)
	}
	if options.Vars, err = variables(f.vars); err != nil {
		return j, err
	}
	if j.plan.Site, err = site(config, f); err != nil {
		return j, err
	}
	if j.plan.Live, err = control(config, f, j.plan.Site); err != nil {
		return j, err
	}
	j.plan.Service, j.plan.Color = j.plan.Site.Service, j.plan.Site.Color
	if j.suites, err = suites.Load(paths, options); err != nil {
		return j, &exit{exitUsage, err}
	}
	return j, a.add(&j, options.Vars, f)
}

// add puts the suites into the plan of the job.
func (a *app) add(j *job, vars map[string]any, f runFlags) error {
	var settable []string
	for _, s := range j.suites {
		for _, w := range s.Warnings {
			fmt.Fprintln(a.Err, w)
		}
		j.plan.Suites = append(j.plan.Suites, s.Ref())
		j.plan.Timeouts[s.Name] = s.Timeout
		j.plan.Checks = append(j.plan.Checks, s.ChecksFor(j.plan.Release, time.Now())...)
		settable = append(settable, s.Vars...)
	}
	if j.config != nil {
		j.config.Share(j.plan.Service, j.plan.Color, j.plan.Checks)
	}
	for name := range vars {
		if !slices.Contains(settable, name) {
			return usagef("--var %s: no suite has this variable%s", name, didYouMean(name, settable))
		}
	}
	var err error
	j.plan.Checks, err = choose(j.plan.Checks, f.only, f.tags)
	return err
}

// optionalConfig is the configuration, which a run against an address can do without.
func (a *app) optionalConfig(needed bool) (*configs.Config, error) {
	if _, err := os.Stat(configs.DefaultFile); err != nil && a.config == "" && !needed {
		return nil, nil
	}
	config, err := a.load(false)
	if err != nil && a.config == "" && !needed {
		fmt.Fprintf(a.Err, "%s is left alone: %s\n", configs.DefaultFile, err)
		return nil, nil
	}
	return config, err
}

// site is the environment that is asked.
func site(config *configs.Config, f runFlags) (plumbline.Site, error) {
	switch {
	case f.target == "" && f.environment == "", f.target != "" && f.environment != "":
		return plumbline.Site{}, usagef("run wants one of --target URL and --environment SERVICE/COLOR")
	case f.target != "":
		return plumbline.Site{URL: f.target}, address("--target", f.target)
	}
	service, colorName, _ := strings.Cut(f.environment, "/")
	color, err := parseColor(colorName)
	if err != nil {
		return plumbline.Site{}, usagef("--environment %q: %w", f.environment, err)
	}
	s := config.Services[service]
	if s == nil {
		var names []string
		for name := range config.Services {
			names = append(names, name)
		}
		return plumbline.Site{}, usagef("--environment: unknown service %q%s", service, didYouMean(service, names))
	}
	e := s.Environments[color]
	return plumbline.Site{Service: service, Color: color, URL: e.URL, Vars: e.Vars}, nil
}

// control is what the site is held against: --control, or else the other color of the configuration.
func control(config *configs.Config, f runFlags, site plumbline.Site) (plumbline.Site, error) {
	var other plumbline.Site
	if config != nil && site.Service != "" {
		other, _ = config.Site(site.Service, site.Color.Other())
	}
	if f.control == "" {
		return other, nil
	}
	other.URL = f.control
	return other, address("--control", f.control)
}

func address(flag, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usagef("%s: want an address such as https://green.plum.internal", flag)
	}
	return nil
}
