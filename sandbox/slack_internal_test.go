package sandbox

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// asked is what a simulator answers: its status and body.
func asked(t *testing.T, s simulator, method, path, body string, header http.Header) string {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	(simulators{"it": s}).handler().ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return http.StatusText(w.Code) + " " + strings.TrimSpace(string(answer))
}

func form(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/x-www-form-urlencoded"}}
}

func TestSlackSimulator(t *testing.T) {
	s := newSlack(ticking(), rand.Reader)
	blue, green := s.account(plumbline.Blue), s.account(plumbline.Green)
	if blue.Token == green.Token || blue.Webhook == green.Webhook {
		t.Fatal("both colors have one account")
	}
	call := func(token, method, body string) string { return asked(t, s, "POST", "/api/"+method, body, form(token)) }
	if got := call(green.Token, "auth.test", ""); !strings.Contains(got, `"team_id":"T02ACME"`) {
		t.Errorf("auth.test: %s", got)
	}
	if got := call("", "auth.test", ""); got != `OK {"error":"not_authed","ok":false}` {
		t.Errorf("without a token: %s", got)
	}
	if got := call("xoxb-nobody", "auth.test", ""); got != `OK {"error":"invalid_auth","ok":false}` {
		t.Errorf("with a wrong token: %s", got)
	}
	for body, want := range map[string]string{"channel=C99&text=hello": "channel_not_found", "channel=" + slackChannel: "no_text"} {
		if got := call(green.Token, "chat.postMessage", body); got != `OK {"error":"`+want+`","ok":false}` {
			t.Errorf("a message as %s: %s", body, got)
		}
	}
	for _, fault := range s.faults() {
		before := call(blue.Token, "auth.test", "")
		if err := (simulators{"slack": s}).set("slack", plumbline.Green, fault); err != nil {
			t.Fatal(err)
		}
		changed := false
		for method, body := range map[string]string{"auth.test": "", "conversations.info": "channel=" + slackChannel, "conversations.list": "limit=1"} {
			s.set(plumbline.Green, "")
			well := call(green.Token, method, body)
			s.set(plumbline.Green, fault)
			changed = changed || call(green.Token, method, body) != well
		}
		if !changed {
			t.Errorf("nothing is wrong with %s", fault)
		}
		if call(blue.Token, "auth.test", "") != before {
			t.Errorf("%s on green is on blue as well", fault)
		}
	}
	s.set(plumbline.Green, "")
	if got := asked(t, s, "POST", green.Webhook, `{"text":""}`, nil); got != "Bad Request no_text" {
		t.Errorf("the webhook: %s", got)
	}
	if got := asked(t, s, "POST", green.Webhook+"x", `{"text":""}`, nil); got != "Forbidden invalid_token" {
		t.Errorf("a webhook that there isn't: %s", got)
	}
	still := newSlack(func() time.Time { return time.Unix(1_780_000_000, 0) }, rand.Reader)
	for i := range still.limit.most + 1 {
		if got := asked(t, still, "POST", "/api/auth.test", "", form("xoxb-nobody")); strings.HasPrefix(got, "Too Many Requests ") != (i == still.limit.most) {
			t.Fatalf("request %d of a second: %s", i+1, got)
		}
	}
	s.set("", slackOutage)
	if got := asked(t, s, "GET", "/api/v2.0.0/current", "", nil); !strings.Contains(got, `"title":"Trouble with connecting to Slack"`) {
		t.Errorf("the status feed: %s", got)
	}
	if err := (simulators{"slack": s}).set("slack", "", "outages"); err == nil || !strings.Contains(err.Error(), `did you mean "outage"?`) {
		t.Errorf("a fault that there isn't: %v", err)
	}
}
