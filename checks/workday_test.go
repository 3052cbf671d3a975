package checks_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

const (
	workdaySecret   = "wd-client-s3cret"
	workdayPassword = `p&ss<w>ord"'1`
	workdayRefresh  = "wd-refresh-number-0"
	workdayAccess   = "wd-access-token-1"
)

const (
	workdayToken  = "/ccx/oauth2/acme/token"
	workdayRows   = "/ccx/api/v1/acme/workers"
	workdayJobs   = "/ccx/api/staffing/v6/acme/jobs"
	workdayReport = "/ccx/service/customreport2/acme/ISU_PLUM/Plum_Employees"
	workdayTime   = "Server_Timestamp_Get"
	workdayPeople = "Get_Workers_Request"
)

// wsEnvelope is an answer of a web service as Workday has it.
func wsEnvelope(inside string) string {
	return `<?xml version="1.0" encoding="utf-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>` + inside + `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

func wsFault(code, text, detail string) string {
	return wsEnvelope(`<SOAP-ENV:Fault xmlns:wd="urn:com.workday/bsvc"><faultcode>SOAP-ENV:` + code + `</faultcode><faultstring>` + text + `</faultstring>` + detail + `</SOAP-ENV:Fault>`)
}

func wsTime(at string) reply {
	return reply{header: http.Header{"Content-Type": {"text/xml"}}, body: wsEnvelope(`<wd:Server_Timestamp xmlns:wd="urn:com.workday/bsvc" wd:version="v25.1"><wd:Server_Timestamp_Data>` + at + `</wd:Server_Timestamp_Data></wd:Server_Timestamp>`)}
}

func wsWorkers(rows string, total int) reply {
	return reply{header: http.Header{"Content-Type": {"text/xml"}}, body: wsEnvelope(fmt.Sprintf(`<wd:Get_Workers_Response xmlns:wd="urn:com.workday/bsvc" wd:version="v44.2"><wd:Response_Filter><wd:Page>1</wd:Page><wd:Count>1</wd:Count></wd:Response_Filter>`+
		`<wd:Response_Results><wd:Total_Results>%d</wd:Total_Results><wd:Total_Pages>%[1]d</wd:Total_Pages><wd:Page_Results>1</wd:Page_Results><wd:Page>1</wd:Page></wd:Response_Results><wd:Response_Data>%s</wd:Response_Data></wd:Get_Workers_Response>`, total, rows))}
}

const oneWorker = `<wd:Worker><wd:Worker_Reference><wd:ID wd:type="WID">0e44c92412d34b01ace61e80a47aaf6d</wd:ID><wd:ID wd:type="Employee_ID">21001</wd:ID></wd:Worker_Reference></wd:Worker>`

// workdayBase is a tenant in which all is well.
func workdayBase() map[string]reply {
	return map[string]reply{
		workdayToken:  {body: `{"access_token":"` + workdayAccess + `","token_type":"Bearer","expires_in":3600}`},
		workdayRows:   {body: `{"total":1842,"data":[{"id":"0e44c92412d34b01ace61e80a47aaf6d","descriptor":"Logan McNeil","href":"https://acme.test/workers/0e44"}]}`},
		workdayJobs:   {body: `{"total":7,"data":[{"id":"1","descriptor":"P-1","href":"https://acme.test/jobs/1"}]}`},
		workdayReport: {body: `{"Report_Entry":[{"Employee_ID":"21001"},{"Employee_ID":"21002"}]}`},
		workdayTime:   wsTime(time.Now().Format("2006-01-02T15:04:05.000-07:00")),
		workdayPeople: wsWorkers(oneWorker, 1842),
	}
}

// operation is what a request goes by: the path, or the web service's operation.
func operation(r *http.Request, body string) string {
	for _, name := range []string{workdayTime, workdayPeople} {
		if strings.Contains(body, "<bsvc:"+name) {
			return name
		}
	}
	return r.URL.Path
}

func workdayServer(t *testing.T) *provided {
	p := provide(t, workdayBase())
	p.key = operation
	return p
}

// workdayClient has an API client, workdayUser a user, both in the tenant acme.
func workdayClient(p *provided) checks.Connection {
	return checks.Connection{Name: "acme-workday", Kind: "workday", Origins: []string{p.URL}, Grant: checks.RefreshToken, ClientID: "NjQ2M2Rm",
		Secret: secretly(workdaySecret), TokenURL: workdayToken, Refresh: &checks.RefreshGrant{Value: secretly(workdayRefresh)},
		Provider: &checks.Workday{Tenant: "acme", Version: "v44.2"}}
}

func workdayUser(p *provided) checks.Connection {
	return checks.Connection{Name: "acme-workday", Kind: "workday", Origins: []string{p.URL},
		Provider: &checks.Workday{Tenant: "acme", Version: "v44.2", User: "ISU_PLUM@acme", Password: secretly(workdayPassword)}}
}

func answers(path string, status int, body string) map[string]reply {
	return map[string]reply{path: {status: status, body: body}}
}

func TestWorkdayCatalogueOfLogins(t *testing.T) {
	p := workdayServer(t)
	html := http.Header{"Content-Type": {"text/html"}}
	catalogue(t, p, workdayClient(p), "workday: acme-workday", []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "revoked", replies: answers(workdayToken, 400, `{"error":"invalid_grant"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach,
			reason: `token endpoint answered 400 "invalid_grant": the refresh token was revoked, replaced or has expired: make a new one for API client NjQ2M2Rm (Manage Refresh Tokens for Integrations); nothing is wrong with the release`, unconfirmed: true},
		{name: "wrong client", replies: answers(workdayToken, 401, `{"error":"invalid_client"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "look at client_id and client_secret", unconfirmed: true},
		{name: "wrong client, unsaid", replies: answers(workdayToken, 401, ""), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "answered 401: look at client_id", unconfirmed: true},
		{name: "another grant", replies: answers(workdayToken, 400, `{"error":"unauthorized_client"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "registered for another grant", unconfirmed: true},
		{name: "no such grant", replies: answers(workdayToken, 400, `{"error":"unsupported_grant_type"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "register API client NjQ2M2Rm", unconfirmed: true},
		{name: "lacking scope", replies: answers(workdayToken, 400, `{"error":"invalid_scope"}`), class: plumbline.ClassPermission, tier: plumbline.TierReach, reason: "lacks a scope", unconfirmed: true},
		{name: "another tenant", replies: answers(workdayToken, 404, ""), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "no tenant acme at this host", unconfirmed: true},
		{name: "throttled", replies: answers(workdayToken, 429, ""), class: plumbline.ClassThrottled, tier: plumbline.TierReach, reason: "lower the rate", unconfirmed: true},
		{name: "down", replies: answers(workdayToken, 503, "upstream"), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "nothing is wrong with the release", unconfirmed: true},
		{name: "an error of tomorrow", replies: answers(workdayToken, 418, `{"error":"brand_new"}`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "answered 418"},
		{name: "no token", replies: answers(workdayToken, 200, `{}`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "answered without a token"},
		{name: "a page", replies: map[string]reply{workdayToken: {header: html, body: "<html>hello</html>"}}, class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "a page instead of data"},
		{name: "maintenance", replies: map[string]reply{workdayToken: {status: 503, header: html, body: "<html><title>Workday is currently unavailable.</title></html>"}},
			class: plumbline.ClassMaintenance, tier: plumbline.TierReach, reason: "wait until it is over", unconfirmed: true},
		{name: "sent to maintenance", replies: map[string]reply{workdayToken: {status: 303, header: http.Header{"Location": {"https://community.workday.com/maintenance-page?d=3"}}}},
			class: plumbline.ClassMaintenance, tier: plumbline.TierReach, reason: "answered 303 with its page for people", unconfirmed: true},
		{name: "sent elsewhere", replies: map[string]reply{workdayToken: {status: 302, header: http.Header{"Location": {"https://impl.workday.com/acme/login.htmld"}}}},
			class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "redirects to impl.workday.com", unconfirmed: true},
	})
}

func TestWorkdayCatalogueOfREST(t *testing.T) {
	p := workdayServer(t)
	check := "workday: {connection: acme-workday, resources: [workers, staffing/v6/jobs]}"
	catalogue(t, p, workdayClient(p), check, []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "token refused twice", replies: answers(workdayRows, 401, `{"error":"invalid_token"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: `GET workers answered 401 "invalid_token": Workday doesn't know who asks`, unconfirmed: true},
		{name: "no scope", replies: answers(workdayRows, 403, `{"error":"permission denied","errors":[{"error":"S21","field":"","location":""}]}`),
			class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: `answered 403 "permission denied: S21": API client NjQ2M2Rm lacks the scope`, unconfirmed: true},
		{name: "no scope for the second", replies: answers(workdayJobs, 403, `{"error":"permission denied"}`), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "GET staffing/v6/jobs answered 403", unconfirmed: true},
		{name: "not there", replies: answers(workdayRows, 404, `{"error":"not found"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "what security hides is not found either", unconfirmed: true},
		{name: "no rows", replies: answers(workdayRows, 200, `{"total":0,"data":[]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "Activate Pending Security Policy Changes", unconfirmed: true},
		{name: "no rows of the second", replies: answers(workdayJobs, 200, `{"total":0,"data":[]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "GET staffing/v6/jobs answered 200 without a row", unconfirmed: true},
		{name: "rows that are hidden", replies: answers(workdayRows, 200, `{"total":5,"data":[]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "GET workers answered 200 without a row", unconfirmed: true},
		{name: "throttled", replies: answers(workdayRows, 429, `{"error":"too many requests"}`), class: plumbline.ClassThrottled, tier: plumbline.TierReach, reason: "lower the rate", unconfirmed: true},
		{name: "down", replies: answers(workdayRows, 503, `upstream`), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "Workday is not well", unconfirmed: true},
		{name: "broken", replies: answers(workdayRows, 500, `{"error":"internal"}`), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "nothing is wrong with the release", unconfirmed: true},
		{name: "a bad request", replies: answers(workdayRows, 400, `{"error":"invalid request","errors":[{"error":"limit is wrong","field":"limit"}]}`),
			class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: `answered 400 "invalid request: limit is wrong"`, unconfirmed: true},
		{name: "no JSON", replies: answers(workdayRows, 200, `{"total":`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "not the JSON"},
		{name: "another JSON", replies: answers(workdayRows, 200, `{"workers":[]}`), class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "without a total"},
		{name: "maintenance in a script", replies: answers(workdayRows, 500, `window.location.href = "https://community.workday.com/maintenance-page"`),
			class: plumbline.ClassMaintenance, tier: plumbline.TierReach, reason: "wait until it is over", unconfirmed: true},
		{name: "outage", replies: map[string]reply{workdayRows: {status: 302, header: http.Header{"Location": {"https://www.myworkday.com/wday/drs/outage?t=acme"}}}},
			class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "Workday is not well", unconfirmed: true},
	})
	for i, r := range p.requests {
		if r.URL.Path == workdayToken {
			if want := "client_id=NjQ2M2Rm&client_secret=" + workdaySecret + "&grant_type=refresh_token&refresh_token=" + workdayRefresh; p.bodies[i] != want || r.Header.Get("Authorization") != "" {
				t.Errorf("the login was %s", p.bodies[i])
			}
			continue
		}
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+workdayAccess || r.URL.RawQuery != "limit=1" || p.bodies[i] != "" {
			t.Errorf("%s %s as %q with %q", r.Method, r.URL, r.Header.Get("Authorization"), p.bodies[i])
		}
	}
}

func TestWorkdayCatalogueOfWebServices(t *testing.T) {
	p := workdayServer(t)
	fault := func(operation, code, text, detail string) map[string]reply {
		return map[string]reply{operation: {status: 500, header: http.Header{"Content-Type": {"text/xml"}}, body: wsFault(code, text, detail)}}
	}
	wrong := `<detail><wd:Validation_Fault><wd:Validation_Error><wd:Message>Element is not valid</wd:Message><wd:Detail_Message>at Count</wd:Detail_Message><wd:Xpath>/wd:Get_Workers_Request[1]</wd:Xpath></wd:Validation_Error></wd:Validation_Fault></detail>`
	catalogue(t, p, workdayUser(p), "workday: acme-workday", []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "wrong password", replies: fault(workdayTime, "Client.authenticationError", "invalid username or password", ""), class: plumbline.ClassCredential, tier: plumbline.TierReach,
			reason: `Server_Timestamp_Get answered the fault "invalid username or password": user ISU_PLUM@acme or its password is not accepted`, unconfirmed: true},
		{name: "wrong password under another code", replies: fault(workdayTime, "Client", "invalid username or password", ""), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "isn't locked", unconfirmed: true},
		{name: "not authorized", replies: fault(workdayPeople, "Server.processingError", "Processing error occurred. The task submitted is not authorized.", ""), class: plumbline.ClassPermission, tier: plumbline.TierCredential,
			reason: "Get_Workers answered the fault \"Processing error occurred. The task submitted is not authorized.\": the password is good, but the security group of ISU_PLUM@acme lacks the domain", unconfirmed: true},
		{name: "not authorized for the time", replies: fault(workdayTime, "Client", "Processing error occurred. The task submitted is not authorized.", ""), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "run Activate Pending Security Policy Changes", unconfirmed: true},
		{name: "not authorized in the detail", replies: fault(workdayPeople, "Server", "Processing error occurred.", `<detail><wd:Processing_Fault><wd:Detail_Message>The task submitted is not authorized.</wd:Detail_Message></wd:Processing_Fault></detail>`),
			class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "is not authorized", unconfirmed: true},
		{name: "no such version", replies: fault(workdayTime, "Client.validationError", "Validation error occurred. The web service or version is invalid for the requested operation", ""), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "set version of the connection to one that the tenant has, instead of v44.2", unconfirmed: true},
		{name: "another schema", replies: fault(workdayPeople, "Client.validationError", "Validation error occurred.", wrong), class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "Validation error occurred.; Element is not valid"},
		{name: "broken", replies: fault(workdayTime, "Server.processingError", "Processing error occurred.", ""), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "nothing is wrong with the release", unconfirmed: true},
		{name: "a fault about maintenance", replies: fault(workdayTime, "Server.busy", "The system is in scheduled maintenance.", ""), class: plumbline.ClassMaintenance, tier: plumbline.TierReach, reason: "wait until it is over", unconfirmed: true},
		{name: "a fault of tomorrow", replies: fault(workdayTime, "Client.brandNew", "something", ""), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: `("Client.brandNew"), which the catalogue has nothing of`},
		{name: "no rows", replies: map[string]reply{workdayPeople: wsWorkers("", 0)}, class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "Get_Workers answered 200 without a row: its security hides every row", unconfirmed: true},
		{name: "a page", replies: map[string]reply{workdayTime: {header: http.Header{"Content-Type": {"text/html"}}, body: "<html>proxy</html>"}}, class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "a page instead of data"},
		{name: "down", replies: answers(workdayTime, 503, "upstream"), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "answered 503", unconfirmed: true},
		{name: "throttled", replies: answers(workdayPeople, 429, ""), class: plumbline.ClassThrottled, tier: plumbline.TierCredential, reason: "lower the rate", unconfirmed: true},
		{name: "not there", replies: answers(workdayTime, 404, ""), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "tenant acme", unconfirmed: true},
		{name: "no SOAP", replies: answers(workdayTime, 200, `{"ok":true}`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "no SOAP"},
		{name: "half an envelope", replies: answers(workdayTime, 200, wsEnvelope("<a>")[:160]), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "no SOAP"},
		{name: "no time", replies: map[string]reply{workdayTime: {body: wsEnvelope("")}}, class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "without a Server_Timestamp"},
		{name: "no time that can be read", replies: map[string]reply{workdayTime: wsTime("soon")}, class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: `"soon", want a time`},
		{name: "another answer", replies: map[string]reply{workdayPeople: {body: wsEnvelope("")}}, class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "without a Get_Workers_Response"},
	})
}

func TestWorkdayCatalogueOfReports(t *testing.T) {
	p := workdayServer(t)
	const check = `workday: {connection: acme-workday, report: {owner: ISU_PLUM, name: Plum_Employees, prompts: {"Location!WID": d588}}}`
	rows := []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "unknown", replies: answers(workdayReport, 401, ""), class: plumbline.ClassCredential, tier: plumbline.TierReach, reason: "the report Plum_Employees answered 401", unconfirmed: true},
		{name: "not shared", replies: answers(workdayReport, 403, ""), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "Activate Pending", unconfirmed: true},
		{name: "not authorized", replies: answers(workdayReport, 500, wsFault("Server.processingError", "Processing error occurred. The task submitted is not authorized.", "")), class: plumbline.ClassPermission, tier: plumbline.TierCredential, reason: "not authorized", unconfirmed: true},
		{name: "no such report", replies: answers(workdayReport, 404, ""), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "compare host, tenant acme and name", unconfirmed: true},
		{name: "no rows", replies: answers(workdayReport, 200, `{"Report_Entry":[]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "its filters and prompts leave nothing", unconfirmed: true},
		{name: "another format", replies: answers(workdayReport, 200, `{"data":[]}`), class: plumbline.ClassProtocol, tier: plumbline.TierCredential, reason: "without Report_Entry"},
		{name: "XML", replies: answers(workdayReport, 200, `<wd:Report_Data/>`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "not the JSON"},
		{name: "too large", replies: answers(workdayReport, 200, `{"Report_Entry":[`+strings.Repeat(`{"Employee_ID":"21001"},`, 100_000)+`{}]}`), class: plumbline.ClassProtocol, tier: plumbline.TierReach, reason: "got more than 2 MiB: narrow the report by its prompts"},
		{name: "down", replies: answers(workdayReport, 503, ""), class: plumbline.ClassOutage, tier: plumbline.TierReach, reason: "Workday is not well", unconfirmed: true},
	}
	want := map[string]string{"user": "Basic " + base64.StdEncoding.EncodeToString([]byte("ISU_PLUM@acme:"+workdayPassword)), "client": "Bearer " + workdayAccess}
	for name, connection := range map[string]checks.Connection{"user": workdayUser(p), "client": workdayClient(p)} {
		p.requests = nil
		t.Run(name, func(t *testing.T) { catalogue(t, p, connection, check, rows) })
		for _, r := range p.requests {
			if r.URL.Path == workdayReport && (r.Header.Get("Authorization") != want[name] || r.URL.RawQuery != "Location%21WID=d588&format=json") {
				t.Errorf("%s as %q, want %q", r.URL, r.Header.Get("Authorization"), want[name])
			}
		}
	}
}

// What is wrong with an account is found out before Workday is asked, which might lock it.
func TestWorkdayAccountsThatCantBe(t *testing.T) {
	p := workdayServer(t)
	user := func(name, password string) checks.Connection {
		c := workdayUser(p)
		c.Provider = &checks.Workday{Tenant: "acme", Version: "v44.2", User: name, Password: secretly(password)}
		return c
	}
	tests := map[string]struct {
		connection  checks.Connection
		check, want string
	}{
		"no tenant":           {user("ISU_PLUM", workdayPassword), "workday: acme-workday", `the user is "ISU_PLUM", want "NAME@acme": Workday would call its password wrong`},
		"another tenant":      {user("ISU_PLUM@acme2", workdayPassword), "workday: acme-workday", `the user is "ISU_PLUM@acme2"`},
		"no name":             {user("@acme", workdayPassword), "workday: acme-workday", `the user is "@acme"`},
		"no tenant, report":   {user("ISU_PLUM", workdayPassword), "workday: {connection: acme-workday, report: {owner: a, name: b}}", `the user is "ISU_PLUM"`},
		"no password":         {user("ISU_PLUM@acme", ""), "workday: acme-workday", "no integration system user"},
		"no user":             {workdayClient(p), "workday: {connection: acme-workday, use: soap}", "no integration system user: give the connection a user and a password"},
		"no client":           {user("ISU_PLUM@acme", workdayPassword), "workday: {connection: acme-workday, use: rest}", "no API client to ask REST with"},
		"unwritable":          {user("ISU_PLUM@acme", "pass\x01word"), "workday: acme-workday", "a character that XML can't carry"},
		"a report of nothing": {user("ISU_PLUM@acme", workdayPassword), "workday: {connection: acme-workday, report: {owner: a, name: '..'}}", `".." of "a" is no report`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer, err := asked(t, test.connection, test.check)
			if err == nil || answer.Class != plumbline.ClassMisconfig || !strings.Contains(err.Error(), test.want) || answer.Tier != "" {
				t.Errorf("got %q, %v", answer.Class, err)
			}
			if leak := redact.Leaks(fmt.Sprint(err), workdayPassword, "pass\x01word"); leak != "" {
				t.Error(leak)
			}
		})
	}
	if len(p.requests) != 0 {
		t.Errorf("%d requests", len(p.requests))
	}
}

// asked is what comes of asking one check of a connection.
func asked(t *testing.T, c checks.Connection, check string) (plumbline.Answer, error) {
	t.Helper()
	return probe(t, compile(t, connected(t, c), check).Prober, askOf("http://127.0.0.1:1"))
}

func TestWorkdayProofIsMatchedAndCaptured(t *testing.T) {
	p := workdayServer(t)
	p.base[workdayTime] = wsTime(time.Now().Add(-150 * time.Second).Format(time.RFC3339Nano))
	both := workdayClient(p)
	both.Provider = workdayUser(p).Provider
	tests := map[string]string{
		"rest":   "{workday: {connection: acme-workday, resources: [staffing/v6/jobs, workers]}, expect: {$.use: rest, $.tenant: acme, $.rows: 7, $.resources.workers: {gt: 1000}, $.tier: data}, capture: {n: $.rows}}",
		"soap":   "{workday: {connection: acme-workday, use: soap}, expect: {$.use: soap, $.user: ISU_PLUM@acme, $.rows: 1842, $.clock_skew_seconds: {lt: -140}}, capture: {n: $.rows}}",
		"report": "{workday: {connection: acme-workday, report: {owner: ISU_PLUM, name: Plum_Employees}}, expect: {$.report: Plum_Employees, $.rows: {gte: 2}}, capture: {n: $.rows}}",
	}
	want := map[string]string{"rest": "7", "soap": "1842", "report": "2"}
	for name, check := range tests {
		answer, err := asked(t, both, check)
		if err != nil || fmt.Sprint(answer.Captures["n"]) != want[name] {
			t.Errorf("%s: %v, captured %v", name, err, answer.Captures)
		}
		warned := len(answer.Warnings) == 1 && strings.HasPrefix(answer.Warnings[0], "Workday's clock is 2m30s behind the one here")
		if warned != (name == "soap") {
			t.Errorf("%s: warnings %q", name, answer.Warnings)
		}
	}
	answer, err := asked(t, both, "{workday: {connection: acme-workday, resources: [staffing/v6/jobs]}, expect: {$.rows: {gt: 100}}}")
	if err == nil || answer.Class != plumbline.ClassProtocol || answer.Tier != plumbline.TierData || !strings.Contains(err.Error(), "$.rows: got 7") {
		t.Errorf("%q %q %v", answer.Class, answer.Tier, err)
	}
}

// Rows are of people: what is shown of a wrong answer has none, what Workday says of itself is there.
func TestWorkdayShowsNobody(t *testing.T) {
	p := workdayServer(t)
	for name, test := range map[string]struct {
		connection checks.Connection
		check      string
		reply      map[string]reply
		shown      string
	}{
		"a broken page":     {workdayClient(p), "workday: acme-workday", answers(workdayRows, 200, `{"total":1,"data":[{"descriptor":"Logan McNeil"}`), ""},
		"another page":      {workdayClient(p), "workday: acme-workday", answers(workdayRows, 200, `{"data":[{"descriptor":"Logan McNeil"}]}`), ""},
		"a broken report":   {workdayUser(p), "workday: {connection: acme-workday, report: {owner: ISU_PLUM, name: Plum_Employees}}", answers(workdayReport, 200, `{"Report_Entry":[{"Worker":"Logan McNeil"}`), ""},
		"a broken envelope": {workdayUser(p), "workday: acme-workday", answers(workdayPeople, 200, wsEnvelope("<a>Logan McNeil")), ""},
		"a refusal":         {workdayClient(p), "workday: acme-workday", answers(workdayRows, 403, `{"error":"permission denied"}`), `{"error":"permission denied"}`},
	} {
		p.replies = test.reply
		answer, err := asked(t, test.connection, test.check)
		if err == nil || answer.Detail != test.shown {
			t.Errorf("%s: shown %q, want %q (%v)", name, answer.Detail, test.shown, err)
		}
	}
}

func TestWorkdayClocksThatAgreeAreNotWarnedOf(t *testing.T) {
	p := workdayServer(t)
	for skew, warned := range map[time.Duration]bool{30 * time.Second: false, -30 * time.Second: false, 5 * time.Minute: true, -5 * time.Minute: true} {
		p.base[workdayTime] = wsTime(time.Now().Add(skew).In(time.FixedZone("", -8*3600)).Format("2006-01-02T15:04:05.000-07:00"))
		answer, err := asked(t, workdayUser(p), "workday: acme-workday")
		if err != nil || (len(answer.Warnings) == 1) != warned {
			t.Errorf("%s: %v, warnings %q", skew, err, answer.Warnings)
		}
	}
}
