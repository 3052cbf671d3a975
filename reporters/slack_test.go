package reporters_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack/slacktest"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/reporters"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func verdict(change func(*plumbline.Verdict)) plumbline.Verdict {
	v := plumbline.Verdict{
		Run: "abcdefghijklmnopqrstuvwxyz", Service: "plum", Color: plumbline.Green, Role: plumbline.RoleIdle,
		Trigger: plumbline.TriggerRelease, Deployment: 7, Release: plumbline.Release{Version: "2026.11.3"},
		Outcome: plumbline.Pass, Reason: "41 of 41 checks passed", Counts: plumbline.Counts{Passed: 41},
		StartedAt: noon, FinishedAt: noon.Add(4200 * time.Millisecond),
	}
	if change != nil {
		change(&v)
	}
	return v
}

func failed(v *plumbline.Verdict) {
	v.Outcome, v.Cause, v.Reason = plumbline.Fail, plumbline.CauseChecks, "2 of 41 critical checks failed: …"
	v.Counts = plumbline.Counts{Passed: 38, Failed: 2, Errored: 1, AdvisoryFailed: 1, Flaky: 1}
	v.Checks = []plumbline.Result{
		{Name: "GET /healthz", Outcome: plumbline.Passed},
		{Name: "points <are> slow & late", Severity: plumbline.Advisory, Outcome: plumbline.Failed, Reason: "took 400ms, want < 300ms"},
		{Name: "workday", Severity: plumbline.Critical, Outcome: plumbline.Failed, Reason: `status is "down" <!channel>, want "ok"`,
			Attribution: plumbline.AttributedShared, Impact: "no new hires", Cure: "ask Workday", Owner: "integrations"},
		{Name: "login", Severity: plumbline.Critical, Outcome: plumbline.Errored, Reason: "dial tcp: connection refused\nand more"},
	}
}

func gate(state plumbline.GateState, role plumbline.Role, change func(*plumbline.Gate)) plumbline.Gate {
	g := plumbline.Gate{Gate: state, Role: role, Reason: "a reason", Because: plumbline.BecauseVerdict, ExpiresAt: noon.Add(30 * time.Minute)}
	if change != nil {
		change(&g)
	}
	return g
}

// reports are the situations in which people are told something, and the sentence that matters.
var reports = []struct {
	name   string
	report reporters.Report
	says   string
}{
	{"release-passed", reporters.Report{Verdict: verdict(nil), PublicURL: "https://plumbline.internal/",
		Gate: gate(plumbline.GateOpen, plumbline.RoleIdle, nil)}, "The gate of green is open until 12:30 UTC: traffic may move there"},
	{"release-failed", reporters.Report{Verdict: verdict(failed), Gate: gate(plumbline.GateClosed, plumbline.RoleIdle, nil)},
		"Traffic stays on blue"},
	{"release-passed-gate-closed", reporters.Report{Verdict: verdict(nil), Gate: gate(plumbline.GateWaiting, plumbline.RoleIdle, nil)},
		"Traffic stays on blue: the gate of green is waiting: a reason"},
	{"release-failed-gate-open", reporters.Report{Verdict: verdict(failed), Gate: gate(plumbline.GateOpen, plumbline.RoleIdle,
		func(g *plumbline.Gate) { g.Because = "override" })}, "The gate of green is open all the same (override): a reason"},
	{"release-failed-observing", reporters.Report{Verdict: verdict(failed), Gate: gate(plumbline.GateOpen, plumbline.RoleIdle,
		func(g *plumbline.Gate) { g.WouldBe = plumbline.GateClosed })}, "OBSERVING: the gate of green is open, and would be closed"},
	{"release-superseded", reporters.Report{Verdict: verdict(func(v *plumbline.Verdict) {
		v.Outcome, v.Cause, v.Reason = plumbline.Fail, plumbline.CauseSuperseded, "green changed under the run"
	})}, "This run counts for nothing: green changed under the run"},
	{"release-refused", reporters.Report{Verdict: verdict(func(v *plumbline.Verdict) {
		v.Outcome, v.Cause, v.Reason, v.Role, v.Counts = plumbline.Fail, plumbline.CauseRefused, "green is live", plumbline.RoleLive, plumbline.Counts{}
	}), Gate: gate(plumbline.GateOpen, plumbline.RoleLive, nil)}, "Nothing moves: green is live"},
	{"gate-unknown", reporters.Report{Verdict: verdict(nil)}, "The gate of green isn't known at the moment"},
	{"role-moved-on", reporters.Report{Verdict: verdict(nil), Gate: gate(plumbline.GateOpen, plumbline.RoleLive, nil)},
		"green is live by now: ask the gate again"},
	{"live-failed", reporters.Report{Verdict: live(failed), Gate: gate(plumbline.GateOpen, plumbline.RoleLive,
		func(g *plumbline.Gate) { g.Advice = plumbline.AdviceRollback })}, "Traffic is on green, and should go back to blue"},
	{"live-failed-shared", reporters.Report{Verdict: live(failed), Gate: gate(plumbline.GateOpen, plumbline.RoleLive, nil)},
		"Traffic stays on green: a rollback isn't advised"},
	{"live-passed", reporters.Report{Verdict: live(nil), Gate: gate(plumbline.GateOpen, plumbline.RoleLive, nil)},
		"Traffic stays on green, which serves it well"},
	{"standby-failed", reporters.Report{Verdict: standby(failed), Gate: gate(plumbline.GateClosed, plumbline.RoleStandby, nil)},
		"There is no way back to green: traffic stays on blue"},
	{"standby-at-risk", reporters.Report{Verdict: standby(failed), Gate: gate(plumbline.GateOpen, plumbline.RoleStandby,
		func(g *plumbline.Gate) { g.Warning = "it fails as the live color does" })}, "The way back to green is open but at risk: it fails as"},
	{"standby-recovered", reporters.Report{Verdict: standby(nil), Former: plumbline.Fail, Gate: gate(plumbline.GateOpen, plumbline.RoleStandby,
		func(g *plumbline.Gate) { g.Readiness = plumbline.Ready })}, "The way back to green is open"},
	{"event-lost", reporters.Report{Lost: letters(1)}, "It had no effect, and no verdict comes for it: plumbline deadletters show 7"},
	{"events-lost", reporters.Report{Lost: letters(8)}, "They had no effect, and no verdict comes for them: plumbline deadletters list"},
}

// letters are events that were put aside, of a service each.
func letters(n int) (lost []reporters.Letter) {
	for i := range n {
		lost = append(lost, reporters.Letter{Number: uint64(7 + i), Service: fmt.Sprint("plum-", i), Reason: "no event: not JSON <!channel>"})
	}
	return lost
}

func live(change func(*plumbline.Verdict)) plumbline.Verdict {
	v := verdict(change)
	v.Role, v.Trigger = plumbline.RoleLive, plumbline.TriggerSwitched
	return v
}

func standby(change func(*plumbline.Verdict)) plumbline.Verdict {
	v := verdict(change)
	v.Role, v.Trigger = plumbline.RoleStandby, plumbline.TriggerStandby
	return v
}

// webhook is a Slack that records what is posted to it.
func webhook(t *testing.T, answer http.HandlerFunc) (url string, posted func() []byte) {
	t.Helper()
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		if answer != nil {
			answer(w, r)
			return
		}
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(server.Close)
	return server.URL + "/services/T000/B000/s3cr3ts3cr3ts3cr3t", func() []byte { return body }
}

func newSlack(t *testing.T, s reporters.SlackSettings) *reporters.Slack {
	t.Helper()
	if s.Client == nil {
		s.Client = &http.Client{}
	}
	s.Now = func() time.Time { return noon }
	reporter, err := reporters.NewSlack(s)
	if err != nil {
		t.Fatal(err)
	}
	return reporter
}

func TestSlackSaysWhatHappensNow(t *testing.T) {
	for _, tt := range reports {
		t.Run(tt.name, func(t *testing.T) {
			url, posted := webhook(t, nil)
			reporter := newSlack(t, reporters.SlackSettings{Webhook: url, MentionOnFailure: []string{"@sre", "@here", "U0123456", "@S0123456"}})
			if err := reporter.Report(t.Context(), tt.report); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, posted(), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden := filepath.Join("testdata", tt.name+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: got\n%s\nwant\n%s", golden, got.Bytes(), want)
			}
			if !strings.Contains(got.String(), tt.says) {
				t.Errorf("got\n%s\nwant a message that says %q", got.String(), tt.says)
			}
			if calls := strings.Contains(got.String(), "@sre"); calls == tt.report.Verdict.Passed() {
				t.Errorf("mentions on outcome %q: %t", tt.report.Verdict.Outcome, calls)
			}
		})
	}
}

func TestSlackKeepsWithinLimits(t *testing.T) {
	long := strings.Repeat("<&>🟪 ", 2000)
	v := verdict(failed)
	v.Reason = long
	v.Release.Version = long
	v.Checks = nil
	for i := range 300 {
		v.Checks = append(v.Checks, plumbline.Result{Name: fmt.Sprint(i, long), Outcome: plumbline.Failed, Reason: long, Impact: long, Cure: long, Owner: long})
	}
	for name, r := range map[string]reporters.Report{
		"many failures": {Verdict: v, Gate: gate(plumbline.GateClosed, plumbline.RoleIdle, nil), PublicURL: "https://x/" + long},
		"long reasons":  {Verdict: verdict(nil), Gate: gate(plumbline.GateClosed, plumbline.RoleIdle, func(g *plumbline.Gate) { g.Reason = long })},
	} {
		t.Run(name, func(t *testing.T) {
			url, posted := webhook(t, nil)
			if err := newSlack(t, reporters.SlackSettings{Webhook: url}).Report(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			var m struct {
				Blocks []struct {
					Type     string
					Text     struct{ Text string }
					Elements []struct{ Text string }
				}
			}
			if err := json.Unmarshal(posted(), &m); err != nil {
				t.Fatal(err)
			}
			limits, sum := map[string]int{"header": 150, "section": 3000, "context": 3000}, 0
			for _, b := range m.Blocks {
				text := b.Text.Text
				for _, e := range b.Elements {
					text += e.Text
				}
				// Bytes are never fewer than what Slack counts, save outside the basic plane, where they are twice as many.
				if n := len([]rune(text)); n > limits[b.Type] || n == 0 {
					t.Errorf("%s of %d characters, want 1 to %d", b.Type, n, limits[b.Type])
				}
				sum += len([]rune(text))
			}
			if len(m.Blocks) > 50 || sum > 13200 {
				t.Errorf("%d blocks of %d characters, want at most 50 of 13200", len(m.Blocks), sum)
			}
		})
	}
}

func TestSlackMessagesAreRedacted(t *testing.T) {
	const secret = "hunter22<&>hunter22"
	v := verdict(failed)
	for i := range v.Checks {
		v.Checks[i].Name += secret
		v.Checks[i].Reason += secret
		v.Checks[i].Cure = secret
	}
	url, posted := webhook(t, nil)
	reporter := newSlack(t, reporters.SlackSettings{Webhook: url, Redact: redact.New(secret)})
	if err := reporter.Report(t.Context(), reporters.Report{Verdict: v}); err != nil {
		t.Fatal(err)
	}
	if leak := redact.Leaks(string(posted()), secret, url); leak != "" {
		t.Error(leak)
	}
	if leak := redact.Leaks(fmt.Sprintf("%v %+v %#v", reporter, reporter, *reporter), url); leak != "" {
		t.Error("printed: " + leak)
	}
}

func TestSlackWebhookErrors(t *testing.T) {
	answer := func(status int, body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(body, "URL", r.URL.String()))
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		text   string
		retry  bool
		after  time.Duration
	}{
		{"removed", answer(404, "no_service"), "slack answered 404 no_service, want 200 (the webhook was removed: make a new one)", false, 0},
		{"bad payload", answer(400, "invalid_payload"), "slack answered 400 invalid_payload, want 200", false, 0},
		{"too many", answer(429, "", "Retry-After", "7"), "slack answered 429, want 200", true, 7 * time.Second},
		{"too many, until a date", answer(429, "", "Retry-After", noon.Add(time.Minute).Format(http.TimeFormat)), "slack answered 429, want 200", true, time.Minute},
		{"too many, who knows", answer(429, "", "Retry-After", "soon"), "slack answered 429, want 200", true, 0},
		{"down", answer(503, "<html>"), "slack answered 503, want 200", true, 0},
		{"echoes the URL", answer(500, "cannot serve URL"), "slack answered 500, want 200", true, 0},
		{"redirect", answer(302, "", "Location", "/elsewhere"), "slack answered 302, want 200", false, 0},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "slack: EOF", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, _ := webhook(t, tt.answer)
			err := newSlack(t, reporters.SlackSettings{Webhook: url}).Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
			if err == nil || err.Error() != tt.text {
				t.Fatalf("got %v, want %s", err, tt.text)
			}
			if leak := redact.Leaks(fmt.Sprintf("%v %+v %#v", err, err, err), url); leak != "" {
				t.Error(leak)
			}
			if retry, after := reporters.Retryable(fmt.Errorf("wrapped: %w", err)); retry != tt.retry || after != tt.after {
				t.Errorf("retryable %t after %s, want %t after %s", retry, after, tt.retry, tt.after)
			}
		})
	}
}

func TestSlackGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		start := time.Now()
		err := newSlack(t, reporters.SlackSettings{Webhook: "https://hooks.slack.test/services/s3cr3ts3cr3ts3cr3t", Client: client}).
			Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
		if retry, _ := reporters.Retryable(err); !retry {
			t.Errorf("got %v, want an error worth another try", err)
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("gave up after %s, want 15s", took)
		}
	})
}

func TestSlackDialErrorsHideTheURL(t *testing.T) {
	const url = "https://hooks.slack.test/services/T000/B000/s3cr3ts3cr3ts3cr3t"
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route for " + r.URL.String())}
	})}
	err := newSlack(t, reporters.SlackSettings{Webhook: url, Client: client}).Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
	if want := "slack: dial tcp: no route for [redacted]"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSlackBotWritesToItsChannel(t *testing.T) {
	server := slacktest.NewTestServer()
	go server.Start()
	t.Cleanup(server.Stop)
	posted := make(chan string, 1)
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		posted <- string(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultTransport.RoundTrip(r)
	})}
	reporter := newSlack(t, reporters.SlackSettings{Token: "xoxb-1-secret", Channel: "#releases", API: server.GetAPIURL(), Client: client})
	if err := reporter.Report(t.Context(), reporters.Report{Verdict: verdict(failed)}); err != nil {
		t.Fatal(err)
	}
	body := <-posted
	for _, want := range []string{"token=xoxb-1-secret", "channel=%23releases", "blocks=", "unfurl_links=false", "link_names=true"} {
		if !strings.Contains(body, want) {
			t.Errorf("posted %s, want %s in it", body, want)
		}
	}
}

func TestSlackBotErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header string
		body   string
		text   string
		retry  bool
		after  time.Duration
	}{
		{"bad token", 200, "", `{"ok":false,"error":"invalid_auth"}`, "slack refused the message: invalid_auth (make a new token)", false, 0},
		{"not invited", 200, "", `{"ok":false,"error":"not_in_channel"}`, "slack refused the message: not_in_channel (invite the bot to the channel)", false, 0},
		{"ill", 200, "", `{"ok":false,"error":"internal_error"}`, "slack refused the message: internal_error", true, 0},
		{"too many", 429, "3", "", "slack answered 429: too many messages", true, 3 * time.Second},
		{"too many, who knows", 429, "", "", "slack answered 429, want 200", true, 0},
		{"down", 502, "", "<html>", "slack answered 502, want 200", true, 0},
		{"no JSON", 200, "", "<html>", "slack: invalid character '<' looking for beginning of value", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			reporter := newSlack(t, reporters.SlackSettings{Token: "xoxb-1-secret", Channel: "#releases", API: server.URL + "/"})
			err := reporter.Report(t.Context(), reporters.Report{Verdict: verdict(nil)})
			if err == nil || err.Error() != tt.text {
				t.Fatalf("got %v, want %s", err, tt.text)
			}
			if retry, after := reporters.Retryable(err); retry != tt.retry || after != tt.after {
				t.Errorf("retryable %t after %s, want %t after %s", retry, after, tt.retry, tt.after)
			}
		})
	}
}

func TestNewSlackRefuses(t *testing.T) {
	now := func() time.Time { return noon }
	tests := []struct {
		name     string
		settings reporters.SlackSettings
		text     string
	}{
		{"zero", reporters.SlackSettings{}, "slack: want an HTTP client and a clock"},
		{"no way out", reporters.SlackSettings{}, "slack: neither webhook nor token, want one of them"},
		{"two ways out", reporters.SlackSettings{Webhook: "https://x/y", Token: "t", Channel: "c"}, "slack: both webhook and token, want one of them"},
		{"token without channel", reporters.SlackSettings{Token: "t"}, "slack: a token without a channel: add channel"},
		{"webhook with channel", reporters.SlackSettings{Webhook: "https://x/y", Channel: "c"}, "slack: a webhook has its channel already: remove channel"},
		{"no URL", reporters.SlackSettings{Webhook: "s3cr3t\x00"}, "slack: the webhook is no absolute URL"},
		{"too many mentions", reporters.SlackSettings{Webhook: "https://x/y", MentionOnFailure: make([]string, 21)}, "slack: 21 mentions, want at most 20: name a user group"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name != "zero" {
				tt.settings.Client, tt.settings.Now = &http.Client{}, now
			}
			if _, err := reporters.NewSlack(tt.settings); err == nil || err.Error() != tt.text {
				t.Errorf("got %v, want %s", err, tt.text)
			}
		})
	}
}

func TestNews(t *testing.T) {
	superseded := func(v *plumbline.Verdict) { v.Outcome, v.Cause = plumbline.Fail, plumbline.CauseSuperseded }
	tests := []struct {
		name   string
		report reporters.Report
		want   bool
	}{
		{"a release passes", reporters.Report{Verdict: verdict(nil)}, true},
		{"a release is superseded", reporters.Report{Verdict: verdict(superseded)}, true},
		{"the live color passes", reporters.Report{Verdict: live(nil)}, true},
		{"the standby passes for the first time", reporters.Report{Verdict: standby(nil)}, false},
		{"the standby passes as ever", reporters.Report{Verdict: standby(nil), Former: plumbline.Pass}, false},
		{"the standby recovers", reporters.Report{Verdict: standby(nil), Former: plumbline.Fail}, true},
		{"the standby fails for the first time", reporters.Report{Verdict: standby(failed)}, true},
		{"the standby fails", reporters.Report{Verdict: standby(failed), Former: plumbline.Pass}, true},
		{"the standby fails as ever", reporters.Report{Verdict: standby(failed), Former: plumbline.Fail}, false},
		{"the standby run is superseded", reporters.Report{Verdict: standby(superseded)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.report.News(); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	tests := []struct {
		name   string
		filter reporters.Filter
		want   bool
	}{
		{"zero takes all", reporters.Filter{}, true},
		{"its service", reporters.Filter{Services: []string{"pear", "plum"}}, true},
		{"another service", reporters.Filter{Services: []string{"pear"}}, false},
		{"its outcome", reporters.Filter{Outcomes: []string{plumbline.Pass}}, true},
		{"another outcome", reporters.Filter{Outcomes: []string{plumbline.Fail}}, false},
		{"one of two", reporters.Filter{Services: []string{"plum"}, Outcomes: []string{plumbline.Fail}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.filter.Wants(verdict(nil)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestRetryableOfOtherErrors(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), context.Canceled} {
		if retry, after := reporters.Retryable(err); retry || after != 0 {
			t.Errorf("%v: got %t after %s, want false", err, retry, after)
		}
	}
}
