package suites_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/suites"
)

// byName are the checks of a suite by their names.
func byName(s suites.Suite) map[string]plumbline.Check {
	all := map[string]plumbline.Check{}
	for _, c := range s.Checks {
		all[c.Name] = c
	}
	return all
}

func TestPollTimes(t *testing.T) {
	s := parse(t, `
suite: s
defaults: {retries: 3, timeout: 4s}
checks:
  - {name: short, get: /a, poll: {for: 60s}}
  - {name: own, get: /a, poll: {every: 5s, for: 60s}, timeout: 2m, attempt_timeout: 20s}
  - {name: attempt, get: /a, poll: {every: 1s, for: 10s}, attempt_timeout: 3s}
  - {name: none, get: /a}
  - {name: read, post: /a, effect: none, poll: {for: 10s, stop_if: {$.status: failed}}}
`, suites.Options{})
	type times struct {
		every, period, timeout, attempt time.Duration
		retries                         int
	}
	want := map[string]times{
		"short": {2 * time.Second, time.Minute, 64 * time.Second, 4 * time.Second, 0}, "own": {5 * time.Second, time.Minute, 2 * time.Minute, 20 * time.Second, 0},
		"attempt": {time.Second, 10 * time.Second, 13 * time.Second, 3 * time.Second, 0}, "none": {0, 0, 4 * time.Second, 0, 3},
		"read": {2 * time.Second, 10 * time.Second, 14 * time.Second, 4 * time.Second, 0},
	}
	for name, c := range byName(s) {
		if got := (times{c.Poll.Every, c.Poll.For, c.Timeout, c.AttemptTimeout, c.Retries}); got != want[name] {
			t.Errorf("%s: got %+v, want %+v", name, got, want[name])
		}
	}
}

func TestSince(t *testing.T) {
	s := parse(t, "suite: s\nchecks:\n  - {get: /a, since: 2026.10}\n  - {get: /b, since: v2, skip: {reason: moves, owner: ann, until: 2026-12-01}}\n  - get: /c\n", suites.Options{})
	for version, want := range map[string]string{
		"2026.9.4": "since 2026.10: 2026.9.4 is older", "2026.10": "", "2026.10.1": "", "2026.11": "", "2026.10.0-rc1": "", "2025": "since 2026.10: 2025 is older",
		"v2026.9": "since 2026.10: v2026.9 is older", "": "", "main": "", "2026.9.x": "", "2026": "since 2026.10: 2026 is older",
	} {
		all := s.ChecksFor(plumbline.Release{Version: version}, now())
		if all[0].Skip != want || all[1].Skip != "moves (ann, until 2026-12-01)" || all[2].Skip != "" {
			t.Errorf("%q: got %q, %q, %q, want %q", version, all[0].Skip, all[1].Skip, all[2].Skip, want)
		}
	}
	if s.Checks[0].Skip != "" {
		t.Error("the suite itself was changed")
	}
}

func TestPhases(t *testing.T) {
	s := parse(t, `
suite: s
defaults: {retries: 2, severity: critical}
setup:
  - {name: log in, post: /login, capture: {user: $.id}}
  - {name: prepare, get: /prepare}
checks:
  - get: /user/$(captures.user)
  - name: order
    post: /orders
    json: {reference: $(run.id), user: $(captures.user)}
    effect: undone
    capture: {order: $.id}
    owner: shop
    teardown:
      - get: /orders?reference=$(run.id)
        capture: {order: "$[0].id"}
      - delete: /orders/$(captures.order)?user=$(captures.user)
  - get: /orders/$(captures.order)
teardown:
  - {name: log out, post: /logout/$(captures.user), severity: critical}
  - {name: sweep, delete: /orders, retries: 1, capture: {swept: $.count}}
  - get: /swept/$(captures.swept)
`, suites.Options{})
	all := byName(s)
	for name, want := range map[string]string{
		"log in": "setup critical []", "prepare": "setup critical [log in]", "GET /user/$(captures.user)": " critical [log in prepare]",
		"order": " critical [log in prepare]", "undo order": "teardown advisory [log in]", "GET /orders/$(captures.order)": " critical [order prepare]",
		"log out": "teardown critical [log in]", "sweep": "teardown advisory []", "GET /swept/$(captures.swept)": "teardown advisory [sweep]",
	} {
		c := all[name]
		if got := fmt.Sprint(c.Phase, " ", c.Severity, " ", c.Needs); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	undo := all["undo order"]
	if undo.Undoes != "order" || undo.Owner != "shop" || undo.Retries != 0 || undo.Place != "smoke.yaml:16" || all["sweep"].Retries != 1 || all["order"].Retries != 0 {
		t.Errorf("got %+v", undo)
	}
	if all["order"].Effect != plumbline.EffectUndone || !all["order"].Repeatable || all["log in"].Repeatable {
		t.Errorf("order %s, repeatable %t; log in repeatable %t", all["order"].Effect, all["order"].Repeatable, all["log in"].Repeatable)
	}
	if standby := parse(t, "suite: s\ntriggers: [standby]\nchecks:\n  - {post: /a/$(run.id), effect: undone, teardown: [{delete: /a/$(run.id)}]}\n", suites.Options{}); len(standby.Checks) != 2 {
		t.Errorf("%d checks", len(standby.Checks))
	}
}

// What takes back finds by the run's id, tries every step, and says which went wrong.
func TestTeardownAsksEveryStep(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		if r.URL.Path == "/first" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	s := parse(t, "suite: s\nchecks:\n  - post: /a\n    effect: undone\n    teardown:\n      - delete: /first?run=$(run.id)\n      - delete: /second?run=$(run.id)\n", suites.Options{})
	answer, err := s.Checks[1].Probe(t.Context(), plumbline.Ask{Site: plumbline.Site{URL: server.URL}, Run: "r1"})
	if want := "step 1, DELETE /first?run=$(run.id), line 6: status: got 500, want 2xx"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if want := []string{"DELETE /first?run=r1", "DELETE /second?run=r1"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if len(answer.Steps) != 2 || answer.Steps[0].Outcome != plumbline.Failed || answer.Steps[1].Outcome != plumbline.Passed || answer.Steps[1].Place != "smoke.yaml:7" {
		t.Errorf("got %+v", answer.Steps)
	}
}

func TestRows(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	fsys := fstest.MapFS{
		"sub/s.yaml": file(`
suite: s
checks:
  - name: inline
    get: /v/$(row.id)
    each: [{id: 1}, {id: a b/c}]
    expect: {$.id: $(row.id)}
  - name: keyed $(row.id)
    get: /v/$(row.id)
    each: {first: {id: x}, second: {id: y}}
    expect: {$.id: $(row.id)}
  - get: /v/$(row.id)
    each: {blue: {id: p}, green: {id: q}}
    effect: undone
    teardown: [{delete: /v/$(row.id)?run=$(run.id)}]
  - name: csv
    post: /v/$(row.id)
    effect: none
    each: rows/ids.csv
    json: {n: $(row.n), s: $(string row.n), note: $(row.note)}
    expect: {$.id: $(row.id), $.body: $(row.body)}
  - name: json
    get: /v/$(row.id)
    each: rows/ids.json
    expect: {$.id: $(row.id)}
  - name: after
    get: /v/z
    needs: [inline, json]
`),
		"sub/rows/ids.csv":  file("\ufeffid,n,note,body\none,1.50,\"a, \"\"b\"\"\",\"{\"\"n\"\":1.50,\"\"note\"\":\"\"a, \\\"\"b\\\"\"\"\",\"\"s\"\":\"\"1.50\"\"}\"\nb$(run.id),007,,\"{\"\"n\"\":\"\"007\"\",\"\"note\"\":\"\"\"\",\"\"s\"\":\"\"007\"\"}\"\n"),
		"sub/rows/ids.json": file(`{"zebra": {"id": "z1"}, "ant": {"id": "a1"}}`),
	}
	all, err := suites.LoadFS(fsys, ".", suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := fmt.Sprintf("%q", strings.TrimPrefix(r.URL.Path, "/v/"))
		if id == `"1"` {
			id = "1"
		}
		_, _ = fmt.Fprintf(w, `{"id":%s,"body":%q}`, id, body)
	}))
	defer server.Close()
	var names []string
	for _, c := range all[0].Checks {
		names = append(names, c.Name)
		if c.Undoes != "" {
			continue
		}
		if _, err := c.Probe(t.Context(), plumbline.Ask{Site: plumbline.Site{URL: server.URL}, Run: "r1"}); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	want := []string{"inline [row 1]", "inline [row 2]", "keyed x", "keyed y",
		"GET /v/$(row.id) [blue]", "undo GET /v/$(row.id) [blue]", "GET /v/$(row.id) [green]", "undo GET /v/$(row.id) [green]",
		"csv [row 1]", "csv [row 2]", "json [zebra]", "json [ant]", "after"}
	if !slices.Equal(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
	if got := byName(all[0])["after"].Needs; !slices.Equal(got, []string{"inline [row 1]", "inline [row 2]", "json [zebra]", "json [ant]"}) {
		t.Errorf("after needs %q", got)
	}
}

func TestTooManyRows(t *testing.T) {
	var rows strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&rows, "{\"id\":%d},\n", i)
	}
	list := strings.TrimSuffix(rows.String(), ",\n")
	fsys := fstest.MapFS{
		"s.yaml":    {Data: []byte("suite: s\nchecks:\n  - get: /$(row.id)\n    each: rows.json\n  - post: /$(row.id)\n    each: rows.csv\n  - put: /$(row.id)\n    each: large.csv\n")},
		"rows.json": {Data: []byte("[" + list + "]")}, "rows.csv": {Data: []byte("id\n" + strings.Repeat("1\n", 1001))},
		"large.csv": {Data: []byte("id\n" + strings.Repeat("x", 1<<20) + "\n")},
	}
	_, err := suites.LoadFS(fsys, ".", suites.Options{})
	want := "rows.csv:1002:1: more than 1000 rows"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "s.yaml:4:11: 1001 rows, want at most 1000") ||
		!strings.Contains(err.Error(), "s.yaml:8:11: each large.csv: is more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzBeside(f *testing.F) {
	f.Add([]byte("id,kind\n1,x\n"), []byte(`{"a": {"id": 1}}`), []byte("checks: [{get: /a}]\n"))
	f.Add([]byte("id\n\"1\n2\"\n"), []byte(`[{"id": [1]}, {"id": null}]`), []byte("include: [p.yaml]\nvars: {a: 1}\nsetup: [{get: /a}]\n"))
	f.Add([]byte("id,id\n"), []byte(`[{"id": 1}, {"id": 1`), []byte("suite: x\n"))
	const suite = "suite: s\ninclude: [p.yaml]\nchecks:\n  - {name: csv, get: /$(row.id), each: rows.csv}\n  - {name: json, get: /$(row.id), each: rows.json}\n"
	kinds := suites.Options{Now: now}
	f.Fuzz(func(t *testing.T, table, object, part []byte) {
		fsys := fstest.MapFS{"s.yaml": {Data: []byte(suite)}, "rows.csv": {Data: table}, "rows.json": {Data: object}, "p.yaml": {Data: part}}
		all, err := suites.LoadFS(fsys, ".", kinds)
		if err != nil {
			if strings.Contains(err.Error(), "%!") && !strings.Contains(string(table)+string(object)+string(part), "%") {
				t.Fatalf("a problem that is badly formatted: %v", err)
			}
			return
		}
		names := map[string]bool{}
		for _, c := range all[0].Checks {
			if names[c.Name] || c.Prober == nil {
				t.Fatalf("half a check, or two of one name: %+v", c)
			}
			names[c.Name] = true
		}
		again, err := suites.Parse("s.yaml", all[0].Source, kinds)
		if err != nil || again.Digest != all[0].Digest || len(again.Checks) != len(all[0].Checks) {
			t.Fatalf("the pinned bytes make another suite: %v", err)
		}
	})
}

func TestLiterals(t *testing.T) {
	s, err := suites.Parse("s.yaml", []byte(`
suite: s
vars: {x: $$(a)}
checks:
  - name: n $$(x)
    get: /a
    owner: $$(o)
    tags: [$$(t)]
    expect: {$.a: $(vars.x)}
  - name: r $$(x) $(row.a)
    get: /$(row.a)
    each: [{a: $$(b)}]
  - get: /c
    needs: [n $(x)]
`), suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := byName(s)["n $(x)"]
	if c.Owner != "$(o)" || !slices.Equal(c.Tags, []string{"$(t)"}) {
		t.Errorf("got owner %q and tags %q", c.Owner, c.Tags)
	}
	if byName(s)["r $(x) $(b)"].Name == "" {
		t.Errorf("got %+v", s.Checks)
	}
}
