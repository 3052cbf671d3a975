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
		_, _ = io.WriteString(w, darwinboxWell)
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
	url := serve(t, answering(http.StatusOK, "application/json", `{"status":0,"message":"wrong code-s3cret"}`))
	connection := darwinboxConnection(url)
	connection.ClientID, connection.TokenURL = "plum", checks.DarwinboxTokenPath
	connection.Provider.(*checks.Darwinbox).Code = secretly("code-s3cret")
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{connection}, clients.Transport, nil)
	if answer, err := probe(t, compile(t, clients, "darwinbox: acme-darwinbox").Prober, askOf(url)); err == nil || strings.Contains(err.Error()+answer.Detail, "s3cret") {
		t.Errorf("%v, %q", err, answer.Detail)
	}
}
