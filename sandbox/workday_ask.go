package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	plumbline "github.com/plumbline-dev/plumbline"
)

// ask runs the report of employees as Plum does, with the access token that it has, or else with its refresh token. A
// credential is presented in place of that one.
func (s *workdaySim) ask(c conversation, color plumbline.Color, credential string) finding {
	s.asking.Lock()
	defer s.asking.Unlock()
	account := s.account(color)
	s.mu.Lock()
	refresh, access := s.accounts[color].plum, s.accounts[color].access
	s.mu.Unlock()
	if credential != "" {
		refresh, access = credential, ""
	}
	for last := false; ; last = true {
		if access == "" {
			token, class := workdayLogin(c, account, refresh)
			if class != "" {
				return finding{class: class}
			}
			access, last = token, true
			s.keep(color, credential, token)
		}
		status, found := workdayReport(c, account, access)
		if status != http.StatusUnauthorized || last {
			return found
		}
		access = ""
		s.mu.Lock()
		refresh = s.accounts[color].plum
		s.mu.Unlock()
	}
}

// keep is the access token of Plum from here on, unless it was had with another credential than its own.
func (s *workdaySim) keep(color plumbline.Color, credential, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if credential == "" {
		s.accounts[color].access = token
	}
}

// workdayLogin is an access token for a refresh token, whose successor the tenant knows to be Plum's.
func workdayLogin(c conversation, account WorkdayAccount, refresh string) (string, plumbline.Class) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {account.ClientID}, "client_secret": {account.ClientSecret}}
	var text string
	status, header := c.send(http.MethodPost, "/ccx/oauth2/"+account.Tenant+"/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode(), &text)
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(text), &answer) // what isn't JSON has no token
	switch {
	case answer.Error == "invalid_grant":
		return "", plumbline.ClassCredential
	case status == http.StatusOK && answer.Token == "":
		return "", plumbline.ClassProtocol
	}
	return answer.Token, workdayClass(status, header, text)
}

func workdayReport(c conversation, account WorkdayAccount, access string) (status int, found finding) {
	var text string
	status, header := c.send(http.MethodGet, "/ccx/service/customreport2/"+account.Tenant+"/"+account.Owner+"/"+account.Report+"?format=json",
		http.Header{"Authorization": {"Bearer " + access}, "Accept": {"application/json"}}, "", &text)
	if class := workdayClass(status, header, text); class != "" {
		return status, finding{class: class}
	}
	var answer struct {
		Rows *[]json.RawMessage `json:"Report_Entry"`
	}
	switch {
	case json.Unmarshal([]byte(text), &answer) != nil || answer.Rows == nil:
		return status, finding{class: plumbline.ClassProtocol}
	case len(*answer.Rows) == 0:
		return status, finding{class: plumbline.ClassEmptyData}
	}
	return status, finding{proof: map[string]any{"tenant": account.Tenant, "report": account.Report, "rows": len(*answer.Rows)}}
}

// workdayClass is what kind of failure an answer is, as far as Plum cares.
func workdayClass(status int, header http.Header, text string) plumbline.Class {
	switch {
	case strings.Contains(header.Get("Location"), "maintenance"), status >= 400 && strings.Contains(text, "currently unavailable"):
		return plumbline.ClassMaintenance
	case strings.Contains(text, "The task submitted is not authorized"):
		return plumbline.ClassPermission
	}
	return classOf(status)
}
