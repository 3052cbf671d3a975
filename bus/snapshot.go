package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// How a snapshot travels: in chunks, of which as many are under way as a window takes. A server gives up after 5 s.
const (
	snapshotChunk  = 128 << 10
	snapshotWindow = 4 << 20
	snapshotWait   = 30 * time.Second
)

// A snapshot is what a server says of one that it made.
type snapshot struct {
	Config jetstream.StreamConfig
	State  jetstream.StreamState
	size   int64
}

var errNoAdmin = errors.New("this user may not ask that: it takes an admin's credentials")

// apiError is the error in an answer of the server.
type apiError struct {
	Error *jetstream.APIError `json:"error"`
}

// snapshot has the server check all messages of a stream, and writes them as the server gives them out, without consumers.
func (b *Bus) snapshot(ctx context.Context, stream string, w io.Writer) (s snapshot, err error) {
	inbox := b.conn.NewInbox()
	chunks, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return s, err
	}
	defer chunks.Unsubscribe() //nolint:errcheck // it ends with the connection
	question := map[string]any{"deliver_subject": inbox, "no_consumers": true, "chunk_size": snapshotChunk, "window_size": snapshotWindow, "jsck": true}
	if err := b.request(ctx, "$JS.API.STREAM.SNAPSHOT."+stream, question, &s); err != nil {
		return s, err
	}
	for {
		waited, cancel := context.WithTimeout(ctx, snapshotWait)
		m, err := chunks.NextMsgWithContext(waited)
		cancel()
		switch {
		case err != nil:
			return s, fmt.Errorf("the snapshot stopped after %d bytes: %w", s.size, err)
		case len(m.Data) == 0 && m.Header.Get("Status") != "" && m.Header.Get("Status") != "204":
			return s, fmt.Errorf("the snapshot stopped after %d bytes: the server says %s %s", s.size, m.Header.Get("Status"), m.Header.Get("Description"))
		case len(m.Data) == 0:
			return s, nil
		}
		if _, err := w.Write(m.Data); err != nil {
			return s, err
		}
		s.size += int64(len(m.Data))
		if m.Reply != "" {
			if err := m.Respond(nil); err != nil {
				return s, err
			}
		}
	}
}

// restore makes a stream of a snapshot. The server refuses if there is one.
func (b *Bus) restore(ctx context.Context, config jetstream.StreamConfig, r io.Reader) (state jetstream.StreamState, err error) {
	var to struct {
		DeliverSubject string `json:"deliver_subject"`
	}
	if err := b.request(ctx, "$JS.API.STREAM.RESTORE."+config.Name, map[string]any{"config": config}, &to); err != nil {
		return state, err
	}
	chunk := make([]byte, snapshotChunk)
	for {
		n, err := io.ReadFull(r, chunk)
		if n > 0 {
			if err := b.chunk(ctx, to.DeliverSubject, chunk[:n], nil); err != nil {
				return state, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return state, err
		}
	}
	var made struct{ State jetstream.StreamState }
	err = b.chunk(ctx, to.DeliverSubject, nil, &made)
	return made.State, err
}

// chunk sends a piece of a snapshot and waits until the server took it.
func (b *Bus) chunk(ctx context.Context, subject string, piece []byte, answer any) error {
	waited, cancel := context.WithTimeout(ctx, snapshotWait)
	defer cancel()
	m, err := b.conn.RequestWithContext(waited, subject, piece)
	if err != nil {
		return err
	}
	if len(m.Data) == 0 {
		return nil
	}
	return decodeAnswer(m.Data, answer)
}

// request asks the server for something that its client has no call for.
func (b *Bus) request(ctx context.Context, subject string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	waited, cancel := context.WithTimeout(ctx, snapshotWait)
	defer cancel()
	if b.mayNot(ctx, subject) {
		return fmt.Errorf("%s: %w", subject, errNoAdmin)
	}
	m, err := b.conn.RequestWithContext(waited, subject, body)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	return decodeAnswer(m.Data, answer)
}

func decodeAnswer(text []byte, answer any) error {
	var refused apiError
	if err := json.Unmarshal(text, &refused); err != nil {
		return fmt.Errorf("an answer of the server can't be read: %w", err)
	}
	if refused.Error != nil {
		return refused.Error
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
