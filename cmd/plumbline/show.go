package main

import (
	"context"
	"errors"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/reporters"
)

// runID is what the name of a run looks like.
var runID = regexp.MustCompile(`^[a-z2-7]{26}$`)

func checkRun(name string) error {
	if !runID.MatchString(name) {
		return usagef("%q is no run, want 26 letters and digits; plumbline runs lists them", name)
	}
	return nil
}

func (a *app) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "the verdict of a run, check by check",
		Args:  arguments("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRun(args[0]); err != nil {
				return err
			}
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) error {
				v, err := stored(ctx, b, args[0])
				if err != nil {
					return err
				}
				return writeVerdict(a.Out, a.format, v, reporters.Page{Style: a.style(), Dated: true, Source: pinnedSource(ctx, b, v)})
			})
		},
	}
	a.formats(cmd, verdictFormats...)
	return cmd
}

// stored is the verdict of a run that has ended.
func stored(ctx context.Context, b *bus.Bus, run string) (plumbline.Verdict, error) {
	v, found, err := b.Verdict(ctx, run)
	switch {
	case err != nil:
		return v, unanswered("the verdict of run "+run, err)
	case found:
		return v, nil
	}
	service, err := underWay(ctx, b, run)
	switch {
	case err != nil:
		return v, err
	case service != "":
		return v, unknownf("run %s has no verdict yet: it is under way\nplumbline status %s says when it has one", run, service)
	}
	return v, usagef("no verdict of run %q: no daemon has begun it, its event asked for none, or there is no such run; plumbline runs lists them", run)
}

// underWay is the service whose run hasn't ended, if it is one's.
func underWay(ctx context.Context, b *bus.Bus, run string) (string, error) {
	services, err := b.Services(ctx)
	if err != nil {
		return "", unanswered("the services of the bus", err)
	}
	for _, service := range services {
		record, _, err := b.Record(ctx, service)
		if err != nil && !errors.Is(err, bus.ErrNoRecord) {
			return "", unanswered("the record of "+service, err)
		}
		if _, pending := record.Find(run); pending {
			return service, nil
		}
	}
	return "", nil
}
