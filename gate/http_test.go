package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/gate"
)

func guarded(h *house) {
	h.options.Loopback = false
	h.options.Tokens = []gate.Token{
		gate.NewToken("argo", "s3cret-gate", "gate"), gate.NewToken("ci", "s3cret-release", "release"),
		gate.NewToken("empty", "", "gate"), {},
	}
}

func TestTokens(t *testing.T) {
	type statuses struct{ gate, flagger, read int }
	basic := "Basic " + "eDpzM2NyZXQtZ2F0ZQ==" // x:s3cret-gate
	for name, c := range map[string]struct {
		header string
		want   statuses
	}{
		"nothing":              {"", statuses{401, 401, 401}},
		"the right one":        {"Bearer s3cret-gate", statuses{200, 200, 200}},
		"in small letters":     {"bearer s3cret-gate", statuses{200, 200, 200}},
		"as a URL's password":  {basic, statuses{200, 200, 200}},
		"another role":         {"Bearer s3cret-release", statuses{403, 403, 200}},
		"an unknown one":       {"Bearer s3cret", statuses{401, 401, 401}},
		"a longer one":         {"Bearer s3cret-gate2", statuses{401, 401, 401}},
		"an empty one":         {"Bearer ", statuses{401, 401, 401}},
		"the name of a token":  {"Bearer argo", statuses{401, 401, 401}},
		"without its scheme":   {"s3cret-gate", statuses{401, 401, 401}},
		"under another scheme": {"Digest s3cret-gate", statuses{401, 401, 401}},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, guarded)
			check := func(method, path, body string, want int) {
				t.Helper()
				var headers []string
				if c.header != "" {
					headers = []string{"Authorization", c.header}
				}
				status, text := h.ask(method, path, body, headers...)
				if status != want {
					t.Errorf("%s answered %d %q, want %d", path, status, text, want)
				}
				if strings.Contains(text, "s3cret") {
					t.Errorf("%s tells a secret: %q", path, text)
				}
			}
			check(http.MethodGet, "/v1/gates/plum/green", "", c.want.gate)
			check(http.MethodPost, "/v1/gates/plum/green/confirm", `{"metadata":{"version":"v2"}}`, c.want.flagger)
			for _, path := range []string{"/v1/services", "/v1/services/plum", "/v1/runs/" + run, "/metrics"} {
				check(http.MethodGet, path, "", c.want.read)
			}
			check(http.MethodGet, "/livez", "", 200)
			check(http.MethodGet, "/readyz", "", 200)
		})
	}
}

func TestFlaggerCarriesItsTokenInTheMetadata(t *testing.T) {
	for token, want := range map[string]int{"s3cret-gate": 200, "s3cret-release": 403, "guess": 401, "": 401} {
		for _, path := range []string{"confirm", "rollback"} {
			h := build(t, guarded)
			if path == "rollback" {
				failing(h)
			}
			status, body := h.ask(http.MethodPost, "/v1/gates/plum/green/"+path, fmt.Sprintf(`{"metadata":{"version":"v2","token":%q}}`, token))
			if status != want || strings.Contains(body, "s3cret") {
				t.Errorf("%s with %q answered %d %q, want %d", path, token, status, body, want)
			}
		}
	}
}

func TestWhoMayNotAskLearnsNothing(t *testing.T) {
	h := build(t, guarded)
	for _, path := range []string{"/v1/gates/pear/green", "/v1/gates/plum/green?typo=1", "/v1/services/pear"} {
		if status, body := h.ask(http.MethodGet, path, ""); status != 401 || strings.Contains(body, "pear") {
			t.Errorf("%s answered %d %q, want 401", path, status, body)
		}
	}
	if status, body := h.ask(http.MethodPost, "/v1/gates/plum/green/confirm", "no JSON"); status != 401 {
		t.Errorf("answered %d %q, want 401", status, body)
	}
}

func TestTokensDoNotPrintSecrets(t *testing.T) {
	token := gate.NewToken("argo", "s3cret", "gate")
	for _, text := range []string{fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s", token, token, token, token), fmt.Sprintf("%+v", gate.Options{Tokens: []gate.Token{token}})} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("printed %q", text)
		}
	}
}

func TestMethods(t *testing.T) {
	h := build(t)
	for path, allowed := range map[string]string{
		"/v1/gates/plum/green": "GET", "/v1/gates/plum/green/confirm": "POST", "/v1/gates/plum/green/rollback": "POST",
		"/v1/runs/" + run: "GET", "/v1/services": "GET", "/livez": "GET", "/readyz": "GET", "/metrics": "GET",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			status, body := h.ask(method, path, "{}")
			if (status == http.StatusMethodNotAllowed) == (method == allowed) {
				t.Errorf("%s %s answered %d %q", method, path, status, body)
			}
		}
	}
	if status, _ := h.ask(http.MethodHead, "/v1/gates/plum/green", ""); status != 200 {
		t.Errorf("HEAD answered %d, want 200", status)
	}
	if status, _ := h.ask(http.MethodHead, "/v1/gates/plum/green?verison=v2", ""); status != 400 {
		t.Errorf("HEAD answered %d, want 400", status)
	}
}

func TestRuns(t *testing.T) {
	for name, c := range map[string]struct {
		run    string
		err    error
		status int
		text   string
	}{
		"a verdict":      {run, nil, 200, `{"run":"` + run + `"}`},
		"no verdict":     {strings.Repeat("a", 26), nil, 404, "has no verdict"},
		"no run":         {"plum.green", nil, 404, "is no run"},
		"a subject":      {"cvjwruvdxptqs5topsznktp6l%3E", nil, 404, "is no run"},
		"no bus":         {run, errors.New("bus out of reach"), 503, "bus out of reach"},
		"another letter": {strings.Repeat("1", 26), nil, 404, "is no run"},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, func(h *house) {
				found := h.options.Run
				h.options.Run = func(ctx context.Context, id string) ([]byte, bool, error) {
					if c.err != nil {
						return nil, false, c.err
					}
					return found(ctx, id)
				}
			})
			if status, body := h.ask(http.MethodGet, "/v1/runs/"+c.run, ""); status != c.status || !strings.Contains(body, c.text) {
				t.Errorf("answered %d %q, want %d %q", status, body, c.status, c.text)
			}
		})
	}
}

func TestReady(t *testing.T) {
	h := build(t, func(h *house) { h.options.Ready = func() error { return errors.New("the verdict store is full") } })
	if status, body := h.ask(http.MethodGet, "/readyz", ""); status != 503 || !strings.Contains(body, "the verdict store is full") {
		t.Errorf("answered %d %q, want 503", status, body)
	}
}

func TestStatus(t *testing.T) {
	h := build(t, func(h *house) {
		h.record.Live, h.record.Window = green, noon.Add(time.Hour)
		undecided(h)
		h.change(green, func(s *plumbline.ColorState) { s.Progress = map[string]plumbline.RunStatus{run: {Done: 7, Total: 12}} })
		h.says(blue, plumbline.Pass, "", "")
	})
	for _, path := range []string{"/v1/services", "/v1/services/plum"} {
		code, body := h.ask(http.MethodGet, path, "")
		var status gate.Status
		if err := json.Unmarshal([]byte(body), &status); err != nil || code != 200 {
			t.Fatalf("%s answered %d %q: %v", path, code, body, err)
		}
		if status.Schema != gate.StatusSchema || len(status.Services) != 1 || !status.EvaluatedAt.Equal(noon) {
			t.Fatalf("the status is %+v", status)
		}
		s := status.Services[0]
		if s.Service != "plum" || s.Adopted != "yes" || s.Mode != "enforce" || s.Live != green || s.Readiness != plumbline.Ready || s.Epoch != 41 {
			t.Errorf("the service is %+v", s)
		}
		b, g := s.Colors[blue], s.Colors[green]
		if b.Role != "standby" || b.Rollback == nil || b.Rollback.Gate != "open" || b.Gate.Gate != "closed" || b.Last == nil {
			t.Errorf("blue is %+v", b)
		}
		if g.Role != "live" || g.Rollback != nil || g.Gate.Because != plumbline.BecauseAlreadyLive || g.Release.Version != "v2" || g.State != "deployed" ||
			len(g.Pending) != 1 || g.Pending[0].Progress != "7/12" {
			t.Errorf("green is %+v", g)
		}
	}
	for path, want := range map[string]int{"/v1/services/pear": 404, "/v1/services?x=1": 400} {
		if code, body := h.ask(http.MethodGet, path, ""); code != want {
			t.Errorf("%s answered %d %q, want %d", path, code, body, want)
		}
	}
}

func TestStatusOfAServiceWithoutRecord(t *testing.T) {
	h := build(t, func(h *house) {
		h.record = plumbline.Record{}
		h.policy.ObserveUntil = noon.Add(time.Hour)
	})
	status, err := h.gate.Status("")
	if err != nil || len(status.Services) != 1 {
		t.Fatalf("the status is %+v, %v", status, err)
	}
	if s := status.Services[0]; s.Service != "plum" || s.Adopted != "no" || s.Readiness != plumbline.NotReady || s.Mode != "observe" || len(s.Colors) != 2 {
		t.Errorf("the service is %+v", s)
	}
}

func TestMetrics(t *testing.T) {
	h := build(t)
	h.ask(http.MethodGet, "/v1/gates/plum/green", "")
	h.ask(http.MethodGet, "/v1/gates/plum/green?version=v3", "")
	h.ask(http.MethodGet, "/v1/gates/"+strings.Repeat("x", 50)+"/green", "")
	h.gate.Observe(plumbline.Verdict{Service: "plum", Trigger: plumbline.TriggerRelease, Outcome: plumbline.Fail, Cause: plumbline.CauseChecks,
		StartedAt: noon, FinishedAt: noon.Add(3 * time.Second)})
	h.synced = noon.Add(-7 * time.Second)
	h.ask(http.MethodGet, "/v1/gates/plum/green", "")
	_, body := h.ask(http.MethodGet, "/metrics", "")
	for _, want := range []string{
		`plumbline_gate_answers_total{color="green",gate="open",purpose="promote",service="plum"} 1`,
		`plumbline_gate_answers_total{color="green",gate="waiting",purpose="promote",service="plum"} 1`,
		`plumbline_gate_unanswered_total{reason="not_configured"} 1`,
		`plumbline_gate_unanswered_total{reason="cut_off"} 1`,
		`plumbline_verdicts_total{cause="checks",outcome="fail",service="plum",trigger="release"} 1`,
		`plumbline_run_seconds_bucket{service="plum",trigger="release",le="5"} 1`,
		`plumbline_run_seconds_sum{service="plum",trigger="release"} 3`,
		`plumbline_bus_silence_seconds 7`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "xxxx") {
		t.Error("whoever asks can add names to the metrics")
	}
}

func TestServerIsBounded(t *testing.T) {
	s := gate.Server("127.0.0.1:0", http.NewServeMux())
	if s.Addr == "" || s.Handler == nil || s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("the server is %+v", s)
	}
}
