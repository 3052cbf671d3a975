package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// A call is the body of every operation.
type call struct {
	Query     string `json:"query"`
	Tag       string `json:"tag"`
	Variables struct {
		Data json.RawMessage `json:"data"`
	} `json:"variables"`
}

// An operation answers a call with what comes under "data", or with a refusal.
type operation struct {
	tag string
	run func(c Condition, data json.RawMessage) (any, error)
}

// op reads the variables of an operation into its own type.
func op[T any](tag string, run func(c Condition, in T) (any, error)) operation {
	return operation{tag, func(c Condition, data json.RawMessage) (any, error) {
		var in T
		if len(data) > 0 {
			if err := json.Unmarshal(data, &in); err != nil {
				return nil, badInput("variables.data: %s", plainError(err))
			}
		}
		return run(c, in)
	}}
}

// operations is everything that the dispatcher knows.
func (e *Environment) operations() map[string]operation {
	const plum, admin = "plumProAPI", "storeAdmin"
	return map[string]operation{
		"plumProAPI.mutation.getVouchers":     op(plum, e.getVouchers),
		"plumProAPI.mutation.getFilters":      op(plum, e.getFilters),
		"plumProAPI.query.getBalance":         op(plum, e.getBalance),
		"plumProAPI.mutation.placeOrder":      op(plum, e.placeOrder),
		"plumProAPI.mutation.getOrderDetails": op(plum, e.getOrderDetails),
		"plumProAPI.mutation.getOrderHistory": op(plum, e.getOrderHistory),
		"plumProAPI.mutation.paymentHistory":  op(plum, e.paymentHistory),
		"storesAdmin.query.user_balance":      op(admin, e.userBalance),
		"storesAdmin.mutation.sendBalance":    op(admin, e.sendBalance),
		"storesAdmin.mutation.cancelBalance":  op(admin, e.cancelBalance),
	}
}

// dispatch is POST /chef/v1/oauth/api.
func (e *Environment) dispatch(w http.ResponseWriter, r *http.Request) {
	c, err := readCall(r)
	if err != nil {
		e.refuse(w, err)
		return
	}
	known, ok := e.calls[c.Query]
	switch {
	case c.Query == "":
		e.refuse(w, badInput("query is missing"))
	case !ok:
		e.refuse(w, unknown("there is no operation %.80q", c.Query))
	case c.Tag != known.tag:
		e.refuse(w, badInput("tag is %.40q, want %q for %s", c.Tag, known.tag, c.Query))
	default:
		e.answer(w, c.Query, known, conditionOf(r), c.Variables.Data)
	}
}

// answer wraps the outcome of an operation under its short name.
func (e *Environment) answer(w http.ResponseWriter, query string, o operation, c Condition, data json.RawMessage) {
	out, err := o.run(c, data)
	if err != nil {
		e.refuse(w, err)
		return
	}
	name := query[strings.LastIndexByte(query, '.')+1:]
	writeJSON(w, http.StatusOK, map[string]any{"data": map[string]any{name: map[string]any{"status": 1, "data": out}}})
}

func readCall(r *http.Request) (call, error) {
	var c call
	return c, readJSON(r, &c)
}

func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return badInput("the body can't be read, or is larger than 1 MiB")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return badInput("the body is no such JSON: %s", plainError(err))
	}
	return nil
}

// plainError says which member was of the wrong type, without the names of Go types.
func plainError(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return wrong.Field + " is a " + wrong.Value + ", want " + wrong.Type.Kind().String()
	}
	return err.Error()
}
