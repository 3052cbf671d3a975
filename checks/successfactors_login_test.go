package checks_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
)

// A sapServer gives the same token until a new one is asked for, and takes the latest alone.
type sapServer struct {
	*httptest.Server
	refuses bool // even the latest token

	mu       sync.Mutex
	tokens   int
	logins   []url.Values
	headers  []http.Header // of OData requests
	rejected int
}

func serveSAP(t *testing.T) *sapServer {
	s := &sapServer{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sapServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/oauth/token" {
		_ = r.ParseForm()
		s.logins = append(s.logins, r.PostForm)
		if r.PostForm.Get("new_token") == "true" || s.tokens == 0 {
			s.tokens++
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"access-%d","token_type":"Bearer","expires_in":"86399"}`, s.tokens)
		return
	}
	s.headers = append(s.headers, r.Header)
	if s.refuses || r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-%d", s.tokens) {
		s.rejected++
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(sapError(403, "X", "[LGN0022]The access token is either rejected or expired").body))
		return
	}
	_, _ = w.Write([]byte(sapUser))
}

// revoke lets SAP forget the token that it gave.
func (s *sapServer) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens += 10
}

func TestSuccessFactorsTokenIsSharedAndRenewedOnce(t *testing.T) {
	s := serveSAP(t)
	clients := clientsOf(t)
	clients.Connections = checks.NewConnections([]checks.Connection{sapConnection(t, s.URL)}, clients.Transport, nil)
	t.Cleanup(clients.Connections.Close)
	prober := compile(t, clients, "successfactors: acme-sf").Prober
	everybody := func() {
		t.Helper()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if answer, err := prober.Probe(t.Context(), askOf("http://127.0.0.1:1")); err != nil || answer.Tier != plumbline.TierData {
					t.Errorf("%q: %v", answer.Tier, err)
				}
			})
		}
		group.Wait()
	}
	everybody()
	if len(s.logins) != 1 || s.logins[0].Has("new_token") {
		t.Errorf("%d logins, want one that doesn't force a new token", len(s.logins))
	}
	s.revoke()
	everybody()
	if len(s.logins) != 2 || s.logins[1].Get("new_token") != "true" {
		t.Errorf("%d logins, want a second one that forces a new token", len(s.logins))
	}
	form := s.logins[0]
	want := "ACMEPROD YTNjZmVlZTY4YjU urn:ietf:params:oauth:grant-type:saml2-bearer"
	if got := strings.Join([]string{form.Get("company_id"), form.Get("client_id"), form.Get("grant_type")}, " "); got != want || len(form) != 4 || form.Has("client_secret") {
		t.Errorf("sent %s and %d fields, want %s and the assertion", got, len(form), want)
	}
}

func TestSuccessFactorsAsksOnceMoreWithANewToken(t *testing.T) {
	s := serveSAP(t)
	s.refuses = true
	answer, err := sapAsk(t, sapConnection(t, s.URL), "successfactors: acme-sf", askOf("http://127.0.0.1:1"))
	if err == nil || answer.Class != plumbline.ClassCredential || s.rejected != 2 || len(s.logins) != 2 {
		t.Errorf("class %q after %d logins and %d refusals, want credential after 2 and 2: %v", answer.Class, len(s.logins), s.rejected, err)
	}
}

func TestSuccessFactorsDoesNotForceATokenThatIsDenied(t *testing.T) {
	p := provide(t, sapBase)
	p.replies = map[string]reply{"/odata/v2/User": sapError(401, "X", "[LGN0015]Authentication failed.")}
	if _, err := sapAsk(t, sapConnection(t, p.URL), "successfactors: acme-sf", askOf("http://127.0.0.1:1")); err == nil || len(p.requests) != 2 {
		t.Errorf("%d requests, want a login and a question: %v", len(p.requests), err)
	}
}

func TestSuccessFactorsTokenIsUsedUntilItEnds(t *testing.T) {
	s := serveSAP(t)
	now := time.Now()
	clients := clientsOf(t)
	clock := func() time.Time { return now }
	clients.Now = clock
	clients.Connections = checks.NewConnections([]checks.Connection{sapConnection(t, s.URL)}, clients.Transport, clock)
	t.Cleanup(clients.Connections.Close)
	prober := compile(t, clients, "successfactors: acme-sf").Prober
	for _, step := range []struct {
		later  time.Duration
		logins int
	}{{0, 1}, {23 * time.Hour, 1}, {59 * time.Minute, 1}, {time.Minute, 2}} {
		now = now.Add(step.later)
		if _, err := probe(t, prober, askOf("http://127.0.0.1:1")); err != nil || len(s.logins) != step.logins {
			t.Errorf("%s later: %d logins, want %d: %v", step.later, len(s.logins), step.logins, err)
		}
	}
}

func TestSuccessFactorsBasic(t *testing.T) {
	var heard []http.Header
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		heard = append(heard, r.Header)
		answering(200, "application/json", sapUser)(w, r)
	})
	connection := sapConnection(t, origin)
	connection.Secret = secretly("pa:ss word")
	connection.Provider = &checks.SuccessFactors{Company: "ACMEPROD", User: "plumbline", Basic: true}
	answer, err := sapAsk(t, connection, "successfactors: acme-sf", askOf("http://127.0.0.1:1"))
	if err != nil || len(heard) != 1 {
		t.Fatalf("%d requests: %v", len(heard), err)
	}
	r := http.Request{Header: heard[0]}
	if user, password, _ := r.BasicAuth(); user != "plumbline@ACMEPROD" || password != "pa:ss word" {
		t.Errorf("logged in as %q with %q", user, password)
	}
	if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], "scheduled for deletion") {
		t.Errorf("warned of %q", answer.Warnings)
	}
}

func TestSuccessFactorsWarnsOfWhatEnds(t *testing.T) {
	s := serveSAP(t)
	inHours := func(hours time.Duration) time.Time { return time.Now().Add(hours * time.Hour) }
	for name, test := range map[string]struct {
		run, window, certificate time.Time
		want                     string
	}{
		"nothing":     {time.Time{}, time.Time{}, time.Time{}, ""},
		"long enough": {inHours(23), inHours(23), inHours(24 * 31), ""},
		"the run":     {inHours(25), time.Time{}, time.Time{}, "maybe within this run"},
		"the window":  {inHours(1), inHours(72), time.Time{}, "within the standby window, which ends at " + inHours(72).UTC().Format("2006-01-02")},
		"the key":     {time.Time{}, time.Time{}, inHours(24 * 29), "register the next one with SAP"},
	} {
		t.Run(name, func(t *testing.T) {
			connection := sapConnection(t, s.URL)
			as := *connection.Provider.(*checks.SuccessFactors)
			if !test.certificate.IsZero() {
				as.Certificate = sapCertificate(t, test.certificate)
			}
			connection.Provider = &as
			ask := askOf("http://127.0.0.1:1")
			ask.Ends, ask.Site.Until = test.run, test.window
			answer, err := sapAsk(t, connection, "successfactors: acme-sf", ask)
			if err != nil || len(answer.Warnings) > 1 || (test.want == "") != (len(answer.Warnings) == 0) || !strings.Contains(strings.Join(answer.Warnings, ""), test.want) {
				t.Errorf("warned of %q, want %q: %v", answer.Warnings, test.want, err)
			}
		})
	}
}

func TestSuccessFactorsSendsNothingElsewhere(t *testing.T) {
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		for _, path := range []string{"/oauth/token", "/odata/v2/User"} {
			asked := 0
			elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
			p := provide(t, sapBase)
			p.replies = map[string]reply{path: {status: status, header: http.Header{"Location": {elsewhere + path}}}}
			answer, err := sapAsk(t, sapConnection(t, p.URL), "successfactors: acme-sf", askOf(elsewhere))
			if err == nil || answer.Class != plumbline.ClassMisconfig || asked != 0 {
				t.Errorf("%d at %s: class %q, and %d requests went elsewhere: %v", status, path, answer.Class, asked, err)
			}
		}
	}
}

func TestSuccessFactorsTellsNoSecret(t *testing.T) {
	said := ""
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		said = r.PostFormValue("assertion")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"errorHttpCode":"401","errorMessage":"Unable to verify the signature of the SAML assertion %s"}`, said)
	})
	answer, err := sapAsk(t, sapConnection(t, origin), "successfactors: acme-sf", askOf("http://127.0.0.1:1"))
	if err == nil || said == "" || strings.Contains(err.Error()+answer.Detail, said[:40]) || !strings.Contains(err.Error(), "SAML assertion [redacted]") {
		t.Errorf("tells of the assertion: %v\n%s", err, answer.Detail)
	}
}

func TestSuccessFactorsThatCannotBeReached(t *testing.T) {
	connection := sapConnection(t, "http://127.0.0.1:1")
	answer, err := sapAsk(t, connection, "successfactors: acme-sf", askOf("http://127.0.0.1:1"))
	if err == nil || answer.Tier != "" || !strings.Contains(err.Error(), "token endpoint /oauth/token: ") {
		t.Errorf("tier %q: %v", answer.Tier, err)
	}
	connection.Secret = secretly("no key")
	if _, err = sapAsk(t, connection, "successfactors: acme-sf", askOf("http://127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "no private key in PEM") {
		t.Error(err)
	}
}

func TestSuccessFactorsIsWrittenAs(t *testing.T) {
	for check, want := range map[string]string{
		"successfactors: {entities: [User]}":                                      "successfactors needs a connection",
		"successfactors: {connection: a, entities: [$metadata]}":                  "$metadata is never asked",
		"successfactors: {connection: a, entities: ['User(1)']}":                  `"User(1)" is no entity of this version of OData (write EmpJob)`,
		"successfactors: {connection: a, entities: User}":                         "entities takes a list",
		"successfactors: {connection: a, entities: []}":                           "entities takes a list",
		"successfactors: {connection: a, entities: [User], data: [Usr]}":          `data of "Usr", which is not among entities (did you mean "User"?)`,
		"successfactors: {connection: a, odata: v3}":                              `unknown version of OData "v3"`,
		"successfactors: {connection: a, odata: v4}":                              "v4 has no entity that every company has (add entities: [timemanagement/absence/v1/TimeAccounts])",
		"successfactors: {connection: a, odata: v4, entities: [User]}":            `"User" is no entity of this version of OData`,
		"successfactors: {connection: a, odata: v4, entities: [a/../../v2/User]}": "is no entity of this version",
		"successfactors: {connection: a, mode: canary}":                           `unknown key "mode"`,
	} {
		_, problems := tryCompile(t, clientsOf(t), check)
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", check, err, want)
		}
	}
}
