package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/daemon"
)

// connectTimeout bounds how long a command waits for a connection, lookTimeout for all that it wants to know, and
// storeTimeout until something is stored: a cluster that lost a leader takes up to ten seconds to agree on the next.
const (
	connectTimeout = 5 * time.Second
	lookTimeout    = 10 * time.Second
	storeTimeout   = 20 * time.Second
)

var errNoAnswer = fmt.Errorf("no answer within %s", lookTimeout)

// connect reaches the bus that the configuration names, embedded in a daemon or not.
func (a *app) connect(ctx context.Context) (*bus.Bus, error) {
	address, err := a.busAddress()
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	options := daemon.BusOptions(address)
	options.Name, options.Log = "plumbline command", slog.New(slog.DiscardHandler)
	b, err := bus.Connect(bounded, options)
	if err != nil {
		return nil, unknownf("%w\n%s", err, a.unreached(err))
	}
	return b, nil
}

// unreached is what to do about a bus that can't be reached: an embedded one is a daemon's.
func (a *app) unreached(err error) string {
	if errors.Is(err, nats.ErrAuthorization) {
		return "bus.credentials names who asks: is it a user whom the servers know?"
	}
	if config, err := a.load(true); err == nil && !config.Bus.Embedded() {
		return "is it up, and reached from this machine? bus.url names it"
	}
	return "is the daemon running? plumbline serve starts it; --config names its configuration"
}

// look connects, and lets do ask the bus for what it wants to know.
func (a *app) look(ctx context.Context, do func(context.Context, *bus.Bus) error) error {
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoAnswer)
	defer cancel()
	if b.ReadsNothing(ctx) {
		return usagef("this user may not read what the bus keeps: bus.credentials names another role's")
	}
	return do(ctx, b)
}

// unanswered is the error of a question that the bus could not answer, with how to go on.
func unanswered(what string, err error) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
		return unknownf("%s: the bus has nothing of plumbline's yet\nplumbline serve makes its streams; --config names its configuration", what)
	case errors.Is(err, nats.ErrNoResponders):
		return unknownf("%s: no server of the bus has JetStream\nstart it with nats-server -js", what)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return unknownf("%s: the stream isn't there, or has no leader\nplumbline doctor says which; a daemon makes what is missing when it is started or reloaded", what)
	}
	return unknownf("%s: %w\nthe bus is there and doesn't answer: its own log says why", what, err)
}

// reach connects to the bus about a color of a service that a daemon serves, as far as this user may know. The caller
// closes the bus.
func (a *app) reach(ctx context.Context, service, color string) (*bus.Bus, plumbline.Color, error) {
	c, err := parseColor(color)
	if err != nil {
		return nil, "", err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, "", err
	}
	if err := plumbline.CheckName(service); err != nil {
		b.Close()
		return nil, "", usagef("%w", err)
	}
	if b.ReadsNothing(ctx) {
		return b, c, nil
	}
	if _, err := known(ctx, b, service); err != nil {
		b.Close()
		return nil, "", err
	}
	return b, c, nil
}

// known refuses a service that no daemon serves, before anything is published about it.
func known(ctx context.Context, b *bus.Bus, service string) (plumbline.Record, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoAnswer)
	defer cancel()
	record, _, err := b.Record(ctx, service)
	switch {
	case errors.Is(err, bus.ErrNoRecord):
		names, listErr := b.Services(ctx)
		if listErr != nil {
			return record, unanswered("the services of the bus", listErr)
		}
		if len(names) == 0 {
			return record, usagef("unknown service %q: the bus has no record of any; a daemon makes those of its services when it is started or reloaded", service)
		}
		return record, usagef("unknown service %q%s; the daemons serve %s", service, didYouMean(service, names), strings.Join(names, ", "))
	case err != nil:
		return record, unanswered("the record of "+service, err)
	}
	return record, nil
}

func parseColor(text string) (plumbline.Color, error) {
	color, err := plumbline.ParseColor(text)
	if err != nil {
		return "", usagef("%w%s", err, didYouMean(text, []string{"blue", "green"}))
	}
	return color, nil
}

// publish sends an event and says on standard error what became of it.
func (a *app) publish(ctx context.Context, b *bus.Bus, e plumbline.Event) (plumbline.Event, error) {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	sent, err := b.Publish(bounded, e)
	var bad *bus.BadEvent
	if errors.As(err, &bad) {
		return sent, usagef("%s", strings.TrimPrefix(err.Error(), "data."))
	}
	if err != nil {
		return sent, unanswered("the event may not have arrived; send it again with --id "+e.ID, err)
	}
	return sent, nil
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// shorten cuts a line for a table.
func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:max(most-1, 0)]) + "…"
}

// ago is a moment as people say it.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	d := now.Sub(t)
	switch {
	case d < 0:
		return "in " + brief(-d)
	case d < time.Second:
		return "just now"
	}
	return brief(d) + " ago"
}

func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
