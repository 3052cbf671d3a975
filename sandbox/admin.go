package sandbox

import (
	"net/http"
)

// A catalogueSummary is one shelf of the catalogue, as administrators see it.
type catalogueSummary struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Country  string `json:"countryCode"`
	Currency string `json:"currencyCode"`
	Vouchers int    `json:"vouchers"`
	Status   string `json:"status"`
}

// An approvalChain says who must agree to an expense up to a limit. The last step of a chain has no limit above it.
type approvalChain struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Status string         `json:"status"`
	Steps  []approvalStep `json:"steps"`
}

type approvalStep struct {
	Level    int    `json:"level"`
	Approver string `json:"approver"`
	Limit    Money  `json:"limit"`
}

// A budget is what a department may spend.
type budget struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Unit      string `json:"unit"`
	Allocated any    `json:"allocated"`
	Spent     any    `json:"spent"`
	Remaining any    `json:"remaining"`
	Owner     string `json:"owner"`
	Chain     string `json:"approvalChain"`
}

// admin is GET /chef/v1/admin/{catalogues,approval-chains,budgets,points}.
func (e *Environment) admin(w http.ResponseWriter, r *http.Request) {
	var list any
	name := r.PathValue("list")
	switch name {
	case "catalogues":
		list = e.catalogues(conditionOf(r))
	case "approval-chains":
		list = approvalChains()
	case "budgets":
		list = e.budgets(conditionOf(r))
	case "points":
		list = e.store.points.ledger()
	default:
		e.refuse(w, unknown("there is no list %.40q, want catalogues, approval-chains, budgets or points", name))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": list})
}

func (e *Environment) catalogues(c Condition) []catalogueSummary {
	list := []catalogueSummary{}
	for _, s := range shelves {
		summary := catalogueSummary{ID: "CAT-" + s.category, Name: s.category, Country: "IN", Currency: currency, Status: "active"}
		for _, p := range e.onSale(c) {
			if p.Category == s.category {
				summary.Vouchers++
			}
		}
		list = append(list, summary)
	}
	return list
}

func approvalChains() []approvalChain {
	chain := func(id, name string, approvers ...string) approvalChain {
		c := approvalChain{ID: id, Name: name, Status: "active"}
		limit := Rupees(5_000)
		for i, approver := range approvers {
			c.Steps = append(c.Steps, approvalStep{i + 1, approver, limit})
			limit *= 10
		}
		return c
	}
	return []approvalChain{
		chain("APC-SPOT", "spot awards", "line manager", "department head"),
		chain("APC-BULK", "bulk gifting", "line manager", "department head", "finance"),
		chain("APC-MILE", "milestone cycles", "people operations"),
	}
}

func (e *Environment) budgets(c Condition) []budget {
	recognition := "APC-SPOT"
	if c.Faults.DriftedBudgets {
		recognition = "APC-MILE" // a chain there is, of which nobody thinks anything
	}
	money, sent := e.store.orders.accounts(), e.store.points.ledger()
	spent := sent.Sent - sent.Cancelled
	return []budget{
		{"BUD-REWARDS", "rewards", currency, money.Paid, money.Charged, money.Balance, "people operations", "APC-BULK"},
		{"BUD-RECOGNITION", "recognition", "points", int64(pointsBudget), spent, pointsBudget - spent, "people operations", recognition},
	}
}
