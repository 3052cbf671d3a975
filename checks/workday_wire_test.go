package checks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

const (
	envNamespace  = "http://schemas.xmlsoap.org/soap/envelope/"
	bsvcNamespace = "urn:com.workday/bsvc"
	wsseNamespace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
)

// soapSchema is which elements stand within one, in this order (SOAP 1.1, WSS 1.0, and the public schema of
// Human_Resources). An element without an entry has text alone.
var soapSchema = map[xml.Name][]xml.Name{
	{Space: envNamespace, Local: "Envelope"}:       {{Space: envNamespace, Local: "Header"}, {Space: envNamespace, Local: "Body"}},
	{Space: envNamespace, Local: "Header"}:         {{Space: wsseNamespace, Local: "Security"}},
	{Space: wsseNamespace, Local: "Security"}:      {{Space: wsseNamespace, Local: "UsernameToken"}},
	{Space: wsseNamespace, Local: "UsernameToken"}: {{Space: wsseNamespace, Local: "Username"}, {Space: wsseNamespace, Local: "Password"}},
	{Space: envNamespace, Local: "Body"}:           {{Space: bsvcNamespace, Local: "Server_Timestamp_Get"}, {Space: bsvcNamespace, Local: "Get_Workers_Request"}},
	{Space: bsvcNamespace, Local: "Get_Workers_Request"}: {{Space: bsvcNamespace, Local: "Request_References"}, {Space: bsvcNamespace, Local: "Request_Criteria"},
		{Space: bsvcNamespace, Local: "Response_Filter"}, {Space: bsvcNamespace, Local: "Response_Group"}},
	{Space: bsvcNamespace, Local: "Response_Filter"}: {{Space: bsvcNamespace, Local: "As_Of_Effective_Date"}, {Space: bsvcNamespace, Local: "As_Of_Entry_DateTime"},
		{Space: bsvcNamespace, Local: "Page"}, {Space: bsvcNamespace, Local: "Count"}},
	{Space: bsvcNamespace, Local: "Response_Group"}: {{Space: bsvcNamespace, Local: "Include_Reference"}, {Space: bsvcNamespace, Local: "Include_Personal_Information"}},
}

// ordered reads XML as a validating server does, and gives the texts by the names of their elements.
func ordered(document string) (map[string]string, error) {
	type open struct {
		name xml.Name
		next int // of its schema
	}
	d := xml.NewDecoder(strings.NewReader(document))
	d.Strict = true
	var stack []open
	texts := map[string]string{}
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && len(stack) == 0 && len(texts) > 0:
			return texts, nil
		case err != nil:
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(stack) > 0 {
				parent := &stack[len(stack)-1]
				at := slices.Index(soapSchema[parent.name], token.Name)
				if at < parent.next {
					return nil, fmt.Errorf("%s in %s: not there, or not at this place", token.Name.Local, parent.name.Local)
				}
				parent.next = at + 1
			}
			for _, a := range token.Attr {
				texts[token.Name.Local+"@"+a.Name.Local] = a.Value
			}
			stack = append(stack, open{name: token.Name})
			texts[token.Name.Local] = ""
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) == 0 || soapSchema[stack[len(stack)-1].name] != nil {
				if strings.TrimSpace(string(token)) != "" {
					return nil, fmt.Errorf("text %q where there is none", token)
				}
				continue
			}
			texts[stack[len(stack)-1].name.Local] += string(token)
		}
	}
}

func TestWorkdayRequestsFollowTheSchema(t *testing.T) {
	p := workdayServer(t)
	if _, err := asked(t, workdayUser(p), "workday: acme-workday"); err != nil || len(p.requests) != 2 {
		t.Fatalf("%v after %d requests", err, len(p.requests))
	}
	for i, r := range p.requests {
		texts, err := ordered(p.bodies[i])
		if err != nil {
			t.Fatalf("%v:\n%s", err, p.bodies[i])
		}
		want := map[string]string{"Username": "ISU_PLUM@acme", "Password": workdayPassword, "Security@mustUnderstand": "1",
			"Password@Type": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"}
		if i == 1 {
			want["Page"], want["Count"], want["Include_Reference"], want["Get_Workers_Request@version"] = "1", "1", "true", "v44.2"
		}
		for name, text := range want {
			if texts[name] != text {
				t.Errorf("%s is %q, want %q", name, texts[name], text)
			}
		}
		if r.Method != http.MethodPost || r.URL.String() != "/ccx/service/acme/Human_Resources/v44.2" || r.Header.Get("Content-Type") != "text/xml;charset=UTF-8" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	}
	if !strings.Contains(p.bodies[0], "Server_Timestamp_Get") || !strings.Contains(p.bodies[1], "Get_Workers_Request") {
		t.Errorf("asked\n%s", strings.Join(p.bodies, "\n"))
	}
	page := "<bsvc:Page>1</bsvc:Page>"
	for name, broken := range map[string]string{
		"Count before Page":    strings.Replace(strings.Replace(p.bodies[1], page, "", 1), "</bsvc:Count>", "</bsvc:Count>"+page, 1),
		"Page twice":           strings.Replace(p.bodies[1], page, page+page, 1),
		"what there is not":    strings.Replace(p.bodies[1], page, "<bsvc:Size>1</bsvc:Size>", 1),
		"an open element":      strings.Replace(p.bodies[1], "</soapenv:Body>", "", 1),
		"another namespace":    strings.ReplaceAll(p.bodies[1], bsvcNamespace, "urn:com.workday"),
		"a password unescaped": strings.Replace(p.bodies[1], "&lt;", "<", 1),
	} {
		if _, err := ordered(broken); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// jwtKey is a private key in PEM, and its public half.
func jwtKey(t *testing.T) (string, *ecdsa.PublicKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), &key.PublicKey
}

func TestWorkdayByAssertion(t *testing.T) {
	p := workdayServer(t)
	key, public := jwtKey(t)
	c := workdayClient(p)
	c.Grant, c.Refresh = checks.JWTBearer, nil
	c.Assertion = &checks.Assertion{Key: secretly(key), Issuer: "NjQ2M2Rm", Subject: "ISU_PLUM", Audience: "wd"}
	if answer, err := asked(t, c, "workday: acme-workday"); err != nil || answer.Tier != plumbline.TierData {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(p.bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(form.Get("assertion"), claims, func(*jwt.Token) (any, error) { return public, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience("wd"), jwt.WithIssuer("NjQ2M2Rm"), jwt.WithSubject("ISU_PLUM"), jwt.WithExpirationRequired())
	if err != nil || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		t.Errorf("%v in %v", err, form)
	}
	catalogue(t, p, c, "workday: acme-workday", []catalogueRow{
		{name: "refused", replies: answers(workdayToken, 400, `{"error":"invalid_grant"}`), class: plumbline.ClassCredential, tier: plumbline.TierReach,
			reason: "see that API client NjQ2M2Rm has this key's certificate", unconfirmed: true},
		{name: "another grant", replies: answers(workdayToken, 400, `{"error":"unsupported_grant_type"}`), class: plumbline.ClassMisconfig, tier: plumbline.TierReach, reason: "for this grant", unconfirmed: true},
	})
}

func TestWorkdayTokensAreUsedAgainAndReplacedOnce(t *testing.T) {
	p := workdayServer(t)
	check := compile(t, connected(t, workdayClient(p)), "workday: acme-workday").Prober
	count := func(path string) (n int) {
		for _, r := range p.requests {
			if r.URL.Path == path {
				n++
			}
		}
		return n
	}
	for range 3 {
		if _, err := probe(t, check, askOf("http://127.0.0.1:1")); err != nil {
			t.Fatal(err)
		}
	}
	if count(workdayToken) != 1 || count(workdayRows) != 3 {
		t.Errorf("%d logins and %d questions, want 1 and 3", count(workdayToken), count(workdayRows))
	}
	p.replies = answers(workdayRows, 401, `{"error":"invalid_token"}`)
	if _, err := probe(t, check, askOf("http://127.0.0.1:1")); err == nil || count(workdayToken) != 2 || count(workdayRows) != 5 {
		t.Errorf("%v after %d logins and %d questions, want 2 and 5", err, count(workdayToken), count(workdayRows))
	}
}

func TestWorkdayRefreshTokensThatRotateAreKept(t *testing.T) {
	p := workdayServer(t)
	p.base[workdayToken] = reply{body: `{"access_token":"` + workdayAccess + `","token_type":"Bearer","expires_in":3600,"refresh_token":"wd-refresh-number-1"}`}
	file := tokenFile(t)
	c := workdayClient(p)
	c.Refresh = &checks.RefreshGrant{File: file}
	if _, err := asked(t, c, "workday: acme-workday"); err != nil || keptIn(t, file) != "wd-refresh-number-1" {
		t.Errorf("%v, kept %s", err, keptIn(t, file))
	}
	_, err := asked(t, workdayClient(p), "workday: acme-workday")
	if err == nil || !strings.HasSuffix(err.Error(), "name it by {file: PATH}") || redact.Leaks(err.Error(), "wd-refresh-number-1", workdayRefresh) != "" {
		t.Errorf("a token of the environment that was replaced: %v", err)
	}
}

// A redirect takes nothing along, neither in a header nor in the address or the body.
func TestWorkdayCredentialsStayWithTheirHost(t *testing.T) {
	elsewhere := provide(t, nil)
	p := workdayServer(t)
	for _, status := range []int{302, 303, 307, 308} {
		for path, asks := range map[string]struct {
			connection checks.Connection
			check      string
		}{
			workdayToken:  {workdayClient(p), "workday: acme-workday"},
			workdayRows:   {workdayClient(p), "workday: acme-workday"},
			workdayReport: {workdayUser(p), "workday: {connection: acme-workday, report: {owner: ISU_PLUM, name: Plum_Employees}}"},
			workdayTime:   {workdayUser(p), "workday: acme-workday"},
			workdayPeople: {workdayUser(p), "workday: acme-workday"},
		} {
			p.replies = map[string]reply{path: {status: status, header: http.Header{"Location": {elsewhere.URL + "/elsewhere"}}}}
			answer, err := asked(t, asks.connection, asks.check)
			if err == nil || answer.Class != plumbline.ClassMisconfig || !strings.Contains(err.Error(), "redirects to ") {
				t.Errorf("%d of %s: %q %v", status, path, answer.Class, err)
			}
		}
	}
	if len(elsewhere.requests) != 0 {
		t.Errorf("another host was asked %d times: %v", len(elsewhere.requests), elsewhere.requests[0].Header)
	}
}

func TestWorkdayPromptsTakeNoSecretOfAnotherHost(t *testing.T) {
	p := workdayServer(t)
	clients := connected(t, workdayUser(p))
	hosts := []string{"elsewhere.test"}
	clients.Secret = func(string) (checks.Secret, bool) {
		return checks.Secret{Value: "s3cret-of-others", Hosts: hosts}, true
	}
	check := compile(t, clients, "workday: {connection: acme-workday, report: {owner: ISU_PLUM, name: Plum_Employees, prompts: {key: $(secrets.key)}}}").Prober
	if _, err := probe(t, check, askOf("http://127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "a secret of this check is not for ") || len(p.requests) != 0 {
		t.Errorf("%v after %d requests", err, len(p.requests))
	}
	hosts = []string{strings.TrimPrefix(p.URL, "http://")}
	if _, err := probe(t, check, askOf("http://127.0.0.1:1")); err != nil || len(p.requests) != 1 {
		t.Errorf("%v after %d requests", err, len(p.requests))
	}
}

// A tenantTally is a tenant that counts, in a bubble.
type tenantTally struct {
	tally
	mu sync.Mutex
}

func (s *tenantTally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == workdayToken {
		s.tokens++
		_, _ = io.WriteString(w, `{"access_token":"`+workdayAccess+`","token_type":"Bearer","expires_in":3600}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+workdayAccess {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = io.WriteString(w, `{"total":1,"data":[{"id":"1"}]}`)
}

func TestManyWorkdayChecksAskForOneTokenAndStayInTheBudget(t *testing.T) {
	s := &tenantTally{}
	c := workdayClient(&provided{Server: &httptest.Server{URL: "http://acme.workday.test"}})
	c.Budget, c.Account = checks.Budget{PerSecond: 10, Burst: 10}, c.Name
	bubble(t, s, func(t *testing.T, clients checks.Clients) {
		check := compile(t, clients, "workday: acme-workday")
		errs, done := make([]error, 500), sync.WaitGroup{}
		began := time.Now()
		for i := range errs {
			done.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				_, errs[i] = check.Probe(ctx, askOf("http://green.plum"))
			})
		}
		done.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if s.tokens != 1 || len(s.at) != 501 {
			t.Errorf("%d tokens and %d requests, want 1 and 501", s.tokens, len(s.at))
		}
		if err := s.within(10, 10); err != nil {
			t.Error(err)
		}
		if took := time.Since(began).Round(time.Second); took != 49*time.Second { // (501 - 10) / 10
			t.Errorf("took %s, want 49s: the budget isn't used up", took)
		}
	}, c)
}
