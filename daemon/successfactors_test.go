package daemon_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/plumbline-dev/plumbline"
)

// A company is a SuccessFactors that believes who comes, and remembers the assertions.
type company struct {
	*httptest.Server
	mu         sync.Mutex
	assertions []string
}

func newCompany(t *testing.T) *company {
	c := &company{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/oauth/token" {
			_, _ = w.Write([]byte(`{"d":{"results":[{"userId":"cgrant"}]}}`))
			return
		}
		text, _ := base64.StdEncoding.DecodeString(r.PostFormValue("assertion"))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.assertions = append(c.assertions, string(text))
		_, _ = w.Write([]byte(`{"access_token":"eyJ0b2tlbkNvbnRlbnQi","token_type":"Bearer","expires_in":86399}`))
	}))
	t.Cleanup(c.Close)
	return c
}

func TestSuccessFactorsOfAStandbyWarnsOfItsToken(t *testing.T) {
	sap := newCompany(t)
	key := filepath.Join(t.TempDir(), "sap.pem")
	write(t, key, signingKey(t))
	h := buildWith(t, "suite: sap\ntriggers: [release, standby]\nchecks:\n  - successfactors: sap\n",
		"connections: {sap: {kind: successfactors, url: \""+sap.URL+"\", company: ACME, user: plumbline, client_id: id, key: {file: "+key+"}, issuer: id, recipient: 'https://api10.successfactors.com/oauth/token'}}\n")
	b := h.client(t)
	if v := verdict(t, b, h.release(t, b, plumbline.Green, "2", "")); !v.Passed() || len(v.Checks[0].Warnings) > 0 {
		t.Errorf("%s %q: %q", v.Outcome, v.Reason, v.Checks[0].Warnings)
	}
	publish(t, b, plumbline.Event{Kind: plumbline.EventSwitched, Color: plumbline.Green})
	var standby plumbline.Verdict
	until(t, "the standby is asked", func() bool {
		vs, err := b.Verdicts(t.Context(), "plum", 10)
		for _, v := range vs {
			if v.Trigger == plumbline.TriggerStandby && v.Color == plumbline.Blue {
				standby = v
			}
		}
		return err == nil && standby.Run != ""
	})
	if !standby.Passed() || !strings.Contains(strings.Join(standby.Checks[0].Warnings, ""), "within the standby window") {
		t.Errorf("%s %q: %q", standby.Outcome, standby.Reason, standby.Checks[0].Warnings)
	}
	sap.mu.Lock()
	defer sap.mu.Unlock()
	if len(sap.assertions) != 2 {
		t.Fatalf("%d logins, want one a color", len(sap.assertions))
	}
	for _, want := range []string{">id</saml:Issuer>", `Recipient="https://api10.successfactors.com/oauth/token"`, ">plumbline</saml:NameID>"} {
		if !strings.Contains(sap.assertions[0], want) {
			t.Errorf("the assertion lacks %s:\n%s", want, sap.assertions[0])
		}
	}
}
