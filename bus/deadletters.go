package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/nats-io/nats.go"
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

// The bounds of a dead letter in bytes: of both together, of the headers that are kept, and of the reason. The server takes
// no message with more than 64 KiB of headers.
const (
	maxDeadLetter = 900 << 10
	maxHeaders    = 56 << 10
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
	if over := room + m.Size() - d.bus.atMost(maxDeadLetter); over > 0 {
		m.Data = m.Data[:max(0, len(m.Data)-over)]
		cut = append(cut, "body")
	}
	if len(cut) > 0 {
		m.Header.Set(HeaderTruncated, strings.Join(cut, ", "))
	}
	id := fmt.Sprintf("%s.%d.%d", d.bus.names.events(), d.Sequence(), d.At().UnixNano()) // a stream that was made anew counts from one again
	_, err := d.bus.persist(ctx, m, id)
	return err
}

// atMost is a bound on the size of a message, and no more than the server takes.
func (b *Bus) atMost(size int) int { return int(min(int64(size), b.conn.MaxPayload())) }

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
			more := len(HeaderOriginal) + len(name) + len(value) + len(": \r\n")
			if size+more > maxHeaders {
				cut = true
				continue
			}
			size += more
			renamed := HeaderOriginal + name
			to[renamed] = append(to[renamed], value)
		}
	}
	return cut
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
