package reporters_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
