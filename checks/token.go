package checks

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"golang.org/x/oauth2"
)

const (
	tokenTimeout = 15 * time.Second // of one fetch, whoever waits for it
	tokenMargin  = 10 * time.Second // before its end a token isn't used any more; less for one of short life
	maxTokenLife = time.Hour        // so that a token of unknown life is fetched again
)

// A tokenKey is for whom a token was fetched: another color's token is another one, even if it would do.
type tokenKey struct {
	connection, service string
	color               plumbline.Color
	endpoint            string
}

func (k tokenKey) String() string {
	return strings.Join([]string{k.connection, k.service, string(k.color), k.endpoint}, "\n")
}

// granted is a token and what must not come to light of how it was had.
type granted struct {
	token   *oauth2.Token
	hidden  []string
	ends    time.Time // when its endpoint said that it ends; zero: it didn't say
	refused bool      // before its end; Connections.mu guards it
}

// A tokenIssuer is a Provider that fetches tokens in a way of its own.
type tokenIssuer interface {
	fetch(ctx context.Context, l *login) (*granted, error)
}

// tokenKey is for whom a token of an account is, and where it is fetched.
func (c *Connections) tokenKey(by *account, site plumbline.Site) (tokenKey, *url.URL, error) {
	base := site.URL
	if len(by.Origins) > 0 {
		base = by.Origins[0]
	}
	endpoint, err := resolve(base, by.TokenURL)
	if err != nil {
		return tokenKey{}, nil, fmt.Errorf("auth %s: token_url: %w", by.Name, err)
	}
	return tokenKey{by.Name, site.Service, site.Color, endpoint.String()}, endpoint, nil
}

// tokenEnds is when the token ends that is kept for an account; zero: there is none, or nobody knows.
func (c *Connections) tokenEnds(by *account, site plumbline.Site) time.Time {
	key, _, err := c.tokenKey(by, site)
	if err != nil {
		return time.Time{}
	}
	if has := c.kept(key); has != nil {
		return has.ends
	}
	return time.Time{}
}

// token is a kept token, or a fetched one: one fetch at a time, whose end, good or bad, is everybody's who waited. A
// waiter that gives up doesn't stop it.
func (c *Connections) token(ctx context.Context, by *account, site plumbline.Site) (*granted, error) {
	key, endpoint, err := c.tokenKey(by, site)
	if err != nil {
		return nil, err
	}
	if has := c.kept(key); has != nil {
		return has, nil
	}
	started := c.now()
	c.logins.Add(1)
	flight := c.flights.DoChan(key.String(), func() (any, error) {
		if has := c.kept(key); has != nil {
			return has, nil // it came while this flight was boarding
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout)
		defer cancel()
		has, err := c.fetch(ctx, &login{connections: c, by: by, endpoint: endpoint, again: c.spoilt(key)})
		if err == nil {
			c.keep(key, has)
		}
		return has, err
	})
	select {
	case <-ctx.Done():
		go func() { <-flight; c.logins.Done() }() // it goes on, and may replace a refresh token
		return nil, explain(ctx, ctx.Err(), "waiting for the token endpoint of "+by.Name, c.now().Sub(started))
	case end := <-flight:
		c.logins.Done()
		if end.Err != nil {
			return nil, end.Err
		}
		return end.Val.(*granted), nil
	}
}

func (c *Connections) kept(key tokenKey) *granted {
	c.mu.Lock()
	defer c.mu.Unlock()
	has := c.tokens[key]
	if has == nil || has.refused || !c.now().Before(has.token.Expiry) {
		return nil
	}
	return has
}

func (c *Connections) keep(key tokenKey, has *granted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[key] = has
}

// forget doesn't use a token any more that was refused.
func (c *Connections) forget(refused *granted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused.refused = true
}

// spoilt says whether the last token was refused before its end.
func (c *Connections) spoilt(key tokenKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens[key] != nil && c.tokens[key].refused
}
