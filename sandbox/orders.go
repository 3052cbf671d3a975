package sandbox

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// The states of a delivery.
const (
	deliveryPending   = "pending"
	deliveryDelivered = "delivered"
)

const currency = "INR"

// An order is what was bought, as the API shows it.
type order struct {
	ID             int64     `json:"orderId"`
	PONumber       string    `json:"poNumber"`
	ProductID      int       `json:"productId"`
	Quantity       int64     `json:"quantity"`
	Denomination   Money     `json:"denomination"`
	Total          Money     `json:"orderTotal"`
	Charged        Money     `json:"amountCharged"`
	Currency       string    `json:"currencyCode"`
	Status         string    `json:"orderStatus"`
	DeliveryStatus string    `json:"deliveryStatus"`
	Email          string    `json:"email"`
	Tag            string    `json:"tag,omitempty"`
	Date           string    `json:"orderDate"`
	Vouchers       []voucher `json:"vouchers"`
}

// A voucher is delivered for each piece of an order.
type voucher struct {
	Code      string `json:"code"`
	PIN       string `json:"pin"`
	ValidFrom string `json:"validFrom"`
	ValidTo   string `json:"validTo"`
}

// A payment is money that the customer put in.
type payment struct {
	ID     int    `json:"id"`
	Amount Money  `json:"amount"`
	Kind   string `json:"type"`
	Date   string `json:"date"`
}

// A link is a reward that is paid for, and that its receiver turns into an order.
type link struct {
	Code  string `json:"code"`
	Value Money  `json:"denomination"`
	Order int64  `json:"orderId,omitempty"` // once redeemed
}

// orders is the money and what it bought. One lock: a charge and its order are one thing.
type orders struct {
	mu       sync.Mutex
	balance  Money
	topUp    Money
	paid     Money
	charged  Money
	payments []payment
	lastPaid int

	byID    map[int64]*order
	byPO    map[string]int64
	oldest  int64
	next    int64
	pending []int64
	wake    chan struct{} // holds one: a delivery is due

	links     map[string]*link
	linkCodes []string
}

const firstOrder = 1_000_001

func (o *orders) init(opening, topUp Money, now time.Time) {
	o.byID, o.byPO, o.links = map[int64]*order{}, map[string]int64{}, map[string]*link{}
	o.oldest, o.next, o.topUp = firstOrder, firstOrder, topUp
	o.wake = make(chan struct{}, 1)
	o.pay(opening, "deposit", now)
}

func (o *orders) pay(amount Money, kind string, now time.Time) {
	o.balance += amount
	o.paid += amount
	o.lastPaid++
	o.payments = append(o.payments, payment{o.lastPaid, amount, kind, stamp(now)})
	o.payments = o.payments[max(0, len(o.payments)-maxPayments):]
}

// charge takes an amount from the balance. An account with automatic top-up is refilled when it runs low.
func (o *orders) charge(amount Money, now time.Time) error {
	if o.topUp > 0 && o.balance-amount < o.topUp/10 {
		o.pay(o.topUp, "auto_top_up", now)
	}
	if amount > o.balance {
		return conflict("insufficient_balance", "the balance is %s %s, the order costs %s", o.balance, currency, amount)
	}
	o.balance -= amount
	o.charged += amount
	return nil
}

// place charges an order and keeps it for delivery. A poNumber buys once.
func (o *orders) place(want order, now time.Time) (order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, used := o.byPO[want.PONumber]; used {
		return order{}, conflict("duplicate_po_number", "poNumber %q was used by another order", want.PONumber)
	}
	if err := o.charge(want.Charged, now); err != nil {
		return order{}, err
	}
	return o.keep(want, now), nil
}

func (o *orders) keep(want order, now time.Time) order {
	want.ID, want.Date = o.next, stamp(now)
	want.Status, want.DeliveryStatus = "complete", deliveryPending
	want.Currency, want.Vouchers = currency, []voucher{}
	o.next++
	o.byID[want.ID], o.byPO[want.PONumber] = &want, want.ID
	for ; len(o.byID) > maxOrders; o.oldest++ {
		delete(o.byPO, o.byID[o.oldest].PONumber)
		delete(o.byID, o.oldest)
	}
	o.pending = append(o.pending, want.ID)
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return want
}

// find looks an order up by its id, or by its poNumber where the id is 0.
func (o *orders) find(id int64, po string) (order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id == 0 {
		id = o.byPO[po]
	}
	if found := o.byID[id]; found != nil {
		return *found, nil
	}
	return order{}, unknown("there is no such order")
}

// latest is a page of orders, the youngest first, and how many there are.
func (o *orders) latest(limit, page int) ([]order, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := []order{}
	for id := o.next - 1 - int64(limit)*int64(page-1); id >= o.oldest && len(list) < limit; id-- {
		list = append(list, *o.byID[id])
	}
	return list, len(o.byID)
}

// deliver makes vouchers for what is pending and answers with the delivered orders.
func (o *orders) deliver(makeVoucher func() (voucher, error)) ([]order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delivered := []order{}
	for len(o.pending) > 0 {
		due := o.byID[o.pending[0]]
		if due == nil { // forgotten before it was delivered
			o.pending = o.pending[1:]
			continue
		}
		made := make([]voucher, 0, due.Quantity)
		for range due.Quantity {
			v, err := makeVoucher()
			if err != nil {
				return delivered, err
			}
			made = append(made, v)
		}
		// Copies of an order share its vouchers: they are replaced, never appended to.
		due.Vouchers, due.DeliveryStatus = made, deliveryDelivered
		delivered = append(delivered, *due)
		o.pending = o.pending[1:]
	}
	o.pending = nil
	return delivered, nil
}

// addLink charges a reward link.
func (o *orders) addLink(code string, value Money, now time.Time) (link, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.charge(value, now); err != nil {
		return link{}, err
	}
	if len(o.linkCodes) >= maxLinks {
		delete(o.links, o.linkCodes[0])
		o.linkCodes = o.linkCodes[1:]
	}
	made := &link{Code: code, Value: value}
	o.links[code], o.linkCodes = made, append(o.linkCodes, code)
	return *made, nil
}

// redeem turns a link into an order, once. The link was charged when it was made.
func (o *orders) redeem(code string, product int, email string, now time.Time) (order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := o.links[code]
	switch {
	case found == nil:
		return order{}, unknown("there is no such reward link")
	case found.Order != 0:
		return order{}, conflict("already_redeemed", "the reward link was redeemed by order %d", found.Order)
	}
	made := o.keep(order{PONumber: linkPrefix + code, ProductID: product, Quantity: 1, Denomination: found.Value,
		Total: found.Value, Email: email}, now)
	found.Order = made.ID
	return made, nil
}

// Accounts is the money of the store: Paid = Balance + Charged, always.
type Accounts struct {
	Paid    Money `json:"paid"`
	Charged Money `json:"charged"`
	Balance Money `json:"balance"`
	Orders  int64 `json:"orders"` // ever placed
}

func (o *orders) accounts() Accounts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return Accounts{o.paid, o.charged, o.balance, o.next - firstOrder}
}

func (o *orders) paymentList() []payment {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.Clone(o.payments)
	slices.Reverse(list)
	return list
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// newVoucher is one that can be used from today for a year.
func (s *store) newVoucher() (voucher, error) {
	code, err := s.rand.hex(10)
	if err != nil {
		return voucher{}, fmt.Errorf("voucher: %w", err)
	}
	now := s.clock().UTC()
	return voucher{Code: code[:16], PIN: code[16:], ValidFrom: now.Format(time.DateOnly),
		ValidTo: now.AddDate(1, 0, 0).Format(time.DateOnly)}, nil
}
