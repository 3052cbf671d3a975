package checks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

// sapKey is the private key of the OAuth2 client application.
var sapKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func sapPEM(t testing.TB) string {
	der, err := x509.MarshalPKCS8PrivateKey(sapKey())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

const (
	sapToken = `{"access_token":"eyJ0b2tlbkNvbnRlbnQi","token_type":"Bearer","expires_in":86399}`
	sapUser  = `{"d":{"results":[{"__metadata":{"uri":"https://api10.successfactors.com/odata/v2/User('cgrant')","type":"SFOData.User"},"userId":"cgrant"}]}}`
	sapEmpty = `{"d":{"results":[]}}`
	sapPage  = `<html><head><title>Error</title></head><body><h1>We' are Sorry...</h1>but the server, while acting as a gateway or proxy, received an invalid response from the upstream server it accessed in attempting to fulfill the request</body></html>`
)

// sapBase is a company in which all is well.
var sapBase = map[string]reply{
	"/oauth/token":     {body: sapToken},
	"/odata/v2/User":   {body: sapUser},
	"/odata/v2/EmpJob": {body: `{"d":{"results":[{"userId":"cgrant"}]}}`},
	"/odata/v4/timemanagement/absence/v1/TimeAccounts": {body: `{"@odata.context":"$metadata#TimeAccounts","value":[{"id":"1"}]}`},
}

func sapConnection(t testing.TB, origin string) checks.Connection {
	return checks.Connection{Name: "acme-sf", Kind: checks.KindSuccessFactors, Secret: secretly(sapPEM(t)), Origins: []string{origin},
		TokenURL: checks.SuccessFactorsToken,
		Provider: &checks.SuccessFactors{Company: "ACMEPROD", User: "plumbline", ClientID: "YTNjZmVlZTY4YjU"}}
}

// sapError is an error of OData V2.
func sapError(status int, code, message string) reply {
	return reply{status: status, body: `{"error":{"code":"` + code + `","message":{"lang":"en-US","value":"` + message + `"}}}`}
}

const sapCheck = `successfactors: {connection: acme-sf, entities: [User, EmpJob]}`

func TestSuccessFactorsCatalogue(t *testing.T) {
	p := provide(t, sapBase)
	user := func(r reply) map[string]reply { return map[string]reply{"/odata/v2/User": r} }
	job := func(r reply) map[string]reply { return map[string]reply{"/odata/v2/EmpJob": r} }
	text := func(status int, body string) reply {
		return reply{status: status, header: http.Header{"Content-Type": {"text/plain"}}, body: body}
	}
	page := func(status int, body string) reply {
		return reply{status: status, header: http.Header{"Content-Type": {"text/html;charset=UTF-8"}}, body: body}
	}
	const reach, credential, permission, data = plumbline.TierReach, plumbline.TierCredential, plumbline.TierPermission, plumbline.TierData
	catalogue(t, p, sapConnection(t, p.URL), sapCheck, []catalogueRow{
		{name: "all is well", tier: data},
		{name: "invalid endpoint", replies: user(sapError(404, "CATEGORY_DENIED", "[LGN0001]Invalid endpoint")), class: plumbline.ClassMisconfig, tier: reach, reason: "User answered 404 LGN0001: no such endpoint"},
		{name: "no OData permission", replies: user(sapError(403, "ODATA_ADMIN_PERM_REQUIRED", "[LGN0002]Authentication failed, user doesn't have the OData Admin access permission.")), class: plumbline.ClassPermission, tier: credential, reason: "LGN0002: the user lacks Admin access to OData API"},
		{name: "no credentials", replies: user(sapError(403, "CREDENTIALS_MISSING", "[LGN0003]Authentication credentials are require. Please provide a valid user name, password and company id.")), class: plumbline.ClassCredential, tier: reach, reason: "LGN0003"},
		{name: "no credentials, of late", replies: user(sapError(401, "CREDENTIALS_MISSING", "[LGN0003]Authentication information is missing. Please use OAuth 2.0 to authenticate the user.")), class: plumbline.ClassCredential, tier: reach, reason: "LGN0003", unconfirmed: true},
		{name: "no API server", replies: user(sapError(403, "AUTHENTICATION_DENIED", "[LGN0004]Accessing OData API using Basic authentication or External OAuth on non-API servers is forbidden.")), class: plumbline.ClassMisconfig, tier: reach, reason: "name the tenant's own"},
		{name: "no token", replies: user(sapError(403, "OAUTH_TOKEN_FORMAT_INVALID", "[LGN0005]The OAuth authentication token format is wrong.")), class: plumbline.ClassCredential, tier: reach, reason: "LGN0005"},
		{name: "token has ended", replies: user(sapError(403, "INTERNAL_TOKEN_EXPIRED", "[LGN0006]Token has been expired:1. Relogin to your application or perform a getToken operation to refresh your access token.")), class: plumbline.ClassCredential, tier: reach, reason: "compare the clock"},
		{name: "invalid token", replies: user(sapError(403, "TOKEN_INVALID", "[LGN0007]Invalid OAuth token:x. Please validate the value for your OAuth token.")), class: plumbline.ClassCredential, tier: reach, reason: "LGN0007"},
		{name: "company not found", replies: user(sapError(403, "COMPANY_NOT_FOUND", "[LGN0008]Company [acmeprod] not found. Please validate the spelling of your company id, which is case-sensitive.")), class: plumbline.ClassMisconfig, tier: reach, reason: "case-sensitive"},
		{name: "OData not enabled", replies: user(sapError(403, "ODATA_API_FEATURE_NOT_ENABLE", "[LGN0009]OData API feature is not enabled for this company. Please contact support to enable ODATA.")), class: plumbline.ClassMisconfig, tier: reach, reason: "ask SAP to"},
		{name: "Basic disabled or address not allowed", replies: user(sapError(403, "BASIC_AUTH_OR_IP_DISABLED", "[LGN0010]Basic Authentication is disabled for company ACMEPROD or your IP 203.0.113.9 is not authorized")), class: plumbline.ClassMisconfig, tier: reach, reason: "look at the egress"},
		{name: "wrong password", replies: user(sapError(401, "AUTHENTICATION_FAILED", "[LGN0015]Authentication failed. You have entered an incorrect username or password (status code = 4).")), class: plumbline.ClassCredential, tier: reach, reason: "LGN0015: wrong user or password"},
		{name: "wrong password, in XML", replies: user(reply{status: 401, header: http.Header{"Content-Type": {"application/xml"}}, body: `<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code>LGN0015</code><message xml:lang="en-US">Authentication failed.</message></error>`}), class: plumbline.ClassCredential, tier: reach, reason: "LGN0015: wrong user", unconfirmed: true},
		{name: "token rejected, the new one as well", replies: user(sapError(403, "OAUTH_TOKEN_REJECTED", "[LGN0022]The access token is either rejected or expired")), class: plumbline.ClassCredential, tier: reach, reason: "a new token was refused as well"},
		{name: "401 without a word", replies: user(reply{status: 401}), class: plumbline.ClassCredential, tier: reach, reason: "User answered 401", unconfirmed: true},
		{name: "no such entity", replies: job(sapError(400, "COE_ENTITY_NOT_FOUND", "Invalid entity (or function) name: EmpJob")), class: plumbline.ClassMisconfig, tier: credential, reason: "EmpJob answered 400 COE_ENTITY_NOT_FOUND: the company has no such entity"},
		{name: "no such property", replies: user(sapError(400, "COE_PROPERTY_NOT_FOUND", "[COE0021]Invalid property names: User/userId")), class: plumbline.ClassMisconfig, tier: credential, reason: "COE0021"},
		{name: "no permission for an entity", replies: job(sapError(403, "COE_GENERAL_FORBIDDEN", "[COE0020]You do not have permission for this action: [READ]")), class: plumbline.ClassPermission, tier: credential, reason: "EmpJob answered 403 COE0020: the user's roles don't reach the entity"},
		{name: "no permission for a module", replies: job(sapError(403, "COE_GENERAL_FORBIDDEN", "[COE00020] User [plumbline] attempted to access dynamic group module [PERMISSION] without proper access privilege.")), class: plumbline.ClassPermission, tier: credential, reason: "COE00020"},
		{name: "no permission, as a bad request", replies: job(sapError(400, "COE_GENERAL_BAD_REQUEST", "You do not have permission to access the form data")), class: plumbline.ClassPermission, tier: credential, reason: "COE_GENERAL_BAD_REQUEST: the user's roles"},
		{name: "a bad request of another kind", replies: job(sapError(400, "COE_GENERAL_BAD_REQUEST", "Wrong")), class: plumbline.ClassProtocol, tier: credential, reason: "no ruling", unconfirmed: true},
		{name: "a code of tomorrow", replies: user(sapError(403, "NEW", "[LGN0099]Something new")), class: plumbline.ClassPermission, tier: reach, reason: "LGN0099, which plumbline has no ruling for", unconfirmed: true},
		{name: "an error that says 200", replies: user(sapError(200, "COE_GENERAL_FORBIDDEN", "[COE0020]You do not have permission for this action: [READ]")), class: plumbline.ClassPermission, tier: credential, reason: "COE0020", unconfirmed: true},
		{name: "throttled", replies: user(reply{status: 429, body: `{}`}), class: plumbline.ClassThrottled, tier: reach, reason: "once an hour"},
		{name: "metadata is generated", replies: user(text(500, "The request has timed out. OData metadata is being generated for the same instance in another thread. Please try again later")), class: plumbline.ClassOutage, tier: reach, reason: "busy with itself"},
		{name: "an internal error", replies: user(text(500, "Internal Server Error")), class: plumbline.ClassOutage, tier: reach, reason: "User answered 500"},
		{name: "maintenance", replies: user(text(503, "The Successfactors HCM suite is currently undergoing scheduled maintenance. We apologize for any inconvenience this may cause")), class: plumbline.ClassMaintenance, tier: reach, reason: "wait until it is over; nothing is wrong with the release"},
		{name: "maintenance, as a page", replies: user(page(503, "<html><body>The Successfactors HCM suite is currently undergoing scheduled maintenance.</body></html>")), class: plumbline.ClassMaintenance, tier: reach, reason: "wait until it is over"},
		{name: "unavailable", replies: user(text(503, "Service Temporarily Unavaliable")), class: plumbline.ClassOutage, tier: reach, reason: "nothing is wrong with the release"},
		{name: "bad gateway", replies: user(page(502, sapPage)), class: plumbline.ClassOutage, tier: reach, reason: "User answered 502: SuccessFactors is not well; nothing is wrong with the release"},
		{name: "gateway timeout", replies: user(page(504, sapPage)), class: plumbline.ClassOutage, tier: reach, reason: "answered 504"},
		{name: "a login page", replies: user(page(200, `<html><form><input type="password"></form></html>`)), class: plumbline.ClassMisconfig, tier: reach, reason: "no API", unconfirmed: true},
		{name: "another page", replies: user(page(200, `<html>hello</html>`)), class: plumbline.ClassOutage, tier: reach, reason: "a page instead of data", unconfirmed: true},
		{name: "a redirect", replies: user(reply{status: 302, header: http.Header{"Location": {"https://performancemanager10.successfactors.com/login?company=x"}}}), class: plumbline.ClassMisconfig, tier: reach, reason: "redirects to performancemanager10.successfactors.com", unconfirmed: true},
		{name: "no JSON", replies: user(reply{body: `{"d":{"resu`}), class: plumbline.ClassProtocol, tier: reach, reason: "no OData"},
		{name: "JSON of something else", replies: user(reply{body: `{"d":{"results":null}}`}), class: plumbline.ClassProtocol, tier: reach, reason: "no OData"},
		{name: "nobody within reach", replies: user(reply{body: sapEmpty}), class: plumbline.ClassEmptyData, tier: permission, reason: "User answered without a row: the user may ask, and its roles reach nobody"},
		{name: "no jobs within reach", replies: job(reply{body: sapEmpty}), class: plumbline.ClassEmptyData, tier: permission, reason: "EmpJob answered without a row"},
		{name: "rows right beneath d", replies: user(reply{body: `{"d":[{"userId":"cgrant"}]}`}), tier: data, unconfirmed: true},
	})
	for _, r := range p.requests {
		if strings.Contains(r.URL.String(), "eyJ0b2tlbkNvbnRlbnQi") || strings.Contains(r.URL.String(), "assertion") || strings.Contains(r.URL.Path, "$metadata") {
			t.Errorf("asked %s", r.URL)
		}
		want := "Bearer eyJ0b2tlbkNvbnRlbnQi"
		if r.URL.Path == "/oauth/token" {
			want = ""
		}
		if r.Header.Get("Authorization") != want {
			t.Errorf("%s: Authorization is %q, want %q", r.URL.Path, r.Header.Get("Authorization"), want)
		}
	}
}

func TestSuccessFactorsLoginCatalogue(t *testing.T) {
	p := provide(t, sapBase)
	token := func(r reply) map[string]reply { return map[string]reply{"/oauth/token": r} }
	said := func(status int, message string) map[string]reply {
		return token(reply{status: status, body: `{"errorHttpCode":"401","errorMessage":"` + message + `","requestId":"2c1ab9b0"}`})
	}
	const reach = plumbline.TierReach
	catalogue(t, p, sapConnection(t, p.URL), "successfactors: acme-sf", []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "another key", replies: said(401, "Unable to verify the signature of the SAML assertion. Please ensure that the assertion has a signature and the key pairs match the client ID"), class: plumbline.ClassCredential, tier: reach, reason: "register the certificate of this color's key"},
		{name: "no such user", replies: said(401, "Unable to authenticate the client (Login failed - invalid user)"), class: plumbline.ClassCredential, tier: reach, reason: "use_username: true"},
		{name: "another issuer wanted", replies: said(401, "Unable to verify the SAML assertion - api_key doesn't match client_id"), class: plumbline.ClassMisconfig, tier: reach, reason: "set issuer", unconfirmed: true},
		{name: "another recipient wanted", replies: said(401, "The recipient attribute value must be set as the URL of the API server"), class: plumbline.ClassMisconfig, tier: reach, reason: "set recipient", unconfirmed: true},
		{name: "no such API key", replies: said(401, "API key does not exist in company ACMEPROD"), class: plumbline.ClassCredential, tier: reach, reason: "no OAuth2 client application", unconfirmed: true},
		{name: "another audience wanted", replies: said(401, "Invalid audience of the SAML assertion"), class: plumbline.ClassMisconfig, tier: reach, reason: "another audience", unconfirmed: true},
		{name: "an assertion too old", replies: said(401, "The SAML assertion has expired"), class: plumbline.ClassCredential, tier: reach, reason: "compare the clock", unconfirmed: true},
		{name: "an assertion too early", replies: said(401, "The SAML assertion is not yet valid"), class: plumbline.ClassCredential, tier: reach, reason: "of the future", unconfirmed: true},
		{name: "a reason of tomorrow", replies: said(401, "Something new"), class: plumbline.ClassCredential, tier: reach, reason: "the token endpoint answered 401", unconfirmed: true},
		{name: "company not found", replies: token(sapError(403, "COMPANY_NOT_FOUND", "[LGN0008]Company [acmeprod] not found. Please validate the spelling of your company id, which is case-sensitive.")), class: plumbline.ClassMisconfig, tier: reach, reason: "the token endpoint answered 403 LGN0008", unconfirmed: true},
		{name: "a login that SAP can't read", replies: token(reply{status: 500, body: `{}`}), class: plumbline.ClassOutage, tier: reach, reason: "look at company, issuer and recipient", unconfirmed: true},
		{name: "throttled", replies: token(reply{status: 429}), class: plumbline.ClassThrottled, tier: reach, reason: "once an hour"},
		{name: "maintenance", replies: token(reply{status: 503, body: "The Successfactors HCM suite is currently undergoing scheduled maintenance. We apologize for any inconvenience this may cause"}), class: plumbline.ClassMaintenance, tier: reach, reason: "nothing is wrong with the release"},
		{name: "bad gateway", replies: token(reply{status: 502, header: http.Header{"Content-Type": {"text/html"}}, body: sapPage}), class: plumbline.ClassOutage, tier: reach, reason: "the token endpoint answered 502: SuccessFactors is not well"},
		{name: "a redirect", replies: token(reply{status: 302, header: http.Header{"Location": {"https://login.example.com/"}}}), class: plumbline.ClassMisconfig, tier: reach, reason: "redirects to login.example.com", unconfirmed: true},
		{name: "a page", replies: token(reply{header: http.Header{"Content-Type": {"text/html"}}, body: `<html>The session expired</html>`}), class: plumbline.ClassOutage, tier: reach, reason: "a page instead of data", unconfirmed: true},
		{name: "no token", replies: token(reply{body: `{}`}), class: plumbline.ClassProtocol, tier: reach, reason: "the token endpoint answered without a token"},
	})
}

// sapAsk asks one check of one connection.
func sapAsk(t *testing.T, connection checks.Connection, check string, ask plumbline.Ask) (plumbline.Answer, error) {
	t.Helper()
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
	t.Cleanup(clients.Connections.Close)
	return probe(t, compile(t, clients, check).Prober, ask)
}

func TestSuccessFactorsProof(t *testing.T) {
	p := provide(t, sapBase)
	const check = sapCheck + `
expect: {$.tier: data, $.company: ACMEPROD, $.rows: 2, $.entities.EmpJob: 1, $.expires_in: {gt: 86000}}
capture: {rows: $.rows}`
	answer, err := sapAsk(t, sapConnection(t, p.URL), check, askOf("http://127.0.0.1:1"))
	if err != nil || answer.Captures["rows"] != jsonNumber("2") {
		t.Errorf("%v: %v", answer.Captures, err)
	}
	answer, err = sapAsk(t, sapConnection(t, p.URL), sapCheck+"\nexpect: {$.rows: {gt: 2}}", askOf("http://127.0.0.1:1"))
	if err == nil || answer.Class != plumbline.ClassProtocol || strings.Contains(answer.Detail, "cgrant") {
		t.Errorf("%+v: %v", answer, err)
	}
	var asked []string
	for _, r := range p.requests[:3] {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.URL.Query().Get("$top")+r.URL.Query().Get("$select")+r.URL.Query().Get("$format"))
	}
	if got := strings.Join(asked, ", "); got != "POST /oauth/token , GET /odata/v2/User 1userIdjson, GET /odata/v2/EmpJob 1userIdjson" {
		t.Errorf("asked %s", got)
	}
}

func TestSuccessFactorsV4(t *testing.T) {
	const check = `successfactors: {connection: acme-sf, odata: v4, entities: [timemanagement/absence/v1/TimeAccounts]}`
	p := provide(t, sapBase)
	connection := sapConnection(t, p.URL)
	const path = "/odata/v4/timemanagement/absence/v1/TimeAccounts"
	v4 := func(status int, body string) map[string]reply {
		return map[string]reply{path: {status: status, body: body}}
	}
	catalogue(t, p, connection, check, []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "forbidden", replies: v4(403, `{"error":{"code":"403","message":"Forbidden","details":[]}}`), class: plumbline.ClassPermission, tier: plumbline.TierReach, reason: "answered 403", unconfirmed: true},
		{name: "rejected", replies: v4(403, `{"error":{"code":"LGN0002","message":"[LGN0002]no"}}`), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "LGN0002", unconfirmed: true},
		{name: "no such service", replies: v4(404, `{"error":{"code":"404","message":"Not Found"}}`), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "answered 404", unconfirmed: true},
		{name: "empty", replies: v4(200, `{"value":[]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "without a row"},
	})
	for _, r := range p.requests {
		if r.URL.Path == path && r.URL.RawQuery != "%24top=1" {
			t.Errorf("asked %s", r.URL)
		}
	}
}

func TestSuccessFactorsDataIsWantedOfWhatTheCheckNames(t *testing.T) {
	p := provide(t, sapBase)
	p.replies = map[string]reply{"/odata/v2/EmpJob": {body: sapEmpty}}
	answer, err := sapAsk(t, sapConnection(t, p.URL), `successfactors: {connection: acme-sf, entities: [User, EmpJob], data: [User]}`, askOf("http://127.0.0.1:1"))
	if err != nil || answer.Tier != plumbline.TierData {
		t.Errorf("%q: %v", answer.Tier, err)
	}
}

func TestSuccessFactorsSaysHowLongToWait(t *testing.T) {
	p := provide(t, sapBase)
	for header, want := range map[string]time.Duration{"": 300 * time.Second, "20": 20 * time.Second, "18446744074": time.Hour} {
		for _, path := range []string{"/oauth/token", "/odata/v2/User"} {
			p.replies = map[string]reply{path: {status: 429, header: http.Header{"Retry-After": {header}}}}
			answer, err := sapAsk(t, sapConnection(t, p.URL), "successfactors: acme-sf", askOf("http://127.0.0.1:1"))
			if err == nil || answer.RetryAfter != want {
				t.Errorf("Retry-After %q of %s: wait %s, want %s: %v", header, path, answer.RetryAfter, want, err)
			}
		}
	}
}
