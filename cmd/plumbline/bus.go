package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/daemon"
)

// provisionTimeout bounds how long an admin's commands work on streams: a cluster takes its time for each.
const provisionTimeout = 2 * time.Minute

func (a *app) busCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bus",
		Short: "the bus beneath: its streams, its users, and what is weak about it",
		Args:  cobra.ArbitraryArgs,
		RunE:  helpOrUnknown,
	}
	cmd.AddCommand(a.busUsersCommand(), a.busCertificatesCommand(), a.busProvisionCommand(), a.busCheckCommand(), a.busBackupCommand(), a.busRestoreCommand())
	return cmd
}

func (a *app) busProvisionCommand() *cobra.Command {
	var correct bool
	cmd := &cobra.Command{
		Use:   "provision",
		Short: "make the streams, buckets and consumers that the daemons of a configuration need",
		Long: `Makes what daemons may not make themselves, with an admin's credentials. What is there stays as it is; --correct makes it
as strong as it should be, where the bus can do that without losing anything. Again after a service or reporter was added.
Exit code 1 if something stays weaker than it should be.`,
		Example: "  PLUMBLINE_BUS__CREDENTIALS=admin.nk PLUMBLINE_BUS__INBOX_PREFIX=_INBOX_admin \\\n    plumbline bus provision",
		Args:    arguments(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.provision(cmd.Context(), correct) },
	}
	cmd.Flags().BoolVar(&correct, "correct", false, "correct streams that are weaker than they should be")
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) provision(ctx context.Context, correct bool) error {
	config, err := a.load(true)
	if err != nil {
		return err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	pieces, err := b.Provision(ctx, daemon.Readers(config), correct)
	if err := a.printPieces(pieces); err != nil {
		return err
	}
	if err != nil {
		return unknownf("%w", err)
	}
	for _, p := range pieces {
		if len(p.Weaker) > 0 {
			return silent(exitFail)
		}
	}
	return nil
}

func (a *app) printPieces(pieces []bus.Piece) error {
	if a.format == "json" {
		if pieces == nil {
			pieces = []bus.Piece{}
		}
		return writeJSON(a.Out, pieces)
	}
	s, rows := a.style(), [][]string{{"what", "became", "weaker than it should be"}}
	for _, p := range pieces {
		rows = append(rows, []string{p.Name, p.Became, strings.Join(p.Weaker, "; ")})
	}
	if len(pieces) == 0 {
		return nil
	}
	printWhole(a.Out, s.Dim, rows, func(row, column int, text string) string {
		switch {
		case column == 2:
			return s.Yellow(text)
		case column == 1 && text != bus.Kept:
			return s.Green(text)
		}
		return text
	})
	return nil
}

func (a *app) busCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "say what about the bus is weaker than it should be",
		Long: `Looks at the connection, the servers, this user, the streams and the consumers, with the eyes of whoever asks: an admin
sees most. Exit codes: 0 everything was seen and is as it should be, 1 something is weak or missing, 3 something could not
be seen.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.checkBus(cmd.Context()) },
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) checkBus(ctx context.Context) error {
	config, err := a.load(true)
	if err != nil {
		return err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	findings := b.Check(ctx, daemon.Readers(config))
	if config.Bus.Embedded() {
		findings = embeddedFindings(findings)
	}
	if ctx.Err() != nil {
		return unknownf("the bus: %w", context.Cause(ctx))
	}
	if err := a.printFindings(findings); err != nil {
		return err
	}
	weak, unknown := inState(findings, bus.StateWeak)+inState(findings, bus.StateMissing), inState(findings, bus.StateUnknown)
	switch {
	case weak > 0:
		return silent(exitFail)
	case unknown > 0:
		return &exit{exitUnknown, errors.New("not everything could be seen: ask with an admin's credentials")}
	}
	return nil
}

// embeddedFindings knows what the embedded server doesn't say: it writes everything to its disk first, and has one user,
// whom nobody beyond this machine can be.
func embeddedFindings(all []bus.Finding) []bus.Finding {
	for i, f := range all {
		switch {
		case f.Name == "servers":
			all[i] = bus.Finding{Name: "server", State: bus.StateOK, Text: "embedded, acknowledges what is on its disk"}
		case strings.HasPrefix(f.Name, "user"):
			all[i] = bus.Finding{Name: "user", State: bus.StateOK, Text: "anybody on this machine"}
		}
	}
	return all
}

func inState(findings []bus.Finding, state string) (n int) {
	for _, f := range findings {
		if f.State == state {
			n++
		}
	}
	return n
}

func (a *app) printFindings(findings []bus.Finding) error {
	if a.format == "json" {
		return writeJSON(a.Out, findings)
	}
	s, rows := a.style(), [][]string{{"what", "state", "how"}}
	for _, f := range findings {
		rows = append(rows, []string{f.Name, f.State, f.Text})
	}
	printWhole(a.Out, s.Dim, rows, func(_, column int, text string) string {
		switch {
		case column != 1:
			return text
		case text == bus.StateOK:
			return s.Green(text)
		case text == bus.StateUnknown:
			return s.Yellow(text)
		}
		return s.Red(text)
	})
	weak, unknown := inState(findings, bus.StateWeak)+inState(findings, bus.StateMissing), inState(findings, bus.StateUnknown)
	_, err := fmt.Fprintf(a.Out, "%d as they should be, %d weak or missing, %d not seen\n", len(findings)-weak-unknown, weak, unknown)
	return err
}
