package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Services are the names of all services that have a record, sorted.
func (b *Bus) Services(ctx context.Context) (services []string, err error) {
	prefix := b.recordSubject("")
	err = b.repeat(ctx, func(ctx context.Context) error {
		stream, err := b.js.Stream(ctx, "KV_"+b.names.services())
		if err != nil {
			return err
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
		if err != nil {
			return err
		}
		services = nil
		for subject := range info.State.Subjects {
			services = append(services, strings.TrimPrefix(subject, prefix))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	slices.Sort(services)
	return slices.DeleteFunc(services, func(service string) bool {
		_, _, err := b.Record(ctx, service)
		return errors.Is(err, ErrNoRecord)
	}), nil
}
