package sandbox

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"
)

// What users send without end must not fill the memory; what it adds up to must stay true all the same.
func TestTheStoreForgetsTheOldestAndKeepsTheTotals(t *testing.T) {
	now := time.Now()
	s := newStore(func() time.Time { return now }, &source{reader: rand.Reader}, Rupees(1), Rupees(1000))
	const extra = 10
	for i := range maxOrders + extra {
		if _, err := s.orders.place(order{PONumber: fmt.Sprint(i), Quantity: 1, Charged: 1}, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range max(maxLinks, maxTokens, maxTransactions) + extra {
		name := fmt.Sprint(i)
		if _, err := s.orders.addLink(name, 1, now); err != nil {
			t.Fatal(err)
		}
		s.tokens.put(name, now.Add(time.Hour), now)
		if _, _, err := s.points.send("a@acme.example", 1, now); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct{ got, most int }{
		"orders":       {len(s.orders.byID), maxOrders},
		"poNumbers":    {len(s.orders.byPO), maxOrders},
		"links":        {len(s.orders.links), maxLinks},
		"link codes":   {len(s.orders.linkCodes), maxLinks},
		"tokens":       {len(s.tokens.until), maxTokens},
		"transactions": {len(s.points.transactions), maxTransactions},
	} {
		if test.got != test.most {
			t.Errorf("keeps %d %s, want %d", test.got, name, test.most)
		}
	}
	money := s.orders.accounts()
	if money.Paid != money.Balance+money.Charged || money.Charged != maxOrders+max(maxLinks, maxTokens, maxTransactions)+2*extra {
		t.Errorf("%+v doesn't add up", money)
	}
	if l := s.points.ledger(); l.Held != l.Sent || l.Unaccounted != 0 {
		t.Errorf("%+v doesn't add up", l)
	}
	if _, err := s.orders.find(0, "0"); err == nil {
		t.Error("the oldest order is still there")
	}
	if _, err := s.orders.find(0, fmt.Sprint(extra)); err != nil {
		t.Errorf("order %d: %v, want it kept", extra, err)
	}
	if list, _ := s.orders.latest(100, maxOrders/100+1); len(list) != 0 {
		t.Errorf("%d orders behind the last page", len(list))
	}
	if delivered, err := s.orders.deliver(s.newVoucher); err != nil || len(delivered) != maxOrders {
		t.Errorf("delivered %d (%v), want %d", len(delivered), err, maxOrders)
	}
}

func TestEndedTokensAreForgotten(t *testing.T) {
	now := time.Now()
	s := newStore(time.Now, &source{reader: rand.Reader}, 0, 0)
	s.tokens.put("old", now.Add(time.Second), now)
	s.tokens.put("new", now.Add(time.Hour), now.Add(time.Minute))
	if len(s.tokens.until) != 1 || len(s.tokens.issued) != 1 || s.tokens.left("old", now) != 0 {
		t.Errorf("keeps %v", s.tokens.issued)
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string]Money{"0": 0, "12.5": 1250, "0.1": 10, "1e3": 100_000, "-3.07": -307, "99999999.99": 9_999_999_999} {
		var got Money
		if err := got.UnmarshalJSON([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"null", `"5"`, "0.001", "1e30", "-1e13", "NaN"} {
		if err := new(Money).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is an amount", text)
		}
	}
	p := product{Fee: 50, Discount: 200}
	if got := p.price(Rupees(100)); got != 9850 {
		t.Errorf("100.00 with 0.5%% fee and 2%% discount is %s, want 98.50", got)
	}
}

func TestQuantiles(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	for i := range 100 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	h.add(time.Hour)
	for q, want := range map[float64]time.Duration{0.5: 51 * time.Millisecond, 0.99: 100 * time.Millisecond} {
		got := time.Duration(h.quantile(q))
		if got < want || float64(got) > float64(want)*1.06 {
			t.Errorf("quantile %g is %s, want %s and up to 5 %% more", q, got, want)
		}
	}
}

func FuzzControlColor(f *testing.F) {
	for _, seed := range []string{`{}`, `{"version":"1","faults":{"slow":true}}`, `{"faults":{"slow":"1s"}}`, `{"config":null}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var c change
		if c.UnmarshalJSON(text) != nil {
			return
		}
		if next, err := c.apply(Condition{}); err == nil && next.check() != nil {
			t.Errorf("%s is accepted and wrong", text)
		}
	})
}
