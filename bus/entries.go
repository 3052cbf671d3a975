package bus

import (
	"context"
	"fmt"
	"slices"

	"github.com/plumbline-dev/plumbline"
)

// TypeEntry is the type of a ledger entry's event.
const TypeEntry = "dev.plumbline.ledger.entry.v1"

// PublishEntry writes an entry to the ledger of its service, once however often it is called within an hour. It tries
// until ctx is done.
func (b *Bus) PublishEntry(ctx context.Context, e plumbline.Entry) error {
	if err := plumbline.CheckName(e.Service); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	m, err := structured(b.names.subject("ledger", e.Service), TypeEntry, sourceDaemon, e.ID(), e.At, e)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err = b.persist(ctx, m, e.ID())
	return err
}

// Entries are the last n of a service's ledger, newest first; of all services if it is "".
func (b *Bus) Entries(ctx context.Context, service string, n int) ([]plumbline.Entry, error) {
	if service == "" {
		service = "*"
	}
	messages, err := b.tail(ctx, b.names.ledger(), b.names.subject("ledger", service), n, false)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	entries := make([]plumbline.Entry, 0, len(messages))
	for _, m := range slices.Backward(messages) {
		var e plumbline.Entry
		if err := unwrap(m.data, TypeEntry, &e); err != nil {
			return nil, fmt.Errorf("%s: %w", m.subject, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
