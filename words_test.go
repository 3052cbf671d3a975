package plumbline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// The vectors were made with: printf 'subject\0source\0id' | openssl dgst -sha256 -binary | base32 | tr A-Z a-z | cut -c-26
func TestRunID(t *testing.T) {
	for _, c := range [][4]string{
		{"plumbline.event.plum", "https://ci.example/plum", "release-7f3a", "cvjwruvdxptqs5topsznktp6lt"},
		{"plumbline.event.plum", "", "", "tjs3xgh75wk7hzofzfuhccuwkc"},
		{"plumbline.slot.plum.blue", "plumbline", "2026-11-03T09:10:00Z", "zrm4iohzf7aaaklb7myetqcpx3"},
	} {
		if got := plumbline.RunID(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("RunID(%q, %q, %q) is %s, want %s", c[0], c[1], c[2], got, c[3])
		}
	}
}

func TestColors(t *testing.T) {
	if blue.Other() != green || green.Other() != blue || plumbline.Color("purple").Other() != "" || plumbline.Color("").Other() != "" {
		t.Error("the colors aren't each other's other")
	}
	for _, text := range []string{"", "Blue", "green ", "purple"} {
		if c, err := plumbline.ParseColor(text); err == nil || c != "" {
			t.Errorf("ParseColor(%q) is %q, want an error", text, c)
		}
	}
	if c, err := plumbline.ParseColor("green"); c != green || err != nil {
		t.Errorf("ParseColor is %q, %v", c, err)
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "plum", "plum-2", "a" + strings.Repeat("-", 62)} {
		if err := plumbline.CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "2plum", "-plum", "Plum", "plum.x", "plum>", "plum x", "plüm", "plum\n", "a" + strings.Repeat("b", 63)} {
		if err := plumbline.CheckName(bad); err == nil {
			t.Errorf("%q is a name, want an error", bad)
		}
	}
}

func TestRetryRule(t *testing.T) {
	wrong, unasked := plumbline.Failf("answered %d", 500), errors.New("refused")
	for name, c := range map[string]struct {
		rule   plumbline.RetryRule
		status int
		err    error
		want   bool
	}{
		"right":                 {plumbline.RetryRule{Failed: true, Errored: true}, 200, nil, false},
		"could not be asked":    {plumbline.RetryRule{}, 0, unasked, true},
		"wrong":                 {plumbline.RetryRule{}, 500, wrong, false},
		"throttled":             {plumbline.RetryRule{}, 429, wrong, true},
		"no backend":            {plumbline.RetryRule{}, 503, fmt.Errorf("step 1: %w", wrong), true},
		"never":                 {plumbline.RetryRule{Never: true, Errored: true}, 503, unasked, false},
		"wrong, if wanted":      {plumbline.RetryRule{Failed: true}, 500, wrong, true},
		"not asked, not wanted": {plumbline.RetryRule{Failed: true}, 0, unasked, false},
		"a status, if wanted":   {plumbline.RetryRule{Statuses: []int{500}}, 500, wrong, true},
		"no statuses":           {plumbline.RetryRule{Statuses: []int{}}, 503, wrong, false},
	} {
		if got := c.rule.Wants(plumbline.Answer{Status: c.status}, c.err); got != c.want {
			t.Errorf("%s: wants another attempt: %t, want %t", name, got, c.want)
		}
	}
}

// keys are the names of a JSON object's members.
func keys(t *testing.T, document any) map[string]any {
	t.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func wantKeys(t *testing.T, what string, object any, names string) {
	t.Helper()
	members, ok := object.(map[string]any)
	if !ok {
		t.Errorf("%s is %v, want an object", what, object)
		return
	}
	for _, name := range strings.Fields(names) {
		if _, ok := members[name]; !ok {
			t.Errorf("%s has no %q: %v", what, name, members)
		}
	}
}

func TestVerdictDocument(t *testing.T) {
	v := plumbline.Verdict{
		Schema: plumbline.VerdictSchema, Change: &plumbline.Change{ID: "CHG1", URL: "u", Commit: "c", RequestedBy: "r", ApprovedBy: "a"},
		Release: plumbline.Release{Version: "v", Digest: "sha256:d"}, Outcome: plumbline.Fail, Cause: plumbline.CauseChecks,
		Attribution: plumbline.AttributedRelease, ConfigDigest: "sha256:c",
		Suites: []plumbline.SuiteRef{{Name: "s", Digest: "sha256:s"}},
		Checks: []plumbline.Result{{
			Name: "workday acme-workday", Kind: "workday", Suite: "s", Severity: "critical", Effect: "none", Outcome: "failed", Class: "credential",
			Reason: "r", Attribution: "release", Owner: "o", Impact: "i", Cure: "c",
			Attempts: []plumbline.Attempt{{At: begin, Seconds: plumbline.Seconds(412 * time.Millisecond), Outcome: "failed", Reason: "r"}},
		}},
	}
	doc := keys(t, v)
	wantKeys(t, "the verdict", doc, `schema run service color role trigger deployment release change outcome cause reason attribution counts
		checks suites config_digest tool event started_at finished_at expires_at worker`)
	wantKeys(t, "its release", doc["release"], "version digest")
	wantKeys(t, "its change", doc["change"], "id url commit requested_by approved_by")
	wantKeys(t, "its counts", doc["counts"], "passed failed errored skipped advisory_failed flaky")
	wantKeys(t, "its event", doc["event"], "id sequence")
	wantKeys(t, "its suite", doc["suites"].([]any)[0], "name digest")
	check := doc["checks"].([]any)[0]
	wantKeys(t, "its check", check, "name kind suite severity effect outcome class reason attribution owner impact cure attempts seconds")
	attempt := check.(map[string]any)["attempts"].([]any)[0]
	wantKeys(t, "its attempt", attempt, "at seconds outcome reason")
	if got := attempt.(map[string]any)["seconds"]; got != 0.412 {
		t.Errorf("412 ms are %v, want 0.412", got)
	}
}

func TestVerdictHasNoBodies(t *testing.T) {
	v := plumbline.Judge(plumbline.Plan{Checks: []plumbline.Check{critical("a")}}, []plumbline.Result{{
		Suite: "smoke", Name: "a", Outcome: plumbline.Failed, Reason: "answered 500, want 2xx", Detail: "<html>the whole body</html>",
	}}, begin)
	if v.Checks[0].Detail == "" {
		t.Error("the terminal has nothing to show")
	}
	if body, err := json.Marshal(v); err != nil || strings.Contains(string(body), "the whole body") {
		t.Errorf("%s (%v), want no body of an answer", body, err)
	}
}

func TestPassHasNoCause(t *testing.T) {
	v := plumbline.Judge(plumbline.Plan{Checks: []plumbline.Check{critical("a")}}, []plumbline.Result{{
		Suite: "smoke", Name: "a", Outcome: plumbline.Passed, Reason: "fine", Detail: "body", Class: "x", Seconds: plumbline.Seconds(time.Second),
		Attempts: []plumbline.Attempt{{Outcome: plumbline.Passed}},
	}}, begin)
	doc := keys(t, v)
	if cause, has := doc["cause"]; has {
		t.Errorf("a pass has the cause %v", cause)
	}
	var names []string
	for name := range doc["checks"].([]any)[0].(map[string]any) {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"name", "outcome", "seconds", "severity", "suite"}; !slices.Equal(names, want) {
		t.Errorf("a passed check has %v, want %v", names, want)
	}
}

func TestRetriedPassKeepsItsAttempts(t *testing.T) {
	attempts := []plumbline.Attempt{{Outcome: plumbline.Errored, Reason: "refused"}, {Outcome: plumbline.Passed}}
	r := plumbline.Result{Name: "a", Outcome: plumbline.Passed, Flaky: true, Attempts: attempts, Owner: "o"}.Brief()
	if !reflect.DeepEqual(r.Attempts, attempts) || !r.Flaky || r.Owner != "" {
		t.Errorf("the brief is %+v", r)
	}
}

func TestGateDocument(t *testing.T) {
	s := promoted(t)
	s.says(failed())
	doc := keys(t, s.gate(green))
	wantKeys(t, "the gate", doc, `schema gate verdict because fresh advice progress reason next run service color deployment release signed
		evaluated_at expires_at epoch`)
	for name, want := range map[string]any{"schema": "plumbline.gate/v1", "gate": "open", "verdict": "fail", "because": "already_live",
		"advice": "rollback", "fresh": false, "signed": "no", "service": "plum", "color": "green", "progress": "0/0"} {
		if doc[name] != want {
			t.Errorf("%s is %v, want %v", name, doc[name], want)
		}
	}
	wantKeys(t, "the warned gate", keys(t, s.rollback(blue)), "warning readiness purpose role")
	empty := keys(t, plumbline.Decide(plumbline.Asked{Color: green}, plumbline.Record{}, plumbline.Policy{}, begin))
	if next, ok := empty["next"].([]any); !ok || len(next) == 0 {
		t.Errorf("next is %v, want a list", empty["next"])
	}
	if empty["evaluated_at"] != "2026-11-03T09:00:00Z" {
		t.Errorf("evaluated at %v", empty["evaluated_at"])
	}
}

func TestSeconds(t *testing.T) {
	var s plumbline.Seconds
	if err := json.Unmarshal([]byte("0.9"), &s); err != nil || time.Duration(s) != 900*time.Millisecond {
		t.Errorf("0.9 is %s, %v", time.Duration(s), err)
	}
	if err := json.Unmarshal([]byte(`"1s"`), &s); err == nil {
		t.Error(`"1s" is a number of seconds`)
	}
}

func TestReleaseString(t *testing.T) {
	for want, r := range map[string]plumbline.Release{
		"v2":                       {Version: "v2"},
		"v2 (sha256:0123456789ab)": {Version: "v2", Digest: "sha256:0123456789abcdef"},
		"v2 (abc:)":                {Version: "v2", Digest: "abc"},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v is %q, want %q", r, got, want)
		}
	}
}

func TestPlanDigestForgetsTheOrder(t *testing.T) {
	a, b := suite("a"), suite("b")
	other := a
	other.Digest = "sha256:other"
	one := plumbline.PlanDigest([]plumbline.SuiteRef{a, b})
	if one != plumbline.PlanDigest([]plumbline.SuiteRef{b, a}) || one == plumbline.PlanDigest([]plumbline.SuiteRef{other, b}) || !strings.HasPrefix(one, "sha256:") {
		t.Errorf("the digest is %s", one)
	}
}
