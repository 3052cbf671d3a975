package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"golang.org/x/time/rate"
)

// A WorkdayAccount is how a color asks Workday: as an API client with a refresh token, as one that signs assertions, or as
// an integration system user with a password.
type WorkdayAccount struct {
	Tenant       string
	ClientID     string
	ClientSecret string
	RefreshToken string // that is good now: whoever uses it replaces it
	SigningID    string // of the client that signs assertions
	Key          string // of that client, private, in PEM
	User         string // NAME@TENANT
	Password     string
	Owner        string // of the report
	Report       string
}

// workdaySim is a tenant with API clients and a user for each color.
type workdaySim struct {
	clock  func() time.Time
	random io.Reader
	broken faulty
	mux    *http.ServeMux
	asking sync.Mutex // Plum of one color asks at a time

	mu        sync.Mutex
	accounts  map[plumbline.Color]*workdayClient
	refreshes map[string]*workdayRefresh // by the token that is good now
	tokens    map[string]workdayToken    // access tokens by what they are
	limits    map[plumbline.Color]*rate.Limiter
}

// A workdayClient is what is registered for a color.
type workdayClient struct {
	WorkdayAccount
	public *ecdsa.PublicKey
	plum   string // the refresh token that Plum itself has
	access string // the access token that Plum itself has
}

// A workdayRefresh is a right to access tokens. Its token is replaced whenever it is used.
type workdayRefresh struct {
	color plumbline.Color
	ends  time.Time
	plums bool
}

// A workdayToken is an access token that was given out.
type workdayToken struct {
	color plumbline.Color
	ends  time.Time
}

const (
	workdayTenant      = "acme"
	workdayReportName  = "Plum_Employees"
	workdayPerSecond   = 50 // of one color: more than has been seen of tenants, so that only who heeds no rate meets it
	workdayBurst       = 100
	workdayTokenLife   = time.Hour
	workdayRefreshLife = 30 * 24 * time.Hour
	workdayMaxTokens   = 1000 // at once; then those before are refused
)

// Failures that can be turned on.
const (
	workdayCredential    = "credential"     // nobody is known any more
	workdayInvalidGrant  = "invalid_grant"  // refresh tokens are revoked, assertions refused
	workdayInvalidClient = "invalid_client" // the client is disabled
	workdayTokenEnded    = "token_expired"  // what was given out is refused; a new token isn't
	workdayBadPassword   = "invalid_password"
	workdayNotAllowed    = "permission"
	workdayNoRows        = "empty_data" // the security policy was never activated
	workdayNoTenant      = "no_tenant"
	workdayNoVersion     = "version"
	workdayThrottled     = "throttled"
	workdayMaintenance   = "maintenance"
	workdaySentAway      = "maintenance_redirect"
	workdayBroken        = "processing_error"
	workdayHalf          = "protocol"     // answers end in the middle
	workdaySkew          = "skewed_clock" // the time is five minutes off
)

func newWorkday(clock func() time.Time, random io.Reader) *workdaySim {
	s := &workdaySim{clock: clock, random: random, accounts: map[plumbline.Color]*workdayClient{}, refreshes: map[string]*workdayRefresh{},
		tokens: map[string]workdayToken{}, limits: map[plumbline.Color]*rate.Limiter{}, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /ccx/oauth2/{tenant}/token", s.login)
	s.mux.HandleFunc("GET /ccx/api/v1/{tenant}/{collection}", s.collection)
	s.mux.HandleFunc("GET /ccx/api/{service}/{version}/{tenant}/{collection}", s.collection)
	s.mux.HandleFunc("GET /ccx/service/customreport2/{tenant}/{owner}/{report}", s.report)
	s.mux.HandleFunc("POST /ccx/service/{tenant}/{service}/{version}", s.webService)
	for _, color := range plumbline.Colors() {
		name := strings.ToUpper(string(color))
		s.accounts[color] = &workdayClient{plum: secretOf(random), WorkdayAccount: WorkdayAccount{Tenant: workdayTenant, ClientID: "plum-" + string(color), ClientSecret: secretOf(random),
			RefreshToken: secretOf(random), SigningID: "plum-signs-" + string(color), User: "ISU_PLUM_" + name + "@" + workdayTenant, Password: secretOf(random),
			Owner: "ISU_PLUM_" + name, Report: workdayReportName}}
		ends := clock().Add(workdayRefreshLife)
		s.refreshes[s.accounts[color].RefreshToken] = &workdayRefresh{color: color, ends: ends}
		s.refreshes[s.accounts[color].plum] = &workdayRefresh{color: color, ends: ends, plums: true}
	}
	for _, color := range append(plumbline.Colors(), "") {
		s.limits[color] = rate.NewLimiter(workdayPerSecond, workdayBurst)
	}
	return s
}

// account is a color's as it is now. Its key is made when it is asked for first.
func (s *workdaySim) account(color plumbline.Color) WorkdayAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.accounts[color]
	if client == nil {
		return WorkdayAccount{}
	}
	if client.public == nil {
		if err := client.register(); err != nil {
			return WorkdayAccount{} // who has no account learns so
		}
	}
	return client.WorkdayAccount
}

// register makes a key whose public half Workday knows.
func (c *workdayClient) register() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("a key for %s: %w", c.User, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("a key for %s: %w", c.User, err)
	}
	c.public, c.Key = &key.PublicKey, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return nil
}

func (s *workdaySim) patterns() []string { return []string{"/ccx/"} }

func (s *workdaySim) faults() []string {
	return []string{workdayCredential, workdayInvalidGrant, workdayInvalidClient, workdayTokenEnded, workdayBadPassword, workdayNotAllowed, workdayNoRows, workdayNoTenant,
		workdayNoVersion, workdayThrottled, workdayMaintenance, workdaySentAway, providerOutage, workdayBroken, workdayHalf, workdaySkew}
}

func (s *workdaySim) set(color plumbline.Color, fault string) error {
	s.broken.set(color, fault)
	if !slices.Contains([]string{workdayCredential, workdayInvalidGrant, workdayInvalidClient, workdayTokenEnded}, fault) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.tokens, func(_ string, t workdayToken) bool { return color == "" || t.color == color })
	return nil
}

func (s *workdaySim) fault(color plumbline.Color) string { return s.broken.of(color) }

func (s *workdaySim) settings(color plumbline.Color) map[string]string {
	a := s.account(color)
	return map[string]string{"tenant": a.Tenant, "client_id": a.ClientID, "user": a.User}
}

func (s *workdaySim) secrets(color plumbline.Color) map[string]string {
	a := s.account(color)
	return map[string]string{"client_secret": a.ClientSecret, "refresh_token": a.RefreshToken, "password": a.Password}
}

// ServeHTTP answers as Workday does.
func (s *workdaySim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// amiss answers what is wrong with the tenant as a whole, and who asks too often.
func (s *workdaySim) amiss(w http.ResponseWriter, r *http.Request, color plumbline.Color) bool {
	fault := s.broken.of(color)
	switch {
	case fault == providerOutage:
		say(w, http.StatusServiceUnavailable, "text/plain", "upstream connect error or disconnect/reset before headers")
	case fault == workdayMaintenance:
		say(w, http.StatusServiceUnavailable, "text/html;charset=UTF-8", "<html><head><title>Workday is currently unavailable.</title></head><body>"+
			"<p>Scheduled maintenance is under way.</p></body></html>")
	case fault == workdaySentAway:
		w.Header().Set("Location", "https://community.workday.com/maintenance-page")
		w.WriteHeader(http.StatusSeeOther)
	case fault == workdayThrottled, !s.limits[color].AllowN(s.clock(), 1):
		wait := "1"
		if fault == workdayThrottled {
			wait = "30"
		}
		w.Header().Set("Retry-After", wait)
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"error": "too many requests"})
	case r.PathValue("tenant") != workdayTenant, fault == workdayNoTenant:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "not found"})
	default:
		return false
	}
	return true
}

// find is the color of a client that has this, "" if none has.
func (s *workdaySim) find(has func(*workdayClient) bool) plumbline.Color {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, color := range slices.Sorted(maps.Keys(s.accounts)) {
		if has(s.accounts[color]) {
			return color
		}
	}
	return ""
}

// byPassword is the color of a user with this password, "" if there is none. A name without its tenant is nobody's.
func (s *workdaySim) byPassword(user, password string) plumbline.Color {
	color := s.find(func(c *workdayClient) bool {
		return c.User == user && password != "" && same(c.Password, password) == 1
	})
	if fault := s.broken.of(color); fault == workdayBadPassword || fault == workdayCredential {
		return ""
	}
	return color
}

// byToken is the color of an access token, "" if it is nobody's or has ended.
func (s *workdaySim) byToken(r *http.Request) plumbline.Color {
	value, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	token, known := s.tokens[value]
	if !is || !known || !s.clock().Before(token.ends) {
		return ""
	}
	return token.color
}
