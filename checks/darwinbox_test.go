package checks_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

func darwinboxConnection(url string) checks.Connection {
	return checks.Connection{Name: "acme-darwinbox", Kind: "darwinbox", Username: "plum", Secret: secretly("basic-s3cret"), Origins: []string{url},
		Provider: &checks.Darwinbox{APIKey: secretly("key-s3cret-1"), DatasetKey: secretly("set-s3cret-1"), Employee: "E042",
			Messages: map[string]plumbline.Class{"Under Maintenance": plumbline.ClassMaintenance}}}
}

const darwinboxWell = `{"status":1,"message":"Successfully loaded all employees data","employee_data":[{"employee_id":"E042"}]}`

func TestDarwinboxCatalogue(t *testing.T) {
	const path = "/masterapi/employee"
	p := provide(t, map[string]reply{path: {body: darwinboxWell}})
	says := func(status int, body string) map[string]reply {
		return map[string]reply{path: {status: status, body: body}}
	}
	const reach = plumbline.TierReach
	catalogue(t, p, darwinboxConnection(p.URL), "{darwinbox: acme-darwinbox, expect: {$.rows: 1}}", []catalogueRow{
		{name: "all is well", tier: plumbline.TierData},
		{name: "a status in quotes", replies: says(200, strings.Replace(darwinboxWell, "1,", `"1",`, 1)), tier: plumbline.TierData},
		{name: "status 0", replies: says(200, `{"status":0,"message":"Invalid api key"}`), class: plumbline.ClassCredential, tier: reach, reason: "rejected by the provider, credential or configuration", unconfirmed: true},
		{name: "status 2, in quotes", replies: says(200, `{"status":"2","message":"x"}`), class: plumbline.ClassCredential, tier: reach, reason: `answered status "2"`, unconfirmed: true},
		{name: "a message that the operator knows", replies: says(200, `{"status":0,"message":"System under maintenance till 9"}`), class: plumbline.ClassMaintenance, tier: reach, reason: "the connection's messages"},
		{name: "no canary", replies: says(200, `{"status":1,"message":"Successfully loaded all employees data","employee_data":[]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "without the canary employee"},
		{name: "a canary of another case", replies: says(200, `{"status":1,"employee_data":[{"employee_id":"e042"}]}`), tier: plumbline.TierData, unconfirmed: true},
		{name: "somebody else", replies: says(200, `{"status":1,"employee_data":[{"employee_id":"E043"}]}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "others than the canary employee (1 rows)", unconfirmed: true},
		{name: "a row that doesn't say whose it is", replies: says(200, `{"status":1,"employee_data":[{"first_name":"Ann"}]}`), tier: plumbline.TierData, unconfirmed: true},
		{name: "employees that are no list", replies: says(200, `{"status":1,"employee_data":{"E042":{}}}`), class: plumbline.ClassProtocol, tier: plumbline.TierPermission, reason: "no list of employees", unconfirmed: true},
		{name: "an empty text in place of rows", replies: says(200, `{"status":1,"employee_data":""}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "without the canary employee", unconfirmed: true},
		{name: "a message that is none", replies: says(200, `{"status":0,"message":{"error":"x"}}`), class: plumbline.ClassCredential, tier: reach, reason: "rejected by the provider", unconfirmed: true},
		{name: "a redirect to log in", replies: map[string]reply{path: {status: 302, header: http.Header{"Location": {"https://acme.darwinbox.in/user/login"}}}}, class: plumbline.ClassMisconfig, tier: reach, reason: "redirects to acme.darwinbox.in", unconfirmed: true},
		{name: "no rows at all", replies: says(200, `{"status":1}`), class: plumbline.ClassEmptyData, tier: plumbline.TierPermission, reason: "without the canary employee"},
		{name: "401", replies: says(401, `{}`), class: plumbline.ClassCredential, tier: reach, reason: "user or password", unconfirmed: true},
		{name: "403", replies: says(403, `{}`), class: plumbline.ClassCredential, tier: reach, reason: "the address that this color asks from", unconfirmed: true},
		{name: "429", replies: says(429, `{}`), class: plumbline.ClassThrottled, tier: reach, reason: "lower the rate", unconfirmed: true},
		{name: "503", replies: says(503, `{}`), class: plumbline.ClassOutage, tier: reach, reason: "nothing is wrong with the release", unconfirmed: true},
		{name: "502", replies: says(502, ``), class: plumbline.ClassOutage, tier: reach, reason: "answered 502", unconfirmed: true},
		{name: "404", replies: says(404, `{}`), class: plumbline.ClassMisconfig, tier: reach, reason: "answered 404", unconfirmed: true},
		{name: "a page", replies: says(200, `<!DOCTYPE html><html>We are under maintenance</html>`), class: plumbline.ClassMaintenance, tier: reach, reason: "nothing is wrong with the release", unconfirmed: true},
		{name: "a login page", replies: says(200, `<html><input type="password"></html>`), class: plumbline.ClassMisconfig, tier: reach, reason: "a page to log in", unconfirmed: true},
		{name: "no JSON", replies: says(200, `employees`), class: plumbline.ClassProtocol, tier: reach, reason: "no status"},
		{name: "no status", replies: says(200, `{"employee_data":[]}`), class: plumbline.ClassProtocol, tier: reach, reason: "no status"},
	})
}

// One endpoint is asked, filtered by an employee; keys are in the body, user and password in the header.
func TestDarwinboxRequest(t *testing.T) {
	var bodies []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		user, password, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.URL.RequestURI() != "/masterapi/employee" || user != "plum" || password != "basic-s3cret" {
			t.Errorf("%s %s as %s", r.Method, r.URL, user)
		}
		var asked struct {
			Employees []string `json:"employee_ids"`
		}
		_ = json.Unmarshal(body, &asked)
		_, _ = io.WriteString(w, strings.Replace(darwinboxWell, "E042", asked.Employees[0], 1))
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{darwinboxConnection(url)}, clients.Transport, nil)
	for _, check := range []string{"darwinbox: acme-darwinbox", "darwinbox: {connection: acme-darwinbox, employee: /importapi/add}"} {
		if _, err := probe(t, compile(t, clients, check).Prober, askOf(url)); err != nil {
			t.Error(err)
		}
	}
	want := []string{`{"api_key":"key-s3cret-1","datasetKey":"set-s3cret-1","employee_ids":["E042"]}`, `{"api_key":"key-s3cret-1","datasetKey":"set-s3cret-1","employee_ids":["/importapi/add"]}`}
	if strings.Join(bodies, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent %s", bodies)
	}
}

// Without a canary nothing is asked: a whole dataset takes half a minute.
func TestDarwinboxWithoutACanary(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("something was asked") })
	connection := darwinboxConnection(url)
	connection.Provider.(*checks.Darwinbox).Employee = ""
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
	answer, err := probe(t, compile(t, clients, "darwinbox: acme-darwinbox").Prober, askOf(url))
	if err == nil || answer.Class != plumbline.ClassMisconfig || !strings.Contains(err.Error(), "no canary employee") {
		t.Errorf("%q: %v", answer.Class, err)
	}
}

// The OAuth variant: a code becomes a token, once, which goes into the header TOKEN.
func TestDarwinboxToken(t *testing.T) {
	for name, given := range map[string]string{"alone": "tok-s3cret-1", "in quotes": `"tok-s3cret-1"`, "in an object": `{"access_token":"tok-s3cret-1"}`} {
		t.Run(name, func(t *testing.T) {
			logins := 0
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/oauth/v1token" {
					var asked map[string]string
					if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked["code"] != "code-s3cret" || asked["client_secret"] != "client-s3cret" || asked["grant_type"] != "authorization_code" {
						t.Errorf("asked for a token with %v", asked)
					}
					logins++
					_, _ = io.WriteString(w, given)
					return
				}
				if r.Header.Get("TOKEN") != "tok-s3cret-1" || r.Header.Get("Authorization") != "" {
					t.Errorf("the token is %q", r.Header.Get("TOKEN"))
				}
				_, _ = io.WriteString(w, darwinboxWell)
			})
			connection := darwinboxConnection(url)
			connection.ClientID, connection.TokenURL, connection.Secret = "plum", checks.DarwinboxTokenPath, secretly("client-s3cret")
			connection.Provider.(*checks.Darwinbox).Code = secretly("code-s3cret")
			clients := clientsOf(t)
			clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
			check := compile(t, clients, "darwinbox: acme-darwinbox")
			for range 3 {
				if answer, err := probe(t, check.Prober, askOf(url)); err != nil || answer.Tier != plumbline.TierData {
					t.Fatalf("%v, tier %q", err, answer.Tier)
				}
			}
			if logins != 1 {
				t.Errorf("%d logins, want 1", logins)
			}
		})
	}
}

// Whatever is wrong with a code comes with status 200, too, and nothing of it is told.
func TestDarwinboxTokenRefused(t *testing.T) {
	const path = "/oauth/v1token"
	p := provide(t, map[string]reply{"/masterapi/employee": {body: darwinboxWell}})
	says := func(status int, body string) map[string]reply {
		return map[string]reply{path: {status: status, body: body}}
	}
	connection := darwinboxConnection(p.URL)
	connection.ClientID, connection.TokenURL, connection.Secret = "plum", checks.DarwinboxTokenPath, secretly("client-s3cret")
	connection.Provider.(*checks.Darwinbox).Code = secretly("code-s3cret")
	const reach = plumbline.TierReach
	catalogue(t, p, connection, "darwinbox: acme-darwinbox", []catalogueRow{
		{name: "a token", replies: says(200, "tok-s3cret-1"), tier: plumbline.TierData},
		{name: "status 0", replies: says(200, `{"status":0,"message":"wrong code-s3cret"}`), class: plumbline.ClassCredential, tier: reach, reason: `/oauth/v1token answered status 0, "wrong [redacted]", want 1: rejected by the provider`, unconfirmed: true},
		{name: "a message that the operator knows", replies: says(200, `{"status":"0","message":"under maintenance"}`), class: plumbline.ClassMaintenance, tier: reach, reason: "the connection's messages say"},
		{name: "neither token nor status", replies: says(200, `{}`), class: plumbline.ClassCredential, tier: reach, reason: "a code may be used up", unconfirmed: true},
		{name: "401", replies: says(401, `{}`), class: plumbline.ClassCredential, tier: reach, reason: "/oauth/v1token answered 401", unconfirmed: true},
		{name: "429", replies: says(429, `{}`), class: plumbline.ClassThrottled, tier: reach, reason: "lower the rate", unconfirmed: true},
		{name: "502", replies: says(502, ``), class: plumbline.ClassOutage, tier: reach, reason: "/oauth/v1token answered 502", unconfirmed: true},
		{name: "a page", replies: says(200, `<html>down for maintenance</html>`), class: plumbline.ClassMaintenance, tier: reach, reason: "nothing is wrong with the release", unconfirmed: true},
	})
}

// The same user may import, approve and punch in. No check can make it do so: not the kind's own parameters, not another
// kind with the connection's credential, and not the provider itself.
func TestDarwinboxOnlyReads(t *testing.T) {
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent elsewhere", r.Method, r.URL) })
	location := ""
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/masterapi/employee" && r.URL.Path != "/AttendanceDataApi/daily" {
			t.Errorf("%s %s was asked", r.Method, r.URL)
		}
		if location != "" {
			http.Redirect(w, r, location, http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, darwinboxWell)
	})
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{darwinboxConnection(url)}, clients.Transport, nil)
	ask := func(check, want string) {
		t.Helper()
		if _, err := probe(t, compile(t, clients, check).Prober, askOf(url)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", check, err, want)
		}
	}
	for _, path := range []string{"/importapi/add", "/importapi/../importapi/update", "/leavesactionapi/leaveaction", "/leavesactionapi/importleave", "/AttendancePunchesApi",
		"/attendanceDataApi/backdatedattendance", "/hrfileApi/upload", "/masterapi/employee/../../importapi/add", "/masterapi/employee/", "/masterapi%2Femployee", "/MasterAPI/employee", "/", "/oauth/v1token"} {
		for _, check := range []string{"{post: '" + url + path + "', auth: acme-darwinbox, json: {a: 1}}", "{get: '" + path + "', auth: acme-darwinbox}",
			"{graphql: {url: '" + path + "', query: '{a}', auth: acme-darwinbox}}"} {
			ask(check, "none of the endpoints that only read")
		}
	}
	ask("{post: /AttendanceDataApi/daily, auth: acme-darwinbox, json: {emp_number_list: [E042]}}", "")
	for _, employee := range []string{"../../importapi/add", "E042?x=/importapi/add", `E042"],"a":["b`, "https://else.test/importapi"} {
		ask("{darwinbox: {connection: acme-darwinbox, employee: '"+employee+"'}}", "others than the canary employee")
	}
	for to, want := range map[string]string{"/importapi/add": "none of the endpoints that only read", elsewhere + "/masterapi/employee": "which is not followed"} {
		location = to
		ask("darwinbox: acme-darwinbox", "redirects")
		ask("{post: /masterapi/employee, auth: acme-darwinbox, follow: true}", want)
	}
}
