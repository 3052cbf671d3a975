package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A login is one exchange with a token endpoint.
type login struct {
	connections *Connections
	by          *account
	endpoint    *url.URL
	hidden      []string
	again       bool // the last token was refused before its end: the same one won't do
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
	heard := &overheard{over: c.web.Transport}
	token, err := config.Token(context.WithValue(at.follow(ctx), oauth2.HTTPClient, &http.Client{Transport: heard, CheckRedirect: stay}))
	if err != nil {
		return nil, l.refused(ctx, err, heard, &at, c.now().Sub(started))
	}
	has := &granted{token: token, hidden: append(l.hidden, token.AccessToken)}
	life := maxTokenLife
	if !token.Expiry.IsZero() {
		said := max(0, time.Until(token.Expiry)) // oauth2 reckons from time.Now
		life, has.ends = min(life, said), started.Add(said)
	}
	token.Expiry = lastUse(started, life)
	return has, nil
}

// An overheard exchange is an answer that is kept on its way to who reads it.
type overheard struct {
	over    http.RoundTripper
	status  int
	headers http.Header
	body    bytes.Buffer // as far as it was read
}

// RoundTrip lets an answer pass.
func (o *overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.over.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	o.status, o.headers = answer.StatusCode, answer.Header
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(answer.Body, &o.body), answer.Body}
	return answer, nil
}

// lastUse is until when a token is used that lives from then on.
func lastUse(from time.Time, life time.Duration) time.Time {
	return from.Add(life - min(tokenMargin, life/5))
}

// maxTokenAnswer bounds what a token endpoint may say, in bytes.
const maxTokenAnswer = 1 << 20

// post sends a request to the token endpoint and takes the whole answer, whatever it is.
func (l *login) post(ctx context.Context, contentType string, body []byte) (*exchange, error) {
	l.by.spend()
	started := l.connections.now()
	var at progress
	x := &exchange{}
	err := func() error {
		r, err := http.NewRequestWithContext(at.follow(ctx), http.MethodPost, l.endpoint.String(), bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Accept", "application/json")
		answer, err := l.connections.web.Do(r) // #nosec G704 -- the connection's own token endpoint, dialled through the egress rules
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		at.is("reading the body")
		x.status, x.headers = answer.StatusCode, answer.Header
		x.body, err = io.ReadAll(io.LimitReader(answer.Body, maxTokenAnswer))
		return err
	}()
	x.latency = l.connections.now().Sub(started)
	if err != nil {
		return x, l.unanswered(ctx, err, &at, x.latency)
	}
	return x, nil
}

// unanswered says why the token endpoint didn't answer.
func (l *login) unanswered(ctx context.Context, err error, at *progress, after time.Duration) error {
	explained := explain(ctx, err, at.String(), after)
	return unasked{l.where() + ": " + explained.Error(), explained}
}

func (l *login) where() string { return "auth " + l.by.Name + ": token endpoint " + l.endpoint.Path }

// refuse makes a refusal of an answer without a token.
func (l *login) refuse(x *exchange) error {
	text := fmt.Sprintf("%s answered %d, want 200", l.where(), x.status)
	if x.status == http.StatusOK {
		text = l.where() + " answered without a token"
	}
	return refusal{text: text, status: x.status, answer: x, hidden: l.hidden}
}

// A refusal is a login that was answered wrongly.
type refusal struct {
	text   string
	status int
	answer *exchange
	hidden []string // what was sent that must not come to light
}

func (r refusal) Error() string        { return r.text }
func (r refusal) Is(target error) bool { return target == plumbline.ErrFailed }

// refused says why there is no token. A check whose login is refused was answered wrongly: the login is part of what
// it asks.
func (l *login) refused(ctx context.Context, err error, heard *overheard, at *progress, after time.Duration) error {
	where, answer := l.where(), &exchange{status: heard.status, headers: heard.headers, body: heard.body.Bytes()}
	var answered *oauth2.RetrieveError
	switch {
	case errors.As(err, &answered) && answered.Response != nil:
		text := fmt.Sprintf("%s answered %d, want 200", where, answered.Response.StatusCode)
		if code := answered.ErrorCode; code != "" && redact.Leaks(code, l.hidden...) == "" {
			text += ": " + cut(code, 100)
		}
		return refusal{text: text, status: answered.Response.StatusCode, answer: answer, hidden: l.hidden}
	case strings.Contains(err.Error(), "missing access_token"), strings.Contains(err.Error(), "cannot parse"):
		return refusal{text: where + " answered without a token", answer: answer, hidden: l.hidden}
	}
	return l.unanswered(ctx, err, at, after)
}
