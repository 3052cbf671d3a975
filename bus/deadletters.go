package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers of a dead letter.
const (
	HeaderReason    = "Plumbline-Reason"
	HeaderSequence  = "Plumbline-Stream-Sequence"
	HeaderSubject   = "Plumbline-Subject"
	HeaderSHA256    = "Plumbline-Sha256"
	HeaderTruncated = "Plumbline-Truncated" // "body", "headers" or "headers, body"
	HeaderOriginal  = "Plumbline-Original-" // begins the names of the message's own headers
)

// The bounds of a dead letter in bytes: of both together, of the headers that are kept, and of the reason.
const (
	maxDeadLetter = 900 << 10
	maxHeaders    = 64 << 10
	maxReason     = 1 << 10
	headSize      = 512
)

// DeadLetter writes the message to the dead letters with a reason, once however often it is called within an hour. It
// doesn't end the delivery: call Done after it.
func (d *Delivery) DeadLetter(ctx context.Context, reason string) error {
	service := d.Service()
	if service == "" {
		service = "unknown"
	}
	m := nats.NewMsg(d.bus.names.subject("deadletter", service))
	sum := sha256.Sum256(d.message.Data())
	m.Header.Set(HeaderReason, oneLine(reason))
	m.Header.Set(HeaderSequence, strconv.FormatUint(d.Sequence(), 10))
	m.Header.Set(HeaderSubject, d.message.Subject())
	m.Header.Set(HeaderSHA256, hex.EncodeToString(sum[:]))
	var cut []string
	if copyHeaders(m.Header, d.message.Headers()) {
		cut = append(cut, "headers")
	}
	const room = 1 << 10 // for the headers that are still to come
	m.Data = d.message.Data()
	if most := maxDeadLetter - room - m.Size(); most < 0 {
		m.Data = m.Data[:len(m.Data)+most]
		cut = append(cut, "body")
	}
	if len(cut) > 0 {
		m.Header.Set(HeaderTruncated, strings.Join(cut, ", "))
	}
	_, err := d.bus.persist(ctx, m, fmt.Sprintf("%s.%d", d.bus.names.events(), d.Sequence()))
	return err
}

// copyHeaders renames the headers of a message, so that none of them means anything to the server, and says whether some
// had to be left out.
func copyHeaders(to, from nats.Header) (cut bool) {
	names := make([]string, 0, len(from))
	for name := range from {
		names = append(names, name)
	}
	slices.Sort(names)
	size := 0
	for _, name := range names {
		for _, value := range from[name] {
			if size += len(HeaderOriginal) + len(name) + len(value) + 4; size > maxHeaders {
				return true
			}
			renamed := HeaderOriginal + name
			to[renamed] = append(to[renamed], value)
		}
	}
	return false
}

// oneLine makes a text fit for a header.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return clip(text, maxReason)
}

// A DeadLetter is a message that couldn't be served.
type DeadLetter struct {
	At       time.Time
	Service  string // "unknown" if the subject named none
	Subject  string // where it was published
	Reason   string
	Sequence uint64 // in the event stream
	SHA256   string // of the whole body, in hex
	Size     int    // of what is kept of the body, in bytes
	Headers  http.Header
	Head     []byte // the first 512 bytes of the body
}

// DeadLetters are the last n, newest first.
func (b *Bus) DeadLetters(ctx context.Context, n int) ([]DeadLetter, error) {
	messages, err := b.tail(ctx, b.names.deadLetters(), []string{b.names.subject("deadletter", ">")}, n, false)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	letters := make([]DeadLetter, 0, len(messages))
	for _, m := range slices.Backward(messages) {
		letters = append(letters, b.deadLetter(m))
	}
	return letters, nil
}

func (b *Bus) deadLetter(m jetstream.Msg) DeadLetter {
	h := m.Headers()
	letter := DeadLetter{Service: strings.TrimPrefix(m.Subject(), b.names.subject("deadletter")+"."), Subject: h.Get(HeaderSubject),
		Reason: h.Get(HeaderReason), SHA256: h.Get(HeaderSHA256), Size: len(m.Data()), Headers: http.Header{}}
	letter.Sequence, _ = strconv.ParseUint(h.Get(HeaderSequence), 10, 64) // 0: somebody else wrote it
	for name, values := range h {
		if original, is := strings.CutPrefix(name, HeaderOriginal); is {
			letter.Headers[original] = values
		}
	}
	letter.Head = m.Data()[:min(headSize, len(m.Data()))]
	if meta, err := m.Metadata(); err == nil {
		letter.At = meta.Timestamp.UTC()
	}
	return letter
}
