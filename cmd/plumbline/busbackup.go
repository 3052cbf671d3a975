package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/bus"
)

func (a *app) busBackupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "write everything that the bus keeps into a directory",
		Long: `Writes a snapshot of every stream, as the server makes it, the places of the daemons in them, and backup.json with their
checksums. The directory is made, or is empty. Daemons may go on meanwhile. It takes an admin's credentials where the bus has
accounts.`,
		Example: "  plumbline bus backup /backups/2026-11-23",
		Args:    arguments("DIR"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args[0]) },
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) backup(ctx context.Context, dir string) error {
	b, done, err := a.connectOrEmbed(ctx)
	if err != nil {
		return err
	}
	defer done()
	backup, err := b.Backup(ctx, dir, func(s bus.StreamBackup) {
		fmt.Fprintf(a.Err, "%s: %d messages, %d bytes\n", s.Name, s.Messages, s.Size)
	})
	switch {
	case errors.Is(err, bus.ErrNotEmpty):
		return usagef("%w: name a directory that isn't there yet", err)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return unknownf("the bus lacks a stream, and %s holds no whole backup: %w\nplumbline doctor says which; a daemon makes what is missing when it is started or reloaded", dir, err)
	case err != nil:
		return unknownf("%w\n%s holds no whole backup", err, dir)
	case a.format == "json":
		return writeJSON(a.Out, backup)
	}
	_, err = fmt.Fprintf(a.Out, "%d streams and %d places in %s\n", len(backup.Streams), len(backup.Places), dir)
	return err
}

func (a *app) busRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "make the streams of a backup, on a bus that has none",
		Long: `Verifies a backup and makes its streams anew, with the sequences and times that they had: verdicts are the same bytes.
It overwrites nothing, and removes what it made if it can't finish. Stop the daemons before; an embedded bus is started
for the while. A bus of more servers keeps as many replicas as bus.replicas says. Events after the backup are lost: publish
them again, and look at plumbline status before traffic moves.`,
		Example: "  plumbline bus restore /backups/2026-11-23",
		Args:    arguments("DIR"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), args[0]) },
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) restore(ctx context.Context, dir string) error {
	if _, err := bus.ReadBackup(dir); err != nil {
		return usagef("%w", err)
	}
	b, done, err := a.connectOrEmbed(ctx)
	if err != nil {
		return err
	}
	defer done()
	restored := []bus.Restored{}
	err = b.Restore(ctx, dir, func(r bus.Restored) { restored = append(restored, r) })
	switch {
	case errors.Is(err, bus.ErrNotEmpty):
		return usagef("%w: restore into a bus that has nothing of this prefix", err)
	case err != nil:
		return unknownf("%w\nnothing was restored", err)
	case a.format == "json":
		return writeJSON(a.Out, restored)
	}
	s, rows := a.style(), [][]string{{"stream", "messages", "too old by now"}}
	for _, r := range restored {
		rows = append(rows, []string{r.Name, fmt.Sprint(r.Messages), fmt.Sprint(r.Expired)})
	}
	printTable(a.Out, s.Dim, rows, nil)
	return nil
}

// connectOrEmbed reaches the bus, and where it is embedded in a daemon that doesn't run, runs it for the while.
func (a *app) connectOrEmbed(ctx context.Context) (b *bus.Bus, done func(), err error) {
	b, err = a.connect(ctx)
	if err == nil {
		return b, b.Close, nil
	}
	address, _ := a.busAddress() // it was read before
	if !errors.Is(err, bus.ErrUnreachable) || address.Store == "" {
		return nil, nil, err
	}
	embedded, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: address.Store})
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	b, err = bus.Connect(ctx, bus.Options{Prefix: address.Prefix, NATS: []nats.Option{embedded.InProcess()}})
	if err != nil {
		embedded.Close()
		return nil, nil, unknownf("%w", err)
	}
	return b, func() { b.Close(); embedded.Close() }, nil
}
