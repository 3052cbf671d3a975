package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/reporters"
)

// commandSource is the source of the events that people publish.
const commandSource = "/plumbline/command"

// waiting is what the commands share that publish an event and may wait for its verdict.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.wait, "wait", false, "follow the run, and exit as its verdict: 0 pass, 1 fail, 5 superseded")
	timeoutFlag(cmd, &w.timeout)
}

// timeoutFlag bounds --wait.
func timeoutFlag(cmd *cobra.Command, d *time.Duration) {
	*d = 30 * time.Minute
	cmd.Flags().Var((*waitTime)(d), "timeout", "`TIME` that --wait waits")
}

// A waitTime is a flag that says how long something is waited for.
type waitTime time.Duration

func (p *waitTime) String() string { return time.Duration(*p).String() }
func (p *waitTime) Type() string   { return "duration" }
func (p *waitTime) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("want a duration")
	}
	*p = waitTime(d)
	return nil
}

// idFlag lets an event be sent again that may have arrived.
func idFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "id", "", "`ID` of the event: the same id again is the same event (default: a fresh one)")
}

func (a *app) releaseCommand() *cobra.Command {
	var e plumbline.Event
	var w waiting
	var deploying bool
	cmd := &cobra.Command{
		Use:   "release SERVICE COLOR --version V",
		Short: "say that a version runs on a color, and have it validated",
		Long: `Publishes a release event: the version runs on the color and awaits its verdict. The gate of the color opens only on
a pass of exactly this release. With --wait the command follows the run and exits as its verdict.`,
		Example: "  plumbline release plum green --version 2026.11.3 --wait",
		Args:    arguments("SERVICE", "COLOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if e.Release.Version == "" && !deploying {
				return usagef("release wants --version: what runs on %s?", args[1])
			}
			e.Kind = plumbline.EventDeployed
			if deploying {
				e.Kind, w.wait = plumbline.EventDeploying, false
			}
			return a.send(cmd.Context(), args[0], args[1], e, w)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&e.Release.Version, "version", "", "the `VERSION` that runs there")
	flags.StringVar(&e.Release.Digest, "digest", "", "`DIGEST` of the artifact, sha256:…")
	flags.StringVar(&e.Change.ID, "change", "", "`ID` of the change in change management")
	flags.StringVar(&e.Change.Commit, "commit", "", "`COMMIT` that was built")
	idFlag(cmd, &e.ID)
	flags.BoolVar(&deploying, "deploying", false, "say only that the color is being changed: its gates close until the release")
	w.flags(cmd)
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) validateCommand() *cobra.Command {
	var e plumbline.Event
	var w waiting
	cmd := &cobra.Command{
		Use:     "validate SERVICE COLOR",
		Short:   "ask a color again, whatever its role",
		Example: "  plumbline validate plum blue --wait",
		Args:    arguments("SERVICE", "COLOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.Kind = plumbline.EventRequested
			return a.send(cmd.Context(), args[0], args[1], e, w)
		},
	}
	cmd.Flags().StringVar(&e.Reason, "reason", "", "`TEXT` for the record: why somebody asks")
	idFlag(cmd, &e.ID)
	w.flags(cmd)
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) switchedCommand() *cobra.Command {
	var to, reason, by, id string
	var epoch uint64
	cmd := &cobra.Command{
		Use:   "switched SERVICE --to COLOR",
		Short: "say that traffic moved, as a switch controller does",
		Long: `Publishes that traffic moved. A switch is a fact: it is applied even if the gate was closed, and then recorded as a
gap. Only what really moves traffic should say so.`,
		Example: "  plumbline switched plum --to green --reason promote",
		Args:    arguments("SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usagef("switched wants --to: which color takes traffic?")
			}
			if reasons := []string{"promote", "rollback", "break_glass"}; reason != "" && !slices.Contains(reasons, reason) {
				return usagef("--reason %q: want promote, rollback or break_glass%s", reason, didYouMean(reason, reasons))
			}
			return a.send(cmd.Context(), args[0], to, plumbline.Event{ID: id, Kind: plumbline.EventSwitched, Reason: reason, By: by, Epoch: epoch}, waiting{})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "the `COLOR` that takes traffic")
	flags.StringVar(&reason, "reason", "", "`WHY`: promote, rollback or break_glass")
	flags.StringVar(&by, "by", "", "`WHO` moved it")
	flags.Uint64Var(&epoch, "epoch", 0, "`NUMBER` of the switch, as its controller counts")
	idFlag(cmd, &id)
	a.formats(cmd, "pretty", "json")
	return cmd
}

// send publishes an event and, if asked, waits for its verdict.
func (a *app) send(ctx context.Context, service, color string, e plumbline.Event, w waiting) error {
	b, c, err := a.reach(ctx, service, color)
	if err != nil {
		return err
	}
	defer b.Close()
	e.Service, e.Color, e.Source = service, c, commandSource
	if e.ID == "" {
		e.ID = uuid.NewString()
	}
	if b.MayNotPublish(ctx, service) {
		return usagef("this user may not publish events about %s: bus.credentials names another role's", service)
	}
	follow := a.follow
	if w.wait && b.FollowsNothing(ctx) {
		if e.Kind != plumbline.EventDeployed {
			return usagef("this user may not follow runs, and no gate tells of this one: leave out --wait")
		}
		follow = a.followGate
	}
	sent, err := a.publish(ctx, b, e)
	if err != nil {
		return err
	}
	if !w.wait {
		return a.saySent(ctx, b, sent)
	}
	return follow(ctx, b, sent, w.timeout)
}

// saySent names the run of an event that asks for one. Who may only say that traffic moved doesn't know it: the account
// that it says so in is a part of the run's name.
func (a *app) saySent(ctx context.Context, b *bus.Bus, e plumbline.Event) error {
	asks := e.Kind != plumbline.EventDeploying && (e.Kind != plumbline.EventSwitched || !b.FollowsNothing(ctx))
	if a.format == "json" {
		sent := map[string]any{"event": plumbline.EventRef{ID: e.ID, Sequence: e.Sequence}, "service": e.Service, "color": e.Color}
		if asks {
			sent["run"] = e.Run
		}
		return writeJSON(a.Out, sent)
	}
	s := a.style()
	reference := fmt.Sprintf("event %s · sequence %d", e.ID, e.Sequence)
	if asks {
		reference = fmt.Sprintf("run %s · %s", e.Run, reference)
	}
	_, err := fmt.Fprintf(a.Out, "%s %s %s  %s\n", s.Bold(string(e.Kind)), e.Service, e.Color, s.Dim(reference))
	return err
}

// follow shows the results as they come and ends as the verdict does.
func (a *app) follow(ctx context.Context, b *bus.Bus, e plumbline.Event, timeout time.Duration) error {
	waited, cancel := context.WithTimeoutCause(ctx, timeout, errWaited)
	defer cancel()
	live := a.progress(fmt.Sprintf("%s %s %s", e.Service, e.Color, e.Release.Version))
	watching, stop := context.WithCancel(waited)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.WatchResults(watching, e.Service, e.Color, e.Run, live.Result) // for the eye alone: the verdict is what counts
	}()
	verdict, err := decided(waited, b, e)
	stop()
	<-ended
	live.Close()
	var gone *lost
	switch {
	case err == nil:
		noted(waited, b, verdict)
		return a.endAs(verdict)
	case errors.As(err, &gone):
		return &exit{exitUsage, gone}
	case errors.As(err, new(*exit)):
		return err
	case errors.Is(context.Cause(waited), errWaited):
		return &exit{exitTimeout, fmt.Errorf("no verdict within %s; the run goes on: plumbline show %s", timeout, e.Run)}
	case ctx.Err() != nil:
		return &exit{exitInterrupt, fmt.Errorf("interrupted; the run goes on: plumbline show %s", e.Run)}
	}
	return unanswered("the verdict of run "+e.Run, err)
}

// followGate waits for what the gate says of a release, for a user who may not follow its run.
func (a *app) followGate(ctx context.Context, b *bus.Bus, e plumbline.Event, timeout time.Duration) error {
	waited, cancel := context.WithTimeoutCause(ctx, timeout, errWaited)
	defer cancel()
	document, err := a.decided(waited, b, e.Service, e.Color, question{Purpose: plumbline.PurposePromote, Version: e.Release.Version, Digest: e.Release.Digest, Event: e.ID}, true)
	switch {
	case errors.Is(err, errWaited):
		return &exit{exitTimeout, fmt.Errorf("not decided within %s; the run goes on: plumbline gate %s %s --event %s", timeout, e.Service, e.Color, e.ID)}
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	if err := a.printGate(document); err != nil {
		return err
	}
	switch {
	case document.Verdict == plumbline.Pass:
		return nil
	case document.Because == plumbline.BecauseOtherGone:
		return silent(exitSuperseded)
	}
	return silent(exitFail)
}

// notedWithin bounds how long a command waits for the record of a service to take a verdict in.
const notedWithin = 2 * time.Second

// noted waits until the record knows a durable verdict, so that the gate that is asked next does. If it takes longer,
// that gate says that it is waiting, which is true.
func noted(ctx context.Context, b *bus.Bus, v plumbline.Verdict) {
	ctx, cancel := context.WithTimeout(ctx, notedWithin)
	defer cancel()
	for {
		record, _, err := b.Record(ctx, v.Service)
		if _, pending := record.Find(v.Run); err != nil || !pending {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

var errWaited = errors.New("the command's own time is over")

// endAs prints a verdict and exits as it says.
func (a *app) endAs(v plumbline.Verdict) error {
	if err := writeVerdict(a.Out, a.format, v, reporters.Page{Style: a.style()}); err != nil {
		return err
	}
	return endOf(v)
}
