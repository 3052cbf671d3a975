package checks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// A slackAnswer is what every method of the Web API answers. HTTP says 200 of failures, too.
type slackAnswer struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
}

// slackCall asks a method of the Web API. The token goes in the header alone.
func slackCall(ctx context.Context, q *inquiry, method string, form url.Values, into any) (*exchange, error) {
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: "/api/" + method, body: []byte(form.Encode()),
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
	if err != nil {
		return x, err
	}
	if err := q.machine(x, method); err != nil {
		return x, err
	}
	var answer slackAnswer
	if json.Unmarshal(x.body, &answer) != nil || json.Unmarshal(x.body, into) != nil {
		if x.status != http.StatusOK {
			return x, slackRuling(q, x, method, "", "")
		}
		return x, troublef(plumbline.ClassProtocol, "%s answered something that is no JSON", method)
	}
	if answer.OK && x.status == http.StatusOK {
		return x, nil
	}
	more := ""
	if answer.Needed != "" {
		more = ", needs " + cut(q.scene.hide(answer.Needed), 100) + ", has " + cut(q.scene.hide(answer.Provided), 200)
	}
	return x, slackRuling(q, x, method, answer.Error, more)
}

func slackRuling(q *inquiry, x *exchange, method, code, more string) error {
	r, known := rule(slackCatalogue, x.status, code, "")
	switch {
	case known && code != "":
		return q.troubled(r, x, "%s answered %s%s", method, q.quote(code, 100), more)
	case known:
		return q.troubled(r, x, "%s answered %d", method, x.status)
	case strings.HasPrefix(code, "invalid_"):
		return troublef(plumbline.ClassMisconfig, "%s answered %s: look at the channel and the arguments of this check", method, q.quote(code, 100))
	case code != "":
		return troublef(plumbline.ClassProtocol, "%s answered %s, which the catalogue has nothing of", method, q.quote(code, 100))
	}
	if x.status == http.StatusOK {
		return troublef(plumbline.ClassProtocol, "%s answered neither that all is well nor an error", method)
	}
	return q.amiss(x, method)
}
