package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	plumbline "github.com/plumbline-dev/plumbline"
)

// A TeamsAccount is the app registration of a color, and its workflow.
type TeamsAccount struct {
	Tenant, ClientID, ClientSecret string
	Team                           string
	Workflow                       string // path and query of the workflow's URL: the whole URL is a secret
}

// teamsSim is the login, Graph and workflows of a tenant, with an app for each color.
type teamsSim struct {
	clock  func() time.Time
	broken faulty
	limit  bucket
	key    []byte // that tokens are signed with

	mu       sync.Mutex
	accounts map[plumbline.Color]TeamsAccount
	posted   []string // texts of the last cards
}

const (
	teamsTenant   = "acme.onmicrosoft.com"
	teamsTeam     = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
	teamsRole     = "Team.ReadBasic.All"
	teamsTokenTTL = time.Hour
	teamsWorkflow = "/workflows/"
	teamsCard     = "application/vnd.microsoft.card.adaptive"
	maxTeamsCard  = 28 << 10
	maxPosted     = 100
)

// Failures, by the words of the provider or of what is wrong.
const (
	teamsWrongSecret   = "7000215"
	teamsExpiredSecret = "7000222"
	teamsNoApp         = "700016"
	teamsNoTenant      = "90002"
	teamsBadTenant     = "900023"
	teamsNoRole        = "no_role"
	teamsForbidden     = "forbidden"
	teamsInvalidToken  = "invalid_token"
	teamsThrottled     = "throttled"
	teamsFlowOff       = "WorkflowTriggerIsNotEnabled"
	teamsFlowGone      = "WorkflowNotFound"
	teamsFlowTenant    = "tenant_restricted"
	teamsOtherCard     = "TriggerInputSchemaMismatch"
)

func newTeams(clock func() time.Time, random io.Reader) *teamsSim {
	t := &teamsSim{clock: clock, key: []byte(secretOf(random)), limit: bucket{most: 100, per: time.Second}, accounts: map[plumbline.Color]TeamsAccount{}}
	for _, color := range plumbline.Colors() {
		t.accounts[color] = TeamsAccount{Tenant: teamsTenant, ClientID: "plum-" + string(color), ClientSecret: secretOf(random), Team: teamsTeam,
			Workflow: teamsWorkflow + "plum-" + string(color) + "/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + secretOf(random)}
	}
	return t
}

func (t *teamsSim) account(color plumbline.Color) TeamsAccount { return t.accounts[color] }

func (t *teamsSim) patterns() []string {
	return []string{"POST /" + teamsTenant + "/oauth2/v2.0/token", "GET /v1.0/teams/{team}", "POST " + teamsWorkflow}
}

func (t *teamsSim) faults() []string {
	return []string{teamsWrongSecret, teamsExpiredSecret, teamsNoApp, teamsNoTenant, teamsBadTenant, teamsNoRole, teamsForbidden, teamsInvalidToken, teamsThrottled,
		teamsFlowOff, teamsFlowGone, teamsFlowTenant, teamsOtherCard, providerOutage}
}

func (t *teamsSim) set(color plumbline.Color, fault string) error {
	t.broken.set(color, fault)
	return nil
}

func (t *teamsSim) fault(color plumbline.Color) string { return t.broken.of(color) }

func (t *teamsSim) settings(color plumbline.Color) map[string]string {
	a := t.account(color)
	return map[string]string{"tenant": a.Tenant, "client_id": a.ClientID, "team": a.Team}
}

func (t *teamsSim) secrets(color plumbline.Color) map[string]string {
	return map[string]string{"client_secret": t.account(color).ClientSecret}
}

// ServeHTTP answers as the login, Graph or a workflow does.
func (t *teamsSim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/token"):
		t.login(w, r)
	case strings.HasPrefix(r.URL.Path, teamsWorkflow):
		t.workflow(w, r)
	default:
		t.graph(w, r)
	}
}

// login gives out a token with the roles of the app.
func (t *teamsSim) login(w http.ResponseWriter, r *http.Request) {
	color := plumbline.Color(strings.TrimPrefix(r.PostFormValue("client_id"), "plum-"))
	account := t.account(color)
	refuse := func(code string) {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "AADSTS" + code + ": refused.", "error_codes": []json.Number{json.Number(code)}})
	}
	switch fault := t.broken.of(color); {
	case fault == providerOutage:
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
	case slices.Contains([]string{teamsExpiredSecret, teamsNoApp, teamsNoTenant, teamsBadTenant, teamsWrongSecret}, fault):
		refuse(fault)
	case account.ClientSecret == "":
		refuse(teamsNoApp)
	case r.PostFormValue("grant_type") != "client_credentials", same(r.PostFormValue("client_secret"), account.ClientSecret) != 1:
		refuse(teamsWrongSecret)
	default:
		roles := []string{teamsRole}
		if fault == teamsNoRole {
			roles = []string{}
		}
		now := t.clock()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"roles": roles, "appid": account.ClientID, "color": string(color),
			"iat": now.Unix(), "exp": now.Add(teamsTokenTTL).Unix()}).SignedString(t.key)
		if err != nil {
			http.Error(w, "no token", http.StatusInternalServerError)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(teamsTokenTTL.Seconds()), "access_token": token})
	}
}

func graphError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// graph knows one team, and who may see it.
func (t *teamsSim) graph(w http.ResponseWriter, r *http.Request) {
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(t.clock)).ParseWithClaims(
		strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), claims, func(*jwt.Token) (any, error) { return t.key, nil })
	name, _ := claims["color"].(string)
	roles, _ := claims["roles"].([]any)
	switch fault := t.broken.of(plumbline.Color(name)); {
	case fault == providerOutage:
		graphError(w, http.StatusServiceUnavailable, "ServiceUnavailable", "The service is temporarily unavailable.")
	case fault == teamsThrottled, !t.limit.take(t.clock()):
		w.Header().Set("Retry-After", "10")
		graphError(w, http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
	case err != nil, fault == teamsInvalidToken:
		graphError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty, expired or not of this tenant.")
	case fault == teamsForbidden, !slices.Contains(roles, any(teamsRole)):
		graphError(w, http.StatusForbidden, "Forbidden", "Missing role permissions on the request. API requires one of 'Team.ReadBasic.All'. Roles on the request ''.")
	case r.PathValue("team") != teamsTeam && !strings.HasSuffix(r.URL.Path, "/"+teamsTeam):
		graphError(w, http.StatusNotFound, "NotFound", "No team found with this id.")
	default:
		writeJSON(w, http.StatusOK, map[string]any{"id": teamsTeam, "displayName": "Recognition"})
	}
}

// workflow takes a card whose URL is signed.
func (t *teamsSim) workflow(w http.ResponseWriter, r *http.Request) {
	flow, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, teamsWorkflow+"plum-"), "/")
	account, color := t.account(plumbline.Color(flow)), plumbline.Color(flow)
	right, err := url.Parse(account.Workflow)
	sig, given := "", r.URL.Query().Get("sig")
	if err == nil {
		sig = right.Query().Get("sig")
	}
	switch fault := t.broken.of(color); {
	case fault == providerOutage:
		http.Error(w, "Bad Gateway", http.StatusBadGateway)
	case sig == "", fault == teamsFlowGone:
		graphError(w, http.StatusNotFound, teamsFlowGone, "The workflow could not be found.")
	case fault == teamsFlowOff:
		graphError(w, http.StatusBadRequest, teamsFlowOff, "The trigger of the workflow is not enabled.")
	case fault == teamsFlowTenant:
		graphError(w, http.StatusUnauthorized, "DirectApiAuthorizationRequired", "The OAuth authorization scheme is required.")
	case same(given, sig) != 1:
		graphError(w, http.StatusUnauthorized, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme.")
	case fault == teamsThrottled:
		w.Header().Set("Retry-After", "10")
		graphError(w, http.StatusTooManyRequests, "WorkflowRunActionsThrottled", "Too many requests.")
	default:
		t.post(w, r, fault)
	}
}

// post takes a message with an adaptive card, and says nothing of what becomes of it.
func (t *teamsSim) post(w http.ResponseWriter, r *http.Request, fault string) {
	var message struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string `json:"contentType"`
			Content     struct {
				Type string `json:"type"`
				Body []struct {
					Text string `json:"text"`
				} `json:"body"`
			} `json:"content"`
		} `json:"attachments"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxTeamsCard+1))
	if len(body) > maxTeamsCard {
		graphError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is larger than 28 KB.")
		return
	}
	if err != nil || json.Unmarshal(body, &message) != nil || fault == teamsOtherCard || message.Type != "message" || len(message.Attachments) == 0 ||
		message.Attachments[0].ContentType != teamsCard || message.Attachments[0].Content.Type != "AdaptiveCard" {
		graphError(w, http.StatusBadRequest, teamsOtherCard, "The input body for trigger 'manual' of type 'Request' did not match its schema definition.")
		return
	}
	text := ""
	for _, block := range message.Attachments[0].Content.Body {
		text += block.Text
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.posted = append(t.posted, text); len(t.posted) > maxPosted {
		t.posted = t.posted[1:]
	}
	w.WriteHeader(http.StatusAccepted)
}
