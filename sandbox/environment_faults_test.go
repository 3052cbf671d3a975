package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
)

func TestFaultsConcernOneColor(t *testing.T) {
	s := start(t, sandbox.Options{Releases: map[plumbline.Color]plumbline.Release{plumbline.Green: {Version: "1", Digest: "sha256:aa"}}})
	c := login(t, s.BlueURL)
	ask := map[string]func(c caller) string{
		"vouchers": func(c caller) string { a := c.api(vouchers, `{}`); return brief(a, len(list(a.of(vouchers)))) },
		"login":    func(c caller) string { return brief(c.form(rightForm()), "") },
		"version":  func(c caller) string { a := c.get("/version"); return brief(a, a.member("version")) },
		"digest":   func(c caller) string { a := c.get("/version"); return brief(a, a.member("digest")) },
		"workday": func(c caller) string {
			a := c.get("/integrations/workday/health")
			return brief(a, fmt.Sprintf("%v %v", a.member("state"), a.member("class")))
		},
		"slack":  func(c caller) string { a := c.get("/integrations/slack/health"); return brief(a, a.member("state")) },
		"health": func(c caller) string { return brief(c.get("/healthz"), "") },
		"shelves": func(c caller) string {
			a := c.get("/chef/v1/admin/catalogues")
			return brief(a, member(list(a.member("data"))[0], "vouchers"))
		},
		"ordering": func(c caller) string { return brief(c.api(place, orderOf("po-"+time.Now().String())), "") },
	}
	healthy := map[string]string{"vouchers": "200 20", "login": "200 ", "version": "200 2", "digest": "200 sha256:bb",
		"workday": "200 ok", "slack": "200 ok", "health": "200 ", "shelves": "200 6", "ordering": "200 "}
	for name, test := range map[string]struct {
		faults sandbox.Faults
		differ map[string]string
	}{
		"none":                      {sandbox.Faults{}, nil},
		"empty_catalogue":           {sandbox.Faults{EmptyCatalogue: true}, map[string]string{"vouchers": "200 0", "shelves": "200 0", "ordering": "404 "}},
		"broken_login":              {sandbox.Faults{BrokenLogin: true}, map[string]string{"login": "400 "}},
		"wrong_build":               {sandbox.Faults{WrongBuild: true}, map[string]string{"version": "200 1", "digest": "200 sha256:aa"}},
		"broken_workday_credential": {sandbox.Faults{BrokenWorkdayCredential: true}, map[string]string{"workday": "200 down credential"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Green.Deploy(plumbline.Release{Version: "2", Digest: "sha256:bb"}, test.faults); err != nil {
				t.Fatal(err)
			}
			for question, of := range ask {
				want := healthy[question]
				if differs, ok := test.differ[question]; ok {
					want = differs
				}
				if got := of(c.at(s.GreenURL)); strings.TrimSpace(got) != strings.TrimSpace(want) {
					t.Errorf("%s on green: %s, want %s", question, got, want)
				}
			}
			if got := ask["vouchers"](c); got != "200 20" {
				t.Errorf("vouchers on blue: %s, want 200 20", got)
			}
		})
	}
}

func list(v any) []any { l, _ := v.([]any); return l }

func brief(a answer, detail any) string { return fmt.Sprintf("%d %v", a.status, detail) }

func TestErrorsAndSlowness(t *testing.T) {
	s := start(t, sandbox.Options{})
	c := login(t, s.BlueURL)
	if err := s.Blue.SetFaults(sandbox.Faults{Errors: true}); err != nil {
		t.Fatal(err)
	}
	if a := c.api(balance, `{}`); a.status != 500 || a.member("error") != "internal_error" {
		t.Errorf("answered %d %s, want 500", a.status, a.text)
	}
	if a := c.get("/healthz"); a.status != 200 {
		t.Errorf("/healthz answered %d, want 200: the process is up", a.status)
	}
	if err := s.Blue.SetFaults(sandbox.Faults{Slow: sandbox.Wait(80 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if a := c.api(balance, `{}`); a.status != 200 || time.Since(began) < 80*time.Millisecond {
		t.Errorf("answered %d after %s, want 200 after 80ms", a.status, time.Since(began))
	}
}

func TestAProviderIsDownForBoth(t *testing.T) {
	s := start(t, sandbox.Options{})
	for _, provider := range sandbox.Providers() {
		if err := s.SetProviderDown(provider, true); err != nil {
			t.Fatal(err)
		}
		for _, base := range []string{s.BlueURL, s.GreenURL} {
			a := caller{t: t, base: base}.get("/integrations/" + provider + "/health")
			if a.member("state") != "down" || a.member("class") != "outage" {
				t.Errorf("%s: %s, want it down, an outage", provider, a.text)
			}
		}
		if err := s.SetProviderDown(provider, false); err != nil {
			t.Fatal(err)
		}
		a := caller{t: t, base: s.BlueURL}.get("/integrations/" + provider + "/health")
		if a.member("state") != "ok" || len(a.member("proof").(map[string]any)) < 2 {
			t.Errorf("%s: %s, want it up again, with a proof", provider, a.text)
		}
	}
	if err := s.SetProviderDown("workdya", true); err == nil || !strings.Contains(err.Error(), `did you mean "workday"?`) {
		t.Errorf("%v, want a hint", err)
	}
}

func TestCredentialsAreOfOneColor(t *testing.T) {
	s := start(t, sandbox.Options{})
	if err := s.Green.SetCredentials(sandbox.Credentials{"slack": "xoxb-old"}); err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]any{s.BlueURL: "ok", s.GreenURL: "down"} {
		if a := (caller{t: t, base: base}).get("/integrations/slack/health"); a.member("state") != want {
			t.Errorf("%s: %s, want %s", base, a.text, want)
		}
	}
	if err := s.Green.SetCredentials(sandbox.Credentials{"slak": "x"}); err == nil || !strings.Contains(err.Error(), `did you mean "slack"?`) {
		t.Errorf("%v, want a hint", err)
	}
}
