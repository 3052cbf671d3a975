package sandbox

import (
	"fmt"
	"sync"
	"time"
)

// pointsBudget is what the recognition budget allows to be sent at all.
const pointsBudget = 1_000_000_000

// A transaction sent points to a user.
type transaction struct {
	ID        string `json:"transactionId"`
	Email     string `json:"email"`
	Points    int64  `json:"points"`
	Cancelled bool   `json:"cancelled"`
	At        string `json:"createdAt"`
}

// Ledger is the points of the store: Sent = Held + Cancelled, always.
type Ledger struct {
	Sent        int64 `json:"sent"`
	Cancelled   int64 `json:"cancelled"`
	Held        int64 `json:"held"`
	Unaccounted int64 `json:"unaccounted"` // what breaks the law above: 0
	Users       int   `json:"users"`
	Entries     int   `json:"entries"`
}

// points is who holds how many.
type points struct {
	mu           sync.Mutex
	held         map[string]int64
	transactions map[string]*transaction
	order        []string
	next         int
	sent         int64
	cancelled    int64
}

func (p *points) init() {
	p.held, p.transactions = map[string]int64{}, map[string]*transaction{}
}

func (p *points) balance(email string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[email]
}

// send gives points to a user, and answers with the transaction and what the user holds after it.
func (p *points) send(email string, n int64, now time.Time) (transaction, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := pointsBudget - (p.sent - p.cancelled); n > left {
		return transaction{}, 0, conflict("budget_exceeded", "the budget has %d points left, %d were asked for", left, n)
	}
	if _, known := p.held[email]; !known && len(p.held) >= maxUsers {
		return transaction{}, 0, conflict("too_many_users", "the sandbox keeps points of %d users at most", maxUsers)
	}
	p.next++
	t := &transaction{ID: fmt.Sprintf("TXN-%08d", p.next), Email: email, Points: n, At: stamp(now)}
	p.transactions[t.ID], p.order = t, append(p.order, t.ID)
	if len(p.order) > maxTransactions {
		delete(p.transactions, p.order[0])
		p.order = p.order[1:]
	}
	p.held[email] += n
	p.sent += n
	return *t, p.held[email], nil
}

// cancel takes the points of a transaction back, once.
func (p *points) cancel(id string) (transaction, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.transactions[id]
	switch {
	case t == nil:
		return transaction{}, 0, unknown("there is no transaction %.40q", id)
	case t.Cancelled:
		return transaction{}, 0, conflict("already_cancelled", "transaction %s was cancelled before", id)
	}
	t.Cancelled = true
	p.held[t.Email] -= t.Points
	p.cancelled += t.Points
	return *t, p.held[t.Email], nil
}

func (p *points) ledger() Ledger {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Ledger{Sent: p.sent, Cancelled: p.cancelled, Users: len(p.held), Entries: len(p.order)}
	for _, n := range p.held {
		l.Held += n
	}
	l.Unaccounted = l.Sent - l.Cancelled - l.Held
	return l
}
