package receiver

import (
	"context"
	"errors"
	"io"
	"sync"
)

// A Box holds what arrived at one address until it is taken.
type Box struct {
	arrived chan Receipt
	mu      sync.Mutex
	seen    map[string]bool
}

// maxHeld bounds what a box holds, and how many receipts it ever takes.
const (
	maxHeld = 32
	maxSeen = 1000
)

// NewBox is empty.
func NewBox() *Box { return &Box{arrived: make(chan Receipt, maxHeld), seen: map[string]bool{}} }

// ErrFull is the end of a receipt for which a box has no room.
var ErrFull = errors.New("more arrived than is looked at")

// Put adds a receipt, once however often it comes. It never blocks.
func (b *Box) Put(r Receipt) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[r.ID] {
		return nil
	}
	if len(b.seen) >= maxSeen {
		return ErrFull
	}
	select {
	case b.arrived <- r:
		b.seen[r.ID] = true
		return nil
	default:
		return ErrFull
	}
}

// Next takes the oldest receipt, and waits for one until ctx ends.
func (b *Box) Next(ctx context.Context) (Receipt, error) {
	select {
	case r := <-b.arrived:
		return r, nil
	default:
	}
	select {
	case r := <-b.arrived:
		return r, nil
	case <-ctx.Done():
		return Receipt{}, context.Cause(ctx)
	}
}

// A Board knows the boxes of one process, by nonce. The zero Board is empty.
type Board struct {
	mu    sync.Mutex
	boxes map[string]*Box
}

// Open hangs up a new box. Close takes it down.
func (b *Board) Open(random io.Reader) (nonce string, box *Box, err error) {
	if nonce, err = NewNonce(random); err != nil {
		return "", nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.boxes == nil {
		b.boxes = map[string]*Box{}
	}
	box = NewBox()
	b.boxes[nonce] = box
	return nonce, box, nil
}

// Close takes the box of a nonce down.
func (b *Board) Close(nonce string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.boxes, nonce)
}

// ErrNobody is the end of a receipt for which nobody waits.
var ErrNobody = errors.New("nobody waits for it")

// HandOn puts a receipt into its box: see Options.
func (b *Board) HandOn(_ context.Context, nonce string, r Receipt) error {
	b.mu.Lock()
	box := b.boxes[nonce]
	b.mu.Unlock()
	if box == nil {
		return ErrNobody
	}
	return box.Put(r)
}
