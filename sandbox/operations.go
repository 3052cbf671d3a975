package sandbox

import (
	"net/mail"
	"strings"
)

type pageInput struct {
	Limit *int `json:"limit"`
	Page  *int `json:"page"`
}

// window checks limit and page. What is absent is 20 and 1.
func (p pageInput) window(c Condition) (limit, page int, err error) {
	limit, page = min(20, c.Config.orDefault().MaxPage), 1
	if p.Limit != nil {
		limit = *p.Limit
	}
	if p.Page != nil {
		page = *p.Page
	}
	if most := c.Config.orDefault().MaxPage; limit < 1 || limit > most {
		return 0, 0, badInput("limit is %d, want 1 to %d", limit, most)
	}
	if page < 1 || page > 1_000_000 {
		return 0, 0, badInput("page is %d, want 1 or more", page)
	}
	return limit, page, nil
}

type vouchersInput struct {
	pageInput
	Filters []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"filters"`
}

// onSale is the catalogue as this color sells it.
func (e *Environment) onSale(c Condition) []product {
	if c.Faults.EmptyCatalogue {
		return nil
	}
	return e.catalogue
}

func (e *Environment) getVouchers(c Condition, in vouchersInput) (any, error) {
	limit, page, err := in.window(c)
	if err != nil {
		return nil, err
	}
	found := []product{}
	for _, f := range in.Filters {
		if _, known := (product{}).matches(f.Key, ""); !known {
			return nil, badInput("unknown filter %.40q, want country, currencyCode, productName or voucher_category", f.Key)
		}
	}
next:
	for _, p := range e.onSale(c) {
		for _, f := range in.Filters {
			if match, _ := p.matches(f.Key, f.Value); !match {
				continue next
			}
		}
		found = append(found, p)
	}
	start := min(len(found), limit*(page-1))
	return found[start:min(len(found), start+limit)], nil
}

func (e *Environment) getFilters(_ Condition, in struct {
	Code string `json:"filterGroupCode"`
}) (any, error) {
	if in.Code == "" {
		return filterGroups(), nil
	}
	for _, g := range filterGroups() {
		if g.Code == in.Code {
			return []filterGroup{g}, nil
		}
	}
	return nil, badInput("unknown filterGroupCode %.40q, want country, currencyCode or voucher_category", in.Code)
}

func (e *Environment) getBalance(Condition, struct{}) (any, error) {
	return map[string]any{"value": e.store.orders.accounts().Balance, "currency": currency}, nil
}

type orderInput struct {
	ProductID    int    `json:"productId"`
	Quantity     int64  `json:"quantity"`
	Denomination Money  `json:"denomination"`
	Email        string `json:"email"`
	Contact      string `json:"contact"`
	Tag          string `json:"tag"`
	PONumber     string `json:"poNumber"`
	// The sandbox sends no mail.
	NotifyReceiver int `json:"notifyReceiverEmail"`
	NotifyAdmin    int `json:"notifyAdminEmail"`
}

const (
	maxQuantity = 10
	maxPONumber = 120
)

func (e *Environment) placeOrder(c Condition, in orderInput) (any, error) {
	var wanted *product
	for i, p := range e.onSale(c) {
		if p.ID == in.ProductID {
			wanted = &e.catalogue[i]
		}
	}
	switch {
	case in.PONumber == "" || len(in.PONumber) > maxPONumber:
		return nil, badInput("poNumber has %d bytes, want 1 to %d", len(in.PONumber), maxPONumber)
	case strings.HasPrefix(in.PONumber, linkPrefix):
		return nil, badInput("poNumber begins with %q, which is kept for reward links", linkPrefix)
	case in.Quantity < 1 || in.Quantity > maxQuantity:
		return nil, badInput("quantity is %d, want 1 to %d", in.Quantity, maxQuantity)
	case len(in.Tag) > maxPONumber || len(in.Contact) > maxPONumber:
		return nil, badInput("tag and contact may have %d bytes", maxPONumber)
	case wanted == nil:
		return nil, unknown("there is no product %d on sale", in.ProductID)
	case !wanted.sells(in.Denomination):
		return nil, badInput("denomination is %s, want one of %s", in.Denomination, wanted.Denominations)
	}
	if err := checkEmail(in.Email); err != nil {
		return nil, err
	}
	total := in.Denomination * Money(in.Quantity)
	return e.store.orders.place(order{PONumber: in.PONumber, ProductID: in.ProductID, Quantity: in.Quantity,
		Denomination: in.Denomination, Total: total, Charged: wanted.price(total), Email: in.Email, Tag: in.Tag}, e.store.clock())
}

func checkEmail(address string) error {
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address || len(address) > 254 {
		return badInput("email is %.40q, want an address", address)
	}
	return nil
}

func (e *Environment) getOrderDetails(_ Condition, in struct {
	OrderID  int64  `json:"orderId"`
	PONumber string `json:"poNumber"`
}) (any, error) {
	if (in.OrderID == 0) == (in.PONumber == "") {
		return nil, badInput("want either orderId or poNumber")
	}
	return e.store.orders.find(in.OrderID, in.PONumber)
}

func (e *Environment) getOrderHistory(c Condition, in pageInput) (any, error) {
	limit, page, err := in.window(c)
	if err != nil {
		return nil, err
	}
	list, total := e.store.orders.latest(limit, page)
	return map[string]any{"orders": list, "total": total, "limit": limit, "page": page}, nil
}

func (e *Environment) paymentHistory(c Condition, in pageInput) (any, error) {
	limit, page, err := in.window(c)
	if err != nil {
		return nil, err
	}
	list := e.store.orders.paymentList()
	start := min(len(list), limit*(page-1))
	return map[string]any{"payments": list[start:min(len(list), start+limit)], "total": len(list)}, nil
}

func (e *Environment) userBalance(_ Condition, in struct {
	Email string `json:"email"`
}) (any, error) {
	if err := checkEmail(in.Email); err != nil {
		return nil, err
	}
	return map[string]any{"email": in.Email, "points": e.store.points.balance(in.Email)}, nil
}

func (e *Environment) sendBalance(_ Condition, in struct {
	Email  string `json:"email"`
	Points int64  `json:"points"`
	Note   string `json:"message"`
}) (any, error) {
	if err := checkEmail(in.Email); err != nil {
		return nil, err
	}
	if in.Points < 1 || in.Points > 100_000 {
		return nil, badInput("points is %d, want 1 to 100000", in.Points)
	}
	return withBalance(e.store.points.send(in.Email, in.Points, e.store.clock()))
}

func (e *Environment) cancelBalance(_ Condition, in struct {
	ID string `json:"transactionId"`
}) (any, error) {
	if in.ID == "" {
		return nil, badInput("transactionId is missing")
	}
	return withBalance(e.store.points.cancel(in.ID))
}

func withBalance(t transaction, held int64, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return struct {
		transaction
		Balance int64 `json:"balance"`
	}{t, held}, nil
}
