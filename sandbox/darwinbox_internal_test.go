package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// darwinboxBody is a question of an account.
func darwinboxBody(a DarwinboxAccount, employees ...string) string {
	body, err := json.Marshal(map[string]any{"api_key": a.APIKey, "datasetKey": a.DatasetKey, "employee_ids": employees})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestDarwinboxSimulator(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	d := newDarwinbox(func() time.Time { return now }, rand.Reader)
	blue, green := d.account(plumbline.Blue), d.account(plumbline.Green)
	const path = "/masterapi/employee"
	mine := basicHeader(green.Username, green.Password)
	wrongKey, wrongSet := green, green
	wrongKey.APIKey, wrongSet.DatasetKey = blue.APIKey, blue.DatasetKey
	for name, test := range map[string]struct {
		header     http.Header
		body, want string
	}{
		"the canary":             {mine, darwinboxBody(green, green.Employee), `OK {"employee_data":[{"employee_id":"E042","first_name":"Canary"}],"message":"Successfully loaded all employees data","status":1}`},
		"nobody":                 {mine, darwinboxBody(green, "E999"), `OK {"employee_data":[],"message":"Successfully loaded all employees data","status":1}`},
		"no user":                {nil, darwinboxBody(green, green.Employee), "Unauthorized Unauthorized"},
		"another password":       {basicHeader(green.Username, blue.Password), darwinboxBody(green, green.Employee), "Unauthorized Unauthorized"},
		"another key":            {mine, darwinboxBody(wrongKey, green.Employee), `OK {"message":"Invalid key","status":0}`},
		"another dataset":        {mine, darwinboxBody(wrongSet, green.Employee), `OK {"message":"Invalid key","status":0}`},
		"no JSON":                {mine, "employee_ids=E042", `OK {"message":"Invalid JSON","status":0}`},
		"a token that isn't one": {http.Header{"Token": {"tok"}}, darwinboxBody(green, green.Employee), "Unauthorized Unauthorized"},
	} {
		if got := asked(t, d, "POST", path, test.body, test.header); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if got := asked(t, d, "POST", path, darwinboxBody(green), mine); strings.Count(got, "employee_id") != 1+len(darwinboxDataset) {
		t.Errorf("without a filter: %s, want everybody", got)
	}
	now = now.Add(time.Minute)
	for i := range d.limit.most + 1 {
		if got := asked(t, d, "POST", path, darwinboxBody(green, green.Employee), mine); strings.HasPrefix(got, "Too Many Requests") != (i == d.limit.most) {
			t.Fatalf("request %d of a second: %s", i+1, got)
		}
	}
	if got := asked(t, d, "POST", "/importapi/add", "{}", mine); d.harmed != 0 || !strings.HasPrefix(got, "Too Many") {
		t.Errorf("beyond the limit: %s", got)
	}
	now = now.Add(time.Second)
	if got := asked(t, d, "POST", "/importapi/add", "{}", mine); d.harmed != 1 || !strings.HasPrefix(got, "OK") {
		t.Errorf("an order: %s, counted %d times", got, d.harmed)
	}
}

func TestDarwinboxTokensEnd(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	d := newDarwinbox(func() time.Time { return now }, rand.Reader)
	green := d.account(plumbline.Green)
	login := func(code, secret string) string {
		return asked(t, d, "POST", "/oauth/v1token", `{"client_id":"`+green.Username+`","client_secret":"`+secret+`","grant_type":"authorization_code","code":"`+code+`"}`, nil)
	}
	token, given := strings.CutPrefix(login(green.Code, green.ClientSecret), "OK ")
	if !given || strings.ContainsAny(token, `{"`) {
		t.Fatalf("got %q, want a bare token", token)
	}
	ask := func() string {
		return asked(t, d, "POST", "/masterapi/employee", darwinboxBody(green, green.Employee), http.Header{"Token": {token}})
	}
	if got := ask(); !strings.Contains(got, `"status":1`) {
		t.Errorf("with a token: %s", got)
	}
	now = now.Add(darwinboxTokenTTL)
	if got := ask(); got != "Unauthorized Unauthorized" {
		t.Errorf("with a token that ended: %s", got)
	}
	for name, got := range map[string]string{"code": login("another", green.ClientSecret), "secret": login(green.Code, "another"), "client of blue": login(d.account(plumbline.Blue).Code, green.ClientSecret)} {
		if got != `OK {"message":"Invalid client or code","status":0}` {
			t.Errorf("another %s: %s", name, got)
		}
	}
}
