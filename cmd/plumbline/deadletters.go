package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/bus"
)

func (a *app) deadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "events that could not be served, and why",
		Args:  cobra.ArbitraryArgs,
		RunE:  helpOrUnknown,
	}
	var n int
	list := &cobra.Command{
		Use:   "list",
		Short: "the last dead letters",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) error {
				letters, err := b.DeadLetters(ctx, n)
				if err != nil {
					return unanswered("the dead letters of the bus", err)
				}
				return a.printDeadLetters(letters)
			})
		},
	}
	lastFlag(list, &n)
	a.formats(list, "pretty", "json")
	cmd.AddCommand(list)
	return cmd
}

func (a *app) printDeadLetters(letters []bus.DeadLetter) error {
	if a.format == "json" {
		if letters == nil {
			letters = []bus.DeadLetter{}
		}
		return writeJSON(a.Out, letters)
	}
	s, rows := a.style(), [][]string{{"sequence", "service", "when", "reason"}}
	for _, l := range letters {
		rows = append(rows, []string{fmt.Sprint(l.Sequence), l.Service, ago(l.At, time.Now()), l.Reason})
	}
	if len(letters) == 0 {
		fmt.Fprintln(a.Out, "no dead letters")
		return nil
	}
	printTable(a.Out, s.Dim, rows, nil)
	return nil
}
