package checks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// A credential makes requests those of a connection.
type credential struct {
	header  http.Header               // what a request gets, unless it has such a header already
	hidden  []string                  // what must not come to light
	discard func()                    // forgets a token that was refused; nil if another can't be had
	stale   func(*exchange) bool      // of discard, whether an answer refuses the token; nil: 401 does
	sign    func(*http.Request) error // signs the whole request; nil if there is nothing to sign
	own     *session                  // what it is sent over; nil for anything
	wait    func(context.Context) error
	may     func(*url.URL) error // refuses what may not be asked with it; nil: anything may
}

// An issuer makes the credential of a connection for one request.
type issuer func(context.Context, *Connections, *account, plumbline.Site) (credential, error)

// credentials make what each kind of connection puts into a request that is no provider's.
var credentials = map[string]issuer{
	OAuth2:    oauth2Credential,
	Bearer:    bearerCredential,
	Basic:     basicCredential,
	Header:    headerCredential,
	MutualTLS: mutualCredential,
	SigV4:     sigV4Credential,
}

// authorize makes q a request of the connection: it refuses another origin than the connection's, fetches a token if
// there is none, waits until the budget has room, and fills in headers. What must not come to light is hidden from the
// scene. The credential is what the connection's kind issues, unless own is given.
func (s *scene) authorize(ctx context.Context, name string, q *request, own issuer) (credential, error) {
	c := s.clients.Connections
	a, err := c.find(name, s.ask.Site)
	if err != nil {
		return credential{}, err
	}
	if err := a.mayGo(s.ask.Site, q.target); err != nil {
		return credential{}, err
	}
	issue, known := credentials[a.Kind]
	if a.Provider != nil {
		issue, known = a.Provider.credential, true
	}
	if own != nil {
		issue, known = own, true
	}
	if !known {
		return credential{}, fmt.Errorf("auth %s: a connection of kind %q, want %s", name, a.Kind,
			strings.Join([]string{OAuth2, Bearer, Basic, Header, MutualTLS}, ", ")+" or "+SigV4)
	}
	if a.Kind == MutualTLS && q.target.Scheme != "https" {
		return credential{}, fmt.Errorf("auth %s: a client certificate goes over https alone, not to %s", name, originOf(q.target))
	}
	careful, is := a.Provider.(careful)
	if is {
		if err := careful.mayAsk(q.target); err != nil {
			return credential{}, fmt.Errorf("auth %s: %w", name, err)
		}
	}
	has, err := issue(ctx, c, a, s.ask.Site)
	s.hidden = append(s.hidden, has.hidden...)
	if err != nil {
		var refused refusal
		if errors.As(err, &refused) {
			s.hidden = append(s.hidden, refused.hidden...)
		}
		return credential{}, err
	}
	has.wait = a.wait
	if is {
		has.may = careful.mayAsk
	}
	if err := has.wait(ctx); err != nil {
		return credential{}, err
	}
	return has, has.fill(q)
}

func (has credential) fill(q *request) error {
	for name, values := range has.header {
		if q.header.Get(name) == "" {
			q.header[name] = values
		}
	}
	if has.sign == nil {
		return nil
	}
	r := &http.Request{Method: q.method, URL: q.target, Header: q.header, Host: q.target.Host}
	withBody(r, q.body)
	return has.sign(r)
}

// refusedBy says whether an answer refuses a token, of which another can be had.
func (has credential) refusedBy(x *exchange) bool {
	if has.discard == nil {
		return false
	}
	if has.stale != nil {
		return has.stale(x)
	}
	return x.status == http.StatusUnauthorized
}

// over is the session that a request is sent over: the one at hand, unless the connection has its own.
func (has credential) over(via *session) *session {
	switch {
	case has.own == nil:
		return via
	case via.jar == nil:
		return has.own
	}
	return &session{transport: has.own.transport, fresh: has.own.fresh, jar: via.jar}
}

type redirecting struct{}

// following lets a redirect that is followed be a request of the connection as well.
func (has credential) following(ctx context.Context) context.Context {
	if has.wait == nil {
		return ctx
	}
	return context.WithValue(ctx, redirecting{}, func(next *http.Request) error {
		if has.may != nil {
			if err := has.may(next.URL); err != nil {
				return err
			}
		}
		if err := has.wait(next.Context()); err != nil || has.sign == nil {
			return err
		}
		return has.sign(next)
	})
}

// redirect readies a request that follows another one.
func redirect(next *http.Request) error {
	if ready, is := next.Context().Value(redirecting{}).(func(*http.Request) error); is {
		return ready(next)
	}
	return nil
}

// secret is what everything of the account depends on.
func (a *account) secret() (string, error) {
	secret := ""
	if a.Secret != nil {
		secret = a.Secret()
	}
	if secret == "" {
		return "", fmt.Errorf("auth %s: the connection has no secret", a.Name)
	}
	return secret, nil
}

func authorization(value string) http.Header { return http.Header{"Authorization": {value}} }

func bearerCredential(_ context.Context, _ *Connections, a *account, _ plumbline.Site) (credential, error) {
	secret, err := a.secret()
	return credential{header: authorization("Bearer " + secret), hidden: []string{secret}}, err
}

func basicCredential(_ context.Context, _ *Connections, a *account, _ plumbline.Site) (credential, error) {
	secret, err := a.secret()
	pair := a.Username + ":" + secret
	encoded := base64.StdEncoding.EncodeToString([]byte(pair))
	return credential{header: authorization("Basic " + encoded), hidden: []string{secret, pair}}, err
}

func headerCredential(_ context.Context, _ *Connections, a *account, _ plumbline.Site) (credential, error) {
	secret, err := a.secret()
	return credential{header: http.Header{http.CanonicalHeaderKey(a.Header): {secret}}, hidden: []string{secret}}, err
}

func oauth2Credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	has, err := c.token(ctx, a, site)
	if err != nil {
		return credential{}, err
	}
	return credential{header: authorization(has.token.Type() + " " + has.token.AccessToken), hidden: has.hidden,
		discard: func() { c.forget(has) }}, nil
}
