package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/gate"
)

const (
	blue  = plumbline.Blue
	green = plumbline.Green
	run   = "cvjwruvdxptqs5topsznktp6lt"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// A house is a gate with a clock and one service: blue is live with v1, and green is what a test makes of it.
type house struct {
	t       *testing.T
	now     time.Time
	synced  time.Time
	record  plumbline.Record
	policy  plumbline.Policy
	options gate.Options
	gate    *gate.Gate
	handler http.Handler
}

func build(t *testing.T, changes ...func(*house)) *house {
	suites := []plumbline.SuiteRef{{Name: "smoke", Digest: "sha256:s", Triggers: []plumbline.Trigger{plumbline.TriggerRelease}}}
	h := &house{t: t, now: noon, synced: noon, policy: plumbline.Policy{ValidFor: 30 * time.Minute, Suites: suites}}
	h.record = plumbline.Record{Service: "plum", Adopted: true, Live: blue, Epoch: 41, Switched: 41, Colors: map[plumbline.Color]plumbline.ColorState{
		blue: {Deployment: 30, Event: "rel-1", Release: plumbline.Release{Version: "v1"}},
		green: {Deployment: 50, Event: "rel-2", Release: plumbline.Release{Version: "v2", Digest: "sha256:2"},
			Former: []plumbline.PastRelease{{Deployment: 20, Event: "rel-0", Release: plumbline.Release{Version: "v0"}}}},
	}}
	h.options = gate.Options{
		Known: func(service string, _ plumbline.Color) (plumbline.Record, plumbline.Policy, bool) {
			return h.record, h.policy, service == "plum"
		},
		Services: func() []string { return []string{"plum"} },
		Synced:   func() time.Time { return h.synced },
		Now:      func() time.Time { return h.now },
		Run: func(_ context.Context, id string) ([]byte, bool, error) {
			return []byte(`{"run":"` + run + `"}`), id == run, nil
		},
		Loopback: true,
	}
	h.says(green, plumbline.Pass, "", "")
	for _, change := range changes {
		change(h)
	}
	h.gate = gate.New(h.options)
	h.handler = h.gate.Handler()
	return h
}

// says gives what a color runs a verdict in its role.
func (h *house) says(c plumbline.Color, outcome string, cause plumbline.Cause, attribution plumbline.Attribution) {
	state := h.record.Colors[c]
	role := h.record.RoleAt(c, h.now)
	state.Last = &plumbline.VerdictRef{
		Run: run, Trigger: plumbline.TriggerRelease, Role: role, Deployment: state.Deployment, Sequence: max(state.Deployment, 42), Release: state.Release,
		Outcome: outcome, Cause: cause, Attribution: attribution, Reason: "login answered 503, want 200",
		Suites: h.policy.Suites, FinishedAt: h.now.Add(-time.Minute), ExpiresAt: h.now.Add(29 * time.Minute),
	}
	h.record.Colors[c] = state
}

func (h *house) change(c plumbline.Color, f func(*plumbline.ColorState)) {
	state := h.record.Colors[c]
	f(&state)
	h.record.Colors[c] = state
}

func failing(h *house) {
	h.says(green, plumbline.Fail, plumbline.CauseChecks, plumbline.AttributedUnknown)
}

func undecided(h *house) {
	h.change(green, func(s *plumbline.ColorState) {
		s.Last, s.Pending = nil, []plumbline.RunRef{{Run: run, Role: plumbline.RoleIdle, Color: green, Deployment: 50,
			Trigger: plumbline.TriggerRelease, Event: plumbline.EventRef{Sequence: 50}, AcceptedAt: h.now}}
	})
}

func cutOff(h *house) { h.synced = h.now.Add(-gate.CutOffAfter) }

// ask sends a request to the address of a daemon, or to the Host among headers, and returns status and body.
func (h *house) ask(method, path, body string, headers ...string) (int, string) {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	answer := w.Result()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if got := answer.Header.Get("Cache-Control"); got != "no-store" && path != "/metrics" {
		h.t.Errorf("%s may be cached: %q", path, got)
	}
	return answer.StatusCode, string(text)
}

// gateOf asks over HTTP and reads the document, or the error.
func (h *house) gateOf(path string) (int, plumbline.Gate, string) {
	h.t.Helper()
	status, body := h.ask(http.MethodGet, path, "")
	var doc struct {
		plumbline.Gate
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		h.t.Fatalf("%s answered %q: %v", path, body, err)
	}
	return status, doc.Gate, doc.Error
}

func TestGateOverHTTP(t *testing.T) {
	const at = "/v1/gates/plum/green"
	for name, c := range map[string]struct {
		path   string
		status int
		gate   plumbline.GateState
		text   string // of reason or error
	}{
		"nothing named":              {at, 200, "open", "passed"},
		"its version":                {at + "?version=v2", 200, "open", "passed"},
		"its release":                {at + "?release=v2", 200, "open", "passed"},
		"both names":                 {at + "?release=v2&version=v2", 200, "open", "passed"},
		"all of it":                  {at + "?purpose=promote&version=v2&digest=sha256%3A2&event=rel-2", 200, "open", "passed"},
		"an empty digest beside":     {at + "?version=v2&digest=&event=", 200, "open", "passed"},
		"an older version":           {at + "?version=v0", 200, "closed", "no longer runs v0"},
		"a version never heard of":   {at + "?version=v3", 200, "waiting", "v3 was never released to green"},
		"another digest":             {at + "?version=v2&digest=sha256:3", 200, "closed", "runs digest sha256:2"},
		"an event never heard of":    {at + "?event=rel-3", 200, "waiting", "never released"},
		"for a rollback":             {at + "?purpose=rollback", 200, "closed", "no standby"},
		"the live color":             {"/v1/gates/plum/blue", 200, "open", "blue is live with v1"},
		"the live color, elsewise":   {"/v1/gates/plum/blue?version=v2", 200, "waiting", "never released to blue"},
		"another service":            {"/v1/gates/pear/green", 404, "", `service "pear" is not configured`},
		"another color":              {"/v1/gates/plum/purple", 404, "", `color "purple" of service "plum" is not configured`},
		"a color in capitals":        {"/v1/gates/plum/GREEN", 404, "", "not configured"},
		"a typo":                     {at + "?verison=v2", 400, "", `unknown parameter "verison" (did you mean "version"?)`},
		"another typo":               {at + "?version=v2&digset=sha256:3", 400, "", `did you mean "digest"?`},
		"in capitals":                {at + "?Version=v2", 400, "", `unknown parameter "Version" (did you mean "version"?)`},
		"an unknown parameter":       {at + "?colour=green", 400, "", `unknown parameter "colour", want purpose, version`},
		"a parameter without a name": {at + "?=v2", 400, "", "unknown parameter"},
		"a repeated parameter":       {at + "?version=v2&version=v3", 400, "", "version is named twice"},
		"the same twice":             {at + "?version=v2&version=v2", 400, "", "version is named twice"},
		"version and release differ": {at + "?version=v2&release=v3", 400, "", "they mean the same"},
		"an empty version":           {at + "?version=", 400, "", "version is empty: name a release"},
		"an empty release":           {at + "?release=&purpose=promote", 400, "", "release is empty"},
		"an empty purpose":           {at + "?purpose=", 200, "open", "passed"},
		"an unknown purpose":         {at + "?purpose=canary", 400, "", `unknown purpose "canary", want promote or rollback`},
		"half a query":               {at + "?version=v2;digest=sha256:3", 400, "", "the query can't be read"},
		"a bad escape":               {at + "?version=%zz", 400, "", "the query can't be read"},
		"a control character":        {at + "?version=v2%0a", 400, "", "control character"},
		"a long value":               {at + "?version=" + strings.Repeat("v", gate.MaxValue+1), 400, "", "want at most 512"},
		"nowhere":                    {"/v1/gate/plum/green", 404, "", "nothing is served"},
		"too deep":                   {at + "/", 404, "", "nothing is served"},
	} {
		t.Run(name, func(t *testing.T) {
			status, doc, text := build(t).gateOf(c.path)
			if status == http.StatusOK {
				text = doc.Reason
			}
			if status != c.status || doc.Gate != c.gate || !strings.Contains(text, c.text) || strings.Contains(text, "\n") {
				t.Errorf("answered %d, %q, %q, want %d, %q, %q", status, doc.Gate, text, c.status, c.gate, c.text)
			}
			if status == http.StatusOK && (doc.Schema != plumbline.GateSchema || doc.Service != "plum" || doc.Epoch != 41 || !doc.EvaluatedAt.Equal(noon)) {
				t.Errorf("the document is %+v", doc)
			}
		})
	}
}

func TestGateStates(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*house)
		want    plumbline.GateState
	}{
		"passed":            {func(*house) {}, "open"},
		"failed":            {failing, "closed"},
		"undecided":         {undecided, "waiting"},
		"expired":           {func(h *house) { h.now, h.synced = noon.Add(time.Hour), noon.Add(time.Hour) }, "closed"},
		"no record yet":     {func(h *house) { h.record = plumbline.Record{} }, "closed"},
		"another's record":  {func(h *house) { h.record.Service = "pear" }, "closed"},
		"a suite changed":   {func(h *house) { h.policy.Suites = []plumbline.SuiteRef{{Name: "x"}} }, "waiting"},
		"observing, failed": {func(h *house) { failing(h); h.policy.ObserveUntil = noon.Add(time.Hour) }, "open"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, doc, _ := build(t, c.happens).gateOf("/v1/gates/plum/green"); status != 200 || doc.Gate != c.want || doc.Service != "plum" {
				t.Errorf("answered %d, %s of %s (%s), want %s", status, doc.Gate, doc.Service, doc.Reason, c.want)
			}
		})
	}
}

func TestCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		age    time.Duration
		status int
	}{
		"in step":               {0, 200},
		"a moment before":       {gate.CutOffAfter - time.Nanosecond, 200},
		"five seconds":          {gate.CutOffAfter, 503},
		"an hour":               {time.Hour, 503},
		"a clock that ran back": {-gate.CutOffAfter, 503},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, func(h *house) { h.synced = h.now.Add(-c.age) })
			flagger, silent, status := 200, error(nil), c.status
			if status == 503 {
				flagger, silent = 403, gate.ErrCutOff
			}
			for _, path := range []string{"/v1/gates/plum/green", "/v1/gates/plum/blue", "/v1/services", "/v1/services/plum", "/readyz"} {
				if got, body := h.ask(http.MethodGet, path, ""); got != status || got == 503 && !strings.Contains(body, "cut off from the bus") {
					t.Errorf("%s answered %d %q, want %d", path, got, body, status)
				}
			}
			if got, body := h.ask(http.MethodPost, "/v1/gates/plum/green/confirm", `{"metadata":{"version":"v2"}}`); got != flagger {
				t.Errorf("Flagger is answered %d %q, want %d", got, body, flagger)
			}
			if doc, err := h.gate.AnswerNATS(t.Context(), "plum", "green", nil); !errors.Is(err, silent) || (err != nil) != (doc == nil) {
				t.Errorf("NATS is answered %q, %v, want %v", doc, err, silent)
			}
			if got, _ := h.ask(http.MethodGet, "/livez", ""); got != 200 {
				t.Errorf("/livez answered %d, want 200", got)
			}
			if got, _ := h.ask(http.MethodGet, "/v1/gates/pear/green", ""); got != 404 {
				t.Errorf("a service that isn't configured is answered %d, want 404", got)
			}
		})
	}
}

func TestCutOffFailsFlaggersRollback(t *testing.T) {
	h := build(t, failing, cutOff)
	if got, body := h.ask(http.MethodPost, "/v1/gates/plum/green/rollback", `{"metadata":{"version":"v2"}}`); got != 403 {
		t.Errorf("answered %d %q, want 403", got, body)
	}
}

func TestNeverInStep(t *testing.T) {
	h := build(t, func(h *house) { h.synced, h.now = time.Time{}, time.Time{} })
	if status, _, text := h.gateOf("/v1/gates/plum/green"); status != 503 {
		t.Errorf("answered %d %s, want 503", status, text)
	}
}

func TestZeroGateSaysNo(t *testing.T) {
	g := gate.New(gate.Options{})
	if doc, err := g.Answer("plum", green, plumbline.Asked{}); !errors.Is(err, gate.ErrUnknown) || doc.Gate != "" {
		t.Errorf("answered %+v, %v, want ErrUnknown", doc, err)
	}
	g = gate.New(gate.Options{Known: func(string, plumbline.Color) (plumbline.Record, plumbline.Policy, bool) {
		return plumbline.Record{}, plumbline.Policy{}, true
	}})
	if _, err := g.Answer("plum", green, plumbline.Asked{}); !errors.Is(err, gate.ErrCutOff) {
		t.Errorf("answered %v, want ErrCutOff", err)
	}
	for path, want := range map[string]int{"/v1/gates/plum/green": 401, "/v1/services": 401, "/metrics": 401, "/v1/runs/" + run: 401, "/readyz": 503, "/livez": 200} {
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s answered %d, want %d", path, w.Code, want)
		}
	}
}
