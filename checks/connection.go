package checks

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// The kinds of connections that `auth` may name.
const (
	OAuth2    = "oauth2" // a token for one of the grants
	Bearer    = "bearer"
	Basic     = "basic"
	Header    = "header"
	MutualTLS = "mtls"
	SigV4     = "sigv4" // AWS Signature Version 4
)

// A Connection is an account. Its credential is sent to the environment that is asked or to Origins, never elsewhere.
type Connection struct {
	Name    string
	Service string          // that it is for, or nothing for all
	Color   plumbline.Color // that it is for, or nothing for both
	Kind    string          // OAuth2, Bearer, Basic, Header, MutualTLS, SigV4, or that of a Provider

	// Secret is the client secret, token, password, value of the header, private key in PEM, or secret access key.
	Secret func() string

	Header   string // of Header: which one
	Username string // of Basic

	TokenURL   string        // of OAuth2: absolute, or relative to Origins if there are any, else to the environment's URL
	Grant      string        // of OAuth2: ClientCredentials (default), RefreshToken or JWTBearer
	ClientID   string        // of OAuth2
	ClientAuth string        // of OAuth2: InBody (default) or InHeader
	Scopes     []string      // of OAuth2
	Refresh    *RefreshGrant // of the grant RefreshToken
	Assertion  *Assertion    // of the grant JWTBearer

	Provider Provider // of the kinds that have checks of their own

	Certificate *ClientCertificate // of MutualTLS
	AWS         *AWS               // of SigV4

	// Origins are where the credential may be sent, such as https://api.example.com. Nothing means the environment's.
	Origins []string

	// Budget bounds the requests of all checks and runs. Connections with the same Account, unless that is nothing, share it.
	Budget  Budget
	Account string
}

// Connections give checks their credentials. A token is fetched once, however many checks wait for it, and kept until
// it ends. The nil Connections have none.
type Connections struct {
	list      []*account
	transport *http.Transport
	web       *http.Client
	now       func() time.Time
	flights   singleflight.Group
	logins    sync.WaitGroup // under way, whoever waits for them
	mu        sync.Mutex
	tokens    map[tokenKey]*granted
}

// An account is a connection and what this process knows of it.
type account struct {
	Connection
	limiter *rate.Limiter // nil: no bounds

	mu     sync.Mutex
	own    *session // of MutualTLS
	burnt  string   // a refresh token that was used up while its successor was lost
	whyNot error    // of burnt
}

// NewConnections takes the more specific of two connections with one name: of the service before of all, of the color
// before of both. Tokens are fetched over t, and now says when they end; nil means a transport of its own, and
// time.Now.
func NewConnections(list []Connection, t *http.Transport, now func() time.Time) *Connections {
	if now == nil {
		now = time.Now
	}
	if t == nil {
		t = NewTransport(64)
	}
	c := &Connections{now: now, transport: t, tokens: map[tokenKey]*granted{}, web: &http.Client{Transport: t, CheckRedirect: stay}}
	limiters := map[string]*rate.Limiter{}
	for _, each := range list {
		a := &account{Connection: each, limiter: each.Budget.limiter()}
		if shared := limiters[each.Account]; shared != nil && each.Account != "" {
			a.limiter = shared
		}
		limiters[each.Account] = a.limiter
		c.list = append(c.list, a)
	}
	return c
}

// Names are the names of all connections, for Options of suites.
func (c *Connections) Names() []string {
	names := []string{}
	if c == nil {
		return names
	}
	for _, each := range c.list {
		if !slices.Contains(names, each.Name) {
			names = append(names, each.Name)
		}
	}
	return names
}

// Close returns when no login is under way any more, each of which may have used up a refresh token, and closes what
// the transports of MutualTLS keep open. Nothing is asked after it.
func (c *Connections) Close() {
	if c == nil {
		return
	}
	c.logins.Wait()
	for _, a := range c.list {
		a.mu.Lock()
		if a.own != nil {
			a.own.closeIdle()
		}
		a.mu.Unlock()
	}
}

// KindOf is the kind of the connection of a name, "" if there is none.
func (c *Connections) KindOf(name string) string {
	if c == nil {
		return ""
	}
	for _, each := range c.list {
		if each.Name == name {
			return each.Kind
		}
	}
	return ""
}

func (c *Connections) find(name string, site plumbline.Site) (*account, error) {
	var best *account
	rank := -1
	if c != nil {
		for _, each := range c.list {
			fits := each.Name == name && (each.Service == "" || each.Service == site.Service) && (each.Color == "" || each.Color == site.Color)
			if r := specific(each.Connection); fits && r > rank {
				best, rank = each, r
			}
		}
	}
	switch {
	case best == nil && site.Service == "":
		return nil, fmt.Errorf("auth %s: no such connection without a configuration", name)
	case best == nil:
		return nil, fmt.Errorf("auth %s: no such connection for %s %s", name, site.Service, site.Color)
	}
	return best, nil
}

func specific(c Connection) int {
	rank := 0
	if c.Service != "" {
		rank += 2
	}
	if c.Color != "" {
		rank++
	}
	return rank
}

// mayGo refuses to send a credential to an origin that the configuration didn't name.
func (c Connection) mayGo(site plumbline.Site, target *url.URL) error {
	origins := c.Origins
	if len(origins) == 0 {
		origins = []string{site.URL}
	}
	var allowed []string
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil {
			return fmt.Errorf("auth %s: an origin that is no URL", c.Name)
		}
		if originOf(u) == originOf(target) {
			return nil
		}
		allowed = append(allowed, originOf(u))
	}
	return fmt.Errorf("auth %s: its secret is for %s and is not sent to %s", c.Name, strings.Join(allowed, ", "), originOf(target))
}
