package checks_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

const (
	teamsSecret = "graph-s3cret-1"
	teamsLogin  = "/acme.onmicrosoft.com/oauth2/v2.0/token"
	teamsPath   = "/v1.0/teams/t1"
)

func graphToken(t *testing.T, roles ...string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"roles": roles}).SignedString([]byte("somebody else's key"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func graphConnection(url string) checks.Connection {
	return checks.Connection{Name: "acme-teams", Kind: "teams", ClientID: "plum", Secret: secretly(teamsSecret), TokenURL: url + teamsLogin,
		Scopes: []string{"https://graph.microsoft.com/.default"}, Origins: []string{url}, Provider: &checks.Teams{Graph: url, Tenant: "acme.onmicrosoft.com", Team: "t1"}}
}

func TestGraphCatalogue(t *testing.T) {
	token := func(of string) string { return `{"access_token":"` + of + `","token_type":"Bearer","expires_in":3599}` }
	p := provide(t, map[string]reply{teamsLogin: {body: token(graphToken(t, "Team.ReadBasic.All"))}, teamsPath: {body: `{"id":"t1","displayName":"Recognition"}`}})
	login := func(status int, body string) map[string]reply {
		return map[string]reply{teamsLogin: {status: status, body: body}}
	}
	entra := func(code string) map[string]reply {
		return login(401, `{"error":"invalid_client","error_description":"AADSTS`+code+`: no","error_codes":[`+code+`]}`)
	}
	graph := func(status int, code, message string) map[string]reply {
		return map[string]reply{teamsPath: {status: status, header: http.Header{"Retry-After": {"9"}}, body: `{"error":{"code":"` + code + `","message":"` + message + `"}}`}}
	}
	const reach, known = plumbline.TierReach, plumbline.TierCredential
	catalogue(t, p, graphConnection(p.URL), "{teams: {connection: acme-teams, roles: [Team.ReadBasic.All]}, expect: {$.team: Recognition}}", []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "a wrong secret", replies: entra("7000215"), class: plumbline.ClassCredential, tier: reach, reason: "AADSTS7000215: the client secret is wrong"},
		{name: "an expired secret", replies: entra("7000222"), class: plumbline.ClassCredential, tier: reach, reason: "make a new one"},
		{name: "an app of another tenant", replies: entra("700016"), class: plumbline.ClassMisconfig, tier: reach, reason: "compare client id and tenant"},
		{name: "no such tenant", replies: entra("90002"), class: plumbline.ClassMisconfig, tier: reach, reason: "no such tenant"},
		{name: "a tenant that is none", replies: entra("900023"), class: plumbline.ClassMisconfig, tier: reach, reason: "neither an id nor a domain"},
		{name: "a code of tomorrow", replies: entra("1"), class: plumbline.ClassCredential, tier: reach, reason: "compare tenant, client id and secret"},
		{name: "the login is down", replies: login(503, ``), class: plumbline.ClassOutage, tier: reach, reason: "the token endpoint answered 503"},
		{name: "a page in place of the login", replies: map[string]reply{teamsLogin: {header: http.Header{"Content-Type": {"text/html"}}, body: "<html>sign in</html>"}}, class: plumbline.ClassOutage, tier: reach, reason: "the token endpoint answered 200 with a page", unconfirmed: true},
		{name: "a login that is elsewhere", replies: map[string]reply{teamsLogin: {status: 302, header: http.Header{"Location": {"https://login.test/x"}}}}, class: plumbline.ClassMisconfig, tier: reach, reason: "redirects to login.test", unconfirmed: true},
		{name: "a login without a token", replies: login(200, `{}`), class: plumbline.ClassProtocol, tier: reach, reason: "without a token", unconfirmed: true},
		{name: "a request that isn't one", replies: login(400, `{"error":"invalid_request","error_codes":[900144]}`), class: plumbline.ClassCredential, tier: reach, reason: "compare tenant, client id and secret", unconfirmed: true},
		{name: "the login is throttled", replies: login(429, `{}`), class: plumbline.ClassThrottled, tier: reach, reason: "429", unconfirmed: true},
		{name: "no role", replies: login(200, token(graphToken(t))), class: plumbline.ClassPermission, tier: known, reason: "lacks the role Team.ReadBasic.All"},
		{name: "a token that is no JWT", replies: login(200, token("opaque")), class: plumbline.ClassPermission, tier: known, reason: "lacks the role", unconfirmed: true},
		{name: "a token that Graph refuses", replies: graph(401, "InvalidAuthenticationToken", "x"), class: plumbline.ClassCredential, tier: plumbline.TierPermission, reason: "Graph refuses the token"},
		{name: "denied", replies: graph(403, "Authorization_RequestDenied", "Insufficient privileges"), class: plumbline.ClassPermission, tier: plumbline.TierPermission, reason: "consent of an administrator"},
		{name: "forbidden", replies: graph(403, "Forbidden", "Missing role permissions on the request. API requires one of 'Team.ReadBasic.All'. Roles on the request ''."), class: plumbline.ClassPermission, tier: plumbline.TierPermission, reason: "which wants one of the roles Team.ReadBasic.All: grant"},
		{name: "a team without an id", replies: map[string]reply{teamsPath: {body: `{}`}}, class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "without the team", unconfirmed: true},
		{name: "no JSON", replies: map[string]reply{teamsPath: {body: `team`}}, class: plumbline.ClassProtocol, tier: plumbline.TierPermission, reason: "no JSON", unconfirmed: true},
		{name: "no such team", replies: graph(404, "NotFound", "x"), class: plumbline.ClassMisconfig, tier: plumbline.TierPermission, reason: "compare its id", unconfirmed: true},
		{name: "throttled", replies: graph(429, "TooManyRequests", "x"), class: plumbline.ClassThrottled, tier: plumbline.TierPermission, reason: "lower the rate"},
		{name: "down", replies: graph(503, "ServiceUnavailable", "x"), class: plumbline.ClassOutage, tier: plumbline.TierPermission, reason: "nothing is wrong with the release"},
		{name: "a page", replies: map[string]reply{teamsPath: {header: http.Header{"Content-Type": {"text/html"}}, body: "<html></html>"}}, class: plumbline.ClassOutage, tier: plumbline.TierPermission, reason: "a page instead of data", unconfirmed: true},
	})
	for _, r := range p.requests {
		if strings.Contains(r.URL.String(), teamsSecret) || r.URL.Path == teamsPath && r.URL.RawQuery != "%24select=id%2CdisplayName" {
			t.Errorf("asked %s", r.URL)
		}
	}
}

const (
	workflowPath = "/workflows/0123abc/triggers/manual/paths/invoke"
	workflowSig  = "s1g-s3cret"
)

func workflowConnection(address, origin string) checks.Connection {
	return checks.Connection{Name: "acme-teams", Kind: "teams", Secret: secretly(address), Provider: &checks.Teams{Workflow: secretly(address), Origin: origin}}
}

const needsShared = `{"error":{"code":"DirectApiAuthorizationRequired","message":"The request must be authenticated only by Shared Access scheme."}}`

func TestWorkflowCatalogue(t *testing.T) {
	says := func(status int, code, message string) map[string]reply {
		return map[string]reply{workflowPath: {status: status, body: `{"error":{"code":"` + code + `","message":"` + message + `"}}`}}
	}
	const reach = plumbline.TierReach
	auth := provide(t, map[string]reply{workflowPath: {status: 401, body: needsShared}})
	connection := workflowConnection(auth.URL+workflowPath+"?api-version=1&sp=%2Ftriggers&sv=1.0&sig="+workflowSig, auth.URL)
	catalogue(t, auth, connection, "teams: acme-teams", []catalogueRow{
		{name: "it refuses what isn't signed", tier: reach},
		{name: "turned off", replies: says(400, "WorkflowTriggerIsNotEnabled", "x"), class: plumbline.ClassMisconfig, tier: reach, reason: "turn it on"},
		{name: "deleted", replies: says(404, "WorkflowNotFound", "x"), class: plumbline.ClassMisconfig, tier: reach, reason: "make a new one"},
		{name: "of its tenant alone", replies: says(401, "DirectApiAuthorizationRequired", "The OAuth authorization scheme is required."), class: plumbline.ClassMisconfig, tier: reach, reason: "its tenant alone"},
		{name: "it takes everything", replies: map[string]reply{workflowPath: {status: 202}}, class: plumbline.ClassMisconfig, tier: reach, reason: "anybody can post"},
		{name: "throttled", replies: says(429, "WorkflowTriggerRequestsThrottled", "x"), class: plumbline.ClassThrottled, tier: reach, reason: "lower the rate", unconfirmed: true},
		{name: "a page", replies: map[string]reply{workflowPath: {header: http.Header{"Content-Type": {"text/html"}}, body: "<html></html>"}}, class: plumbline.ClassOutage, tier: reach, reason: "a page instead of data", unconfirmed: true},
		{name: "not well", replies: says(502, "x", "x"), class: plumbline.ClassOutage, tier: reach, reason: "answered 502", unconfirmed: true},
	})
	for _, r := range auth.requests {
		if strings.Contains(r.URL.String(), "sig") {
			t.Errorf("the signature was sent: %s", r.URL)
		}
	}
	canary := provide(t, map[string]reply{workflowPath: {status: 202}})
	connection = workflowConnection(canary.URL+workflowPath+"?sig="+workflowSig, canary.URL)
	catalogue(t, canary, connection, "teams: {connection: acme-teams, mode: canary}", []catalogueRow{
		{name: "accepted", tier: plumbline.TierPermission},
		{name: "turned off", replies: says(400, "WorkflowTriggerIsNotEnabled", "x"), class: plumbline.ClassMisconfig, tier: reach, reason: "turn it on"},
		{name: "deleted", replies: says(404, "WorkflowNotFound", "x"), class: plumbline.ClassMisconfig, tier: reach, reason: "make a new one"},
		{name: "of its tenant alone", replies: says(401, "DirectApiAuthorizationRequired", "The OAuth authorization scheme is required."), class: plumbline.ClassMisconfig, tier: reach, reason: "its tenant alone"},
		{name: "a wrong signature", replies: map[string]reply{workflowPath: {status: 401, body: needsShared}}, class: plumbline.ClassCredential, tier: reach, reason: "copy the URL again"},
		{name: "another card", replies: says(400, "TriggerInputSchemaMismatch", "x"), class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "another card"},
	})
	for _, r := range canary.requests {
		if r.URL.Query().Get("sig") != workflowSig {
			t.Errorf("the signature wasn't sent: %s", r.URL)
		}
	}
}

// The shape of the URL is looked at before anything is asked.
func TestWorkflowShape(t *testing.T) {
	for address, want := range map[string]string{
		"https://acme.webhook.office.com/webhookb2/x@y/IncomingWebhook/z/w":                                     "are retired",
		"https://outlook.office.com/webhook/x":                                                                  "are retired",
		"https://example.com/workflows/x/triggers/manual/paths/invoke?sig=" + workflowSig:                       "no host of workflows",
		"https://prod-00.westeurope.logic.azure.com.example.com/workflows/x/y?sig=" + workflowSig:               "no host of workflows",
		"http://prod-00.westeurope.logic.azure.com/workflows/x/triggers/manual/paths/invoke?sig=" + workflowSig: "everybody between reads",
		"https://prod-00.westeurope.logic.azure.com:443/else?sig=" + workflowSig:                                "isn't that of a workflow's trigger",
		"https://prod-00.westeurope.logic.azure.com:443/workflows/x/triggers/manual/paths/invoke?sv=1.0":        "has no sig",
		"https://default.00.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/":  "isn't that of a workflow's trigger",
	} {
		clients := clientsOf(t)
		checks.Guard(clients.Transport, checks.Egress{})
		clients.Connections = checks.NewConnections([]checks.Connection{workflowConnection(address, "")}, clients.Transport, nil)
		answer, err := probe(t, compile(t, clients, "teams: {connection: acme-teams, mode: canary}").Prober, askOf("http://127.0.0.1:1"))
		if err == nil || answer.Class != plumbline.ClassMisconfig || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), workflowSig) {
			t.Errorf("%s: %q, %v, want %q", address, answer.Class, err, want)
		}
	}
}

func TestWorkflowReach(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead || r.URL.RequestURI() != "/" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{workflowConnection(url+workflowPath+"?sig="+workflowSig, url)}, clients.Transport, nil)
	if answer, err := probe(t, compile(t, clients, "teams: {connection: acme-teams, mode: reach}").Prober, askOf(url)); err != nil || answer.Tier != plumbline.TierReach {
		t.Errorf("%v, %q", err, answer.Tier)
	}
}

// A redirect takes neither the signature nor the card along.
func TestWorkflowThatRedirects(t *testing.T) {
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent elsewhere", r.URL) })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Redirect(w, r, elsewhere+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{workflowConnection(url+workflowPath+"?sig="+workflowSig, url)}, clients.Transport, nil)
	answer, err := probe(t, compile(t, clients, "teams: {connection: acme-teams, mode: canary}").Prober, askOf(url))
	if err == nil || answer.Class != plumbline.ClassMisconfig || strings.Contains(err.Error()+answer.Detail, workflowSig) {
		t.Errorf("%q, %v, %q", answer.Class, err, answer.Detail)
	}
}

// The card is one that a workflow takes, says who posted it, and asks to be no larger than may be.
func TestWorkflowCard(t *testing.T) {
	var body []byte
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{workflowConnection(url+workflowPath+"?sig="+workflowSig, url)}, clients.Transport, nil)
	check := compile(t, clients, "teams: {connection: acme-teams, mode: canary}")
	answer, err := probe(t, check.Prober, askOf(url))
	if err != nil || check.Effect != plumbline.EffectLasting || !slices.Contains(answer.Warnings, "accepted, which doesn't prove that it was delivered: look into the channel") {
		t.Errorf("%v, %s, %q", err, check.Effect, answer.Warnings)
	}
	want := `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{"type":"AdaptiveCard","version":"1.4",` +
		`"body":[{"type":"TextBlock","text":"plumbline canary: plum green, run run1","wrap":true}]}}]}`
	var posted, wanted any
	if json.Unmarshal(body, &posted) != nil || json.Unmarshal([]byte(want), &wanted) != nil || !reflect.DeepEqual(posted, wanted) || len(body) > 28<<10 {
		t.Errorf("posted %s", body)
	}
}

// A token serves many checks, until Graph refuses it.
func TestGraphToken(t *testing.T) {
	logins, refused := 0, false
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == teamsLogin:
			if r.PostFormValue("scope") != "https://graph.microsoft.com/.default" || r.PostFormValue("client_secret") != teamsSecret || r.PostFormValue("grant_type") != "client_credentials" {
				t.Errorf("asked for a token with %v", r.PostForm)
			}
			logins++
			_, _ = io.WriteString(w, `{"access_token":"`+graphToken(t, "Team.ReadBasic.All")+`","token_type":"Bearer","expires_in":3599}`)
		case !refused && logins == 1 && r.Header.Get("Authorization") != "" && r.URL.Query().Get("$select") == "id,displayName":
			_, _ = io.WriteString(w, `{"id":"t1","displayName":"Recognition"}`)
		case refused && logins == 1:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = io.WriteString(w, `{"id":"t1","displayName":"Recognition"}`)
		}
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{graphConnection(url)}, clients.Transport, nil)
	check := compile(t, clients, "teams: acme-teams")
	for i := range 4 {
		refused = i == 3
		if answer, err := probe(t, check.Prober, askOf(url)); err != nil || answer.Tier != plumbline.TierData {
			t.Fatalf("%v, tier %q", err, answer.Tier)
		}
		if want := i/3 + 1; logins != want {
			t.Errorf("%d logins after %d checks, want %d", logins, i+1, want)
		}
	}
}
