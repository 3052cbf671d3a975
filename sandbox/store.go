package sandbox

import (
	"encoding/hex"
	"io"
	"sync"
	"time"
)

// What the store keeps at most. The oldest are forgotten first; balances and totals never are.
const (
	maxOrders       = 50_000
	maxLinks        = 10_000
	maxTransactions = 50_000
	maxPayments     = 1_000
	maxTokens       = 10_000
	maxUsers        = 100_000
)

// A store is what both colors share: tokens, money, orders, points, reward links and the customer's webhook.
type store struct {
	clock func() time.Time
	rand  *source

	tokens  tokens
	orders  orders
	points  points
	webhook webhook
	trials  chan trial
	key     string // that webhooks are signed with
}

func newStore(clock func() time.Time, random *source, opening, topUp Money) *store {
	s := &store{clock: clock, rand: random, trials: make(chan trial, maxTrials)}
	s.tokens.until = map[string]time.Time{}
	s.orders.init(opening, topUp, clock())
	s.points.init()
	s.webhook.wake = make(chan struct{}, 1)
	return s
}

// A source is randomness for many goroutines.
type source struct {
	mu     sync.Mutex
	reader io.Reader
}

// Read fills b.
func (s *source) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return io.ReadFull(s.reader, b)
}

// hex is n random bytes as text.
func (s *source) hex(n int) (string, error) {
	b := make([]byte, n)
	if _, err := s.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}

// tokens are known to both colors: traffic may move between a login and its use.
type tokens struct {
	mu     sync.Mutex
	until  map[string]time.Time
	issued []string // in the order of issue
}

func (t *tokens) put(token string, until, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	drop := 0
	for drop < len(t.issued) && (len(t.issued)-drop >= maxTokens || t.until[t.issued[drop]].Before(now)) {
		delete(t.until, t.issued[drop])
		drop++
	}
	t.issued = append(t.issued[drop:], token)
	t.until[token] = until
}

// left is how long a token is still good for, and nothing for one that isn't.
func (t *tokens) left(token string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(0, t.until[token].Sub(now))
}
