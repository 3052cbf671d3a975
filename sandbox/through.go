package sandbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A finding is what an environment learns of a provider that it asks itself: the class of what is wrong, or a proof that
// only a working credential gets.
type finding struct {
	class plumbline.Class
	proof map[string]any
}

// An asker is a simulator that knows how Plum asks its provider. A credential that isn't empty is used in place of the
// color's own.
type asker interface {
	ask(c conversation, color plumbline.Color, credential string) finding
}

// askTimeout bounds how long an environment waits for a provider.
const askTimeout = 5 * time.Second

// A conversation is how an environment talks with the providers.
type conversation struct {
	ctx    context.Context
	client *http.Client
	base   string // where they answer
}

// send exchanges one request and reads the JSON of the answer into into, where it has some; into a text goes what came.
// The status is 0 where nobody answered.
func (c conversation) send(method, path string, header http.Header, body string, into any) (status int, got http.Header) {
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := c.client.Do(r) // #nosec G704 -- the sandbox's own providers
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return 0, nil
	}
	if raw, is := into.(*string); is {
		*raw = string(text)
	} else if into != nil {
		_ = json.Unmarshal(text, into) // what isn't JSON leaves it as it is, which is no proof
	}
	return answer.StatusCode, answer.Header
}

// classOf is what a status says by itself, "" of one that says that all is well.
func classOf(status int) plumbline.Class {
	switch {
	case status == 0, status >= 500:
		return plumbline.ClassOutage
	case status == http.StatusUnauthorized:
		return plumbline.ClassCredential
	case status == http.StatusForbidden:
		return plumbline.ClassPermission
	case status == http.StatusTooManyRequests:
		return plumbline.ClassThrottled
	case status >= 300:
		return plumbline.ClassMisconfig
	}
	return ""
}

// ask asks who the app is.
func (s *slackSim) ask(c conversation, color plumbline.Color, credential string) finding {
	account := s.account(color)
	if credential == "" {
		credential = account.Token
	}
	var who struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		Team  string `json:"team"`
		ID    string `json:"team_id"`
		User  string `json:"user"`
	}
	status, got := c.send(http.MethodPost, "/api/auth.test", http.Header{"Authorization": {"Bearer " + credential}}, url.Values{}.Encode(), &who)
	class := classOf(status)
	switch {
	case class != "":
	case who.OK && who.ID == account.Team:
		return finding{proof: map[string]any{"team": who.Team, "team_id": who.ID, "bot": who.User,
			"scopes": got.Get("X-OAuth-Scopes")}}
	case who.OK:
		class = plumbline.ClassMisconfig
	case strings.HasPrefix(who.Error, "token_"), strings.HasSuffix(who.Error, "_auth"), strings.HasSuffix(who.Error, "_authed"), who.Error == "account_inactive":
		class = plumbline.ClassCredential
	case who.Error == "internal_error", who.Error == "fatal_error":
		class = plumbline.ClassOutage
	case who.Error == "no_permission", who.Error == "ekm_access_denied":
		class = plumbline.ClassPermission
	default:
		class = plumbline.ClassMisconfig
	}
	return finding{class: class}
}

// ask asks for the canary employee.
func (d *darwinboxSim) ask(c conversation, color plumbline.Color, credential string) finding {
	account := d.account(color)
	if credential == "" {
		credential = account.Password
	}
	body, err := json.Marshal(map[string]any{"api_key": account.APIKey, "datasetKey": account.DatasetKey, "employee_ids": []string{account.Employee}})
	if err != nil {
		return finding{class: plumbline.ClassProtocol}
	}
	var answer struct {
		Status int              `json:"status"`
		Rows   []map[string]any `json:"employee_data"`
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(account.Username+":"+credential))
	status, got := c.send(http.MethodPost, "/masterapi/employee", http.Header{"Authorization": {basic}, "Content-Type": {"application/json"}}, string(body), &answer)
	switch class := classOf(status); {
	case class != "":
		return finding{class: class}
	case strings.HasPrefix(got.Get("Content-Type"), "text/html"):
		return finding{class: plumbline.ClassMaintenance}
	case answer.Status != 1:
		return finding{class: plumbline.ClassCredential}
	case len(answer.Rows) == 0:
		return finding{class: plumbline.ClassEmptyData}
	}
	return finding{proof: map[string]any{"dataset": "plum_employees", "rows": len(answer.Rows)}}
}

// ask gets a token and looks at the team.
func (t *teamsSim) ask(c conversation, color plumbline.Color, credential string) finding {
	account := t.account(color)
	if credential == "" {
		credential = account.ClientSecret
	}
	var token struct {
		AccessToken string   `json:"access_token"`
		Codes       []uint64 `json:"error_codes"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {account.ClientID}, "client_secret": {credential}}
	status, _ := c.send(http.MethodPost, "/"+account.Tenant+"/oauth2/v2.0/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode(), &token)
	switch class := classOf(status); {
	case len(token.Codes) > 0 && token.Codes[0] < 7_000_000:
		return finding{class: plumbline.ClassMisconfig}
	case class != "":
		return finding{class: class}
	}
	var team struct {
		Name string `json:"displayName"`
	}
	status, _ = c.send(http.MethodGet, "/v1.0/teams/"+account.Team, http.Header{"Authorization": {"Bearer " + token.AccessToken}}, "", &team)
	if class := classOf(status); class != "" {
		return finding{class: class}
	}
	return finding{proof: map[string]any{"tenant": account.Tenant, "team": team.Name}}
}
