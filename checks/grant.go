package checks

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/plumbline-dev/plumbline/internal/signingkey"
)

// The grants of OAuth2.
const (
	ClientCredentials = "client_credentials"
	RefreshToken      = "refresh_token"
	JWTBearer         = "jwt_bearer" // RFC 7523
)

// Where the client's id and secret go in a request for a token.
const (
	InBody   = "body"
	InHeader = "header"
)

// An Assertion is what a JWT says, and who signs it.
type Assertion struct {
	Key      func() string // private key in PEM: RSA signs RS256, ECDSA on P-256 signs ES256
	KeyID    string        // in the JWT's header; nothing leaves it out
	Issuer   string
	Subject  string
	Audience string // nothing means the token endpoint
}

// assertionLife is how long an assertion is good. Endpoints refuse those of a long life.
const assertionLife = 3 * time.Minute

// fetch logs in by the connection's grant, or as its provider does.
func (c *Connections) fetch(ctx context.Context, l *login) (*granted, error) {
	if issuer, is := l.by.Provider.(tokenIssuer); is {
		return issuer.fetch(ctx, l)
	}
	switch l.by.Grant {
	case RefreshToken:
		return l.refresh(ctx)
	case JWTBearer:
		assertion, err := l.by.Assertion.signed(l.endpoint.String(), c.now())
		if err != nil {
			return nil, fmt.Errorf("auth %s: %w", l.by.Name, err)
		}
		l.hidden = append(l.hidden, assertion)
		return l.ask(ctx, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}})
	}
	if _, err := l.by.secret(); err != nil {
		return nil, err
	}
	return l.ask(ctx, nil)
}

func (a *Assertion) signed(audience string, now time.Time) (string, error) {
	key, err := signingkey.Read(a.Key())
	if err != nil {
		return "", err
	}
	if a.Audience != "" {
		audience = a.Audience
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(key.Algorithm), jwt.MapClaims{
		"iss": a.Issuer, "sub": a.Subject, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if a.KeyID != "" {
		token.Header["kid"] = a.KeyID
	}
	return token.SignedString(key.Signer)
}
