package checks

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/plumbline-dev/plumbline"
	"golang.org/x/oauth2"
)

// KindSuccessFactors is the kind of connections and checks of SAP SuccessFactors.
const KindSuccessFactors = "successfactors"

// SuccessFactorsToken is where the token endpoint is at every API server.
const SuccessFactorsToken = "/oauth/token" // #nosec G101 -- a path, no credential

// A SuccessFactors is a user of a company, who logs in with a SAML assertion that is signed here, or by Basic. The
// connection's secret is the private key in PEM, or the password.
type SuccessFactors struct {
	Company      string
	User         string
	ClientID     string            // the API key of the OAuth2 client application
	Issuer       string            // of the assertion; "" means www.successfactors.com
	Recipient    string            // of the assertion; "" means the token endpoint
	UseUsername  bool              // User is a username, not a user id
	ExternalUser bool              // User is one of Learning alone
	Certificate  *x509.Certificate // that SAP has of the key, told in the signature; nil: it isn't
	Basic        bool              // the secret is a password
}

func (s *SuccessFactors) credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	if !s.Basic {
		has, err := oauth2Credential(ctx, c, a, site)
		has.stale = successFactorsStale
		return has, err
	}
	secret, err := a.secret()
	pair := s.User + "@" + s.Company + ":" + secret
	encoded := base64.StdEncoding.EncodeToString([]byte(pair))
	return credential{header: authorization("Basic " + encoded), hidden: []string{secret, pair}}, err
}

// successFactorsStale says whether an answer refuses the token for its age, or refuses it and doesn't say why.
func successFactorsStale(x *exchange) bool {
	code, _ := successFactorsCodes(x)
	return code == "LGN0022" || code == "" && x.status == http.StatusUnauthorized
}

// fetch trades an assertion for a token. The endpoint gives the same one until it ends, unless a new one is asked for.
func (s *SuccessFactors) fetch(ctx context.Context, l *login) (*granted, error) {
	key, err := l.by.secret()
	if err != nil {
		return nil, err
	}
	started := l.connections.now()
	assertion, err := s.assertion(key, l.endpoint.String(), started)
	if err != nil {
		return nil, fmt.Errorf("auth %s: %w", l.by.Name, err)
	}
	l.hidden = append(l.hidden, assertion)
	form := url.Values{"company_id": {s.Company}, "client_id": {s.ClientID}, "assertion": {assertion},
		"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}}
	if l.again {
		form.Set("new_token", "true")
	}
	x, err := l.post(ctx, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Seconds json.Number `json:"expires_in"`
	}
	if x.status != http.StatusOK || json.Unmarshal(x.body, &answer) != nil || answer.Token == "" {
		return nil, l.refuse(x)
	}
	has := &granted{token: &oauth2.Token{AccessToken: answer.Token, TokenType: answer.Type}, hidden: append(l.hidden, answer.Token)}
	life := maxTokenLife
	if seconds, err := answer.Seconds.Int64(); err == nil {
		life = time.Duration(min(max(seconds, 0), int64(longestToken/time.Second))) * time.Second
		has.ends = started.Add(life)
	}
	has.token.Expiry = lastUse(started, life)
	return has, nil
}

// longestToken bounds what is believed of the life of a token. SAP's live a day.
const longestToken = 7 * 24 * time.Hour

// turnedAway says why the token endpoint gave no token.
func (s *SuccessFactors) turnedAway(q *inquiry, x *exchange) error {
	const who = "the token endpoint"
	if x.status == http.StatusOK && !isPage(x) {
		return troublef(plumbline.ClassProtocol, "%s answered without a token", who)
	}
	return successFactorsWrong(q, x, who, successFactorsLogin)
}
