package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/runner"
	"github.com/plumbline-dev/plumbline/sandbox"
	"github.com/plumbline-dev/plumbline/suites"
)

// A court asks the shipped suites of one color and judges the answers.
type court struct {
	t      *testing.T
	suites []suites.Suite
	urls   map[plumbline.Color]string
	runs   int
}

// What is in time here, and what isn't: a busy machine is no slow color.
var inTime = map[string]any{"in_time": "2s"}

const tooSlow = sandbox.Wait(2500 * time.Millisecond)

func newCourt(t *testing.T, s *sandbox.Sandbox) *court {
	t.Helper()
	accounts := t.TempDir()
	if err := s.WriteSecrets(accounts); err != nil {
		t.Fatal(err)
	}
	overrides := s.Settings(accounts)
	overrides["bus.store"], overrides["services.plum.suites"] = t.TempDir(), []string{"shipped:plum", "shipped:plum-providers"}
	config, _, err := configs.Load(configs.Source{File: configs.DefaultFile, Data: configs.Default, Environ: []string{"PLUM_CLIENT_SECRET=" + client.Secret}, Overrides: overrides})
	if err != nil {
		t.Fatal(err)
	}
	callbacks := &daemon.LocalReceiver{}
	t.Cleanup(func() {
		if err := callbacks.Close(); err != nil {
			t.Error(err)
		}
	})
	options := daemon.SuiteOptions(config, redact.New(config.Secrets()...).String, func(c *checks.Clients) {
		c.Callbacks = callbacks.Open
		t.Cleanup(func() {
			c.Connections.Close()
			c.Transport.CloseIdleConnections()
		})
	})
	options.Strict = true
	loaded, err := suites.Load([]string{"../suites/plum", "../suites/plum-providers"}, options)
	if err != nil {
		t.Fatal(err)
	}
	return &court{t: t, suites: loaded, urls: map[plumbline.Color]string{blue: s.BlueURL, green: s.GreenURL}}
}

// judge runs the plan of a trigger against an environment. Every run is another one, unless it is named.
func (c *court) judge(trigger plumbline.Trigger, color plumbline.Color, at, version, run string) plumbline.Verdict {
	c.t.Helper()
	c.runs++
	if run == "" {
		run = fmt.Sprintf("run-%d", c.runs)
	}
	plan := plumbline.Plan{Run: run, Service: "plum", Color: color, Trigger: trigger, Release: plumbline.Release{Version: version},
		Site: plumbline.Site{Service: "plum", Color: color, URL: at, Vars: inTime},
		Live: plumbline.Site{Service: "plum", Color: color.Other(), URL: c.urls[color.Other()], Vars: inTime}}
	for _, s := range c.suites {
		if s.Answers(trigger) {
			plan.Checks = append(plan.Checks, s.Checks...)
		}
	}
	return plumbline.Judge(plan, runner.New(runner.Options{}).Run(c.t.Context(), plan, runner.Watcher{}), time.Now())
}

// failing lists the checks of one severity that didn't pass, with their reasons.
func failing(v plumbline.Verdict, severity plumbline.Severity) []string {
	list := []string{}
	for _, r := range v.Checks {
		if r.Severity == severity && r.Outcome != plumbline.Passed {
			list = append(list, r.ID()+": "+string(r.Outcome)+": "+r.Reason)
		}
	}
	return list
}

func TestAHealthyColorPassesEveryShippedCheck(t *testing.T) {
	s := start(t, sandbox.Options{Rate: 100})
	court := newCourt(t, s)
	asked := map[string]bool{}
	during(t, s, func() {
		for _, trigger := range plumbline.SuiteTriggers() {
			v := court.judge(trigger, green, s.GreenURL, "1.0.0", "")
			if bad := append(failing(v, plumbline.Critical), failing(v, plumbline.Advisory)...); v.Outcome != plumbline.Pass || len(bad) > 0 {
				t.Errorf("%s: %s\n%s", trigger, v.Reason, strings.Join(bad, "\n"))
			}
			for _, r := range v.Checks {
				asked[r.ID()] = true
			}
		}
	})
	if len(asked) < 30 {
		t.Errorf("%d shipped checks, want 30 or more", len(asked))
	}
}

func TestARunThatIsTakenUpAgainPassesToo(t *testing.T) {
	s := start(t, sandbox.Options{})
	court := newCourt(t, s)
	for range 2 {
		if v := court.judge(plumbline.TriggerRelease, green, s.GreenURL, "1.0.0", "the-same-run"); v.Outcome != plumbline.Pass {
			t.Errorf("%s\n%s", v.Reason, strings.Join(failing(v, plumbline.Critical), "\n"))
		}
	}
	if got := s.Accounts().Orders; got != 1 {
		t.Errorf("%d orders of one run, want 1", got)
	}
}

func TestEveryFaultIsCaughtByACriticalCheck(t *testing.T) {
	for _, test := range []struct {
		fault  string
		faults sandbox.Faults
		down   string // a provider, for both colors
		want   map[plumbline.Trigger]string
	}{
		{fault: "empty_catalogue", faults: sandbox.Faults{EmptyCatalogue: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease: "plum-smoke/catalogue lists vouchers: failed",
			plumbline.TriggerStandby: "plum-consistency/every catalogue has vouchers: failed"}},
		{fault: "slow", faults: sandbox.Faults{Slow: tooSlow}, want: map[plumbline.Trigger]string{
			plumbline.TriggerSwitched: "plum-smoke/balance answers in time: failed: latency",
			plumbline.TriggerStandby:  "plum-smoke/catalogue answers in time: failed: latency"}},
		{fault: "errors", faults: sandbox.Faults{Errors: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease:  "plum-smoke/login gives a token: failed: status: got 500",
			plumbline.TriggerSwitched: "plum-smoke/a call without a token is refused: failed: status: got 500"}},
		{fault: "broken_login", faults: sandbox.Faults{BrokenLogin: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease:  "plum-smoke/login gives a token: failed: status: got 400",
			plumbline.TriggerSwitched: "plum-smoke/login gives a token: failed",
			plumbline.TriggerStandby:  "plum-smoke/login gives a token: failed"}},
		{fault: "broken_workday_credential", faults: sandbox.Faults{BrokenWorkdayCredential: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease: "plum-integrations/Workday gives out employees: failed",
			plumbline.TriggerStandby: "plum-integrations/Workday gives out employees: failed"}},
		{fault: "wrong_build", faults: sandbox.Faults{WrongBuild: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease:  "plum-smoke/it is the build that was deployed: failed",
			plumbline.TriggerSwitched: "plum-smoke/it is the build that was deployed: failed"}},
		{fault: "broken_webhook", faults: sandbox.Faults{BrokenWebhook: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease: "plum-webhook/a delivery is told, and signed: failed: the callback: signature: X-Plum-Signature was not made with the secret"}},
		{fault: "drifted_budgets", faults: sandbox.Faults{DriftedBudgets: true}, want: map[plumbline.Trigger]string{
			plumbline.TriggerRelease: `plum-parity/both colors have the same budgets: failed: $.data[id="BUD-RECOGNITION"].approvalChain: green "APC-MILE", blue "APC-SPOT"`,
			plumbline.TriggerStandby: "plum-parity/both colors have the same budgets: failed"}},
		{fault: "workday down", down: "workday", want: map[plumbline.Trigger]string{plumbline.TriggerRelease: "plum-integrations/Workday gives out employees: failed"}},
		{fault: "darwinbox down", down: "darwinbox", want: map[plumbline.Trigger]string{plumbline.TriggerRelease: "plum-integrations/Darwinbox gives out employees: failed"}},
		{fault: "successfactors down", down: "successfactors", want: map[plumbline.Trigger]string{plumbline.TriggerRelease: "plum-integrations/SuccessFactors gives out employees: failed"}},
		{fault: "slack down", down: "slack", want: map[plumbline.Trigger]string{plumbline.TriggerRelease: "plum-integrations/Slack knows the bot: failed"}},
		{fault: "teams down", down: "teams", want: map[plumbline.Trigger]string{plumbline.TriggerStandby: "plum-integrations/Teams knows the bot: failed"}},
	} {
		t.Run(test.fault, func(t *testing.T) {
			s := start(t, sandbox.Options{})
			court := newCourt(t, s)
			release := plumbline.Release{Version: "2.0.0"}
			// A healthy run first: tokens that it leaves behind must not hide a broken login.
			if v := court.judge(plumbline.TriggerRelease, green, s.GreenURL, "1.0.0", ""); v.Outcome != plumbline.Pass {
				t.Fatalf("before the fault: %s\n%s", v.Reason, strings.Join(failing(v, plumbline.Critical), "\n"))
			}
			if err := s.Green.Deploy(release, test.faults); err != nil {
				t.Fatal(err)
			}
			if test.down != "" {
				if err := s.SetProviderDown(test.down, true); err != nil {
					t.Fatal(err)
				}
			}
			for trigger, want := range test.want {
				v := court.judge(trigger, green, s.GreenURL, release.Version, "")
				bad := failing(v, plumbline.Critical)
				if v.Outcome == plumbline.Pass || !slices.ContainsFunc(bad, func(line string) bool { return strings.HasPrefix(line, want) }) {
					t.Errorf("%s: %s %s, want %q among\n%s", trigger, v.Outcome, v.Reason, want, strings.Join(bad, "\n"))
				}
				for _, line := range bad {
					if strings.Contains(line, client.Secret) {
						t.Errorf("tells the secret: %s", line)
					}
				}
			}
			if v := court.judge(plumbline.TriggerSwitched, blue, s.BlueURL, "1.0.0", ""); v.Outcome != plumbline.Pass {
				t.Errorf("blue fails too: %s", v.Reason)
			}
		})
	}
}

func TestEveryFaultIsInTheTable(t *testing.T) {
	// A fault that is added must be caught by a shipped check: add it to the table above, then here.
	want := []string{"broken_login", "broken_webhook", "broken_workday_credential", "drifted_budgets", "empty_catalogue", "errors", "slow", "wrong_build"}
	if got := sandbox.FaultNames(); !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
	all := sandbox.Faults{EmptyCatalogue: true, Slow: 1, Errors: true, BrokenLogin: true, BrokenWebhook: true, BrokenWorkdayCredential: true,
		DriftedBudgets: true, WrongBuild: true}
	if got := all.Names(); !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
}
