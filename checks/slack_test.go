package checks_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

const slackToken = "xoxb-0123-secret"

// slackBase is a workspace in which all is well.
var slackBase = map[string]reply{
	"/api/auth.test": {header: http.Header{"X-Oauth-Scopes": {"chat:write, channels:read,users:read"}},
		body: `{"ok":true,"team":"Subarachnoid Workspace","team_id":"T12345678","url":"https://subarachnoid.slack.com/","user":"grace","user_id":"W12345678"}`},
	"/api/conversations.info": {body: `{"ok":true,"channel":{"id":"C012AB3CD","name":"releases","is_member":true,"is_archived":false}}`},
	"/api/conversations.list": {body: `{"ok":true,"channels":[{"id":"C012AB3CD"}]}`},
}

func slackConnection(p *provided) checks.Connection {
	return checks.Connection{Name: "acme-slack", Kind: "slack", Secret: secretly(slackToken), Origins: []string{p.URL},
		Provider: &checks.Slack{Team: "T12345678", Status: p.URL}}
}

const slackCheck = `slack: {connection: acme-slack, scopes: [chat:write], channel: C012AB3CD, data: conversations.list}`

func TestSlackCatalogue(t *testing.T) {
	p := provide(t, slackBase)
	who := func(body string) map[string]reply { return map[string]reply{"/api/auth.test": {body: body}} }
	info := func(body string) map[string]reply { return map[string]reply{"/api/conversations.info": {body: body}} }
	rows := []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "no token", replies: who(`{"ok":false,"error":"not_authed"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "not_authed"},
		{name: "wrong token", replies: who(`{"ok":false,"error":"invalid_auth"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "look at the egress"},
		{name: "revoked", replies: who(`{"ok":false,"error":"token_revoked"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "install the app again"},
		{name: "expired", replies: who(`{"ok":false,"error":"token_expired"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "rotate it"},
		{name: "deactivated", replies: who(`{"ok":false,"error":"account_inactive"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "account_inactive"},
		{name: "another workspace", replies: who(`{"ok":true,"team":"Other","team_id":"T999","user":"grace"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, reason: `got`, unconfirmed: true},
		{name: "missing scope in the header", replies: map[string]reply{"/api/auth.test": {header: http.Header{"X-Oauth-Scopes": {"users:read"}}, body: slackBase["/api/auth.test"].body}},
			class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "lacks the scope chat:write"},
		{name: "missing scope", replies: info(`{"ok":false,"error":"missing_scope","needed":"channels:read","provided":"chat:write"}`),
			class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "needs channels:read, has chat:write", unconfirmed: true},
		{name: "access suspended", replies: who(`{"ok":false,"error":"ekm_access_denied"}`), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "ekm_access_denied"},
		{name: "no such channel", replies: info(`{"ok":false,"error":"channel_not_found"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, reason: "by its id"},
		{name: "not a member", replies: info(`{"ok":true,"channel":{"name":"releases","is_member":false}}`), class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, reason: "invite it there"},
		{name: "archived", replies: info(`{"ok":true,"channel":{"name":"releases","is_member":true,"is_archived":true}}`), class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, reason: "is archived"},
		{name: "an argument that Slack doesn't take", replies: info(`{"ok":false,"error":"invalid_arg_name"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, reason: "invalid_arg_name"},
		{name: "throttled", replies: map[string]reply{"/api/auth.test": {status: 429, header: http.Header{"Retry-After": {"30"}}, body: `{"ok":false,"error":"ratelimited"}`}},
			class: plumbline.ClassThrottled, tier: plumbline.TierCredential, reason: "lower the rate"},
		{name: "throttled without a body", replies: map[string]reply{"/api/auth.test": {status: 429, header: http.Header{"Retry-After": {"30"}}}},
			class: plumbline.ClassThrottled, tier: plumbline.TierReach, reason: "lower the rate"},
		{name: "not well", replies: who(`{"ok":false,"error":"fatal_error"}`), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "nothing is wrong with the release"},
		{name: "internal error", replies: who(`{"ok":false,"error":"internal_error"}`), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "internal_error"},
		{name: "503", replies: map[string]reply{"/api/auth.test": {status: 503, body: "upstream"}}, class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "answered 503"},
		{name: "a page", replies: map[string]reply{"/api/auth.test": {header: http.Header{"Content-Type": {"text/html"}}, body: "<html>hello</html>"}},
			class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "a page instead of data", unconfirmed: true},
		{name: "a redirect", replies: map[string]reply{"/api/auth.test": {status: 302, header: http.Header{"Location": {"https://login.example.com/x?y"}}}},
			class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "redirects to login.example.com", unconfirmed: true},
		{name: "an error of tomorrow", replies: who(`{"ok":false,"error":"brand_new"}`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "nothing of"},
		{name: "nothing of what it answers", replies: who(`{}`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "neither that all is well nor an error", unconfirmed: true},
		{name: "no JSON", replies: who(`{"ok":tr`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "no JSON"},
		{name: "no rows", replies: map[string]reply{"/api/conversations.list": {body: `{"ok":true,"channels":[]}`}}, class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "without a row"},
	}
	rows[6].reason = `answered for team "T999", want "T12345678"`
	catalogue(t, p, slackConnection(p), slackCheck, rows)
	for _, r := range p.requests {
		if strings.HasPrefix(r.URL.Path, "/api/v2") {
			if r.Header.Get("Authorization") != "" {
				t.Error("the status feed got the token")
			}
			continue
		}
		if r.Header.Get("Authorization") != "Bearer "+slackToken || strings.Contains(r.URL.String(), slackToken) {
			t.Errorf("%s: the token goes in the header alone, got %q", r.URL, r.Header.Get("Authorization"))
		}
	}
}

func TestSlackWebhookCatalogue(t *testing.T) {
	p := provide(t, map[string]reply{"/services/T0/B0/secret": {status: 400, header: http.Header{"Content-Type": {"text/plain"}}, body: "no_text"}})
	connection := checks.Connection{Name: "acme-slack", Kind: "slack", Origins: []string{p.URL}, Secret: secretly("unused-here"),
		Provider: &checks.Slack{Webhook: secretly(p.URL + "/services/T0/B0/secret")}}
	at := func(status int, body string) map[string]reply {
		return map[string]reply{"/services/T0/B0/secret": {status: status, header: http.Header{"Content-Type": {"text/plain"}}, body: body}}
	}
	catalogue(t, p, connection, "slack: acme-slack", []catalogueRow{
		{name: "alive", tier: plumbline.TierPermission},
		{name: "invalid payload", replies: at(400, "invalid_payload"), class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "can't read"},
		{name: "revoked", replies: at(403, "invalid_token"), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "make a new one"},
		{name: "restricted", replies: at(403, "action_prohibited"), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "restrict"},
		{name: "removed", replies: at(404, "no_service"), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "make a new one"},
		{name: "no workspace", replies: at(404, "no_team"), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "workspace is gone"},
		{name: "archived", replies: at(410, "channel_is_archived"), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "archived"},
		{name: "throttled", replies: at(429, ""), class: plumbline.ClassThrottled, tier: plumbline.TierReach, reason: "lower the rate"},
		{name: "it posted", replies: at(200, "ok"), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "want no_text"},
	})
}

func TestSlackTellsOfIncidentsAndDecidesNothingByThem(t *testing.T) {
	p := provide(t, slackBase)
	p.replies = map[string]reply{"/api/auth.test": {status: 503},
		"/api/v2.0.0/current": {body: `{"status":"active","active_incidents":[{"id":1,"title":"Trouble with sending messages","status":"active"}]}`}}
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{slackConnection(p)}, clients.Transport, nil)
	t.Cleanup(clients.Connections.Close)
	answer, err := probe(t, compile(t, clients, slackCheck).Prober, askOf("http://127.0.0.1:1"))
	if err == nil || answer.Class != plumbline.ClassOutage || !slices.Contains(answer.Warnings, `Slack's status page has an incident: "Trouble with sending messages"`) {
		t.Errorf("%q %q: %v", answer.Class, answer.Warnings, err)
	}
}
