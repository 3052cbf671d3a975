package sandbox

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/signingkey"
)

// A workdayCaller asks a simulated Workday, at a time that can be moved.
type workdayCaller struct {
	t *testing.T
	*workdaySim
	now time.Time
}

func newWorkdayCaller(t *testing.T) *workdayCaller {
	c := &workdayCaller{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	c.workdaySim = newWorkday(func() time.Time { return c.now }, rand.Reader)
	return c
}

func (c *workdayCaller) login(fields ...string) string {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return asked(c.t, c, "POST", "/ccx/oauth2/acme/token", form.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

func (c *workdayCaller) refreshing(token string) string {
	c.t.Helper()
	a := c.account(plumbline.Green)
	return c.login("grant_type", "refresh_token", "client_id", a.ClientID, "client_secret", a.ClientSecret, "refresh_token", token)
}

// token is what a good login gives.
func (c *workdayCaller) token(answer string) (access, refresh string) {
	c.t.Helper()
	var has struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Type    string `json:"token_type"`
		Seconds int    `json:"expires_in"`
	}
	if text, ok := strings.CutPrefix(answer, "OK "); !ok || json.Unmarshal([]byte(text), &has) != nil || has.Access == "" || has.Type != "Bearer" || has.Seconds != 3600 {
		c.t.Fatalf("no token: %s", answer)
	}
	return has.Access, has.Refresh
}

func (c *workdayCaller) get(path, authorization string) string {
	c.t.Helper()
	return asked(c.t, c, "GET", path, "", http.Header{"Authorization": {authorization}})
}

// says wants answers to begin so, or to have it.
func says(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func TestWorkdayRefreshTokensRotateAndEnd(t *testing.T) {
	c := newWorkdayCaller(t)
	first := c.account(plumbline.Green).RefreshToken
	access, second := c.token(c.refreshing(first))
	if second == "" || second == first || c.account(plumbline.Green).RefreshToken != second {
		t.Error("the refresh token isn't replaced")
	}
	says(t, "a token that was used", c.refreshing(first), `Bad Request {"error":"invalid_grant"}`)
	says(t, "no token", c.refreshing(""), `Bad Request {"error":"invalid_grant"}`)
	says(t, "workers", c.get("/ccx/api/v1/acme/workers?limit=1", "Bearer "+access), `"total":1842`)
	says(t, "a refresh token as an access token", c.get("/ccx/api/v1/acme/workers", "Bearer "+second), `Unauthorized {"error":"invalid_token"}`)
	blue := c.account(plumbline.Blue)
	says(t, "a token of another client", c.login("grant_type", "refresh_token", "client_id", blue.ClientID, "client_secret", blue.ClientSecret, "refresh_token", second), "invalid_grant")
	c.now = c.now.Add(time.Hour)
	says(t, "an access token that ended", c.get("/ccx/api/v1/acme/workers", "Bearer "+access), `{"error":"invalid_token"}`)
	_, third := c.token(c.refreshing(second))
	c.now = c.now.Add(31 * 24 * time.Hour)
	says(t, "a refresh token that ended", c.refreshing(third), "invalid_grant")
}

func TestWorkdayClientsSayWhoTheyAre(t *testing.T) {
	c := newWorkdayCaller(t)
	a := c.account(plumbline.Green)
	says(t, "another secret", c.login("grant_type", "refresh_token", "client_id", a.ClientID, "client_secret", "x", "refresh_token", a.RefreshToken), `Unauthorized {"error":"invalid_client"}`)
	says(t, "another client", c.login("grant_type", "refresh_token", "client_id", "x", "client_secret", a.ClientSecret, "refresh_token", a.RefreshToken), "invalid_client")
	says(t, "nobody", c.login("grant_type", "refresh_token", "refresh_token", a.RefreshToken), "invalid_client")
	says(t, "another grant", c.login("grant_type", "client_credentials", "client_id", a.ClientID, "client_secret", a.ClientSecret), "unsupported_grant_type")
	pair := base64.StdEncoding.EncodeToString([]byte(a.ClientID + ":" + a.ClientSecret))
	c.token(asked(t, c, "POST", "/ccx/oauth2/acme/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken}}.Encode(),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Basic " + pair}}))
	says(t, "another tenant", asked(t, c, "POST", "/ccx/oauth2/acme2/token", "", nil), "Not Found")
}

func TestWorkdayVerifiesAssertions(t *testing.T) {
	c := newWorkdayCaller(t)
	a, blue := c.account(plumbline.Green), c.account(plumbline.Blue)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		m := jwt.MapClaims{"iss": a.SigningID, "sub": "ISU_PLUM_GREEN", "aud": "wd", "iat": c.now.Unix(), "exp": c.now.Add(3 * time.Minute).Unix()}
		change(m)
		return m
	}
	sign := func(text string, claims jwt.MapClaims) string {
		t.Helper()
		key, err := signingkey.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	ask := func(assertion string) string {
		return c.login("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", assertion)
	}
	same := func(jwt.MapClaims) {}
	access, refresh := c.token(ask(sign(a.Key, claims(same))))
	says(t, "workers", c.get("/ccx/api/v1/acme/workers?limit=1", "Bearer "+access), `"total":1842`)
	if refresh != "" {
		t.Error("a refresh token for an assertion")
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims(same)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, assertion := range map[string]string{
		"another key":      sign(blue.Key, claims(same)),
		"no signature":     unsigned,
		"another audience": sign(a.Key, claims(func(m jwt.MapClaims) { m["aud"] = "x" })),
		"another user":     sign(a.Key, claims(func(m jwt.MapClaims) { m["sub"] = "lmcneil" })),
		"ended":            sign(a.Key, claims(func(m jwt.MapClaims) { m["exp"] = c.now.Add(-time.Second).Unix() })),
		"endless":          sign(a.Key, claims(func(m jwt.MapClaims) { delete(m, "exp") })),
		"of tomorrow":      sign(a.Key, claims(func(m jwt.MapClaims) { m["iat"] = c.now.Add(time.Hour).Unix() })),
	} {
		says(t, name, ask(assertion), `{"error":"invalid_grant"}`)
	}
	says(t, "another client", ask(sign(a.Key, claims(func(m jwt.MapClaims) { m["iss"] = "x" }))), "invalid_client")
	says(t, "the client of refresh tokens", ask(sign(a.Key, claims(func(m jwt.MapClaims) { m["iss"] = a.ClientID }))), "unsupported_grant_type")
	says(t, "no assertion", ask("x"), "invalid_client")
}

func TestWorkdayPages(t *testing.T) {
	c := newWorkdayCaller(t)
	access, _ := c.token(c.refreshing(c.account(plumbline.Green).RefreshToken))
	for path, want := range map[string]string{
		"/ccx/api/v1/acme/workers?limit=1":                `OK {"data":[{"descriptor":"Instance 1"`,
		"/ccx/api/v1/acme/workers?limit=1&offset=1842":    `OK {"data":[],"total":1842}`,
		"/ccx/api/v1/acme/workers?limit=101":              `"field":"limit"`,
		"/ccx/api/v1/acme/workers?offset=x":               `Bad Request {"error":"invalid request"`,
		"/ccx/api/staffing/v6/acme/jobs":                  `"total":37}`,
		"/ccx/api/v1/acme/nobody":                         "Not Found",
		"/ccx/api/v1/acme2/workers":                       "Not Found",
		"/ccx/service/customreport2/acme/x/y?format=json": "Not Found",
		"/ccx/service/customreport2/acme/ISU_PLUM_GREEN/Plum_Employees?format=json&Employee_ID=21002": `OK {"Report_Entry":[{"Employee_ID":"21002",`,
		"/ccx/service/customreport2/acme/ISU_PLUM_GREEN/Plum_Employees?format=csv":                    "Bad Request",
	} {
		says(t, path, c.get(path, "Bearer "+access), want)
	}
	a := c.account(plumbline.Blue)
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	report := "/ccx/service/customreport2/acme/ISU_PLUM_BLUE/Plum_Employees?format=json"
	says(t, "the user", c.get(report, basic(a.User, a.Password)), `"Employee_ID":"22842"`)
	says(t, "another password", c.get(report, basic(a.User, "x")), "Unauthorized")
	says(t, "no password", c.get(report, basic(a.User, "")), "Unauthorized")
	says(t, "a user without its tenant", c.get(report, basic("ISU_PLUM_BLUE", a.Password)), "Unauthorized")
	says(t, "green's report", c.get("/ccx/service/customreport2/acme/ISU_PLUM_GREEN/Plum_Employees?format=json", basic(a.User, a.Password)), "Not Found")
}

func TestWorkdayThrottles(t *testing.T) {
	c := newWorkdayCaller(t)
	access, _ := c.token(c.refreshing(c.account(plumbline.Green).RefreshToken))
	ask := func() string { return c.get("/ccx/api/v1/acme/workers?limit=1", "Bearer "+access) }
	for n := 1; n < workdayBurst; n++ { // the login was one
		says(t, "within the burst", ask(), "OK ")
	}
	says(t, "beyond it", ask(), `Too Many Requests {"error":"too many requests"}`)
	blue := c.account(plumbline.Blue)
	says(t, "blue", c.login("grant_type", "refresh_token", "client_id", blue.ClientID, "client_secret", blue.ClientSecret, "refresh_token", blue.RefreshToken), "OK ")
	c.now = c.now.Add(time.Second)
	for range workdayPerSecond {
		says(t, "a second later", ask(), "OK ")
	}
	says(t, "and no more", ask(), "Too Many Requests")
}
