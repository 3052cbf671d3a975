package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// What became of a piece of the topology.
const (
	Made      = "made"
	Kept      = "kept"
	Corrected = "corrected"
)

// A Piece is a stream, a bucket or a consumer after Provision.
type Piece struct {
	Name   string   `json:"name"` // stream PLUMBLINE_EVENTS
	Became string   `json:"became"`
	Weaker []string `json:"weaker"` // ways in which it still is weaker than it should be
}

// Provision makes the streams, buckets and durable consumers that a set of daemons needs, for daemons that may make none.
// What is there and weaker than it should be is corrected only if asked.
func (b *Bus) Provision(ctx context.Context, r Readers, correct bool) (pieces []Piece, err error) {
	for _, want := range b.streams() {
		piece, err := b.provisionStream(ctx, want, correct)
		if noJetStream(err) {
			return pieces, errNoJetStream
		}
		if err != nil {
			return pieces, fmt.Errorf("stream %s: %w", want.Name, err)
		}
		pieces = append(pieces, piece)
	}
	for _, want := range b.readers(r) {
		var piece Piece
		err := b.repeat(ctx, func(ctx context.Context) (err error) {
			piece, err = b.provisionReader(ctx, want)
			return err
		})
		if err != nil {
			return pieces, fmt.Errorf("consumer %s of stream %s: %w", want.config.Durable, want.stream, err)
		}
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

func (b *Bus) provisionStream(ctx context.Context, want jetstream.StreamConfig, correct bool) (Piece, error) {
	got, made, err := b.ensureStream(ctx, want)
	if err != nil {
		return Piece{}, err
	}
	piece := Piece{Name: "stream " + want.Name, Became: Kept, Weaker: texts(faults(want, got))}
	switch {
	case made:
		piece.Became = Made
	case correct && len(piece.Weaker) > 0:
		err = b.correctStream(ctx, want, got, &piece)
	}
	return piece, err
}

// correctStream cures what can be cured, one fault after the other: the server may refuse some.
func (b *Bus) correctStream(ctx context.Context, want, got jetstream.StreamConfig, piece *Piece) error {
	left := []string{}
	for _, f := range faults(want, got) {
		if f.cure == nil {
			left = append(left, f.text)
			continue
		}
		next := got
		f.cure(&next)
		stream, err := b.js.UpdateStream(ctx, next)
		var refused *jetstream.APIError
		switch {
		case errors.As(err, &refused):
			left = append(left, fmt.Sprintf("%s: %s", f.text, refused.Description))
		case err != nil:
			return err
		default:
			got, piece.Became = stream.CachedInfo().Config, Corrected
		}
	}
	piece.Weaker = left
	return nil
}

func (b *Bus) provisionReader(ctx context.Context, r reader) (Piece, error) {
	piece := Piece{Name: "consumer " + r.config.Durable, Became: Kept, Weaker: []string{}}
	there, err := b.js.Consumer(ctx, r.stream, r.config.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		piece.Became = Made
	case err != nil:
		return piece, err
	case differs(r.config, there.CachedInfo().Config) != "":
		piece.Became = Corrected
	}
	after, err := b.durable(ctx, r)
	if err != nil {
		return piece, err
	}
	if still := differs(r.config, after.CachedInfo().Config); still != "" {
		piece.Became, piece.Weaker = Kept, []string{still}
	}
	return piece, nil
}

func texts(all []fault) []string {
	list := make([]string, 0, len(all))
	for _, f := range all {
		list = append(list, f.text)
	}
	return list
}
