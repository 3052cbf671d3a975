package checks_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// against asks a parity check of two colors.
func against(t *testing.T, clients checks.Clients, check, idle, live string) (plumbline.Answer, error) {
	t.Helper()
	ask := askOf(idle)
	ask.Site.Role = plumbline.RoleIdle
	ask.Live = plumbline.Site{Service: "plum", Color: plumbline.Blue, URL: live, Role: plumbline.RoleLive}
	return probe(t, compile(t, clients, check), ask)
}

const budgets = `{"data":[{"id":1,"fee":2.5,"tags":["a","b"]},{"id":2,"fee":10,"owner":"finance"}]}`

func TestParity(t *testing.T) {
	clients := clientsOf(t)
	clients.Now = func() time.Time { return time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC) }
	for name, test := range map[string]struct {
		rules, live string
		idle        string // default budgets
		want        string // a pass if empty
	}{
		"the same":                    {live: budgets},
		"another order of fields":     {live: `{"data":[{"tags":["a","b"],"fee":2.50,"id":1.0},{"owner":"finance","fee":1e1,"id":2}]}`},
		"another value":               {live: strings.Replace(budgets, "2.5", "3", 1), want: "$.data[0].fee: idle 2.5, live 3"},
		"another type":                {live: strings.Replace(budgets, "2.5", `"2.5"`, 1), want: `$.data[0].fee: idle 2.5, live "2.5"`},
		"null is not nothing":         {idle: `{"a":null}`, live: `{}`, want: "$.a: idle null, live nothing"},
		"a field too many":            {idle: `{"a":1}`, live: `{"a":1,"b c":[2]}`, want: "$['b c']: idle nothing, live [2]"},
		"a shorter list":              {live: `{"data":[{"id":1,"fee":2.5,"tags":["a","b"]}]}`, want: `$.data[1]: idle {"fee":10,"id":2,"owner":"finance"}, live nothing`},
		"several":                     {idle: `[1,2,3,4,5]`, live: `[9,9,9,9,9]`, want: "$[0]: idle 1, live 9; $[1]: idle 2, live 9; $[2]: idle 3, live 9; and 2 more differences"},
		"secrets are not shown":       {idle: `{"pin":"1234","card":{"voucher_token":"abcdef"}}`, live: `{"pin":"4321"}`, want: `$.card: idle {"voucher_token":"[redacted]"}, live nothing; $.pin: idle [redacted], live [redacted]`},
		"texts":                       {idle: "a\nb", live: "a\nc", want: `body, line 2: idle "b", live "c"`},
		"a text too long":             {idle: "a\n", live: "a", want: `body, line 2: idle "", live nothing`},
		"the same text":               {idle: "hello", live: "hello"},
		"JSON and text":               {idle: "hello", live: "{}", want: "body: idle isn't JSON, live is"},
		"text where rules want JSON":  {rules: "ignore: [$.a]", idle: "hello", live: "hello", want: `body: got "hello", want JSON`},
		"ignored":                     {rules: "ignore: ['$.data[*].fee']", live: strings.NewReplacer("2.5", "3", `,"fee":10`, "").Replace(budgets)},
		"ignored elements":            {rules: "ignore: ['$.data[?@.id == 9]']", live: strings.Replace(budgets, `[{"id":1`, `[{"id":9},{"id":1`, 1)},
		"ignored, but not the others": {rules: "ignore: ['$.data[0].fee']", live: strings.NewReplacer("2.5", "3", "10", "11").Replace(budgets), want: "$.data[1].fee: idle 10, live 11"},
		"everything is ignored":       {rules: "ignore: ['$.data']", live: `{"data":[]}`, want: "nothing was compared"},
		"both empty":                  {idle: `{}`, live: `{}`},
		"tolerated":                   {rules: "tolerance: {'$.data[*].fee': 0.5}", live: strings.Replace(budgets, "2.5", "3", 1)},
		"beneath a tolerated place":   {rules: "tolerance: {$: 0.5}", live: strings.Replace(budgets, "2.5", "2", 1)},
		"beyond tolerance":            {rules: "tolerance: {'$.data[*].fee': 0.499}", live: strings.Replace(budgets, "2.5", "3", 1), want: "$.data[0].fee: idle 2.5, live 3"},
		"tolerance is for numbers":    {rules: "tolerance: {$: 1}", idle: `{"a":"1"}`, live: `{"a":"2"}`, want: `$.a: idle "1", live "2"`},
		"in another order":            {rules: "unordered: {$.data: id}", live: `{"data":[{"id":2.0,"fee":10,"owner":"finance"},{"id":1,"fee":2.5,"tags":["a","b"]}]}`},
		"in another order, by path":   {rules: "unordered: {'$.data[*].tags': $}", live: strings.Replace(budgets, `"a","b"`, `"b","a"`, 1)},
		"order matters otherwise":     {live: strings.Replace(budgets, `"a","b"`, `"b","a"`, 1), want: `$.data[0].tags[0]: idle "a", live "b"; $.data[0].tags[1]: idle "b", live "a"`},
		"another element":             {rules: "unordered: {$.data: id}", live: strings.Replace(budgets, `"id":2`, `"id":3`, 1), want: `$.data[id=2]: idle {"fee":10,"id":2,"owner":"finance"}, live nothing; $.data[id=3]: idle nothing, live`},
		"a value of an element":       {rules: "unordered: {$.data: id}", live: strings.Replace(budgets, "10", "11", 1), want: "$.data[id=2].fee: idle 10, live 11"},
		"one key twice":               {rules: "unordered: {$: $}", idle: `["a","a","b"]`, live: `["b","a"]`, want: `$[="a"]: idle "a", live nothing`},
		"an element without its key":  {rules: "unordered: {$: id}", idle: `[{"id":1}]`, live: `[{"id":1},{"x":2}]`, want: `$: live has an element without $.id to know it by: {"x":2}`},
		"accepted":                    {rules: "accept: [{path: '$.data[?@.id == 1].fee', reason: new price, until: 2026-12-31}]", live: strings.Replace(budgets, "2.5", "3", 1)},
		"accepted on one side":        {rules: "accept: [{path: '$.data[2]', reason: a third budget, until: 2026-12-31}]", live: strings.Replace(budgets, `nce"}`, `nce"},{"id":3}`, 1)},
		"accepted, but not another":   {rules: "accept: [{path: '$.data[0].fee', reason: new price, until: 2026-12-31}]", live: strings.NewReplacer("2.5", "3", "10", "11").Replace(budgets), want: "$.data[1].fee: idle 10, live 11"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.idle == "" {
				test.idle = budgets
			}
			check := "parity: {get: /budgets"
			if test.rules != "" {
				check += ", " + test.rules
			}
			_, err := against(t, clients, check+"}", serve(t, answering(200, "application/json", test.idle)), serve(t, answering(200, "application/json", test.live)))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.Is(err, plumbline.ErrFailed) || !strings.HasPrefix(err.Error(), test.want)):
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestParityAcceptsNothingForEver(t *testing.T) {
	clients := clientsOf(t)
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	clients.Now = func() time.Time { return now }
	check := compile(t, clients, "parity: {get: /, accept: [{path: $.fee, reason: new price, until: 2026-12-31}]}")
	ask := askOf(serve(t, answering(200, "application/json", `{"fee":1}`)))
	ask.Live = plumbline.Site{Color: plumbline.Blue, URL: serve(t, answering(200, "application/json", `{"fee":2}`))}
	if _, err := probe(t, check, ask); err != nil {
		t.Error(err)
	}
	now = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	_, err := probe(t, check, ask)
	if want := "$.fee: green 1, blue 2 (was accepted until 2026-12-31: new price)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, problems := tryCompile(t, clients, "parity: {get: /, accept: [{path: $.fee, reason: new price, until: 2026-12-31}]}")
	if len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Text, "the acceptance ended 2026-12-31") {
		t.Errorf("an acceptance that ended: %v", problems)
	}
}

func TestParityOfWhatIsNotRight(t *testing.T) {
	fine := answering(200, "application/json", `{"a":1}`)
	for name, test := range map[string]struct {
		check      string
		idle, live http.HandlerFunc
		failed     bool
		want       string
	}{
		"another status":      {"parity: /", fine, answering(404, "", `{"a":1}`), true, "status: idle 200, live 404"},
		"both are wrong":      {"parity: /", answering(500, "", "{}"), answering(500, "", "{}"), true, "status: got 500, want 2xx"},
		"both are wrong too":  {"parity: /\nexpect: {$.a: 2}", fine, fine, true, "$.a: got 1, want 2"},
		"wrong and different": {"parity: /\nexpect: {$.a: 2}", fine, answering(200, "", `{"a":2}`), true, "$.a: got 1, want 2; $.a: idle 1, live 2"},
		"live throttles":      {"parity: /", fine, answering(429, "", `{"a":1}`), false, "nothing to compare with: live answered 429"},
		"live is too long":    {"parity: /", fine, answering(200, "", strings.Repeat("x", checks.DefaultBodyLimit+1)), false, "nothing to compare with: live could not be asked: body: got more than 2 MiB"},
		"idle is too long":    {"parity: /", answering(200, "", strings.Repeat("x", checks.DefaultBodyLimit+1)), fine, true, "body: got more than 2 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := against(t, clientsOf(t), test.check, serve(t, test.idle), serve(t, test.live))
			if err == nil || err.Error() != test.want || errors.Is(err, plumbline.ErrFailed) != test.failed {
				t.Errorf("got %v, want %s (failed: %t)", err, test.want, test.failed)
			}
		})
	}
}

func TestParityWithoutAnotherColor(t *testing.T) {
	check := compile(t, clientsOf(t), "parity: /")
	here := serve(t, answering(200, "application/json", `{"a":1}`))
	for role, want := range map[plumbline.Role]string{
		"":                    "nothing to compare with: nobody named the live color (run takes --control URL)",
		plumbline.RoleLive:    "nothing to compare with: this color is live, and there is no standby",
		plumbline.RoleStandby: "nothing to compare with: no color is live",
	} {
		ask := askOf(here)
		ask.Site.Role = role
		if _, err := probe(t, check, ask); err == nil || err.Error() != want || errors.Is(err, plumbline.ErrFailed) {
			t.Errorf("as %q: got %v, want %s", role, err, want)
		}
	}
	ask := askOf(here)
	ask.Live = plumbline.Site{URL: here + "/"}
	if _, err := probe(t, check, ask); err == nil || !strings.Contains(err.Error(), "both colors would be asked at http://127.0.0.1") {
		t.Errorf("one address for both: %v", err)
	}
	ask.Live.URL = "http://127.0.0.1:1"
	if _, err := probe(t, check, ask); err == nil || !strings.Contains(err.Error(), "live could not be asked: GET http://127.0.0.1:1/: connection refused") || errors.Is(err, plumbline.ErrFailed) {
		t.Errorf("a live color that is down: %v", err)
	}
}

func TestParityAsksEachColorWithItsOwn(t *testing.T) {
	clients := clientsOf(t)
	var asked atomic.Int64
	color := func(token string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			fmt.Fprintf(w, `{"right":%t,"method":%q,"page":%q}`, r.Header.Get("Authorization") == "Bearer "+token, r.Method, r.URL.Query().Get("page"))
		})
	}
	idle, live := color("green-token"), color("blue-token")
	account := func(c plumbline.Color) checks.Connection {
		return checks.Connection{Name: "api", Service: "plum", Color: c, Kind: checks.Bearer, Secret: func() string { return string(c) + "-token" }}
	}
	clients.Connections = checks.NewConnections([]checks.Connection{account(plumbline.Blue), account(plumbline.Green)}, clients.Transport, nil)
	answer, err := against(t, clients, `
parity: {post: "/read?page=$(vars.page)", auth: none, headers: {X-Run: $(run.id)}, json: {}}
effect: none
capture: {method: $.method}
`, idle, live)
	if err != nil || answer.Captures["method"] != "POST" || answer.Status != 200 {
		t.Errorf("%+v, %v", answer, err)
	}
	compiled := compileWith(t, clients, "parity: {get: /, auth: api}\nexpect: {$.right: true}", checks.Names{Connections: []string{"api"}})
	ask := askOf(idle)
	ask.Live = plumbline.Site{Service: "plum", Color: plumbline.Blue, URL: live}
	if _, err := probe(t, compiled, ask); err != nil {
		t.Error(err)
	}
	if asked.Load() != 4 {
		t.Errorf("%d requests, want 2 for each check", asked.Load())
	}
	if compiled.Name != "parity GET /" || compiled.Effect != plumbline.EffectNone {
		t.Errorf("%q with effect %s", compiled.Name, compiled.Effect)
	}
}

func TestParityRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"parity: {post: /orders}":                                             "parity asks the live color too, and a POST may leave something behind",
		"parity: {post: /orders}\neffect: lasting":                            "parity asks the live color too",
		"parity: {get: /}\neffect: undone":                                    "parity asks the live color too",
		"parity: https://green.plum/healthz":                                  "an absolute URL is the same for both colors",
		"parity: {get: /, expect: {status: 200}}":                             "parity has no expect beneath it",
		"parity: {ignore: [$.a]}":                                             "a check without a kind",
		"parity: {get: /, ignroe: [$.a]}":                                     `unknown key "ignroe" (did you mean "ignore"?)`,
		"parity: {get: /, ignore: []}":                                        "ignore takes a list of paths",
		"parity: {get: /, ignore: [a]}":                                       "want a JSONPath",
		"parity: {get: /, ignore: [$]}":                                       "to ignore everything proves nothing",
		"parity: {get: /, ignore: ['$[']}":                                    `bad JSONPath "$["`,
		"parity: {get: /, unordered: [$.a]}":                                  "unordered takes a map",
		"parity: {get: /, unordered: {$.a: '$..id'}}":                         "$..id may select several values of an element, want one",
		"parity: {get: /, tolerance: {$.a: 0}}":                               "want how far the numbers may be apart",
		"parity: {get: /, tolerance: {$.a: much}}":                            "want how far the numbers may be apart",
		"parity: {get: /, accept: [{path: $.a, until: 2026-12-31}]}":          "an accepted difference needs path, reason and until",
		"parity: {get: /, accept: [{path: $.a, reason: why}]}":                "an accepted difference needs path, reason and until",
		"parity: {get: /, accept: [{path: $.a, reason: why, until: \"31\"}]}": `"31", want a date such as 2026-12-31`,
		"parity: {get: /, tcp: x}":                                            `unknown key "tcp"`,
		"steps: [{parity: /}]":                                                "parity can't be a step",
	} {
		_, problems := tryCompile(t, clientsOf(t), text)
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, problems, want)
		}
	}
}

func TestLongDifferencesAreBounded(t *testing.T) {
	var idle, live strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&idle, `,"%s%d":"%s"`, strings.Repeat("k", 40), i, strings.Repeat("v", 30))
		fmt.Fprintf(&live, `,"%s%d":"w"`, strings.Repeat("k", 40), i)
	}
	answer, err := against(t, clientsOf(t), "parity: /", serve(t, answering(200, "", `{"a":1`+idle.String()+"}")), serve(t, answering(200, "", `{"a":1`+live.String()+"}")))
	if err == nil || len(err.Error()) > 2<<10 || !strings.HasSuffix(err.Error(), "and 19997 more differences") {
		t.Errorf("reason of %d bytes: %.300s", len(err.Error()), err)
	}
	if len(answer.Detail) > 2<<10 || strings.Count(answer.Detail, "\n") < 5 {
		t.Errorf("detail of %d bytes: %s", len(answer.Detail), answer.Detail)
	}
}

// compileWith reads one check that may name what a configuration has.
func compileWith(t *testing.T, clients checks.Clients, text string, names checks.Names) checks.Compiled {
	t.Helper()
	compiled, problems := tryCompileWith(t, clients, text, names)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return compiled
}

func tryCompileWith(t *testing.T, clients checks.Clients, text string, names checks.Names) (checks.Compiled, strictyaml.Problems) {
	t.Helper()
	n, err := strictyaml.Parse("check", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	kinds := checks.Kinds(clients)
	d, problems := checks.Split("check", n, kinds, []string{"name", "effect", "timeout"})
	if d.Key == "" {
		return checks.Compiled{}, problems
	}
	d.Names = names
	compiled, more := kinds[d.Key].Compile(d)
	return compiled, append(problems, more...)
}
