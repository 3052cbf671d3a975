package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An errand is one thing that a user does, with one request. Its error says what a user would complain about.
type errand struct {
	name   string
	weight int
	run    func(v *visit) error
}

// errands is what users do, and how often of a hundred times.
func errands() []errand {
	return []errand{
		{"browse", 25, (*visit).browse},
		{"balance", 15, (*visit).balance},
		{"order", 20, (*visit).order},
		{"read order", 10, (*visit).readOrder},
		{"send points", 15, (*visit).sendPoints},
		{"reward link", 8, (*visit).makeLink},
		{"redeem", 7, (*visit).redeem},
	}
}

func (t *Traffic) pick() errand {
	n := t.intn(100)
	for _, e := range errands() {
		if n -= e.weight; n < 0 {
			return e
		}
	}
	return errand{"browse", 0, (*visit).browse}
}

// A visit is a user on an errand.
type visit struct {
	traffic *Traffic
	ctx     context.Context
	token   string
	color   string // that answered
}

type placedOrder struct {
	po    string
	total Money
}

func (v *visit) browse() error {
	var list []product
	if err := v.call("plumProAPI.mutation.getVouchers", "plumProAPI", map[string]int{"limit": 10, "page": 1 + v.traffic.intn(2)}, &list); err != nil {
		return err
	}
	if len(list) == 0 || list[0].ID == 0 {
		return fmt.Errorf("the catalogue has %d vouchers, want some", len(list))
	}
	return nil
}

func (v *visit) balance() error {
	var balance struct {
		Value    Money
		Currency string
	}
	if err := v.call("plumProAPI.query.getBalance", "plumProAPI", map[string]int{}, &balance); err != nil {
		return err
	}
	if balance.Value <= 0 || balance.Currency != currency {
		return fmt.Errorf("the balance is %s %q, want a positive one in %s", balance.Value, balance.Currency, currency)
	}
	return nil
}

func (v *visit) order() error {
	t := v.traffic
	want := placedOrder{t.poNumber(), Rupees(100)}
	var got order
	err := v.call("plumProAPI.mutation.placeOrder", "plumProAPI", map[string]any{"productId": firstProduct + t.intn(5), "quantity": 2,
		"denomination": 50, "email": t.user(), "poNumber": want.po}, &got)
	if err != nil {
		return err
	}
	if err := want.check(got); err != nil {
		return err
	}
	select {
	case t.placed <- want:
	default:
	}
	return nil
}

// readOrder reads an order back that a user placed, perhaps on the other color.
func (v *visit) readOrder() error {
	select {
	case want := <-v.traffic.placed:
		var got order
		if err := v.call("plumProAPI.mutation.getOrderDetails", "plumProAPI", map[string]string{"poNumber": want.po}, &got); err != nil {
			return err
		}
		return want.check(got)
	default:
		return v.browse()
	}
}

func (want placedOrder) check(got order) error {
	if got.ID == 0 || got.PONumber != want.po || got.Total != want.total || got.Status != "complete" {
		return fmt.Errorf("the order is %d %q over %s (%s), want %q over %s (complete)",
			got.ID, got.PONumber, got.Total, got.Status, want.po, want.total)
	}
	return nil
}

func (v *visit) sendPoints() error {
	email := v.traffic.user()
	var got struct {
		transaction
		Balance int64 `json:"balance"`
	}
	err := v.call("storesAdmin.mutation.sendBalance", "storeAdmin", map[string]any{"email": email, "points": 5, "message": "well done"}, &got)
	if err != nil {
		return err
	}
	if got.ID == "" || got.Email != email || got.Points != 5 || got.Balance < 5 {
		return fmt.Errorf("%d points went to %q, want 5 to %q", got.Points, got.Email, email)
	}
	return nil
}

func (v *visit) makeLink() error {
	var got struct {
		Link         string
		Denomination Money
	}
	body := callBody(linkQuery, "xoxo_link", map[string]int{"denomination": 25})
	if err := v.post("/chef/v1/oauth/api/generateLink", linkQuery, body, &got); err != nil {
		return err
	}
	if !strings.HasPrefix(got.Link, "/chef/") || got.Denomination != Rupees(25) {
		return fmt.Errorf("the link is %q over %s, want one over 25.00", got.Link, got.Denomination)
	}
	select {
	case v.traffic.links <- got.Link:
	default:
	}
	return nil
}

// redeem turns a reward link into an order.
func (v *visit) redeem() error {
	select {
	case link := <-v.traffic.links:
		var got order
		if err := v.post(link, "redeem", map[string]any{"productId": firstProduct, "email": v.traffic.user()}, &got); err != nil {
			return err
		}
		if got.ID == 0 || got.Total != Rupees(25) {
			return fmt.Errorf("the reward became order %d over %s, want one over 25.00", got.ID, got.Total)
		}
		return nil
	default:
		return v.makeLink()
	}
}

func (v *visit) login(client Client) (token string, ttl time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret}}
	body, err := v.send("/chef/v1/oauth/token", "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	var got struct {
		Token string `json:"access_token"`
		TTL   int    `json:"expires_in"`
	}
	if json.Unmarshal(body, &got) != nil || got.Token == "" || got.TTL <= 0 {
		return "", 0, fmt.Errorf("the login answered no token")
	}
	return got.Token, time.Duration(got.TTL) * time.Second, nil
}

func callBody(query, tag string, data any) map[string]any {
	return map[string]any{"query": query, "tag": tag, "variables": map[string]any{"data": data}}
}

func (v *visit) call(query, tag string, data, into any) error {
	return v.post("/chef/v1/oauth/api", query, callBody(query, tag, data), into)
}

// post sends JSON and unwraps the answer of an operation.
func (v *visit) post(path, query string, value, into any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	answer, err := v.send(path, "application/json", body)
	if err != nil {
		return err
	}
	var wrapped struct {
		Data map[string]struct {
			Status int
			Data   json.RawMessage
		}
	}
	if err := json.Unmarshal(answer, &wrapped); err != nil {
		return fmt.Errorf("the answer is no JSON")
	}
	inner := wrapped.Data[query[strings.LastIndexByte(query, '.')+1:]]
	if inner.Status != 1 {
		return fmt.Errorf("status is %d, want 1", inner.Status)
	}
	if err := json.Unmarshal(inner.Data, into); err != nil {
		return fmt.Errorf("the answer has another shape: %s", plainError(err))
	}
	return nil
}

func (v *visit) send(path, contentType string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(v.ctx, http.MethodPost, v.traffic.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	if v.token != "" {
		request.Header.Set("Authorization", "Bearer "+v.token)
	}
	answer, err := v.traffic.client.Do(request) // #nosec G704 -- the sandbox's own environments
	if err != nil {
		return nil, withoutURL(err)
	}
	defer answer.Body.Close()
	v.color = answer.Header.Get(ColorHeader)
	read, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, withoutURL(err)
	}
	if answer.StatusCode/100 != 2 {
		var refused struct {
			Text string `json:"error_description"`
		}
		_ = json.Unmarshal(read, &refused) // the status says enough
		return nil, fmt.Errorf("answered %d, want 2xx: %.200s", answer.StatusCode, refused.Text)
	}
	return read, nil
}
