package checks_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

const shop = `{"status":1,"zero":0,"price":12.50,"big":12345678901234567890,"name":"Café","blank":"","none":null,"yes":true,
"tags":["a","b"],"nothing":[],"object":{"a":{"b":3}},"hollow":{},
"items":[{"id":1,"kind":"card"},{"id":2,"kind":"card"},{"id":3,"kind":"code","extra":{"n":null}}]}`

// Every row is an `expect` and what is said of the shop; nothing means that it is right.
func TestMatchers(t *testing.T) {
	tests := []struct{ expect, want string }{
		// equality
		{`{$.status: 1}`, ""},
		{`{$.status: 1.0}`, ""},
		{`{$.status: 10e-1}`, ""},
		{`{$.status: 2}`, "$.status: got 1, want 2"},
		{`{$.status: "1"}`, `$.status: got 1, want "1"`},
		{`{$.status: true}`, `$.status: got 1, want true`},
		{`{$.price: 12.5}`, ""},
		{`{$.big: 12345678901234567890}`, ""},
		{`{$.big: 12345678901234567891}`, "$.big: got 12345678901234567890, want 12345678901234567891"},
		{`{$.name: Café}`, ""},
		{`{$.name: cafe}`, `$.name: got "Café", want "cafe"`},
		{`{$.none: null}`, ""},
		{`{$.blank: null}`, `$.blank: got "", want null`},
		{`{$.missing: null}`, "$.missing: nothing is there, want null"},
		{`{$.yes: true}`, ""},
		{`{$.tags: [a, b]}`, ""},
		{`{$.tags: [b, a]}`, `$.tags: got ["a","b"], want ["b","a"]`},
		{`{$.tags: [a]}`, `$.tags: got ["a","b"], want ["a"]`},
		{`{$.tags: a}`, `$.tags: got ["a","b"], want "a"`},
		{`{$.nothing: []}`, ""},
		{`{$.object: {eq: {a: {b: 3}}}}`, ""},
		{`{$.object: {eq: {a: {b: 4}}}}`, `$.object: got {"a":{"b":3}}, want {"a":{"b":4}}`},
		{`{$.object: {eq: {a: {b: 3}, c: 1}}}`, `$.object: got {"a":{"b":3}}, want {"a":{"b":3},"c":1}`},
		{`{$.status: {eq: 1}}`, ""},
		// not
		{`{$.status: {not: 2}}`, ""},
		{`{$.status: {not: 1}}`, "$.status: got 1, want not 1"},
		{`{$.status: {not: {gt: 5}}}`, ""},
		{`{$.status: {not: {gt: 0}}}`, "$.status: got 1, want not > 0"},
		{`{$.status: {not: {gt: 0, lt: 9}}}`, "$.status: got 1, want not > 0 and < 9"},
		{`{$.tags: {not: [a]}}`, ""},
		{`{$.missing: {not: 1}}`, "$.missing: nothing is there, want not 1"},
		{`{$.missing: {not: {exists: true}}}`, "$.missing: nothing is there, want not something"},
		// order
		{`{$.price: {gt: 12, lt: 13}}`, ""},
		{`{$.price: {gte: 12.5, lte: 12.50}}`, ""},
		{`{$.price: {gt: 12.5}}`, "$.price: got 12.50, want > 12.5"},
		{`{$.price: {gt: 20, lt: 5}}`, "$.price: got 12.50, want > 20; $.price: got 12.50, want < 5"},
		{`{$.price: {lte: 1}}`, "$.price: got 12.50, want <= 1"},
		{`{$.price: {gte: 13}}`, "$.price: got 12.50, want >= 13"},
		{`{$.big: {gt: 12345678901234567889}}`, ""},
		{`{$.name: {gt: 1}}`, `$.name: got "Café", want > 1`},
		{`{$.name: {gt: B}}`, ""},
		{`{$.none: {gt: -1}}`, "$.none: got null, want > -1"},
		{`{$.missing: {lt: 5}}`, "$.missing: nothing is there, want < 5"},
		// one_of, text
		{`{$.status: {one_of: [0, 1]}}`, ""},
		{`{$.status: {one_of: [2, "1"]}}`, `$.status: got 1, want one of [2,"1"]`},
		{`{$.name: {matches: "^Caf.$"}}`, ""},
		{`{$.name: {matches: "^Tea"}}`, `$.name: got "Café", want a match of "^Tea"`},
		{`{$.status: {matches: "1"}}`, `$.status: got 1, want a match of "1"`},
		{`{$.name: {contains: af}}`, ""},
		{`{$.name: {contains: tea}}`, `$.name: got "Café", want it to contain "tea"`},
		{`{$.tags: {contains: a}}`, ""},
		{`{$.tags: {contains: c}}`, `$.tags: got ["a","b"], want it to contain "c"`},
		{`{$.name: {starts_with: Ca, ends_with: é}}`, ""},
		{`{$.name: {starts_with: x}}`, `$.name: got "Café", want it to start with "x"`},
		{`{$.name: {ends_with: x}}`, `$.name: got "Café", want it to end with "x"`},
		// length, type, exists, empty
		{`{$.name: {length: 4}}`, ""},
		{`{$.items: {length: {gt: 2, lt: 4}}}`, ""},
		{`{$.items: {length: {gt: 5}}}`, "$.items: length got 3, want > 5"},
		{`{$.hollow: {length: 0}}`, ""},
		{`{$.status: {length: 1}}`, "$.status: got 1, want length 1"},
		{`{$.missing: {length: 0}}`, "$.missing: nothing is there, want length 0"},
		{`{$.status: {type: number}}`, ""},
		{`{$.status: {type: integer}}`, ""},
		{`{$.price: {type: integer}}`, "$.price: got 12.50, want type integer"},
		{`{$.name: {type: number}}`, `$.name: got "Café", want type number`},
		{`{$.none: {type: "null"}}`, ""},
		{`{$.yes: {type: boolean}, $.tags: {type: array}, $.object: {type: object}, $.blank: {type: string}}`, ""},
		{`{$.missing: {type: "null"}}`, "$.missing: nothing is there, want type null"},
		{`{$.none: {exists: true}}`, ""},
		{`{$.missing: {exists: false}}`, ""},
		{`{$.missing: {exists: true}}`, "$.missing: nothing is there, want something"},
		{`{$.status: {exists: false}}`, "$.status: got 1, want nothing"},
		{`{$.blank: {empty: true}, $.nothing: {empty: true}, $.hollow: {empty: true}, $.tags: {empty: false}}`, ""},
		{`{$.tags: {empty: true}}`, `$.tags: got ["a","b"], want nothing in it`},
		{`{$.nothing: {empty: false}}`, `$.nothing: got [], want something in it`},
		{`{$.none: {empty: true}}`, `$.none: got null, want nothing in it`},
		{`{$.missing: {empty: true}}`, `$.missing: nothing is there, want nothing in it`},
		// all, any
		{`{$.items: {all: {$.id: {type: number}, $.kind: {one_of: [card, code]}}}}`, ""},
		{`{$.items: {all: {$.kind: card}}}`, `$.items: [2] $.kind: got "code", want "card"`},
		{`{$.items: {all: {$.extra: {exists: false}}}}`, `$.items: [2] $.extra: got {"n":null}, want nothing`},
		{`{$.items: {any: {$.kind: code}}}`, ""},
		{`{$.items: {any: {$.kind: coin}}}`, `$.items: none of 3 elements is right, want an element with $.kind "coin"`},
		{`{$.items: {any: {$.kind: card, $.id: 3}}}`, `$.items: none of 3 elements is right, want an element with $.kind "card" and $.id 3`},
		{`{$.tags: {all: {length: 1}}}`, ""},
		{`{$.tags: {any: b}}`, ""},
		{`{$.tags: {all: b}}`, `$.tags: [0] got "a", want "b"`},
		{`{$.nothing: {all: {gt: 1}}}`, `$.nothing: got [], want one element or more, each with > 1`},
		{`{$.nothing: {any: {gt: 1}}}`, `$.nothing: got [], want an element with > 1`},
		{`{$.object: {all: {gt: 1}}}`, `$.object: got {"a":{"b":3}}, want one element or more, each with > 1`},
		{`{$.items: {all: {$.extra: {not: {exists: true}}}}}`, `$.items: [0] $.extra: nothing is there, want not something; $.items: [1] $.extra: nothing is there, want not something; $.items: [2] $.extra: got {"n":null}, want not something`},
		// paths that aren't singular
		{`{"$.items[*].id": [1, 2, 3]}`, ""},
		{`{"$.items[?@.kind=='code'].id": [3]}`, ""},
		{`{"$.items[?@.kind=='coin'].id": []}`, "$.items[?@.kind=='coin'].id: nothing is there, want []"},
		{`{"$.items[?@.kind=='coin']": {exists: false}}`, ""},
		{`{"$.items[0].id": 1, "$.items[-1].id": 3}`, ""},
		{`{"$..id": {length: 3}}`, ""},
		// status, headers, size, body, together
		{`{status: 200}`, ""},
		{`{status: {gte: 200, lt: 300}}`, ""},
		{`{status: {one_of: [201, 422]}}`, "status: got 200, want one of [201,422]"},
		{`{status: 503, $.status: 2}`, "status: got 200, want 503; $.status: got 1, want 2"},
		{`{headers.Content-Type: {contains: json}}`, ""},
		{`{headers.content-type: application/json}`, ""},
		{`{headers.X-Count: 3}`, ""},
		{`{headers.X-Count: "3"}`, ""},
		{`{headers.X-Count: {gt: 5}}`, `headers.X-Count: got "3", want > 5`},
		{`{headers.X-Count: {type: string}}`, ""},
		{`{headers.X-Missing: {exists: false}}`, ""},
		{`{headers.X-Missing: ""}`, `headers.X-Missing: nothing is there, want ""`},
		{`{size: {gt: 10}}`, ""},
		// nested, everywhere
		{`{headers.Content-Type: {one_of: [text/html, application/json], not: {matches: "^text", contains: html}, length: {gt: 5, not: {gt: 50}}}}`, ""},
		{`{headers.Content-Type: {not: {one_of: [application/json]}}}`, `headers.Content-Type: got "application/json", want not one of ["application/json"]`},
		{`{headers.X-Count: {not: {not: {lte: 3}}, one_of: [2, 3]}}`, ""},
		{`{body: {not: {matches: "error|exception"}, length: {gt: 100}, schema: {type: string}}}`, ""},
		{`{body: {not: {contains: Café}}}`, `body: got "{\"status\":1`},
		{`{$.items: {all: {$.kind: {not: {one_of: [coin, note]}, matches: "^c", length: 4}}, any: {$.extra: {exists: true, type: object}}, length: {one_of: [3]}}}`, ""},
		{`{$.items: {all: {$: {any: {gt: 1}}}}}`, `$.items: [0] $: got {"id":1,"kind":"card"}, want an element with > 1; `},
		{`{$.object: {all: {eq: 1}, schema: {required: [a]}}}`, `$.object: got {"a":{"b":3}}, want one element or more, each with 1`},
		{`{status: {one_of: [200, 201], not: {gte: 300}}}`, ""},
		{`{"$.items[?match(@.kind, 'c.*') && @.id >= 2].id": {length: 2, all: {gt: 1}}}`, ""},
		{`{"$.items[?match(@.extra, 'c.*')]": {exists: false}}`, ""},
		{`{body: {contains: Café, not: {contains: Tea}}}`, ""},
		{`{body: {matches: "^x"}}`, `body: got "{\"status\":1`},
		{`{latency: {lt: 9s}}`, ""},
		{`{latency: {gte: 9s}}`, "latency: got "},
		{`{latency: {lt: $(vars.patience)}}`, ""},
		{`{latency: {gt: $(vars.patience), lt: 1h}}`, "latency: got "},
		{`{headers.X-Version: {matches: "^v$(release.version)$"}}`, ""},
		{`{headers.X-Version: {matches: "^$(release.version)"}}`, `headers.X-Version: got "v2026.11.3", want a match of "^2026\\.11\\.3"`},
		{`{$.name: "$(string vars.page)"}`, `$.name: got "Café", want "7"`},
		{`{$.name: $$(vars.page)}`, `$.name: got "Café", want "$(vars.page)"`},
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Count", "3")
		w.Header().Set("X-Version", "v2026.11.3")
		answering(200, "application/json", shop)(w, r)
	})
	clients := clientsOf(t)
	for _, test := range tests {
		t.Run(test.expect, func(t *testing.T) {
			check := compile(t, clients, "{get: /, expect: "+test.expect+"}")
			_, err := probe(t, check, askOf(url))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want it right", err)
			case test.want != "" && !errors.Is(err, plumbline.ErrFailed):
				t.Errorf("got %v, want it failed", err)
			case test.want != "" && !strings.HasPrefix(err.Error(), test.want):
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestAnswersThatAreNotJSON(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"html":     {"<html>down</html>", `body: got "<html>down</html>", want JSON`},
		"nothing":  {"", "body: nothing is there, want JSON"},
		"half":     {`{"a":1`, `body: got "{\"a\":1", want JSON`},
		"too much": {`{"a":1} {"a":2}`, `body: got "{\"a\":1} {\"a\":2}", want JSON`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url := serve(t, answering(200, "text/html", test.body))
			check := compile(t, clientsOf(t), "{get: /, expect: {$.a: {exists: false}, $.b: 1}}")
			if _, err := probe(t, check, askOf(url)); !errors.Is(err, plumbline.ErrFailed) || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestReasonsAreBounded(t *testing.T) {
	url := serve(t, answering(200, "application/json", `{"a":"`+strings.Repeat("é", 5000)+`","l":[`+strings.Repeat("1,", 2000)+`1]}`))
	check := compile(t, clientsOf(t), "{get: /, expect: {$.a: x, $.l: {all: {gt: 1}}}}")
	_, err := probe(t, check, askOf(url))
	if err == nil || len(err.Error()) > 1200 || !strings.Contains(err.Error(), "and 1998 more elements of 2001") {
		t.Errorf("got %v", err)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(`{$.a: {gt: 1}}`, `{"a":1}`)
	f.Add(`{$..a: {all: {$.b: {not: {length: 3}}}}}`, `[{"a":[{"b":"x"}]}]`)
	f.Add(`{body: {matches: "a+"}, status: {one_of: [200]}}`, `aaa`)
	f.Add(`{$.a: 1e999999999}`, `{"a":1e-999999999}`)
	f.Add(`{"$[?@.a >= 'x' && !match(@.b, '[^.].')]": {exists: true}}`, `[{"a":"x"},{"a":1,"b":"y."}]`)
	f.Add(`{"//b[count(c) > 1]/@d": {all: {lt: 3}}, //b: {empty: false}}`, `<a><b d="1"><c/><c/></b>text</a>`)
	f.Add(`{$: {schema: {type: array, items: {$ref: "#/$defs/x"}, $defs: {x: {minimum: 1, pattern: "^a"}}}}}`, `[1,"ab"]`)
	var body atomic.Value
	url := serve(f, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body.Load().(string))) })
	clients := clientsOf(f)
	f.Fuzz(func(t *testing.T, expect, answer string) {
		check, problems := fuzzCompile(clients, "get: /\nexpect: "+expect+"\n")
		if problems != nil || check.Prober == nil {
			return
		}
		body.Store(answer)
		_, err := check.Probe(t.Context(), askOf(url))
		if err != nil && len(err.Error()) > 8<<10 {
			t.Errorf("a reason of %d bytes", len(err.Error()))
		}
	})
}
