package checks_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

const hookSecret = "hook-secret-5150"

func hook(address string, w checks.Webhook) checks.Connection {
	w.Address = secretly(address)
	return checks.Connection{Name: "customer", Kind: "webhook", Secret: secretly(hookSecret), Provider: &w}
}

func TestWebhookCatalogue(t *testing.T) {
	p := provide(t, map[string]reply{"/hook/s3cret": {status: 204}})
	at := func(status int) map[string]reply {
		return map[string]reply{"/hook/s3cret": {status: status, header: http.Header{"Location": {"https://elsewhere.test/x"}, "Retry-After": {"7"}}}}
	}
	const reach = plumbline.TierReach
	catalogue(t, p, hook(p.URL+"/hook/s3cret", checks.Webhook{}), "webhook: customer", []catalogueRow{
		{name: "there", tier: reach},
		{name: "moved", replies: at(301), class: plumbline.ClassMisconfig, tier: reach, reason: "answered HEAD with 301: the address has moved"},
		{name: "redirected", replies: at(307), class: plumbline.ClassMisconfig, tier: reach, reason: "redirects aren't followed"},
		{name: "unknown", replies: at(401), class: plumbline.ClassCredential, tier: reach, reason: "signing secret"},
		{name: "refused", replies: at(403), class: plumbline.ClassPermission, tier: reach, reason: "refuses"},
		{name: "nowhere", replies: at(404), class: plumbline.ClassMisconfig, tier: reach, reason: "nobody listens"},
		{name: "no HEAD and no OPTIONS", replies: at(405), class: plumbline.ClassMisconfig, tier: reach, reason: "answered OPTIONS with 405"},
		{name: "gone", replies: at(410), class: plumbline.ClassMisconfig, tier: reach, reason: "gone for good"},
		{name: "throttled", replies: at(429), class: plumbline.ClassThrottled, tier: reach, reason: "lower the rate"},
		{name: "broken", replies: at(500), class: plumbline.ClassOutage, tier: reach, reason: "answered HEAD with 500"},
		{name: "away", replies: at(503), class: plumbline.ClassOutage, tier: reach, reason: "answered HEAD with 503"},
	})
	for _, r := range p.requests {
		if r.Method == http.MethodPost {
			t.Error("something was posted")
		}
	}
}

func TestWebhookHealth(t *testing.T) {
	p := provide(t, map[string]reply{"/hook": {status: 500}, "/health": {}})
	catalogue(t, p, hook(p.URL+"/hook", checks.Webhook{Health: p.URL + "/health"}), "webhook: customer", []catalogueRow{
		{name: "well", tier: plumbline.TierReach},
		{name: "moved", replies: map[string]reply{"/health": {status: 302, header: http.Header{"Location": {"https://login.test/"}}}}, class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "configure where it leads"},
		{name: "not well", replies: map[string]reply{"/health": {status: 503}}, class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "the health URL answered GET with 503"},
	})
}

// A method that the check names is asked of the address itself, whatever says that its owner is well.
func TestWebhookMethod(t *testing.T) {
	p := provide(t, map[string]reply{"/hook": {status: 204}, "/health": {status: 503}})
	catalogue(t, p, hook(p.URL+"/hook", checks.Webhook{Health: p.URL + "/health"}), "{webhook: {connection: customer, method: OPTIONS}, expect: {$.status: 204}, capture: {status: $.status}}", []catalogueRow{
		{name: "there", tier: plumbline.TierReach},
		{name: "moved for good", replies: map[string]reply{"/hook": {status: 308}}, class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "answered OPTIONS with 308: the address has moved"},
		{name: "see other", replies: map[string]reply{"/hook": {status: 303}}, class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "redirects aren't followed"},
		{name: "another one than was wanted", replies: map[string]reply{"/hook": {status: 200}}, class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "$.status: got 200, want 204"},
		{name: "not modified", replies: map[string]reply{"/hook": {status: 304}}, class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "answered OPTIONS with 304"},
		{name: "a bad request", replies: map[string]reply{"/hook": {status: 400}}, class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "answered OPTIONS with 400"},
	})
	for _, r := range p.requests {
		if r.Method != http.MethodOptions || r.URL.Path != "/hook" {
			t.Errorf("%s %s was asked", r.Method, r.URL)
		}
	}
}

func sum(key, text string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// A canary is posted once, under an id that is the run's, and signed as those who verify it want.
func TestWebhookCanary(t *testing.T) {
	for kind, want := range map[string]func(h http.Header, body string) bool{
		"": func(h http.Header, _ string) bool { return h.Get("Webhook-Signature") == "" },
		"slack": func(h http.Header, body string) bool {
			return h.Get("X-Slack-Signature") == "v0="+hex.EncodeToString(sum(hookSecret, "v0:"+h.Get("X-Slack-Request-Timestamp")+":"+body))
		},
		"standard-webhooks": func(h http.Header, body string) bool {
			return h.Get("Webhook-Id") == "run1" &&
				h.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(sum(hookSecret, "run1."+h.Get("Webhook-Timestamp")+"."+body))
		},
		"hmac": func(h http.Header, body string) bool {
			return h.Get("X-Signature") == "sha256="+hex.EncodeToString(sum(hookSecret, body))
		},
	} {
		t.Run("signed "+kind, func(t *testing.T) {
			var bodies []string
			var header http.Header
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				bodies, header = append(bodies, string(body)), r.Header
				w.WriteHeader(http.StatusAccepted)
			})
			clients := clientsOf(t)
			connection := hook(url+"/s3cret", checks.Webhook{Signature: kind, Header: "X-Signature", Prefix: "sha256="})
			clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
			check := compile(t, clients, "webhook: {connection: customer, mode: canary, json: {run: $(run.id)}}")
			answer, err := probe(t, check.Prober, askOf(url))
			if err != nil || answer.Tier != plumbline.TierPermission || check.Effect != plumbline.EffectLasting {
				t.Fatalf("%v, tier %q, effect %s", err, answer.Tier, check.Effect)
			}
			if len(bodies) != 1 || bodies[0] != `{"run":"run1"}` || header.Get("Idempotency-Key") != "run1" || !want(header, bodies[0]) {
				t.Errorf("posted %q with %v", bodies, header)
			}
		})
	}
}

// Nothing of the address is told, and nothing is sent where it redirects to.
func TestWebhookKeepsItsAddress(t *testing.T) {
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent elsewhere", r.Method, r.URL)
	})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", elsewhere+"/?from="+r.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
		_, _ = io.Copy(w, bytes.NewReader([]byte(r.URL.String())))
	})
	for _, check := range []string{"webhook: customer", "webhook: {connection: customer, mode: canary}"} {
		clients := clientsOf(t)
		clients.Connections = checks.NewConnections([]checks.Connection{hook(url+"/hook/s3cret-path?sig=s3cret-query", checks.Webhook{Signature: "slack"})}, clients.Transport, nil)
		answer, err := probe(t, compile(t, clients, check).Prober, askOf(url))
		if err == nil || strings.Contains(err.Error()+answer.Detail, "s3cret") || strings.Contains(err.Error(), hookSecret) {
			t.Errorf("%s: %v, %q", check, err, answer.Detail)
		}
	}
}
