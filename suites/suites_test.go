package suites_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/suites"
)

const whole = `
suite: plum-smoke
service: plum
triggers: [release, standby]
always: true
timeout: 2m
vars: {page: 10, who: ann}
defaults: {timeout: 4s, retries: 2, retry_on: [errored, throttled, 502], severity: advisory, auth: plum-api}
checks:
  - get: /healthz
    auth: none
  - name: products
    post: /products?page=$(vars.page)
    effect: none
    severity: critical
    timeout: 1m
    attempt_timeout: 20s
    retries: 3
    retry_on: [failed]
    tags: [shop]
    owner: rewards
    impact: nobody can order
    cure: look at the catalogue
    capture: {product: "$[0].id"}
  - get: /products/$(captures.product)
    needs: [GET /healthz, products]
  - name: both
    steps:
      - get: /a/$(captures.product)
        capture: {a: $.id}
      - get: /b/$(captures.a)
    skip: {reason: flaky, owner: rewards, until: 2026-12-01}
`

func now() time.Time { return time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC) }

func parse(t *testing.T, text string, o suites.Options) suites.Suite {
	t.Helper()
	if o.Now == nil {
		o.Now = now
	}
	s, err := suites.Parse("smoke.yaml", []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := parse(t, whole, suites.Options{Connections: []string{"plum-api"}})
	for i := range s.Checks {
		if s.Checks[i].Prober == nil {
			t.Errorf("%s can't be asked", s.Checks[i].Name)
		}
		s.Checks[i].Prober = nil
	}
	rule := plumbline.RetryRule{Errored: true, Statuses: []int{429, 502}}
	base := plumbline.Check{Suite: "plum-smoke", Severity: plumbline.Advisory, Effect: plumbline.EffectNone, Timeout: 4 * time.Second, Retries: 2, RetryOn: rule}
	want := []plumbline.Check{base, base, base, base}
	want[0].Name, want[0].Kind, want[0].Place = "GET /healthz", "get", "smoke.yaml:10"
	want[1] = plumbline.Check{Name: "products", Suite: "plum-smoke", Kind: "post", Place: "smoke.yaml:12", Severity: plumbline.Critical,
		Effect: plumbline.EffectNone, Timeout: time.Minute, AttemptTimeout: 20 * time.Second, Retries: 3, RetryOn: plumbline.RetryRule{Failed: true},
		Tags: []string{"shop"}, Owner: "rewards", Impact: "nobody can order", Cure: "look at the catalogue"}
	want[2].Name, want[2].Kind, want[2].Place, want[2].Needs = "GET /products/$(captures.product)", "get", "smoke.yaml:25", []string{"products", "GET /healthz"}
	want[3].Name, want[3].Kind, want[3].Place, want[3].Needs = "both", "steps", "smoke.yaml:27", []string{"products"}
	want[2].Uses, want[3].Uses = []string{"products"}, []string{"products"}
	want[3].Skip = "flaky (rewards, until 2026-12-01)"
	for i := range want {
		if !reflect.DeepEqual(s.Checks[i], want[i]) {
			t.Errorf("got  %+v\nwant %+v", s.Checks[i], want[i])
		}
	}
	ref := s.Ref()
	if ref.Name != "plum-smoke" || !ref.Always || !ref.Answers(plumbline.TriggerStandby) || ref.Answers(plumbline.TriggerSwitched) ||
		!strings.HasPrefix(ref.Digest, "sha256:") || len(ref.Digest) != 71 || s.Timeout != 2*time.Minute || s.Service != "plum" {
		t.Errorf("got %+v, timeout %s, service %s", ref, s.Timeout, s.Service)
	}
	if other := parse(t, whole+"\n", suites.Options{Connections: []string{"plum-api"}}); other.Digest == s.Digest {
		t.Error("other bytes have the same digest")
	}
	if string(s.Source) != whole {
		t.Error("the source isn't what was read")
	}
}

func TestDefaults(t *testing.T) {
	s := parse(t, "suite: s\nchecks:\n  - get: /a\n  - post: /b\n", suites.Options{})
	if !slices.Equal(s.Triggers, []plumbline.Trigger{plumbline.TriggerRelease}) {
		t.Errorf("triggers %v", s.Triggers)
	}
	if c := s.Checks[0]; c.Timeout != suites.DefaultTimeout || c.Retries != 0 || c.Severity != plumbline.Critical || c.Effect != plumbline.EffectNone {
		t.Errorf("got %+v", c)
	}
	s = parse(t, "suite: s\ndefaults: {retries: 2}\nchecks:\n  - get: /a\n  - post: /b\n  - {post: /c, retries: 1}\n  - {post: /d, effect: none}\n", suites.Options{})
	var retries []int
	for _, c := range s.Checks {
		retries = append(retries, c.Retries)
	}
	if !slices.Equal(retries, []int{2, 0, 1, 2}) {
		t.Errorf("retries %v: defaults must not send a thing twice", retries)
	}
}

func TestDefaultsGiveWayToAShorterTimeout(t *testing.T) {
	s := parse(t, "suite: s\ndefaults: {attempt_timeout: 5s}\nchecks:\n  - {get: /a, timeout: 2s}\n", suites.Options{})
	if c := s.Checks[0]; c.AttemptTimeout != 2*time.Second {
		t.Errorf("attempt timeout %s", c.AttemptTimeout)
	}
}

func TestVars(t *testing.T) {
	text := "suite: s\nvars: {path: a}\nchecks: [{get: /$(vars.path)}]\n"
	for _, test := range []struct {
		options suites.Options
		site    map[string]any
		want    string
	}{
		{suites.Options{}, nil, "/a"},
		{suites.Options{Vars: map[string]any{"unknown": "b"}}, nil, "/a"},
		{suites.Options{Vars: map[string]any{"path": 7}}, nil, "/7"},
		{suites.Options{Vars: map[string]any{"path": "b"}}, map[string]any{"path": "c"}, "/c"},
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Path }))
		ask := plumbline.Ask{Site: plumbline.Site{URL: server.URL, Vars: test.site}}
		if _, err := parse(t, text, test.options).Checks[0].Probe(t.Context(), ask); err != nil || got != test.want {
			t.Errorf("got %s, %v, want %s", got, err, test.want)
		}
		server.Close()
	}
}

func TestSkipsEnd(t *testing.T) {
	s := parse(t, whole, suites.Options{})
	for _, test := range []struct {
		at   time.Time
		want bool
	}{{now(), true}, {time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC), true}, {time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), false}} {
		c := s.ChecksFor(plumbline.Release{}, test.at)[3]
		if got := c.Skip != ""; got != test.want {
			t.Errorf("at %s skipped %v, want %v", test.at, got, test.want)
		}
		if !test.want {
			lapsed(t, c)
		}
	}
	if s.Checks[3].Skip == "" {
		t.Error("the suite itself was changed")
	}
	late := parse(t, whole, suites.Options{Connections: []string{"plum-api"}, Now: func() time.Time { return now().AddDate(1, 0, 0) }})
	if len(late.Warnings) != 1 || !strings.Contains(late.Warnings[0].Error(), "the skip ended 2026-12-01") {
		t.Errorf("warnings %v", late.Warnings)
	}
	lapsed(t, late.Checks[3])
}

// lapsed wants a check that is errored whatever is answered.
func lapsed(t *testing.T, c plumbline.Check) {
	t.Helper()
	_, err := c.Probe(t.Context(), plumbline.Ask{})
	want := "the skip ended 2026-12-01: take it out, or skip the check until later"
	if c.Skip != "" || len(c.Needs) > 0 || err == nil || errors.Is(err, plumbline.ErrFailed) || err.Error() != want {
		t.Errorf("skip %q, needs %v, got %v, want it errored: %s", c.Skip, c.Needs, err, want)
	}
}

func TestWarnings(t *testing.T) {
	text := "suite: s\nchecks:\n  - {get: /a, auth: plum-api}\n  - {get: /b, auth: plum-api, headers: {X: $(secrets.key)}}\n"
	s := parse(t, text, suites.Options{})
	want := "smoke.yaml:3:21: warning: connection \"plum-api\" can't be looked up without a configuration\n" +
		"smoke.yaml:4:44: warning: secret \"key\" can't be looked up without a configuration"
	if got := s.Warnings.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := suites.Parse("smoke.yaml", []byte(text), suites.Options{Strict: true}); err == nil {
		t.Error("strict lets warnings through")
	}
	_, err := suites.Parse("smoke.yaml", []byte(text), suites.Options{Connections: []string{}, Secrets: []string{}})
	var problems strictyaml.Problems
	if !errors.As(err, &problems) || len(problems.Errors()) != 3 {
		t.Errorf("got %v, want three errors", err)
	}
}

func TestLoadFS(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	good := "suite: NAME\nchecks: [{get: /a}]\n"
	fsys := fstest.MapFS{
		"b.yaml": file(strings.ReplaceAll(good, "NAME", "b")), "a/a.yaml": file(strings.ReplaceAll(good, "NAME", "a")),
		"README.md": file("no suite"), ".hidden/a.yaml": file("no: suite"), ".draft.yaml": file("no: suite"), "rows.csv": file("a,b"),
	}
	all, err := suites.LoadFS(fsys, ".", suites.Options{})
	if err != nil || len(all) != 2 || all[0].File != "a/a.yaml" || all[1].Name != "b" {
		t.Fatalf("got %v, %v", all, err)
	}
	fsys["c.yaml"] = file("suite: c\n")
	fsys["d.yaml"] = file("suite: a\nchecks: [{gett: /a}]\n")
	fsys["e.yml"] = file(good)
	fsys["f.yaml"] = file(strings.ReplaceAll(good, "NAME", "b"))
	_, err = suites.LoadFS(fsys, ".", suites.Options{})
	want := "c.yaml:1:1: a suite without checks (write checks: and a list such as - get: /healthz)\n" +
		"d.yaml:2:11: unknown kind \"gett\" (did you mean \"get\"?)\n" +
		"e.yml: is not loaded (rename it to .yaml)\n" +
		"f.yaml: a second suite b, first in b.yaml (names of suites are unique)"
	if fmt.Sprint(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	one := filepath.Join(dir, "one.yaml")
	if err := os.WriteFile(one, []byte("suite: one\nchecks: [{get: /a}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{{one}, {dir}} {
		all, err := suites.Load(paths, suites.Options{})
		if err != nil || len(all) != 1 || all[0].File != one {
			t.Errorf("%v: got %v, %v", paths, all, err)
		}
	}
	for _, test := range []struct {
		paths []string
		want  string
	}{
		{nil, "suites: no path to load from"},
		{[]string{filepath.Join(dir, "gone")}, filepath.Join(dir, "gone") + ": can't be read: no such file or directory"},
		{[]string{t.TempDir()}, "has no suite in it, want a file such as smoke.yaml"},
		{[]string{"shipped:plumm"}, `shipped:plumm: no such shipped suites (did you mean "plum"?)`},
		{[]string{one, dir}, "a second suite one, first in " + one},
	} {
		if all, err := suites.Load(test.paths, suites.Options{}); err == nil || !strings.Contains(err.Error(), test.want) || all != nil {
			t.Errorf("%v: got %v, %v, want %s", test.paths, all, err, test.want)
		}
	}
}

func TestShippedSuites(t *testing.T) {
	all, err := suites.Load([]string{"shipped:plum"}, suites.Options{Connections: []string{"plum-api"}, Secrets: []string{"plum-client-secret"}, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, s := range all {
		total += len(s.Checks)
		if s.Service != "plum" || len(s.Warnings) > 0 {
			t.Errorf("%s is for %q, with %v", s.Name, s.Service, s.Warnings)
		}
	}
	if total < 25 {
		t.Errorf("%d checks are shipped, want 25 or more", total)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	files, _ := filepath.Glob("testdata/wrong/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	options := suites.Options{Now: now, Kinds: nil}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := suites.Parse("f.yaml", data, options)
		var problems strictyaml.Problems
		switch {
		case err != nil && (!errors.As(err, &problems) || len(problems.Errors()) == 0):
			t.Fatalf("%T without a problem: %v", err, err)
		case err == nil && (s.Name == "" || len(s.Checks) == 0):
			t.Fatal("a suite without name or checks was accepted")
		case err != nil && strings.Contains(err.Error(), "%!") && !strings.Contains(string(data), "%"):
			t.Fatalf("a problem that is badly formatted: %v", err)
		}
		for _, c := range s.Checks {
			if c.Name == "" || c.Prober == nil || c.Timeout <= 0 || c.Severity == "" || c.Effect == "" {
				t.Fatalf("half a check was accepted: %+v", c)
			}
		}
	})
}
