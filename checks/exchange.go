package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/plumbline-dev/plumbline"
)

// ask sends the request and judges the answer.
func (c *httpCheck) ask(ctx context.Context, s *scene, via *session) (plumbline.Answer, error) {
	x, err := c.fetch(ctx, s, via)
	answer := plumbline.Answer{Latency: x.latency, Status: x.status}
	if err == nil {
		answer, err = c.judge(x, s, answer)
	}
	if err != nil {
		answer.Class, answer.RetryAfter = c.class(x, err), x.retryAfter(s.clients.Now())
	}
	return answer, err
}

// fetch sends the request. The exchange is never nil.
func (c *httpCheck) fetch(ctx context.Context, s *scene, via *session) (*exchange, error) {
	return c.deliver(ctx, s, via, func() (*request, error) { return c.render(s) })
}

// deliver sends a request that render makes, once more with a new token if the first was refused. The exchange is never
// nil.
func (c *httpCheck) deliver(ctx context.Context, s *scene, via *session, render func() (*request, error)) (*exchange, error) {
	for last := false; ; last = true {
		q, err := render()
		if err != nil {
			return &exchange{}, err
		}
		has, err := c.authorize(ctx, s, q)
		if err != nil {
			x := &exchange{}
			if refused := (refusal{}); errors.As(err, &refused) {
				*x = *refused.answer // which others wait for, too
				x.status = refused.status
			}
			return x, err
		}
		x, err := c.send(has.following(ctx), q, has.over(via))
		if !last && has.refusedBy(x) {
			has.discard()
			continue
		}
		if err != nil {
			return x, c.place(err, q)
		}
		return x, nil
	}
}

// authorize makes the request one of the check's connection.
func (c *httpCheck) authorize(ctx context.Context, s *scene, q *request) (credential, error) {
	if c.auth == "" {
		return credential{}, nil
	}
	return s.authorize(ctx, c.auth, q, c.issue)
}

// place says which request could not be asked, without its query.
func (c *httpCheck) place(err error, q *request) error {
	if errors.Is(err, plumbline.ErrFailed) {
		return err
	}
	at := *q.target
	at.RawQuery = ""
	return unasked{fmt.Sprintf("%s %s: %s", c.method, at.String(), err), err}
}

func (c *httpCheck) judge(x *exchange, s *scene, answer plumbline.Answer) (plumbline.Answer, error) {
	wrong, err := c.expect.wrong(x, s)
	if err != nil {
		return answer, err
	}
	answer.Final = x.final
	if len(wrong) == 0 {
		answer.Captures, wrong = keep(c.captures, x, s)
	}
	if len(wrong) == 0 {
		return answer, nil
	}
	answer.Captures, answer.Detail = nil, s.detail(x.body)
	reason := strings.Join(wrong, "; ")
	if c.through != "" {
		reason = "through " + c.through + ": " + reason
	}
	return answer, plumbline.Failf("%s", reason)
}

// send exchanges one request for a whole answer: headers and body within their bounds, by the deadline of ctx. The
// exchange is never nil; its status is set when headers came.
func (c *httpCheck) send(ctx context.Context, q *request, via *session) (*exchange, error) {
	now := c.engine.clients.Now
	x, started := &exchange{}, now()
	var at progress
	r := via.client(c.follow, c.fresh).R().SetContext(at.follow(ctx)).SetDoNotParseResponse(true)
	r.Header = q.header
	if q.body != nil {
		r.SetBody(q.body)
	}
	response, err := r.Execute(c.method, q.target.String())
	if response != nil && response.RawResponse != nil {
		x.status, x.headers = response.StatusCode(), response.Header()
		if c.expect.certificate {
			x.certified(response.RawResponse.TLS, chainOf(response.RawResponse.TLS), now())
		}
	}
	if err != nil {
		x.latency = now().Sub(started)
		return x, misled(ctx, err, at.String(), x.latency)
	}
	defer response.RawBody().Close()
	at.is("reading the body")
	err = x.read(response, c.engine.clients.BodyLimit)
	x.latency = now().Sub(started)
	if err != nil && !errors.Is(err, plumbline.ErrFailed) {
		return x, explain(ctx, err, at.String(), x.latency)
	}
	return x, err
}

// misled tells a redirect that leads elsewhere, and headers without end, which are wrong answers, from no answer.
func misled(ctx context.Context, err error, phase string, after time.Duration) error {
	var elsewhere redirected
	switch {
	case errors.As(err, &elsewhere):
		return plumbline.Failf("%s", elsewhere)
	case strings.Contains(err.Error(), "server response headers exceeded"), // HTTP/1
		strings.Contains(err.Error(), "response header list larger"): // HTTP/2
		return plumbline.Failf("headers: got more than %d KiB", MaxHeaderBytes>>10)
	}
	return explain(ctx, err, phase, after)
}

// read takes the body, decompressed, and refuses one that is longer than the limit: half of it proves nothing.
func (x *exchange) read(response *resty.Response, limit int64) error {
	tooLong := oversized{plumbline.Failf("body: got more than %s", bytesOf(limit))}
	if response.RawResponse.ContentLength > limit {
		return tooLong
	}
	const believed = 64 << 10 // of what an answer says of its own size
	var body bytes.Buffer
	body.Grow(int(min(max(response.RawResponse.ContentLength, 0), believed)) + bytes.MinRead)
	_, err := body.ReadFrom(io.LimitReader(response.RawBody(), limit+1))
	switch {
	case err != nil:
		return err
	case int64(body.Len()) > limit:
		return tooLong
	}
	x.body = body.Bytes()
	return nil
}

// oversized is a body that is longer than what is read of one.
type oversized struct{ error }

func (o oversized) Unwrap() error { return o.error }

func bytesOf(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// maxDetail bounds what is shown of a wrong answer, in bytes.
const maxDetail = 2 << 10

// delicate are fields that hold what a person need not see to understand a wrong answer.
var delicate = regexp.MustCompile(`(?i)("(?:[a-z_]*(?:token|secret|password)|api_?key|pin)"\s*:\s*)"(?:[^"\\]|\\.)*"?`)

// detail is the beginning of a body, without the tokens, passwords and voucher pins that answers are full of.
func (s *scene) detail(body []byte) string {
	return cut(delicate.ReplaceAllString(s.hide(strings.ToValidUTF8(string(body), "\uFFFD")), `$1"[redacted]"`), maxDetail)
}
