package sandbox

import (
	"encoding/json"
	"net/http"
)

const linkQuery = "xoxo_link.mutation.generateLink"

// linkPrefix begins the poNumber of the order that a reward link becomes.
const linkPrefix = "link-"

// generateLink is POST /chef/v1/oauth/api/generateLink: a reward that its receiver chooses later, paid for at once.
func (e *Environment) generateLink(w http.ResponseWriter, r *http.Request) {
	c, err := readCall(r)
	if err != nil {
		e.refuse(w, err)
		return
	}
	if c.Query != linkQuery {
		e.refuse(w, unknown("there is no operation %.80q, want %s", c.Query, linkQuery))
		return
	}
	e.answer(w, c.Query, op("", e.makeLink), conditionOf(r), c.Variables.Data)
}

func (e *Environment) makeLink(_ Condition, in struct {
	Denomination Money `json:"denomination"`
}) (any, error) {
	if in.Denomination < Rupees(1) || in.Denomination > Rupees(10_000) {
		return nil, badInput("denomination is %s, want 1 to 10000", in.Denomination)
	}
	code, err := e.store.rand.hex(12)
	if err != nil {
		return nil, err
	}
	made, err := e.store.orders.addLink(code, in.Denomination, e.store.clock())
	if err != nil {
		return nil, err
	}
	return map[string]any{"code": made.Code, "denomination": made.Value, "currency": currency,
		"link": "/chef/v1/links/" + made.Code + "/redeem"}, nil
}

// redeem is POST /chef/v1/links/{code}/redeem with {"productId","email"}: the receiver's choice. It answers once.
func (e *Environment) redeem(w http.ResponseWriter, r *http.Request) {
	body := json.RawMessage{}
	if err := readJSON(r, &body); err != nil {
		e.refuse(w, err)
		return
	}
	e.answer(w, "redeem", op("", func(c Condition, in struct {
		ProductID int    `json:"productId"`
		Email     string `json:"email"`
	}) (any, error) {
		if err := checkEmail(in.Email); err != nil {
			return nil, err
		}
		for _, p := range e.onSale(c) {
			if p.ID == in.ProductID {
				return e.store.orders.redeem(r.PathValue("code"), p.ID, in.Email, e.store.clock())
			}
		}
		return nil, unknown("there is no product %d on sale", in.ProductID)
	}), conditionOf(r), body)
}
