package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A SuccessFactorsAccount is how a color asks SuccessFactors: with an assertion that is signed with its key, or by Basic.
type SuccessFactorsAccount struct {
	Company  string
	User     string
	ClientID string // the API key of the color's OAuth2 client application
	Key      string // private, in PEM
	Password string // of Basic
}

// successFactorsSim is an API server with one company, and an OAuth2 client application for each color.
type successFactorsSim struct {
	clock  func() time.Time
	random io.Reader
	broken faulty

	mu      sync.Mutex
	clients map[plumbline.Color]*sapClient
	tokens  map[string]*sapToken // by what they are
}

// A sapClient is an OAuth2 client application, as it is registered.
type sapClient struct {
	account     SuccessFactorsAccount
	key         *rsa.PrivateKey
	certificate *x509.Certificate // that is registered; nil until somebody took the account
	current     *sapToken         // that the next login gets, too

	window time.Time // the begin of the minute in which requests are counted
	asked  int
}

// A sapToken is a token that was given out.
type sapToken struct {
	value   string
	color   plumbline.Color
	ends    time.Time
	revoked bool
}

const (
	sapCompany   = "ACMEPROD"
	sapPerMinute = 600 // requests of one client; SAP names no figure
	sapTokenLife = 24 * time.Hour
	sapMaxTokens = 1000 // at once; then those before are refused
)

// Failures that aren't a code of OData.
const (
	sapThrottled   = "throttled"
	sapMaintenance = "maintenance"
	sapOutage      = "outage"
	sapMetadata    = "metadata"      // it is being generated
	sapSignature   = "signature"     // another certificate is registered
	sapInvalidUser = "invalid_user"  // nobody of that id is active
	sapNoClient    = "api_key"       // the client application is gone
	sapRevoked     = "token_revoked" // what was given out is refused; a new token isn't
	sapNoRows      = "no_rows"       // the target population is empty
)

func newSuccessFactors(clock func() time.Time, random io.Reader) *successFactorsSim {
	s := &successFactorsSim{clock: clock, random: random, clients: map[plumbline.Color]*sapClient{}, tokens: map[string]*sapToken{}}
	for _, color := range plumbline.Colors() {
		s.clients[color] = &sapClient{account: SuccessFactorsAccount{Company: sapCompany, User: "plum-" + string(color),
			ClientID: "plum-" + string(color), Password: secretOf(random)}}
	}
	return s
}

// account is a color's. Its key is made when it is asked for first, because that takes a moment.
func (s *successFactorsSim) account(color plumbline.Color) SuccessFactorsAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[color]
	if client == nil {
		return SuccessFactorsAccount{}
	}
	if client.certificate == nil {
		if err := client.register(); err != nil {
			return SuccessFactorsAccount{} // who has no account learns so
		}
	}
	return client.account
}

// register makes a key and registers its certificate.
func (c *sapClient) register() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("a key for %s: %w", c.account.User, err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("a certificate for %s: %w", c.account.User, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("a key for %s: %w", c.account.User, err)
	}
	if c.certificate, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("a certificate for %s: %w", c.account.User, err)
	}
	c.key, c.account.Key = key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return nil
}

func (s *successFactorsSim) patterns() []string {
	return []string{"POST /oauth/token", "GET /odata/v2/", "GET /odata/v4/"}
}

func (s *successFactorsSim) faults() []string {
	return append(slices.Sorted(maps.Keys(sapErrors)), sapThrottled, sapMaintenance, sapOutage, sapMetadata, sapSignature, sapInvalidUser,
		sapNoClient, sapRevoked, sapNoRows)
}

func (s *successFactorsSim) set(color plumbline.Color, fault string) error {
	s.broken.set(color, fault)
	if fault != sapRevoked {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range s.tokens {
		token.revoked = token.revoked || color == "" || token.color == color
	}
	return nil
}

func (s *successFactorsSim) fault(color plumbline.Color) string { return s.broken.of(color) }

func (s *successFactorsSim) settings(color plumbline.Color) map[string]string {
	a := s.account(color)
	return map[string]string{"company": a.Company, "user": a.User, "client_id": a.ClientID}
}

func (s *successFactorsSim) secrets(color plumbline.Color) map[string]string {
	return map[string]string{"key": s.account(color).Key}
}

// ServeHTTP answers as an API server does.
func (s *successFactorsSim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth/token" {
		s.login(w, r)
		return
	}
	s.odata(w, r)
}

// amiss answers what is wrong with the server as a whole, and with clients that ask too often.
func (s *successFactorsSim) amiss(w http.ResponseWriter, color plumbline.Color) bool {
	wait := s.wait(color)
	switch fault := s.broken.of(color); {
	case fault == sapOutage:
		say(w, http.StatusBadGateway, "text/html;charset=UTF-8", "<html><head><title>Error</title></head><body><h1>We' are Sorry...</h1>"+
			"<p>but the server, while acting as a gateway or proxy, received an invalid response from the upstream server it accessed in attempting to fulfill the request</p></body></html>")
	case fault == sapMaintenance:
		say(w, http.StatusServiceUnavailable, "text/plain", "The Successfactors HCM suite is currently undergoing scheduled maintenance. We apologize for any inconvenience this may cause")
	case fault == sapThrottled:
		w.Header().Set("Retry-After", "300")
		say(w, http.StatusTooManyRequests, "text/plain", "Too Many Requests")
	case wait > 0:
		w.Header().Set("Retry-After", fmt.Sprint(int(wait/time.Second)+1))
		say(w, http.StatusTooManyRequests, "text/plain", "Too Many Requests")
	default:
		return false
	}
	return true
}

// wait counts a request of a client, and says how long it has to wait if these are too many.
func (s *successFactorsSim) wait(color plumbline.Color) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[color]
	if client == nil {
		return 0
	}
	now := s.clock()
	if now.Sub(client.window) >= time.Minute {
		client.window, client.asked = now, 0
	}
	if client.asked++; client.asked <= sapPerMinute {
		return 0
	}
	return client.window.Add(time.Minute).Sub(now)
}

func say(w http.ResponseWriter, status int, contentType, text string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // #nosec G705 -- XML, JSON or text, sent as such; the caller left: nobody to tell
}

// find is the color of a client that has this, "" if none has.
func (s *successFactorsSim) find(has func(*sapClient) bool) plumbline.Color {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, color := range slices.Sorted(maps.Keys(s.clients)) {
		if has(s.clients[color]) {
			return color
		}
	}
	return ""
}

// serverURLs are what the API server is called by who asked it, for the recipient of an assertion.
func serverURLs(r *http.Request) []string {
	var all []string
	for _, scheme := range []string{"https://", "http://"} {
		for _, path := range []string{"", "/oauth/token", "/odata/v2"} {
			all = append(all, scheme+strings.ToLower(r.Host)+path)
		}
	}
	return all
}
