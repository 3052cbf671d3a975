package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/sandbox"
)

func TestControlChangesAColor(t *testing.T) {
	s := start(t, sandbox.Options{})
	control, green := caller{t: t, base: s.ControlURL}, caller{t: t, base: s.GreenURL}
	a := control.put("/sandbox/colors/green", `{"version":"2.0.0","digest":"sha256:ab","faults":{"slow":true,"broken_login":true}}`)
	if a.status != 200 || member(a.member("colors"), "green", "faults", "slow") != "400ms" {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	if v := green.get("/version"); v.member("version") != "2.0.0" || v.member("digest") != "sha256:ab" || v.member("color") != "green" {
		t.Errorf("version %s", v.text)
	}
	control.put("/sandbox/colors/green", `{"faults":{"slow":"20ms"}}`)
	if got := s.Green.Condition(); got.Release.Version != "2.0.0" || got.Faults != (sandbox.Faults{Slow: sandbox.Wait(20 * time.Millisecond)}) {
		t.Errorf("%+v, want the release kept and the faults replaced", got)
	}
	control.put("/sandbox/colors/green", `{"version":"2.0.1","credentials":{"slack":"xoxb-hush"},"config":{"max_page":5}}`)
	if got := s.Green.Condition(); got.Release.Digest != "" || got.Faults.Slow == 0 || got.Config.MaxPage != 5 {
		t.Errorf("%+v, want no digest of another version, and the faults kept", got)
	}
	shown := control.get("/sandbox").text
	if strings.Contains(shown, "hush") || strings.Contains(shown, client.Secret) || !strings.Contains(shown, `"credentials":["slack"]`) {
		t.Errorf("shows %s, want no secret", shown)
	}
	if got := s.Blue.Condition(); len(got.Faults.Names()) > 0 || got.Release.Version != "1.0.0" {
		t.Errorf("blue changed too: %+v", got)
	}
}

func TestControlRefuses(t *testing.T) {
	s := start(t, sandbox.Options{})
	control := caller{t: t, base: s.ControlURL}
	before := s.Green.Condition()
	for _, test := range []struct{ path, body, want string }{
		{"/sandbox/colors/red", `{}`, `unknown color "red", want blue or green`},
		{"/sandbox/colors/green", `{"faults":{"slwo":true}}`,
			`unknown fault "slwo" (did you mean "slow"?), want one of broken_login, broken_webhook, broken_workday_credential, drifted_budgets, empty_catalogue, errors, slow, wrong_build`},
		{"/sandbox/colors/green", `{"faults":{"fire":true}}`, `unknown fault "fire", want one of broken_login`},
		{"/sandbox/colors/green", `{"verison":"1"}`, `unknown key "verison" (did you mean "version"?)`},
		{"/sandbox/colors/green", `{"version":""}`, "the version is empty"},
		{"/sandbox/colors/green", `{"faults":{"slow":"soon"}}`, `"soon" is no duration between 0 and 1m`},
		{"/sandbox/colors/green", `{"faults":{"slow":"2h"}}`, `"2h" is no duration between 0 and 1m`},
		{"/sandbox/colors/green", `{"version":"9","credentials":{"sap":"x"}}`, `unknown provider "sap"`},
		{"/sandbox/colors/green", `{"config":{"max_page":-1}}`, "max_page is -1"},
		{"/sandbox/colors/green", `[]`, "want an object of keys"},
		{"/sandbox/colors/green", `{`, "no such JSON"},
		{"/sandbox/providers/workday", `{}`, "want down: true or false"},
		{"/sandbox/providers/work", `{"down":true}`, `did you mean "workday"?`},
		{"/sandbox/webhook", `{"url":"ftp://x"}`, "no http or https address"},
		{"/sandbox/switch", `{"color":"green"}`, "needs a version"},
		{"/sandbox/switch", `{"color":"red","version":"1"}`, "unknown color"},
	} {
		t.Run(test.path+test.body, func(t *testing.T) {
			a := control.put(test.path, test.body)
			if text, _ := a.member("error_description").(string); a.status != 400 || !strings.Contains(text, test.want) {
				t.Errorf("answered %d %s, want 400 %s", a.status, a.text, test.want)
			}
		})
	}
	if after := s.Green.Condition(); after.Release != before.Release || after.Faults != before.Faults {
		t.Errorf("a refused change left %+v", after)
	}
	if a := control.post("/sandbox/switch/rollback", ""); a.status != 400 || !strings.Contains(a.text, "no gate") {
		t.Errorf("a rollback without a gate answered %d %s", a.status, a.text)
	}
}

func TestControlAsksForItsToken(t *testing.T) {
	s := start(t, sandbox.Options{Control: ":0", ControlToken: "sesame"})
	control := caller{t: t, base: s.ControlURL}
	for token, want := range map[string]int{"": 401, "wrong": 401, "sesame": 200} {
		if a := control.with(token).get("/sandbox"); a.status != want {
			t.Errorf("with %q answered %d, want %d", token, a.status, want)
		}
	}
	if a := control.get("/healthz"); a.status != 200 {
		t.Errorf("/healthz answered %d, want 200", a.status)
	}
}

func TestThreeFailedPostsDisableTheWebhook(t *testing.T) {
	s := start(t, sandbox.Options{})
	var mu sync.Mutex
	status, bodies := 500, []string{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		text := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(text)
		bodies = append(bodies, string(text))
		w.WriteHeader(status)
	}))
	defer hook.Close()
	answer := func(with int) { mu.Lock(); status = with; mu.Unlock() }
	control := caller{t: t, base: s.ControlURL}
	secret := hook.URL + "/hooks/hush"
	control.put("/sandbox/webhook", `{"url":"`+secret+`"}`)
	c := login(t, s.BlueURL)

	c.api(place, orderOf("one"))
	eventually(t, "disabled webhook", func() bool { return s.Webhook().Disabled })
	c.api(place, orderOf("two"))
	eventually(t, "missed notices", func() bool { return s.Webhook().Missed == 2 })
	if got := s.Webhook(); got.Failed != 3 || got.Sent != 0 {
		t.Errorf("%+v, want three failed posts and no more", got)
	}
	if shown := control.get("/sandbox").text; strings.Contains(shown, "hush") {
		t.Error("shows the address of the webhook")
	}

	answer(200)
	control.put("/sandbox/webhook", `{"url":"`+secret+`"}`)
	c.api(place, orderOf("three"))
	eventually(t, "notice", func() bool { return s.Webhook().Sent == 1 })
	mu.Lock()
	defer mu.Unlock()
	last := bodies[len(bodies)-1]
	for _, want := range []string{`"id":"evt-1000003"`, `"data":{"orderId":1000003,"poNumber":"three","orderDate":"2`, `"deliveryStatus":"delivered"}`, `"createdAt":"2`} {
		if !strings.Contains(last, want) {
			t.Errorf("posted %s, want %s in it", last, want)
		}
	}
}

func TestAWebhookIsTriedWithoutStrikes(t *testing.T) {
	s := start(t, sandbox.Options{})
	type post struct{ signature, body string }
	posts := make(chan post, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posts <- post{r.Header.Get(sandbox.SignatureHeader), string(body)}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer hook.Close()
	if err := s.SetWebhook(hook.URL); err != nil {
		t.Fatal(err)
	}
	c := login(t, s.GreenURL)
	for _, faults := range []sandbox.Faults{{}, {}, {}, {}, {BrokenWebhook: true}} {
		if err := s.Green.SetFaults(faults); err != nil {
			t.Fatal(err)
		}
		if a := c.post("/chef/v1/admin/webhook-test", `{"url":"`+hook.URL+`","reference":"run-7"}`); a.status != 202 || a.member("status") != "queued" {
			t.Fatalf("answered %d %s", a.status, a.text)
		}
		got := <-posts
		mac := hmac.New(sha256.New, []byte(client.Secret))
		mac.Write([]byte(got.body))
		if right := got.signature == "sha256="+hex.EncodeToString(mac.Sum(nil)); right == faults.BrokenWebhook {
			t.Errorf("with %+v signed as %s", faults, got.signature)
		}
		if !strings.HasPrefix(got.body, `{"id":"evt-test-`) || !strings.Contains(got.body, `"poNumber":"run-7"`) || !strings.Contains(got.body, `"deliveryStatus":"delivered"`) {
			t.Errorf("posted %s", got.body)
		}
	}
	if got := s.Webhook(); got.Disabled || got.Failed != 0 {
		t.Errorf("trials count as strikes: %+v", got)
	}
	for body, want := range map[string]int{`{"url":"ftp://x","reference":"r"}`: 400, `{"url":"http://x"}`: 400, `{"url":"http://x","reference":"r","x":1}`: 400} {
		if a := c.post("/chef/v1/admin/webhook-test", body); a.status != want {
			t.Errorf("%s: answered %d, want %d", body, a.status, want)
		}
	}
	if a := c.with("").post("/chef/v1/admin/webhook-test", `{"url":"http://x","reference":"r"}`); a.status != 401 {
		t.Errorf("without a token: %d", a.status)
	}
}
