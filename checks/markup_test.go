package checks_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

const order = `<?xml version="1.0"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><order id="7" open="true">
<item sku="a1"><price>12.50</price></item><item sku="b2"><price>3</price></item><note/><buyer> Café </buyer></order></soap:Body></soap:Envelope>`

const page = `<!DOCTYPE html><html><head><title>Plum</title></head><body><h1 class=top>Rewards<p>one<p>two<br><a href="/a?x=1&amp;y=2">more</a></body></html>`

// A row is an answer, an `expect`, and what is said; nothing means that it is right.
func TestXPath(t *testing.T) {
	tests := []struct{ contentType, body, expect, want string }{
		{"text/xml", order, `{//order/@id: 7}`, ""},
		{"text/xml", order, `{//order/@id: "7"}`, ""},
		{"text/xml", order, `{//order/@id: 8}`, `//order/@id: got "7", want 8`},
		{"text/xml", order, `{//order/@open: true}`, ""},
		{"text/xml", order, `{/soap:Envelope/soap:Body/order/buyer: Café}`, ""},
		{"text/xml", order, `{//buyer: {length: 1, matches: "^Caf", starts_with: C, ends_with: é, contains: af, one_of: [Café, Tea], not: Tea, type: string}}`, ""},
		{"text/xml", order, `{"//item[@sku='a1']/price": {gt: 12, lt: 13}}`, ""},
		{"text/xml", order, `{//item/@sku: [a1, b2]}`, ""},
		{"text/xml", order, `{//item/@sku: [b2, a1]}`, `//item/@sku: got ["a1","b2"], want ["b2","a1"]`},
		{"text/xml", order, `{//item/@sku: a1}`, `//item/@sku: got ["a1","b2"], want "a1"`},
		{"text/xml", order, `{//item: {length: {gte: 2}}, //item/@sku: {contains: b2, all: {length: 2}, any: {starts_with: b}}}`, ""},
		{"text/xml", order, `{//buyer: {length: {gte: 3}}}`, `//buyer: length got 1, want >= 3`},
		{"text/xml", order, `{//item/price: {all: {gt: 5}}}`, `//item/price: [1] got "3", want > 5`},
		{"text/xml", order, `{//item/price: {gt: 1}}`, `//item/price: got ["12.50","3"], want > 1`},
		{"text/xml", order, `{//note: {exists: true, empty: true}}`, ""},
		{"text/xml", order, `{//note: {empty: false}}`, `//note: got "", want something in it`},
		{"text/xml", order, `{//gone: {exists: false}}`, ""},
		{"text/xml", order, `{//gone: ""}`, `//gone: nothing is there, want ""`},
		{"text/xml", order, `{"//order[count(item)=2]/@id": 7}`, ""},
		{"text/xml", order, `{"//*[namespace-uri()='http://schemas.xmlsoap.org/soap/envelope/']": {length: 2}}`, ""},
		{"text/xml", order, `{//order/@id: {schema: {type: string, pattern: "^[0-9]+$"}}}`, ""},
		{"", order, `{//order/@id: 7}`, ""},
		{"text/html; charset=utf-8", page, `{/html/head/title: Plum, //h1: {starts_with: Rewards}, "//h1[@class='top']/p": [one, twomore], //a/@href: "/a?x=1&y=2"}`, ""},
		{"", page, `{/html/head/title: Plum}`, ""},
		{"text/html", "down", `{//title: Plum}`, `//title: nothing is there, want "Plum"`},
		{"application/xml", "down", `{//a: 1, //b: 2}`, `body: got "down", want XML`},
		{"application/xml", "<a><b></a>", `{//a: 1}`, `body: got "<a><b></a>", want XML`},
		{"application/xml", "", `{//a: 1}`, `body: nothing is there, want XML or HTML`},
		{"application/xml", "<a>" + strings.Repeat("<b/>", 100_001) + "</a>", `{//a: 1}`, `body: got more than 100000 tags`},
		{"application/xml", "<a>" + strings.Repeat("<b/>", 10_001) + "</a>", `{//b: 1}`, `//b: got more than 10000 nodes`},
	}
	for _, test := range tests {
		t.Run(test.expect+" "+test.contentType, func(t *testing.T) {
			url := serve(t, answering(200, test.contentType, test.body))
			_, err := probe(t, compile(t, clientsOf(t), "{get: /, expect: "+test.expect+"}"), askOf(url))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want it right", err)
			case test.want != "" && (!errors.Is(err, plumbline.ErrFailed) || err.Error() != test.want):
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

// A path that looks everywhere from everywhere is stopped.
func TestXPathIsBounded(t *testing.T) {
	url := serve(t, answering(200, "text/xml", "<a>"+strings.Repeat("<b><c/></b>", 9000)+"</a>"))
	_, err := probe(t, compile(t, clientsOf(t), `{get: /, expect: {"//b[count(//b[count(//c) > 1]) > 1]": {length: 1}}}`), askOf(url))
	if !errors.Is(err, plumbline.ErrFailed) || !strings.Contains(err.Error(), "steps through this body") {
		t.Errorf("got %v", err)
	}
}

func TestXPathCaptures(t *testing.T) {
	url := serve(t, answering(200, "text/xml", order))
	answer, err := probe(t, compile(t, clientsOf(t), `{get: /, capture: {id: //order/@id, skus: //item/@sku}}`), askOf(url))
	if err != nil || fmt.Sprint(answer.Captures) != "map[id:7 skus:[a1 b2]]" {
		t.Errorf("got %v, %v", answer.Captures, err)
	}
	if _, is := answer.Captures["id"].(string); !is {
		t.Errorf("got a %T", answer.Captures["id"])
	}
}

func TestSchema(t *testing.T) {
	tests := []struct{ expect, want string }{
		{`{$: {schema: {type: object, required: [status, items]}}}`, ""},
		{`{$: {schema: {type: object, required: [gone, lost]}}}`, `$: schema: missing properties 'gone', 'lost'`},
		{`{$.items: {schema: {type: array, items: {type: object, properties: {id: {type: integer}, kind: {enum: [card]}}}}}}`,
			`$.items: schema: /2/kind: value must be 'card'`},
		{`{$.items: {all: {schema: {required: [id]}}}}`, ""},
		{`{$.items: {any: {$.extra: {schema: {required: [n]}}}}}`, ""},
		{`{$.items: {not: {schema: {type: object}}}}`, ""},
		{`{$.status: {not: {schema: {type: integer}}}}`, `$.status: got 1, want not what the schema describes`},
		{`{$.gone: {schema: {type: "null"}}}`, `$.gone: nothing is there, want what the schema describes`},
		{`{$.big: {schema: {type: integer, minimum: 12345678901234567890}}}`, ""},
		{`{$.big: {schema: {exclusiveMinimum: 12345678901234567890}}}`, `$.big: schema: exclusiveMinimum`},
		{`{$.name: {schema: {format: email}}}`, `$.name: schema: 'Café' is not valid email: missing @`},
		{`{$.items: {schema: {items: {$ref: "#/$defs/item"}, $defs: {item: {required: [id]}}}}}`, ""},
		{`{$: {schema: shop.schema.json}}`, ""},
		{`{$: {schema: strict.schema.json}}`, `$: schema: /items/0: additional properties 'kind' not allowed; $: schema: /items/1: additional properties 'kind' not allowed`},
	}
	url := serve(t, answering(200, "application/json", shop))
	for _, test := range tests {
		t.Run(test.expect, func(t *testing.T) {
			check, problems := compileBeside(t, clientsOf(t), "{get: /, expect: "+test.expect+"}")
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			_, err := probe(t, check, askOf(url))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want it right", err)
			case test.want != "" && (!errors.Is(err, plumbline.ErrFailed) || !strings.HasPrefix(err.Error(), test.want)):
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

var beside = fstest.MapFS{
	"shop.schema.json":   {Data: []byte(`{"type":"object","properties":{"items":{"type":"array"}},"example":1}`)},
	"strict.schema.json": {Data: []byte(`{"properties":{"items":{"items":{"properties":{"id":{}},"additionalProperties":false}}}}`)},
	"far.schema.json":    {Data: []byte(`{"$ref":"https://example.com/schema.json"}`)},
	"file.schema.json":   {Data: []byte(`{"$ref":"file:///etc/passwd"}`)},
	"broken.schema.json": {Data: []byte(`{"type":`)},
	"any.schema.json":    {Data: []byte(`{}`)},
	"wrong.schema.json":  {Data: []byte(`{"type":"thing"}`)},
}

// compileBeside reads one check of a suite with files beside it.
func compileBeside(t testing.TB, clients checks.Clients, text string) (checks.Compiled, strictyaml.Problems) {
	t.Helper()
	n, err := strictyaml.Parse("check", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	kinds := checks.Kinds(clients)
	d, problems := checks.Split("check", n, kinds, []string{"name", "effect"})
	d.Read = func(name string) ([]byte, error) {
		data, err := beside.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			err = errors.New("no such file")
		}
		return data, err
	}
	compiled, more := kinds[d.Key].Compile(d)
	return compiled, append(problems, more...)
}

// What can't be read is told when a suite is loaded.
func TestWrongMatchers(t *testing.T) {
	tests := []struct{ check, want string }{
		{`{get: /, expect: {$: {schema: {}}}}`, "an empty schema expects nothing"},
		{`{get: /, expect: {$: {schema: [1]}}}`, "schema takes a JSON Schema or a file beside the suite"},
		{`{get: /, expect: {$: {schema: true}}}`, "schema true: no such file"},
		{`{get: /, expect: {$: {schema: {typ: object}}}}`, `unknown word "typ" in a JSON Schema (did you mean "type"?)`},
		{`{get: /, expect: {$: {schema: {properties: {a: {items: {typ: object}}}}}}}`, `unknown word "typ" in a JSON Schema (did you mean "type"?)`},
		{`{get: /, expect: {$: {schema: {properties: {typ: {allOf: [{requird: [a]}]}}}}}}`, `unknown word "requird" in a JSON Schema (did you mean "required"?)`},
		{`{get: /, expect: {$: {schema: {type: thing}}}}`, "bad JSON Schema: schema: /type: "},
		{`{get: /, expect: {$: {schema: {pattern: "("}}}}`, "bad JSON Schema: "},
		{`{get: /, expect: {$: {schema: gone.json}}}`, "schema gone.json: no such file"},
		{`{get: /, expect: {$: {schema: far.schema.json}}}`, "nothing is loaded from elsewhere"},
		{`{get: /, expect: {$: {schema: file.schema.json}}}`, "nothing is loaded from elsewhere"},
		{`{get: /, expect: {$: {schema: broken.schema.json}}}`, "schema broken.schema.json: is no JSON"},
		{`{get: /, expect: {$: {schema: any.schema.json}}}`, "expects nothing, want an object"},
		{`{get: /, expect: {$: {schema: wrong.schema.json}}}`, "bad JSON Schema: schema: /type"},
		{`{get: /, expect: {"//a[": 1}}`, `bad XPath "//a["`},
		{`{get: /, expect: {"//a = 1": true}}`, `bad XPath "//a = 1": it selects no nodes`},
		{`{get: /, expect: {"//a[unknown()]": 1}}`, `bad XPath`},
		{`{get: /, expect: {//a: {matches: "("}}}`, "bad regular expression"},
		{`{get: /, expect: {` + strings.Repeat("/a", 600) + `: 1}}`, "an XPath of 1200 bytes, want at most 1024"},
		{`{get: /, expect: {certificate: {}}}`, "certificate takes a map of its fields"},
		{`{get: /, expect: {certificate: {dayz: 1}}}`, `unknown field "dayz" of a certificate (did you mean "days"?)`},
		{`{get: /, expect: {certificate: {chain: verfied}}}`, `unknown state of a chain "verfied" (did you mean "verified"?)`},
		{`{tls: host, expect: {status: 200}}`, `unknown place "status" in an answer`},
		{`{tls: host, expect: {$.a: 1}}`, `unknown place "$.a" in an answer`},
		{`{tls: "host:99999"}`, `port "99999", want 1 to 65535`},
		{`{tls: {name: a}}`, "tls needs an address"},
		{`{tcp: host}`, `address "host", want host:port`},
		{`{tcp: "ftp://host"}`, "a URL without a host to ask"},
		{`{tcp: {adress: "a:1"}}`, `unknown key "adress"`},
		{`{tcp: "a:1", expect: {certificate: {days: 1}}}`, "a connection without TLS has no certificate"},
		{`{tcp: {address: "a:1", until: ""}}`, "until takes the text at the end of the answer"},
		{`{dns: {name: a, type: AAA}}`, `unknown type "AAA" of records`},
		{`{dns: {name: a}, expect: {code: NXDOMIAN}}`, `unknown code "NXDOMIAN" (did you mean "NXDOMAIN"?)`},
		{`{dns: {name: a}, expect: {body: a}}`, `unknown place "body" in an answer`},
		{`{graphql: "{ me { id }"}`, "bad GraphQL on line 1 of it: "},
		{`{graphql: "query A { a } query B { b }"}`, "2 operations in one query"},
		{`{graphql: {query: "query Abc { a }", operation: Abd}}`, `unknown operation "Abd" (did you mean "Abc"?)`},
		{`{graphql: "subscription { a }"}`, "a subscription can't be asked here"},
		{`{graphql: "{ me(id: $(vars.page)) { id } }"}`, "`$(…)` in a query"},
		{`{graphql: {variables: {a: 1}}}`, "graphql needs a query"},
		{`{graphql: {query: "{ a }", variables: [1]}}`, "variables takes a map"},
		{`{graphql: "fragment A on B { c }"}`, "a query without an operation"},
		{`{grpc: {address: "a:1", call: Health}}`, `call "Health" is no method`},
		{`{grpc: {address: "a:1", request: {a: 1}}}`, "a request without a call"},
		{`{grpc: {address: "a:1", call: a.B/C, service: a}}`, "service beside call"},
		{`{grpc: {address: "a:1", headers: {grpc-timeout: 1}}}`, `header "grpc-timeout" is not for suites to set`},
		{`{grpc: "a:1", expect: {status: OKAY}}`, `unknown status of gRPC "OKAY" (want ABORTED`},
		{`{websocket: ftp://a}`, `a URL of scheme "ftp"`},
		{`{websocket: {url: /ws, receive: 0}}`, "receive 0, want 1 to 1000 messages"},
		{`{websocket: {url: /ws, send: []}}`, "send takes a message or more"},
		{`{websocket: {url: /ws, until: {status: 1}}}`, `unknown place "status" in an answer`},
		{`{get: /a, headers: {x-d: 1, X-D: 2}}`, "header X-D is there twice (write it once, with a list of values)"},
		{`{websocket: {url: /ws, headers: {Sec-WebSocket-Key: a}}}`, "is not for suites to set"},
	}
	for _, test := range tests {
		t.Run(test.check[:min(len(test.check), 80)], func(t *testing.T) {
			_, problems := compileBeside(t, clientsOf(t), test.check)
			if len(problems) == 0 || !strings.Contains(problems.Error(), test.want) {
				t.Errorf("got %v, want %s", problems, test.want)
			}
		})
	}
}
