package checks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
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
	token  *oauth2.Token
	hidden []string
}

// token is a kept token, or a fetched one: one fetch at a time, whose end, good or bad, is everybody's who waited. A
// waiter that gives up doesn't stop it.
func (c *Connections) token(ctx context.Context, by *account, site plumbline.Site) (*granted, tokenKey, error) {
	base := site.URL
	if len(by.Origins) > 0 {
		base = by.Origins[0]
	}
	endpoint, err := resolve(base, by.TokenURL)
	if err != nil {
		return nil, tokenKey{}, fmt.Errorf("auth %s: token_url: %w", by.Name, err)
	}
	key := tokenKey{by.Name, site.Service, site.Color, endpoint.String()}
	if has := c.kept(key); has != nil {
		return has, key, nil
	}
	started := c.now()
	c.logins.Add(1)
	flight := c.flights.DoChan(key.String(), func() (any, error) {
		if has := c.kept(key); has != nil {
			return has, nil // it came while this flight was boarding
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout)
		defer cancel()
		has, err := c.fetch(ctx, &login{connections: c, by: by, endpoint: endpoint})
		if err == nil {
			c.keep(key, has)
		}
		return has, err
	})
	select {
	case <-ctx.Done():
		go func() { <-flight; c.logins.Done() }() // it goes on, and may replace a refresh token
		return nil, key, explain(ctx, ctx.Err(), "waiting for the token endpoint of "+by.Name, c.now().Sub(started))
	case end := <-flight:
		c.logins.Done()
		if end.Err != nil {
			return nil, key, end.Err
		}
		return end.Val.(*granted), key, nil
	}
}

func (c *Connections) kept(key tokenKey) *granted {
	c.mu.Lock()
	defer c.mu.Unlock()
	has := c.tokens[key]
	if has == nil || !c.now().Before(has.token.Expiry) {
		return nil
	}
	return has
}

func (c *Connections) keep(key tokenKey, has *granted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[key] = has
}

// forget drops a token that was refused, unless a newer one is kept by now.
func (c *Connections) forget(key tokenKey, refused *granted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[key] == refused {
		delete(c.tokens, key)
	}
}

// A login is one exchange with a token endpoint.
type login struct {
	connections *Connections
	by          *account
	endpoint    *url.URL
	hidden      []string
}

// ask sends the parameters of a grant. The token ends in time, and by our clock.
func (l *login) ask(ctx context.Context, grant url.Values) (*granted, error) {
	c, by := l.connections, l.by
	config := clientcredentials.Config{ClientID: by.ClientID, TokenURL: l.endpoint.String(), Scopes: by.Scopes,
		EndpointParams: grant, AuthStyle: oauth2.AuthStyleInParams}
	if by.Secret != nil {
		config.ClientSecret = by.Secret()
		l.hidden = append(l.hidden, config.ClientSecret)
	}
	if by.ClientAuth == InHeader {
		config.AuthStyle = oauth2.AuthStyleInHeader
	}
	by.spend()
	started := c.now()
	var at progress
	token, err := config.Token(context.WithValue(at.follow(ctx), oauth2.HTTPClient, c.web))
	if err != nil {
		return nil, l.refused(ctx, err, &at, c.now().Sub(started))
	}
	life := maxTokenLife
	if !token.Expiry.IsZero() {
		life = max(0, min(life, time.Until(token.Expiry))) // oauth2 reckons from time.Now
	}
	token.Expiry = started.Add(life - min(tokenMargin, life/5))
	return &granted{token, append(l.hidden, token.AccessToken)}, nil
}

// A refusal is a login that was answered wrongly.
type refusal struct {
	text   string
	status int
}

func (r refusal) Error() string        { return r.text }
func (r refusal) Is(target error) bool { return target == plumbline.ErrFailed }

// refused says why there is no token. A check whose login is refused was answered wrongly: the login is part of what
// it asks.
func (l *login) refused(ctx context.Context, err error, at *progress, after time.Duration) error {
	where := "auth " + l.by.Name + ": token endpoint " + l.endpoint.Path
	var answered *oauth2.RetrieveError
	switch {
	case errors.As(err, &answered) && answered.Response != nil:
		text := fmt.Sprintf("%s answered %d, want 200", where, answered.Response.StatusCode)
		if code := answered.ErrorCode; code != "" && redact.Leaks(code, l.hidden...) == "" {
			text += ": " + cut(code, 100)
		}
		return refusal{text, answered.Response.StatusCode}
	case strings.Contains(err.Error(), "missing access_token"), strings.Contains(err.Error(), "cannot parse"):
		return refusal{where + " answered without a token", 0}
	}
	explained := explain(ctx, err, at.String(), after)
	return unasked{where + ": " + explained.Error(), explained}
}
