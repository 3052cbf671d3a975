package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	plumbline "github.com/plumbline-dev/plumbline"
)

// teamsLogin asks for a token.
func teamsLogin(t *testing.T, s *teamsSim, id, secret string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"https://graph.microsoft.com/.default"}}
	return asked(t, s, "POST", "/"+teamsTenant+"/oauth2/v2.0/token", form.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

func TestTeamsTokens(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := newTeams(func() time.Time { return now }, rand.Reader)
	green := s.account(plumbline.Green)
	var given struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	answer, _ := strings.CutPrefix(teamsLogin(t, s, green.ClientID, green.ClientSecret), "OK ")
	if err := json.Unmarshal([]byte(answer), &given); err != nil || given.Seconds != 3600 {
		t.Fatalf("%v: %s", err, answer)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(given.Token, claims); err != nil || !slices.Equal(claims["roles"].([]any), []any{teamsRole}) {
		t.Errorf("the token says %v: %v", claims, err)
	}
	team := func(id, token string) string {
		return asked(t, s, "GET", "/v1.0/teams/"+id+"?$select=id,displayName", "", http.Header{"Authorization": {"Bearer " + token}})
	}
	forged, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("another key"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ got, want string }{
		"the team":         {team(teamsTeam, given.Token), `OK {"displayName":"Recognition","id":"` + teamsTeam + `"}`},
		"another team":     {team("t2", given.Token), `Not Found {"error":{"code":"NotFound"`},
		"no token":         {team(teamsTeam, ""), `Unauthorized {"error":{"code":"InvalidAuthenticationToken"`},
		"a forged token":   {team(teamsTeam, forged), `Unauthorized {"error":{"code":"InvalidAuthenticationToken"`},
		"an unsigned one":  {team(teamsTeam, unsigned), `Unauthorized {"error":{"code":"InvalidAuthenticationToken"`},
		"another secret":   {teamsLogin(t, s, green.ClientID, s.account(plumbline.Blue).ClientSecret), `Unauthorized {"error":"invalid_client","error_codes":[7000215]`},
		"an app of nobody": {teamsLogin(t, s, "app", green.ClientSecret), `Unauthorized {"error":"invalid_client","error_codes":[700016]`},
	} {
		if !strings.HasPrefix(test.got, test.want) {
			t.Errorf("%s: %s, want %s", name, test.got, test.want)
		}
	}
	now = now.Add(teamsTokenTTL)
	if got := team(teamsTeam, given.Token); !strings.HasPrefix(got, "Unauthorized ") {
		t.Errorf("a token that ended: %s", got)
	}
	for i := range s.limit.most + 1 {
		if got := team(teamsTeam, "x"); strings.HasPrefix(got, "Too Many Requests ") != (i >= s.limit.most-1) { // one was asked at this moment before
			t.Fatalf("request %d of a second: %s", i+2, got)
		}
	}
}

func TestTeamsWorkflows(t *testing.T) {
	s := newTeams(time.Now, rand.Reader)
	green := s.account(plumbline.Green).Workflow
	unsigned, _, _ := strings.Cut(green, "&sig=")
	card := func(content string) string {
		return `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":` + content + `}]}`
	}
	good := card(`{"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","text":"hello","wrap":true}]}`)
	needsSAS := `Unauthorized {"error":{"code":"DirectApiAuthorizationRequired","message":"The request must be authenticated only by Shared Access scheme."}}`
	for name, test := range map[string]struct{ address, body, want string }{
		"a card":                 {green, good, "Accepted"},
		"no signature":           {unsigned, good, needsSAS},
		"blue's signature":       {unsigned + "&sig=" + s.account(plumbline.Blue).Workflow[strings.LastIndex(green, "=")+1:], good, needsSAS},
		"a flow that isn't":      {"/workflows/gone/triggers/manual/paths/invoke?sig=x", good, `Not Found {"error":{"code":"WorkflowNotFound"`},
		"a text instead of JSON": {green, "hello", `Bad Request {"error":{"code":"TriggerInputSchemaMismatch"`},
		"a message without card": {green, `{"text":"hello"}`, `Bad Request {"error":{"code":"TriggerInputSchemaMismatch"`},
		"another card":           {green, card(`{"type":"MessageCard"}`), `Bad Request {"error":{"code":"TriggerInputSchemaMismatch"`},
		"a card that is too big": {green, card(`{"type":"AdaptiveCard","body":[{"text":"` + strings.Repeat("x", maxTeamsCard) + `"}]}`), `Request Entity Too Large`},
	} {
		if got := asked(t, s, "POST", test.address, test.body, nil); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if !slices.Equal(s.posted, []string{"hello"}) {
		t.Errorf("posted %q", s.posted)
	}
}
