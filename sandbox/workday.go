package sandbox

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A WorkdayAccount is how a color asks Workday: with an API client and its refresh token, and as an integration system
// user.
type WorkdayAccount struct {
	Tenant                 string
	ClientID, ClientSecret string
	RefreshToken           string // the first one: using it replaces it
	User, Password         string // NAME@TENANT
	ReportOwner, Report    string
}

// workdaySim is a tenant with an API client and a user for each color.
type workdaySim struct {
	clock  func() time.Time
	random io.Reader
	broken faulty
	limit  bucket

	mu       sync.Mutex
	accounts map[plumbline.Color]WorkdayAccount
	refresh  map[plumbline.Color]string // the refresh token that is good: the one before it died when it was used
	tokens   map[string]issued
}

// issued is an access token.
type issued struct {
	color plumbline.Color
	until time.Time
}

const (
	workdayTenant      = "acme"
	workdayTokenTTL    = time.Hour
	workdayWorkers     = 1842
	workdayReport      = "Plum_Employees"
	workdayReportOwner = "ISU_PLUM"
)

// Failures of Workday.
const (
	workdayCredential  = "credential"
	workdayPermission  = "permission"
	workdayEmpty       = "empty_data"
	workdayThrottled   = "throttled"
	workdayMaintenance = "maintenance"
	workdaySkewed      = "skewed_clock"
)

func newWorkday(clock func() time.Time, random io.Reader) *workdaySim {
	w := &workdaySim{clock: clock, random: random, limit: bucket{most: 200, per: time.Second}, accounts: map[plumbline.Color]WorkdayAccount{},
		refresh: map[plumbline.Color]string{}, tokens: map[string]issued{}}
	for _, color := range plumbline.Colors() {
		w.accounts[color] = WorkdayAccount{Tenant: workdayTenant, ClientID: "plum-" + string(color), ClientSecret: secretOf(random), RefreshToken: secretOf(random),
			User: "ISU_PLUM_" + strings.ToUpper(string(color)) + "@" + workdayTenant, Password: secretOf(random), ReportOwner: workdayReportOwner, Report: workdayReport}
		w.refresh[color] = w.accounts[color].RefreshToken
	}
	return w
}

func (s *workdaySim) account(color plumbline.Color) WorkdayAccount { return s.accounts[color] }

func (s *workdaySim) patterns() []string {
	return []string{"POST /ccx/oauth2/" + workdayTenant + "/token", "GET /ccx/api/", "POST /ccx/service/", "GET /ccx/service/customreport2/"}
}

func (s *workdaySim) faults() []string {
	return []string{workdayCredential, workdayPermission, workdayEmpty, workdayThrottled, workdayMaintenance, workdaySkewed, providerOutage}
}

func (s *workdaySim) set(color plumbline.Color, fault string) error {
	s.broken.set(color, fault)
	return nil
}

func (s *workdaySim) fault(color plumbline.Color) string { return s.broken.of(color) }

func (s *workdaySim) settings(color plumbline.Color) map[string]string {
	a := s.account(color)
	return map[string]string{"tenant": a.Tenant, "client_id": a.ClientID, "user": a.User}
}

func (s *workdaySim) secrets(color plumbline.Color) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[color]
	return map[string]string{"client_secret": a.ClientSecret, "refresh_token": s.refresh[color], "password": a.Password}
}

// ServeHTTP answers as a tenant does.
func (s *workdaySim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ccx/oauth2/"+workdayTenant+"/token":
		s.login(w, r)
	case r.Method == http.MethodPost:
		s.soap(w, r)
	case strings.HasPrefix(r.URL.Path, "/ccx/service/customreport2/"):
		s.report(w, r)
	default:
		s.rest(w, r)
	}
}

// away answers for a tenant that is down, and says whether it is.
func (s *workdaySim) away(w http.ResponseWriter, fault string) bool {
	switch {
	case fault == providerOutage:
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
	case fault == workdayMaintenance:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<html><head><title>Workday is currently unavailable.</title></head><body>scheduled maintenance</body></html>")
	case fault == workdayThrottled, !s.limit.take(s.clock()):
		w.Header().Set("Retry-After", "5")
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"error": "Too Many Requests"})
	default:
		return false
	}
	return true
}

// login trades a refresh token for an access token, and for the next refresh token: the old one is dead from then on.
func (s *workdaySim) login(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	color := plumbline.Color(strings.TrimPrefix(id, "plum-"))
	account := s.account(color)
	refuse := func(code string) { writeJSON(w, http.StatusBadRequest, map[string]string{"error": code}) }
	fault := s.broken.of(color)
	switch {
	case s.away(w, fault):
	case account.ClientSecret == "", same(secret, account.ClientSecret) != 1:
		refuse("invalid_client")
	case r.PostFormValue("grant_type") != "refresh_token":
		refuse("unsupported_grant_type")
	case fault == workdayCredential, !s.rotate(w, color, r.PostFormValue("refresh_token")):
		refuse("invalid_grant")
	}
}

// rotate gives out tokens if the refresh token is the one that is good.
func (s *workdaySim) rotate(w http.ResponseWriter, color plumbline.Color, given string) bool {
	access, next := secretOf(s.random), secretOf(s.random)
	now := s.clock()
	s.mu.Lock()
	good := same(given, s.refresh[color]) == 1 && given != "" && access != "" && next != ""
	if good {
		s.refresh[color] = next
		for token, has := range s.tokens {
			if has.until.Before(now) {
				delete(s.tokens, token)
			}
		}
		s.tokens[access] = issued{color, now.Add(workdayTokenTTL)}
	}
	s.mu.Unlock()
	if good {
		writeJSON(w, http.StatusOK, map[string]any{"access_token": access, "refresh_token": next, "token_type": "Bearer", "expires_in": int(workdayTokenTTL.Seconds())})
	}
	return good
}

// bearer is the color whose access token a request has.
func (s *workdaySim) bearer(r *http.Request) plumbline.Color {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !s.clock().Before(has.until) {
		return ""
	}
	return has.color
}

// user is the color whose integration system user this is.
func (s *workdaySim) user(name, password string) plumbline.Color {
	for _, color := range slices.Sorted(maps.Keys(s.accounts)) {
		if a := s.accounts[color]; same(name, a.User)&same(password, a.Password) == 1 && password != "" {
			return color
		}
	}
	return ""
}

// rest answers any collection with one row of workers.
func (s *workdaySim) rest(w http.ResponseWriter, r *http.Request) {
	color := s.bearer(r)
	fault := s.broken.of(color)
	switch {
	case s.away(w, fault):
	case color == "", fault == workdayCredential:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid token"})
	case fault == workdayPermission:
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "permission denied", "errors": []any{}})
	case fault == workdayEmpty:
		writeJSON(w, http.StatusOK, map[string]any{"total": 0, "data": []any{}})
	case !strings.Contains(r.URL.Path, "/"+workdayTenant+"/"):
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "not found"})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"total": workdayWorkers, "data": []any{map[string]string{"id": "0e44c92412d34b01ace61e80a47aaf6d", "descriptor": "Canary"}}})
	}
}

// report answers RaaS, by Basic or with a token.
func (s *workdaySim) report(w http.ResponseWriter, r *http.Request) {
	color := s.bearer(r)
	if user, password, basic := r.BasicAuth(); basic {
		color = s.user(user+"@"+workdayTenant, password)
		if color == "" {
			color = s.user(user, password)
		}
	}
	fault := s.broken.of(color)
	switch {
	case s.away(w, fault):
	case color == "", fault == workdayCredential:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid username or password"})
	case fault == workdayPermission:
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "permission denied"})
	case r.URL.Path != "/ccx/service/customreport2/"+workdayTenant+"/"+workdayReportOwner+"/"+workdayReport:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "not found"})
	case fault == workdayEmpty:
		writeJSON(w, http.StatusOK, map[string]any{"Report_Entry": []any{}})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"Report_Entry": []any{map[string]string{"Employee_ID": "21001", "Worker": "Canary"}}})
	}
}
