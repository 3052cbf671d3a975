package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// The defaults of Options.
const (
	DefaultPrefix     = "plumbline"
	DefaultVerdictAge = 400 * 24 * time.Hour
	DefaultRunAckWait = 10 * time.Second
)

// The bounds of a connection. A dead server is noticed after two unanswered pings.
const (
	dialTimeout   = 5 * time.Second
	drainTimeout  = 5 * time.Second
	reconnectWait = 200 * time.Millisecond
	pingInterval  = 10 * time.Second
)

// maxResultsInFlight bounds the results that were published and not yet acknowledged.
const maxResultsInFlight = 8192

// Options say which bus to connect to, and as whom.
type Options struct {
	URL         string // one or several, separated by commas; not needed with Embedded.InProcess among NATS
	Credentials string // a file: NATS credentials, or an nkey seed
	TLS         TLS
	InboxPrefix string // of the subjects that answers come to; default nats.InboxPrefix
	Prefix      string // of subjects, streams and buckets; default DefaultPrefix
	Name        string // of this client, for the server's operator
	Log         *slog.Logger
	NATS        []nats.Option
	Replicas    int              // of streams that Ensure makes; default 3 on a cluster, else 1
	VerdictAge  time.Duration    // how long verdicts, ledger and suites are kept; default DefaultVerdictAge
	RunAckWait  time.Duration    // how long a run may go without Working; default DefaultRunAckWait
	Now         func() time.Time // default time.Now
}

// A Bus is a connection to the streams of one prefix. It is safe for concurrent use.
type Bus struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	results jetstream.JetStream // its acknowledgements come later, and don't block
	names   names
	options Options
	log     *slog.Logger
	closed  chan struct{}
	handles sync.Map // of streams, by name
	refused sync.Map // whether this user may make no consumer, by stream
	unread  unread

	mu      sync.Mutex
	session chan struct{} // closed when the connection was lost and made again
	synced  time.Time
	lost    int       // results that were not stored since the last line about them
	told    time.Time // when that line was logged
}

// Connect makes the first connection, or says why it can't; once made, it is kept up for ever. Close it.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Bus{names: names{o.Prefix}, options: o, log: o.Log, closed: make(chan struct{}), session: make(chan struct{})}
	options, err := b.natsOptions(ctx)
	if err != nil {
		return nil, err
	}
	if b.conn, err = nats.Connect(o.URL, options...); err != nil {
		return nil, unreachable(o.URL, err)
	}
	if err := b.openStreams(); err != nil {
		b.conn.Close()
		return nil, err
	}
	return b, nil
}

// Conn is the connection beneath.
func (b *Bus) Conn() *nats.Conn { return b.conn }

// Prefix is the first token of every subject of this bus.
func (b *Bus) Prefix() string { return b.options.Prefix }

// RunAckWait is how long a delivery of ConsumeRuns may go without Working before it is delivered again.
func (b *Bus) RunAckWait() time.Duration { return b.options.RunAckWait }

// Close lets what was handed to the connection arrive, and closes it. Consumers should have ended before.
func (b *Bus) Close() {
	if b.conn.Drain() != nil {
		b.conn.Close() // not connected: there is nothing to drain to
	}
	<-b.closed
}

func (o Options) withDefaults() (Options, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if err := plumbline.CheckName(o.Prefix); err != nil {
		return o, fmt.Errorf("bus.prefix: %w", err)
	}
	if o.VerdictAge <= 0 {
		o.VerdictAge = DefaultVerdictAge
	}
	if o.RunAckWait <= 0 {
		o.RunAckWait = DefaultRunAckWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = orDiscard(o.Log)
	return o, nil
}

func (b *Bus) natsOptions(ctx context.Context) ([]nats.Option, error) {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil || timeout <= 0 {
		return nil, unreachable(b.options.URL, context.Cause(ctx))
	}
	options := []nats.Option{
		nats.Name(b.options.Name), nats.Timeout(timeout), nats.RetryOnFailedConnect(false), nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, time.Second), nats.PingInterval(pingInterval),
		nats.DrainTimeout(drainTimeout), nats.ErrorHandler(b.asyncError),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("the bus is out of reach, reconnecting", "error", err)
			}
		}),
		nats.ReconnectHandler(b.reconnected),
	}
	identity, err := b.options.identity()
	if err != nil {
		return nil, err
	}
	options = append(options, identity...)
	options = append(options, b.options.NATS...)
	return append(options, nats.ClosedHandler(func(*nats.Conn) { close(b.closed) })), nil // Close waits for it
}

func (b *Bus) openStreams() (err error) {
	js, err := jetstream.New(b.conn)
	if err != nil {
		return err
	}
	b.js = prompt{js}
	b.results, err = jetstream.New(b.conn,
		jetstream.WithPublishAsyncMaxPending(maxResultsInFlight),
		jetstream.WithPublishAsyncTimeout(10*time.Second),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { b.lose(m.Subject, err) }))
	return err
}

// reconnected ends the session: what the server kept in memory for this client may be gone.
func (b *Bus) reconnected(*nats.Conn) {
	b.log.Info("the bus is back")
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.session)
	b.session = make(chan struct{})
}

func (b *Bus) thisSession() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

// asyncError says what the server refused: to the refused call itself a missing permission looks like a time-out.
func (b *Bus) asyncError(_ *nats.Conn, s *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		b.log.Error("the bus refused this user", "error", err)
	case s != nil:
		b.log.Warn("bus", "subject", s.Subject, "error", err)
	default:
		b.log.Warn("bus", "error", err)
	}
}

// unreachable names the bus without its credentials, which may stand in its URL.
func unreachable(address string, err error) error {
	if address == "" {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var shown []string
	for part := range strings.SplitSeq(address, ",") {
		shown = append(shown, bare(strings.TrimSpace(part)))
	}
	reason := strings.TrimPrefix(err.Error(), "nats: ")
	if strings.Contains(address, "@") && strings.Contains(reason, "pars") {
		reason = "its URL can't be parsed, want nats://host:port" // a parser repeats what it can't parse
	}
	return &unreachableError{text: fmt.Sprintf("cannot reach the bus at %s: %s", strings.Join(shown, ","), reason), cause: err}
}

// bare is an address without user, password and query.
func bare(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	if i := strings.LastIndex(address, "@"); i >= 0 {
		return "nats://" + address[i+1:]
	}
	return address
}

// ErrUnreachable is the error of Connect when no server answers, or none lets this client in.
var ErrUnreachable = errors.New("the bus is out of reach")

type unreachableError struct {
	text  string
	cause error
}

func (e *unreachableError) Error() string { return e.text }
func (e *unreachableError) Is(target error) bool {
	return target == ErrUnreachable || errors.Is(e.cause, target)
}
