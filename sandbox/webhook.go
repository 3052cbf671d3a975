package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	webhookStrikes = 3 // failed posts in a row that disable the address
	webhookTimeout = 5 * time.Second
	maxNotices     = 1_000
)

// webhook is where the customer wants to hear of deliveries. The whole address is a secret.
type webhook struct {
	mu       sync.Mutex
	url      string
	strikes  int
	disabled bool
	sent     int
	failed   int
	missed   int // deliveries that nobody was told of
	due      []notice
	wake     chan struct{} // holds one
}

// A notice is one post to the customer.
type notice struct {
	ID        string      `json:"id"`
	Data      noticeOrder `json:"data"`
	CreatedAt string      `json:"createdAt"`
}

type noticeOrder struct {
	ID             int64  `json:"orderId"`
	PONumber       string `json:"poNumber"`
	Date           string `json:"orderDate"`
	DeliveryStatus string `json:"deliveryStatus"`
}

// WebhookState is what may be shown of the customer's webhook.
type WebhookState struct {
	Origin   string `json:"origin,omitempty"`
	Disabled bool   `json:"disabled"` // three posts failed in a row: somebody must enable it again
	Sent     int    `json:"sent"`
	Failed   int    `json:"failed"`
	Missed   int    `json:"missed"`
}

// set says where deliveries are posted to, enables it, and forgets its failures.
func (w *webhook) set(address string) error {
	if address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("the webhook is no http or https address")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.url, w.strikes, w.disabled = address, 0, false
	return nil
}

func (w *webhook) state() WebhookState {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := WebhookState{Disabled: w.disabled, Sent: w.sent, Failed: w.failed, Missed: w.missed}
	if u, err := url.Parse(w.url); err == nil && w.url != "" {
		state.Origin = u.Scheme + "://" + u.Host
	}
	return state
}

func (w *webhook) add(n notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.url == "" {
		return
	}
	if w.disabled || len(w.due) >= maxNotices {
		w.missed++
		return
	}
	w.due = append(w.due, n)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// first is the notice that is due, and where it goes.
func (w *webhook) first() (n notice, address string, due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disabled || w.url == "" {
		w.missed += len(w.due)
		w.due = nil
	}
	if len(w.due) == 0 {
		return notice{}, "", false
	}
	return w.due[0], w.url, true
}

// settle keeps score. A notice that could not be posted stays the first until the address is disabled.
func (w *webhook) settle(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.sent++
		w.strikes = 0
		w.due = w.due[1:]
		return
	}
	w.failed++
	w.strikes++
	w.disabled = w.strikes >= webhookStrikes
}

// deliverOrders makes vouchers of new orders until ctx ends, and says so to the customer.
func (s *store) deliverOrders(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.orders.wake:
		}
		delivered, err := s.orders.deliver(s.newVoucher)
		for _, o := range delivered {
			s.webhook.add(notice{ID: fmt.Sprintf("evt-%d", o.ID), CreatedAt: stamp(s.clock()),
				Data: noticeOrder{o.ID, o.PONumber, o.Date, o.DeliveryStatus}})
		}
		if err != nil {
			return // without randomness there are no vouchers, and orders stay pending
		}
	}
}

// postNotices tells the customer until ctx ends.
func (s *store) postNotices(ctx context.Context, client *http.Client) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.webhook.wake:
		}
		for ctx.Err() == nil {
			n, address, due := s.webhook.first()
			if !due {
				break
			}
			s.webhook.settle(post(ctx, client, address, n, s.key))
		}
	}
}

func post(ctx context.Context, client *http.Client, address string, n notice, key string) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(SignatureHeader, signature(body, key))
	answer, err := client.Do(request) // #nosec G704 -- whom who holds the control token named
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection is used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answered %d, want 2xx", answer.StatusCode)
	}
	return nil
}
