package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/bus"
)

func (a *app) adoptCommand() *cobra.Command {
	var live, version, reason string
	cmd := &cobra.Command{
		Use:   "adopt SERVICE --live COLOR --reason TEXT",
		Short: "vouch for which color is live, where nobody knows",
		Long: `Says which color of a service takes traffic, when its record doesn't know: the bus lost its state, or the service isn't
marked as new. Until then its gates stay closed. The other color is idle afterwards and needs a release. A record that
knows its roles is left alone: there, a switch says what moved. A record of an event stream that was lost starts over.`,
		Example: `  plumbline adopt plum --live blue --version 2026.11.2 --reason "the bus was rebuilt, CHG-4711"`,
		Args:    arguments("SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if live == "" || reason == "" {
				return usagef("adopt wants --live and --reason: which color takes traffic, and why must somebody say so?")
			}
			return a.adopt(cmd.Context(), args[0], live, version, reason)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&live, "live", "", "the `COLOR` that takes traffic")
	flags.StringVar(&version, "version", "", "the `VERSION` that it runs")
	flags.StringVar(&reason, "reason", "", "`TEXT` for the ledger")
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) adopt(ctx context.Context, service, live, version, reason string) error {
	b, color, err := a.reach(ctx, service, live)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for {
		record, revision, err := b.Record(ctx, service)
		if err != nil {
			return unanswered("the record of "+service, err)
		}
		last, err := b.LastEvent(ctx)
		if err != nil {
			return unanswered("the events of the bus", err)
		}
		if last < record.Applied {
			record = record.StartOver(last, time.Now().UTC())
		}
		next, entry, err := record.Adopt(color, version, reason, time.Now())
		if err != nil {
			return usagef("%w", err)
		}
		_, err = b.UpdateRecord(ctx, next, revision)
		if errors.Is(err, bus.ErrConflict) {
			continue // somebody wrote in between: look again
		}
		if err != nil {
			return unanswered("the record of "+service, err)
		}
		if err := b.PublishEntry(ctx, entry); err != nil {
			return unanswered("the adoption holds, and the ledger doesn't know it", err)
		}
		if a.format == "json" {
			return writeJSON(a.Out, entry)
		}
		_, err = fmt.Fprintf(a.Out, "%s %s\n", a.style().Bold(service), entry.Text)
		return err
	}
}
