package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// TypeVerdict is the type of a verdict's event.
const TypeVerdict = "dev.plumbline.verdict.v1"

// sourceDaemon is the source of what daemons tell.
const sourceDaemon = "/plumbline"

// MaxVerdict is the size in bytes of a verdict's event; an envelope takes up to envelopeRoom of it.
const (
	MaxVerdict   = 512 << 10
	envelopeRoom = 4 << 10
)

// ErrStoreFull says that the stream took no verdict though it has none for the run.
var ErrStoreFull = errors.New("the verdict was refused and none is there: the store is full")

// verdictData is the data of a verdict's event.
type verdictData struct {
	Verdict plumbline.Verdict `json:"verdict"`
}

// PublishVerdict writes the verdict of a run, once. stored is the verdict that the stream has afterwards, folded to fit;
// wrote says that it is this one, also when an earlier try wrote it. Another verdict that was there first stays, and is
// returned. It tries until ctx is done; the error wraps ErrStoreFull if the stream took none and has none.
func (b *Bus) PublishVerdict(ctx context.Context, v plumbline.Verdict) (stored plumbline.Verdict, wrote bool, err error) {
	return b.publishVerdict(ctx, v, func(body []byte) string { return v.Run + "." + hash16(body) })
}

func (b *Bus) publishVerdict(ctx context.Context, v plumbline.Verdict, messageID func(body []byte) string) (stored plumbline.Verdict, wrote bool, err error) {
	if !isRun(v.Run) {
		return stored, false, fmt.Errorf("%q is no run id, want 26 letters and digits", clip(v.Run, 64))
	}
	v, m, err := b.verdictMessage(v)
	if err != nil {
		return stored, false, fmt.Errorf("verdict of run %s: %w", v.Run, err)
	}
	ack, err := b.persist(ctx, m, messageID(m.Data))
	var answer *jetstream.APIError
	switch {
	case err == nil && !ack.Duplicate:
		return v, true, nil
	case err != nil && (!errors.As(err, &answer) || answer.ErrorCode != codeOneASubject):
		return stored, false, err
	}
	there, err := b.refusedFor(ctx, m.Subject) // a duplicate says nothing of what the stream holds
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrStoreFull
	}
	if err != nil {
		return stored, false, fmt.Errorf("verdict of run %s: %w", v.Run, err)
	}
	if bytes.Equal(there.Data, m.Data) {
		return v, true, nil
	}
	stored, err = decodeVerdict(there.Data)
	return stored, false, err
}

// applyMost is how long a cluster may take to give out a verdict because of which it refused another.
const applyMost = 2 * time.Second

// refusedFor reads the verdict on a subject that takes no other. A cluster refuses before its leader gives it out.
func (b *Bus) refusedFor(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	for waited := time.Duration(0); ; waited += applyWait {
		m, err := b.last(ctx, b.names.verdicts(), subject)
		clustered := b.conn.ConnectedClusterName() != ""
		if !errors.Is(err, jetstream.ErrMsgNotFound) || !clustered || waited >= applyMost || !pause(ctx, applyWait) {
			return m, err
		}
	}
}

// verdictMessage folds a verdict to fit, and gives it with its message. One that is far from the limit is encoded once.
func (b *Bus) verdictMessage(v plumbline.Verdict) (plumbline.Verdict, *nats.Msg, error) {
	encode := func() (*nats.Msg, error) {
		return structured(b.names.verdict(v.Service, v.Color, v.Run), TypeVerdict, sourceDaemon, v.Run, v.FinishedAt, verdictData{v})
	}
	m, err := encode()
	if most := b.atMost(MaxVerdict) - envelopeRoom; err == nil && len(m.Data) > most {
		v = Fit(v, most)
		m, err = encode()
	}
	return v, m, err
}

// Verdict finds the verdict of a run, and says whether there is one.
func (b *Bus) Verdict(ctx context.Context, run string) (plumbline.Verdict, bool, error) {
	return b.verdictAt(ctx, b.names.subject("verdict", "*", "*", run), run)
}

// VerdictOf is Verdict for a caller that knows whom the run was about.
func (b *Bus) VerdictOf(ctx context.Context, service string, c plumbline.Color, run string) (plumbline.Verdict, bool, error) {
	return b.verdictAt(ctx, b.names.verdict(service, c, run), run)
}

func (b *Bus) verdictAt(ctx context.Context, subject, run string) (plumbline.Verdict, bool, error) {
	if !isRun(run) {
		return plumbline.Verdict{}, false, fmt.Errorf("%q is no run id, want 26 letters and digits", clip(run, 64))
	}
	m, err := b.last(ctx, b.names.verdicts(), subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return plumbline.Verdict{}, false, nil
	}
	if err != nil {
		return plumbline.Verdict{}, false, fmt.Errorf("verdict of run %s: %w", run, err)
	}
	v, err := decodeVerdict(m.Data)
	return v, err == nil, err
}

// Verdicts are the last n of a service, newest first; of all services if it is "".
func (b *Bus) Verdicts(ctx context.Context, service string, n int) ([]plumbline.Verdict, error) {
	if service == "" {
		service = "*"
	}
	messages, err := b.tail(ctx, b.names.verdicts(), b.names.subject("verdict", service, "*", "*"), n, false)
	if err != nil {
		return nil, fmt.Errorf("verdicts: %w", err)
	}
	verdicts := make([]plumbline.Verdict, 0, len(messages))
	for _, m := range slices.Backward(messages) {
		v, err := decodeVerdict(m.data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.subject, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// WaitVerdict waits for the verdict of a run until ctx is done; then the error is the context's cause.
func (b *Bus) WaitVerdict(ctx context.Context, service string, c plumbline.Color, run string) (v plumbline.Verdict, err error) {
	if !isRun(run) {
		return v, fmt.Errorf("%q is no run id, want 26 letters and digits", clip(run, 64))
	}
	var came bool
	want := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, FilterSubject: b.names.verdict(service, c, run)}
	closed := b.follow(ctx, b.names.verdicts(), want, func(uint64) {}, func(m jetstream.Msg, _ *jetstream.MsgMetadata) bool {
		v, err = decodeVerdict(m.Data())
		came = true
		return false
	})
	switch {
	case came:
		return v, err
	case closed != nil:
		return v, closed
	}
	return v, context.Cause(ctx)
}

// A VerdictDelivery is a verdict in the hands of a reporter. Exactly one of Done and Later ends it.
type VerdictDelivery struct {
	bus     *Bus
	message jetstream.Msg
	meta    *jetstream.MsgMetadata
}

// Verdict is what is to be reported.
func (d *VerdictDelivery) Verdict() (plumbline.Verdict, error) {
	return decodeVerdict(d.message.Data())
}

// At is when the verdict was stored.
func (d *VerdictDelivery) At() time.Time { return d.meta.Timestamp.UTC() }

// Sequence is the verdict's place in its stream.
func (d *VerdictDelivery) Sequence() uint64 { return d.meta.Sequence.Stream }

// Deliveries is how often the verdict was delivered, this time included.
func (d *VerdictDelivery) Deliveries() int { return int(d.meta.NumDelivered) } // #nosec G115 -- a message isn't delivered 2^63 times

// Working says that the verdict is being reported.
func (d *VerdictDelivery) Working() error { return d.message.InProgress() }

// Done ends the delivery, and waits until the server knows.
func (d *VerdictDelivery) Done(ctx context.Context) error { return d.bus.acknowledge(ctx, d.message) }

// Later hands the verdict back: it is delivered again after the delay.
func (d *VerdictDelivery) Later(delay time.Duration) error { return d.message.NakWithDelay(delay) }

// ConsumeVerdicts hands the verdicts to handle, one at a time, until ctx is done. Each durable name has its own place in
// the stream, which begins with the verdicts after its first use: a new reporter doesn't tell old news.
func (b *Bus) ConsumeVerdicts(ctx context.Context, durable string, handle func(context.Context, *VerdictDelivery)) error {
	return b.pull(ctx, b.verdictReader(durable), 1, func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil {
			b.log.Error("a message without metadata", "consumer", durable, "subject", m.Subject(), "error", err)
			return
		}
		handle(ctx, &VerdictDelivery{bus: b, message: m, meta: meta})
	})
}

func decodeVerdict(body []byte) (plumbline.Verdict, error) {
	var data verdictData
	if err := unwrap(body, TypeVerdict, &data); err != nil {
		return plumbline.Verdict{}, fmt.Errorf("verdict: %w", err)
	}
	if data.Verdict.Schema != plumbline.VerdictSchema {
		return plumbline.Verdict{}, fmt.Errorf("verdict: schema %q, want %s", data.Verdict.Schema, plumbline.VerdictSchema)
	}
	return data.Verdict, nil
}

// isRun keeps wildcards and dots of a stranger out of subjects.
func isRun(id string) bool {
	if len(id) != 26 {
		return false
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < '2' || r > '7') {
			return false
		}
	}
	return true
}
