package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

func (a *app) deadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "events that could not be served: why, and what to do with them",
		Args:  cobra.ArbitraryArgs,
		RunE:  helpOrUnknown,
	}
	cmd.AddCommand(a.lettersListCommand(), a.letterShowCommand(), a.letterReplayCommand(), a.letterDropCommand())
	return cmd
}

func (a *app) lettersListCommand() *cobra.Command {
	var n int
	cmd := &cobra.Command{
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
	lastFlag(cmd, &n)
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) letterShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NUMBER",
		Short:   "a dead letter with its reason, headers and body",
		Long:    `Shows what was kept of an event. Secrets of the configuration, and what looks like one, are taken out.`,
		Example: "  plumbline deadletters show 7",
		Args:    arguments("NUMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := letterNumber(args[0])
			if err != nil {
				return err
			}
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) error {
				letter, body, err := b.DeadLetter(ctx, number)
				if err != nil {
					return noLetter(err)
				}
				return a.printDeadLetter(letter, body)
			})
		},
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) letterReplayCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "replay NUMBER",
		Short: "publish the event of a dead letter again, as it came",
		Long: `Publishes the event again: where it came, as it came, under the id that it had. It is for events that could not be
served then and can be now, such as those of a service that wasn't configured. An event that would only be a dead letter
again isn't sent. The letter stays: deadletters drop removes it.`,
		Example: "  plumbline deadletters replay 7 --wait",
		Args:    arguments("NUMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := letterNumber(args[0])
			if err != nil {
				return err
			}
			return a.replay(cmd.Context(), number, w)
		},
	}
	w.flags(cmd)
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) letterDropCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "drop NUMBER --reason TEXT",
		Short:   "remove a dead letter for good",
		Long:    `Removes a dead letter and overwrites it. The ledger keeps who it was about, its digest and the reason.`,
		Example: `  plumbline deadletters drop 7 --reason "sent by a test, CHG-4711"`,
		Args:    arguments("NUMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := letterNumber(args[0])
			switch {
			case err != nil:
				return err
			case reason == "":
				return usagef("drop wants --reason: why may this event be forgotten?")
			}
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) error { return a.drop(ctx, b, number, reason) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` for the ledger")
	a.formats(cmd, "pretty", "json")
	return cmd
}

func letterNumber(text string) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number == 0 {
		return 0, usagef("%q is no number of a dead letter; plumbline deadletters list has them", text)
	}
	return number, nil
}

func noLetter(err error) error {
	if errors.Is(err, bus.ErrNoLetter) {
		return usagef("%w; plumbline deadletters list has those that there are", err)
	}
	return unanswered("the dead letters of the bus", err)
}

func (a *app) replay(ctx context.Context, number uint64, w waiting) error {
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	bounded, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoAnswer)
	sent, again, err := b.Replay(bounded, number)
	cancel()
	var bad *bus.BadEvent
	switch {
	case errors.As(err, &bad):
		return usagef("%w", err)
	case err != nil:
		return noLetter(err)
	case again:
		fmt.Fprintf(a.Err, "dead letter %d was replayed before, and is one event with that\n", number)
	}
	if !w.wait {
		return a.saySent(ctx, b, sent)
	}
	return a.follow(ctx, b, sent, w.timeout)
}

// drop removes a letter once the ledger knows of it.
func (a *app) drop(ctx context.Context, b *bus.Bus, number uint64, reason string) error {
	if b.MayNotDrop(ctx) {
		return usagef("this user may not remove dead letters: ask with an admin's credentials")
	}
	letter, _, err := b.DeadLetter(ctx, number)
	if err != nil {
		return noLetter(err)
	}
	service := letter.Service
	if plumbline.CheckName(service) != nil {
		service = "unknown"
	}
	entry := plumbline.Entry{Schema: plumbline.LedgerSchema, Kind: plumbline.EntryDropped, Service: service, At: time.Now().UTC(),
		Sequence: letter.Sequence, Letter: number,
		Text: fmt.Sprintf("dead letter %d was dropped (sha256:%s, put aside because %s): %s", number, letter.SHA256, letter.Reason, reason)}
	if err := b.PublishEntry(ctx, entry); err != nil {
		return unanswered("nothing was dropped: the ledger must know of it first", err)
	}
	if err := b.DropDeadLetter(ctx, number); err != nil {
		return noLetter(err)
	}
	if a.format == "json" {
		return writeJSON(a.Out, entry)
	}
	_, err = fmt.Fprintf(a.Out, "%s dead letter %d\n", a.style().Bold("dropped"), number)
	return err
}
