package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline"
)

// MaxEvent is the size in bytes up to which an event is read. A larger one goes to the dead letters.
const MaxEvent = 256 << 10

// The bounds of an event's texts, in characters.
const (
	maxAttribute = 256
	maxVersion   = 128
	maxLine      = 512
	maxURL       = 2048
)

// The types of events.
const (
	TypeDeploying = "dev.plumbline.release.deploying.v1"
	TypeDeployed  = "dev.plumbline.release.deployed.v1"
	TypeSwitched  = "dev.plumbline.traffic.switched.v1"
	TypeRequested = "dev.plumbline.validation.requested.v1"
	TypeSlot      = "dev.plumbline.standby.slot.v1"
)

// Sources of events that plumbline publishes itself.
const (
	SourceCommand = "/plumbline/cli"
	SourceClock   = "/plumbline/standby"
)

// A Message is what a stream holds of an event.
type Message struct {
	Subject  string
	Header   nats.Header
	Data     []byte
	Sequence uint64
	Time     time.Time
}

// Decode reads a message of the event stream of a prefix: a CloudEvent in binary or structured mode, or a CDEvent. The
// error says in one line why a message is no event that can be served.
func Decode(prefix string, m Message) (plumbline.Event, error) {
	n := names{prefix}
	to := n.address(m.Subject)
	if to.service == "" {
		return plumbline.Event{}, fmt.Errorf("subject %q names no service, want %s.event.SERVICE", clip(m.Subject, 128), prefix)
	}
	ce, err := parseCloudEvent(m.Header, m.Data)
	if err != nil {
		return plumbline.Event{}, err
	}
	e, err := decodeData(ce)
	if err != nil {
		return plumbline.Event{}, err
	}
	switch {
	case e.Service != to.service:
		return plumbline.Event{}, fmt.Errorf("the data is about service %q, but the subject about %q", e.Service, to.service)
	case !to.mayPublish(e.Kind):
		return plumbline.Event{}, fmt.Errorf("an event of type %s doesn't belong to subject %s", ce.kind, m.Subject)
	case to.slot && e.Color != to.color:
		return plumbline.Event{}, fmt.Errorf("the data is about color %q, but the subject about %q", e.Color, to.color)
	}
	e.ID, e.Source = ce.id, ce.source
	subject := m.Subject
	if to.publisher == publisherRelease {
		subject = n.event(to.service) // the run is the one that its sender knows
	}
	e.Run = plumbline.RunID(subject, ce.source, ce.id)
	e.Hash = hash16(ce.data)
	e.Sequence, e.At = m.Sequence, m.Time.UTC()
	return e, nil
}

func decodeData(ce cloudEvent) (plumbline.Event, error) {
	if strings.HasPrefix(ce.kind, cdEventsType) {
		return decodeCDEvent(ce)
	}
	switch ce.kind {
	case TypeDeploying:
		f := readFields("data", ce.data, "service", "color")
		return f.event(plumbline.EventDeploying, "color")
	case TypeDeployed:
		f := readFields("data", ce.data, "service", "color", "version", "digest", "change")
		release, change := f.release(), f.change()
		e, err := f.event(plumbline.EventDeployed, "color")
		e.Release, e.Change = release, change
		return e, err
	case TypeSwitched:
		f := readFields("data", ce.data, "service", "to", "reason", "by", "epoch")
		reason, by, epoch := f.switchReason(), f.text("by", maxAttribute), f.number("epoch")
		e, err := f.event(plumbline.EventSwitched, "to")
		e.Reason, e.By, e.Epoch = reason, by, epoch
		return e, err
	case TypeRequested:
		f := readFields("data", ce.data, "service", "color", "reason")
		reason := f.text("reason", maxLine)
		e, err := f.event(plumbline.EventRequested, "color")
		e.Reason = reason
		return e, err
	case TypeSlot:
		e, err := readFields("data", ce.data, "service", "color").event(plumbline.EventSlot, "color")
		if err == nil {
			_, err = SlotInstant(ce.id)
		}
		return e, err
	}
	return plumbline.Event{}, fmt.Errorf("unknown event type %q%s", clip(ce.kind, 128),
		didYouMean(ce.kind, []string{TypeDeploying, TypeDeployed, TypeSwitched, TypeRequested}))
}

// SlotInstant is the instant that the id of a slot names.
func SlotInstant(id string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, id)
	if err != nil || !strings.HasSuffix(id, "Z") {
		return time.Time{}, fmt.Errorf("slot id %q, want an instant in UTC like 2026-11-23T13:00:00Z", clip(id, 64))
	}
	return at, nil
}

// event reads what every event has; on an error it gives no event at all.
func (f *fields) event(kind plumbline.EventKind, color string) (plumbline.Event, error) {
	e := plumbline.Event{Kind: kind, Service: f.required("service", plumbline.MaxNameLength)}
	if c := f.required(color, 16); f.err == nil {
		var err error
		if e.Color, err = plumbline.ParseColor(c); err != nil {
			f.fail("%s.%s: %w", f.place, color, err)
		}
	}
	if f.err != nil {
		return plumbline.Event{}, f.err
	}
	return e, nil
}

var digestRule = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (f *fields) release() plumbline.Release {
	r := plumbline.Release{Version: f.required("version", maxVersion), Digest: f.text("digest", maxLine)}
	f.checkDigest("digest", r.Digest)
	return r
}

func (f *fields) checkDigest(name, digest string) {
	if digest != "" && !digestRule.MatchString(digest) {
		f.fail("%s.%s %q, want sha256: and 64 lower-case hex digits", f.place, name, clip(digest, 100))
	}
}

func (f *fields) change() plumbline.Change {
	raw, there := f.members["change"]
	if !there || f.err != nil {
		return plumbline.Change{}
	}
	c := readFields(f.place+".change", raw, "id", "url", "commit", "requested_by", "approved_by")
	change := plumbline.Change{ID: c.text("id", maxAttribute), URL: c.text("url", maxURL), Commit: c.text("commit", maxAttribute),
		RequestedBy: c.text("requested_by", maxAttribute), ApprovedBy: c.text("approved_by", maxAttribute)}
	if u, err := url.Parse(change.URL); change.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		c.fail("%s.url %q, want an http or https URL", c.place, clip(change.URL, 100))
	}
	if c.err != nil {
		f.fail("%w", c.err)
		return plumbline.Change{}
	}
	return change
}

func (f *fields) switchReason() string {
	reason := f.text("reason", 64)
	switch plumbline.SwitchReason(reason) {
	case "", plumbline.ReasonPromote, plumbline.ReasonRollback, plumbline.ReasonBreakGlass:
		return reason
	}
	f.fail("%s.reason: unknown reason %q%s", f.place, reason, didYouMean(reason,
		[]string{string(plumbline.ReasonPromote), string(plumbline.ReasonRollback), string(plumbline.ReasonBreakGlass)}))
	return ""
}

// Publish sends an event, waits until the stream holds it and returns it as the stream does: with run, sequence and hash.
// It tries until ctx is done. The id defaults to a random one, the source to SourceCommand, of a slot to SourceClock; a
// slot needs its instant as id. An event that Decode would refuse isn't sent.
func (b *Bus) Publish(ctx context.Context, e plumbline.Event) (plumbline.Event, error) {
	m, sent, err := b.encode(e)
	if err != nil {
		return plumbline.Event{}, &BadEvent{err}
	}
	ack, err := b.persist(ctx, m, sent.Run+"."+sent.Hash)
	if err != nil {
		return plumbline.Event{}, err
	}
	sent.Sequence = ack.Sequence
	if !ack.Duplicate {
		return sent, nil
	}
	there, same := b.standsFor(ctx, sent)
	switch {
	case same:
		return sent, nil
	case there:
		return plumbline.Event{}, &BadEvent{errors.New(sent.UsedBefore(sent.Sequence))}
	}
	if ack, err = b.persist(ctx, m, sent.Run+"."+sent.Hash+"."+uuid.NewString()); err != nil {
		return plumbline.Event{}, err
	}
	sent.Sequence = ack.Sequence
	return sent, nil
}

// standsFor says whether the message that the stream has for a duplicate of an event is about its run, and whether it is the
// same event. Message ids can be foretold, and whoever may publish something may have taken this one; and it is of the data
// alone, which several types may share. Who may not read isn't told: the same event twice does no harm.
func (b *Bus) standsFor(ctx context.Context, sent plumbline.Event) (there, same bool) {
	if b.mayNot(ctx, "$JS.API.STREAM.MSG.GET."+b.names.events()) {
		return false, false
	}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	e, known, err := b.eventAt(ctx, sent.Sequence)
	there = err == nil && known && e.Run == sent.Run
	return there, there && e.Mark() == sent.Mark()
}

// A BadEvent is the error of Publish about an event that would only be a dead letter. The stream doesn't have it.
type BadEvent struct{ Reason error }

func (e *BadEvent) Error() string { return e.Reason.Error() }
func (e *BadEvent) Unwrap() error { return e.Reason }

// eventData is the data of every type of event; each uses what it knows.
type eventData struct {
	Service string            `json:"service"`
	Color   plumbline.Color   `json:"color,omitempty"`
	To      plumbline.Color   `json:"to,omitempty"`
	Version string            `json:"version,omitempty"`
	Digest  string            `json:"digest,omitempty"`
	Change  *plumbline.Change `json:"change,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	By      string            `json:"by,omitempty"`
	Epoch   uint64            `json:"epoch,omitempty"`
}

func (b *Bus) encode(e plumbline.Event) (*nats.Msg, plumbline.Event, error) {
	subject, data, kind := b.names.event(e.Service), eventData{Service: e.Service, Color: e.Color}, ""
	if e.Source == "" {
		e.Source = SourceCommand
		if e.Kind == plumbline.EventSlot {
			e.Source = SourceClock
		}
	}
	switch e.Kind {
	case plumbline.EventDeploying:
		kind = TypeDeploying
	case plumbline.EventDeployed:
		kind, data.Version, data.Digest = TypeDeployed, e.Release.Version, e.Release.Digest
		if e.Change != (plumbline.Change{}) {
			data.Change = &e.Change
		}
	case plumbline.EventSwitched:
		kind, data.Color, data.To = TypeSwitched, "", e.Color
		data.Reason, data.By, data.Epoch = e.Reason, e.By, e.Epoch
	case plumbline.EventRequested:
		kind, data.Reason = TypeRequested, e.Reason
	case plumbline.EventSlot:
		kind, subject = TypeSlot, b.names.slot(e.Service, e.Color)
		if e.ID == "" {
			return nil, e, errors.New("a slot needs its instant as id")
		}
	default:
		return nil, e, fmt.Errorf("unknown kind of event %q", e.Kind)
	}
	if e.ID == "" {
		e.ID = uuid.NewString()
	}
	at := b.options.Now()
	m, err := structured(subject, kind, e.Source, e.ID, at, data)
	if err != nil {
		return nil, e, err
	}
	e, err = Decode(b.options.Prefix, Message{Subject: subject, Header: m.Header, Data: m.Data, Time: at})
	return m, e, err
}
