package checks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestGraphQL(t *testing.T) {
	var got struct {
		Query, OperationName string
		Variables            map[string]any
	}
	var path, accept string
	status, answer := 200, ""
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			path = r.URL.Path
			return
		}
		path, accept = r.URL.Path, r.Header.Get("Accept")
		got.OperationName, got.Variables = "", nil
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		answering(status, "application/json", answer)(w, r)
	})
	const data, refused = `{"data":{"me":{"id":"7","orders":[]}}}`, `{"errors":[{"message":"not allowed","path":["me",0,"pin"]},{"odd":1}],"data":null}`
	tests := []struct {
		check, answer string
		status        int
		want          string
	}{
		{`{graphql: "{ me { id } }"}`, data, 200, ""},
		{`{graphql: "{ me { id } }", expect: {$.data.me.id: "7", latency: {lt: 9s}}}`, data, 200, ""},
		{`{graphql: "{ me { id } }", expect: {$.data.me.id: "8"}}`, data, 200, `$.data.me.id: got "7", want "8"`},
		{`{graphql: "{ me { id } }"}`, refused, 200, `$.errors: got "not allowed" at me.0.pin, want none; $.errors: got {"odd":1}, want none; $.data: got null, want type object`},
		{`{graphql: "{ me { id } }", expect: {$.data.me.id: "7"}}`, refused, 200, `$.errors: got "not allowed" at me.0.pin, want none; $.errors: got {"odd":1}, want none; $.data.me.id: nothing`},
		{`{graphql: "{ me { id } }", expect: {"$.errors[0].message": not allowed}}`, refused, 200, ""},
		{`{graphql: "{ me { id } }", expect: {"$.errorsOfMine": {exists: false}}}`, refused, 200, `$.errors: got "not allowed"`},
		{`{graphql: "{ me { id } }"}`, `{"errors":[],"data":{}}`, 200, ""},
		{`{graphql: "{ me { id } }"}`, `{"errors":"bad","data":{}}`, 200, `$.errors: got "bad", want none`},
		{`{graphql: "{ me { id } }"}`, `{}`, 200, `$.data: nothing is there, want type object`},
		{`{graphql: "{ me { id } }"}`, `{"errors":[{"message":"syntax"}]}`, 400, `status: got 400, want 2xx; $.errors: got "syntax", want none; $.data: nothing`},
		{`{graphql: "{ me { id } }"}`, `<html>`, 200, `body: got "<html>", want JSON`},
		{`{graphql: "{ me { id } }", expect: {status: 200}}`, `{"errors":[{"message":"no"}],"data":{}}`, 200, `$.errors: got "no", want none`},
	}
	for _, test := range tests {
		t.Run(test.check+test.answer, func(t *testing.T) {
			status, answer = test.status, test.answer
			_, err := probe(t, compile(t, clientsOf(t), test.check), askOf(url))
			ends(t, err, test.want, true)
		})
	}
	status, answer = 200, data
	check := compile(t, clientsOf(t), `{graphql: {url: /chef/graphql, query: "query A($id: ID!) { me(id: $id) { id } } query B { me { id } }", operation: A, variables: {id: $(vars.page), tag: "r-$(run.id)"}},
		capture: {id: $.data.me.id}}`)
	result, err := probe(t, check, askOf(url))
	if err != nil || result.Captures["id"] != "7" || path != "/chef/graphql" || got.OperationName != "A" || got.Variables["id"] != 7.0 || got.Variables["tag"] != "r-run1" {
		t.Errorf("got %v, %v, %s, %+v", result.Captures, err, path, got)
	}
	if !strings.HasPrefix(got.Query, "query A(") || !strings.Contains(accept, "graphql-response") || check.Name != "graphql query A" {
		t.Errorf("got %q, %q, %q", got.Query, accept, check.Name)
	}
	if name := compile(t, clientsOf(t), `{graphql: "mutation { addOrder { id } }"}`).Name; name != "graphql mutation addOrder" {
		t.Errorf("got %q", name)
	}
	steps := compile(t, clientsOf(t), `{effect: none, steps: [{graphql: "{ me { id } }", capture: {id: $.data.me.id}}, {get: "/x/$(captures.id)", effect: none}]}`)
	if _, err := probe(t, steps, askOf(url)); err != nil || path != "/x/7" {
		t.Errorf("got %v, %s", err, path)
	}
}
