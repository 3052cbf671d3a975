package checks_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// define reads one check as a suite would, with what a poll says of its end.
func define(t *testing.T, text, stopIf string, row map[string]any) (checks.Definition, checks.Compiled) {
	t.Helper()
	n, err := strictyaml.Parse("check", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	kinds := checks.Kinds(clientsOf(t))
	d, problems := checks.Split("check", n, kinds, []string{"name", "effect"})
	if stopIf != "" {
		if d.StopIf, err = strictyaml.Parse("stop", []byte(stopIf)); err != nil {
			t.Fatal(err)
		}
	}
	d.Names = checks.Names{Row: row, Secrets: []string{}, Connections: []string{"acme-slack", "celebrations", "customer"}}
	compiled, more := kinds[d.Key].Compile(d)
	if err := append(problems, more...).Err(); err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return d, compiled
}

func TestStopIf(t *testing.T) {
	for _, test := range []struct {
		name, stop, body string
		status           int
		final            bool
		reason           string
	}{
		{"not there yet", "{$.status: {one_of: [failed, cancelled]}}", `{"status":"pending"}`, 200, false, `$.status: got "pending", want "done"`},
		{"there for good", "{$.status: {one_of: [failed, cancelled]}}", `{"status":"cancelled"}`, 200, true,
			`stop_if holds: $.status is "cancelled"; $.status: got "cancelled", want "done"`},
		{"all of it", "{$.status: failed, $.retry: false}", `{"status":"failed","retry":true}`, 200, false, `$.status: got "failed", want "done"`},
		{"no status is implied", "{$.status: failed}", `{"status":"failed"}`, 500, true,
			`stop_if holds: $.status is "failed"; status: got 500, want 2xx; $.status: got "failed", want "done"`},
		{"a status", "{status: 404}", ``, 404, true, `stop_if holds: status is 404; status: got 404, want 2xx; body: nothing is there, want JSON`},
		{"no JSON", "{$.status: failed}", `oops`, 200, false, `body: got "oops", want JSON`},
		{"right, and for good", "{$.retry: false}", `{"status":"done","retry":false}`, 200, true, `stop_if holds: $.retry is false`},
		{"right", "{$.status: failed}", `{"status":"done"}`, 200, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := serve(t, answering(test.status, "application/json", test.body))
			_, check := define(t, "get: /job\nexpect: {$.status: done}\n", test.stop, nil)
			answer, err := probe(t, check, askOf(url))
			reason := ""
			if err != nil {
				reason = err.Error()
			}
			if reason != test.reason || answer.Final != test.final || err != nil && !errors.Is(err, plumbline.ErrFailed) {
				t.Errorf("got %q, final %t; want %q, final %t", reason, answer.Final, test.reason, test.final)
			}
			if !check.Stops {
				t.Error("the check says that it heeds no stop_if")
			}
		})
	}
}

func TestRepeatable(t *testing.T) {
	for check, want := range map[string]bool{
		"{post: /a}":                             false,
		"{post: /a/$(run.id)}":                   true,
		"{post: /a/$( string run.id )}":          true,
		"{post: /a/$$(run.id)}":                  false,
		"{post: /a/$$$(run.id)}":                 false,
		"{post: /a, query: {q: [1, $(run.id)]}}": true,
		"{post: /a, json: {list: [{reference: 'plumbline $(run.id)'}]}}":                   true,
		"{post: /a, json: {$$(run.id): x}}":                                                false,
		"{post: /a, json: {expect: $(run.id)}}":                                            true,
		"{post: /a, body: x$(run.id)}":                                                     true,
		"{post: /a, headers: {Idempotency-Key: $(run.id)}}":                                true,
		"{post: /a, expect: {$.run: $(run.id)}}":                                           false,
		"{name: $(run.id), post: /a}":                                                      false,
		"{http: {method: post, url: /a, json: {run: $(run.id)}}}":                          true,
		"{http: {method: post, url: /a}}":                                                  false,
		"{steps: [{post: /a/$(run.id)}]}":                                                  true,
		"{steps: [{get: /a/$(run.id)}]}":                                                   true,
		"{steps: [{get: /a}, {post: /b, json: {r: $(run.id)}}, {put: /c/$(run.id)}]}":      true,
		"{steps: [{get: /a/$(run.id)}, {post: /b}]}":                                       false,
		"{steps: [{post: /a/$(run.id)}, {post: /b}]}":                                      false,
		"{steps: [{post: /a/$(run.id)}, {post: /b, effect: none}]}":                        true,
		"{steps: [{post: /a, expect: {$.run: $(run.id)}}]}":                                false,
		"{webhook: {connection: customer, mode: canary}}":                                  true,
		"{teams: {connection: celebrations, mode: canary}}":                                true,
		"{slack: {connection: acme-slack, mode: canary, channel: C02}}":                    true,
		"{slack: {connection: acme-slack, channel: C02}}":                                  false,
		"{steps: [{post: /a/$(run.id)}, {webhook: {connection: customer, mode: canary}}]}": true,
	} {
		d, compiled := define(t, check, "", nil)
		if got := checks.Repeatable(d, compiled); got != want {
			t.Errorf("%s: got %t, want %t", check, got, want)
		}
	}
}

func TestCapturesStayPrivate(t *testing.T) {
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"told":`+string(body)+`}`)
	})
	_, check := define(t, "post: /$(captures.token)/x\njson: {token: $(captures.token), list: $(captures.list), shop: $(captures.shop)}\nexpect: {$.told: none}\n", "", nil)
	ask := askOf(echo)
	ask.Captures = map[string]any{"token": "t-hunter2", "list": []any{map[string]any{"pin": "9876543"}, json.Number("4711471")}, "shop": "corner shop", "unused": "rosebud"}
	ask.Public = map[string]bool{"shop": true}
	answer, err := probe(t, check, ask)
	if err == nil {
		t.Fatal("it passed")
	}
	told := err.Error() + answer.Detail
	for _, private := range []string{"t-hunter2", "9876543", "4711471"} {
		if strings.Contains(told, private) {
			t.Errorf("%s is told: %s", private, told)
		}
	}
	if !strings.Contains(answer.Detail, "corner shop") {
		t.Errorf("a public capture is hidden: %s", answer.Detail)
	}
	ask.Site.URL = "http://127.0.0.1:1"
	if _, err := probe(t, check, ask); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestCapturesOfStepsStayPrivate(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/again" {
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = io.WriteString(w, `{"session":"s-hunter2","shop":"corner shop"}`)
	})
	const text = `
name: log in, and again
steps:
  - get: /login
    capture: {session: $.session, shop: {path: $.shop, public: true}}
  - get: /again?session=$(captures.session)
    expect: {$.session: new}
`
	_, check := define(t, text, "", nil)
	if len(check.Public) != 1 || check.Public[0] != "shop" {
		t.Errorf("public captures %v", check.Public)
	}
	ask := askOf(url)
	ask.Public = map[string]bool{"shop": true}
	answer, err := probe(t, check, ask)
	if err == nil || strings.Contains(err.Error()+answer.Detail+answer.Steps[1].Reason, "hunter2") || !strings.Contains(answer.Detail, "corner shop") {
		t.Errorf("got %v, %+v", err, answer)
	}
}

func TestRowsInRequests(t *testing.T) {
	var uri, body string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		uri, body = r.URL.RequestURI(), string(data)
		_, _ = io.WriteString(w, `{"price":1.50}`)
	})
	row := map[string]any{"id": "a b/c?", "n": json.Number("1.50"), "odd": "$(run.id)", "map": map[string]any{"x": true}}
	_, check := define(t, "post: /v/$(row.id)?q=$(row.id)\njson: {n: $(row.n), s: $(string row.n), odd: $(row.odd), map: $(row.map)}\nexpect: {$.price: $(row.n)}\n", "", row)
	if _, err := probe(t, check, askOf(url)); err != nil {
		t.Error(err)
	}
	if want := "/v/a%20b%2Fc%3F?q=a+b%2Fc%3F"; uri != want {
		t.Errorf("asked %s, want %s", uri, want)
	}
	if want := `{"map":{"x":true},"n":1.50,"odd":"$(run.id)","s":"1.50"}`; body != want {
		t.Errorf("sent %s, want %s", body, want)
	}
}
