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

	plumbline "github.com/plumbline-dev/plumbline"
)

const sapEndpoint = "http://example.com/oauth/token" // as httptest names who is asked

// A sapCaller asks a simulated SuccessFactors, at a time that can be moved.
type sapCaller struct {
	t *testing.T
	*successFactorsSim
	now time.Time
}

func newSAPCaller(t *testing.T) *sapCaller {
	c := &sapCaller{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	c.successFactorsSim = newSuccessFactors(func() time.Time { return c.now }, rand.Reader)
	return c
}

// signed is an assertion of a color's account.
func (c *sapCaller) signed(color plumbline.Color) []byte {
	c.t.Helper()
	account := c.account(color)
	text, err := signedAssertion(account, c.clients[color].key, sapEndpoint, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// login presents an assertion; more are fields of the form, which win.
func (c *sapCaller) login(color plumbline.Color, assertion []byte, more ...string) string {
	c.t.Helper()
	sent := url.Values{"company_id": {sapCompany}, "client_id": {c.account(color).ClientID}, "assertion": {base64.StdEncoding.EncodeToString(assertion)},
		"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}}
	for i := 0; i+1 < len(more); i += 2 {
		sent.Set(more[i], more[i+1])
	}
	return asked(c.t, c, "POST", "/oauth/token", sent.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

// token logs a color in.
func (c *sapCaller) token(color plumbline.Color, more ...string) (token string, seconds int) {
	c.t.Helper()
	answer := c.login(color, c.signed(color), more...)
	var has struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Seconds int    `json:"expires_in"`
	}
	if text, ok := strings.CutPrefix(answer, "OK "); !ok || json.Unmarshal([]byte(text), &has) != nil || has.Token == "" || has.Type != "Bearer" {
		c.t.Fatalf("no token: %s", answer)
	}
	return has.Token, has.Seconds
}

func (c *sapCaller) get(path, token string) string {
	c.t.Helper()
	return asked(c.t, c, "GET", path, "", http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json"}})
}
