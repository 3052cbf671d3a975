package sandbox

import (
	"encoding/hex"
	"io"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A faulty is what is wrong with a provider: for one color's account, or for both. The zero value is well.
type faulty struct {
	mu sync.Mutex
	on map[plumbline.Color]string
}

// set turns a fault on, or with no fault off. One for both takes away what each had.
func (f *faulty) set(color plumbline.Color, fault string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.on == nil || color == "" {
		f.on = map[plumbline.Color]string{}
	}
	f.on[color] = fault
}

// of is the fault that a color meets, "" if all is well. Whoever is no color meets what is wrong for both.
func (f *faulty) of(color plumbline.Color) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if own := f.on[color]; own != "" {
		return own
	}
	return f.on[""]
}

// secretOf makes a secret that nobody guesses. Randomness that fails makes one that opens nothing.
func secretOf(random io.Reader) string {
	secret := make([]byte, 24)
	if _, err := io.ReadFull(random, secret); err != nil {
		return ""
	}
	return hex.EncodeToString(secret)
}

// A bucket lets so many through in each period, and no more.
type bucket struct {
	most int
	per  time.Duration

	mu    sync.Mutex
	since time.Time
	taken int
}

func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= b.per {
		b.since, b.taken = now, 0
	}
	b.taken++
	return b.taken <= b.most
}
