package checks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// A Callback is an address that was opened for one attempt of one check.
type Callback struct {
	URL   string // unguessable
	Next  func(ctx context.Context) (Received, error)
	Close func()
}

// Received is a request that arrived at a callback's address.
type Received struct {
	At     time.Time
	Header http.Header
	Body   []byte
}

// DefaultWithin is how long a callback is waited for.
const DefaultWithin = 30 * time.Second

// sendTime is what the request that causes the callback may take, unless the check has a timeout of its own.
const sendTime = 10 * time.Second

// callbackPlaces are what a callback has to be matched.
var callbackPlaces = []string{"latency", "size", "body", anyHeader, anyPath, anyXPath}

type callbackParameters struct {
	Send      *yaml.Node    `yaml:"send"`
	At        *yaml.Node    `yaml:"at"`
	Match     *yaml.Node    `yaml:"match"`
	Within    time.Duration `yaml:"within"`
	Signature *yaml.Node    `yaml:"signature"`
}

// callback is the kind that makes the environment send a request, and waits until it arrives.
func (e *engine) callback() Kind {
	kinds := e.requests()
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(callbackPlaces...)
		p := callbackParameters{Within: DefaultWithin}
		if d.Value.Kind != yaml.MappingNode {
			r.wrongHint(d.Value, "write callback: {send: {post: /webhook-test, json: {url: $(callback.url)}}}", "callback takes a map")
			return Compiled{}, r.problems
		}
		r.decode(d.Value, &p)
		if p.Send == nil {
			r.wrongHint(d.Value, "write send: {post: /webhook-test, json: {url: $(callback.url)}}", "a callback that nothing causes")
			return Compiled{}, r.problems
		}
		c := &callbackCheck{engine: e, within: p.Within}
		c.at = r.standing(p)
		compiled := r.sender(d, p.Send, kinds, c)
		if p.Match != nil {
			c.match = r.expectation(p.Match)
		}
		if p.Signature != nil {
			c.signature = r.signature(p.Signature)
		}
		c.expect = r.expectation(d.Expect)
		var made []Named
		c.captures, made = r.captures(d.Capture)
		r.inTime(d, p.Within)
		compiled.Prober, compiled.Timeout = c, p.Within+sendTime
		compiled.Uses = append(compiled.Uses, r.uses...)
		compiled.Uses = slices.DeleteFunc(compiled.Uses, func(u Named) bool { return hasName(compiled.Captures, u.Name) })
		for _, m := range made {
			if hasName(compiled.Captures, m.Name) {
				r.problems = append(r.problems, strictyaml.Problem{File: d.File, Line: m.Line, Column: m.Column,
					Text: fmt.Sprintf("captures.%s is captured by send", m.Name)})
			}
		}
		compiled.Captures = append(compiled.Captures, made...)
		compiled.Public = append(compiled.Public, publicOf(c.captures)...)
		return compiled, r.problems
	}}
}

// sender reads the request that causes the callback.
func (r *reader) sender(d Definition, n *yaml.Node, kinds map[string]Kind, c *callbackCheck) Compiled {
	inner, problems := Split(d.File, n, kinds, nil)
	r.problems = append(r.problems, problems...)
	if inner.Key == "" {
		return Compiled{}
	}
	named := false
	inner.Auth, inner.Names, inner.Read = d.Auth, d.Names, d.Read
	inner.Names.callback = &named
	compiled, problems := kinds[inner.Key].Compile(inner)
	r.problems = append(r.problems, problems...)
	if request, is := compiled.Prober.(*httpCheck); is {
		c.send = request
	}
	if !named && c.at == "" {
		r.wrongHint(n, "put $(callback.url) into the request, or name a standing address with at", "send doesn't say where the callback goes")
	}
	compiled.Name = "callback of " + compiled.Name
	return compiled
}

// standing reads the secret that ends an address which the environment knows already: what arrives there may be anybody's.
func (r *reader) standing(p callbackParameters) string {
	if p.At == nil {
		return ""
	}
	if !nameRule.MatchString(p.At.Value) {
		r.wrong(p.At, "want the name of a secret, which ends the address")
		return ""
	}
	r.secret(p.At, p.At.Value)
	if p.Match == nil {
		r.wrongHint(p.At, "write match: {$.data.poNumber: $(run.id)}", "at a standing address anything may arrive")
	}
	return p.At.Value
}

// inTime refuses to wait for longer than the check may take.
func (r *reader) inTime(d Definition, within time.Duration) {
	at := strictyaml.Value(d.Value, "within")
	if within <= 0 {
		r.wrong(at, "%s, want more than 0", at.Value)
	}
	for _, key := range []string{"timeout", "attempt_timeout"} {
		n := strictyaml.Value(d.Common, key)
		if n == nil {
			continue
		}
		if limit, err := strictyaml.Duration(n.Value); err == nil && limit <= within {
			r.wrongHint(n, "leave it out, or wait less", "%s %s leaves no time to wait %s for a callback", key, n.Value, within)
		}
	}
}

// callbackCheck is one request, and the one that it causes. Many may ask it at the same time.
type callbackCheck struct {
	engine    *engine
	send      *httpCheck
	at        string      // the secret that ends a standing address, or nothing
	match     expectation // what makes it the one that is waited for
	within    time.Duration
	signature *signature
	expect    expectation
	captures  []capture
}

// Probe opens an address, asks the environment to send something there, and holds what arrives against what is expected.
func (c *callbackCheck) Probe(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	s := newScene(&c.engine.clients, ask)
	answer, err := c.ask(ctx, s, c.engine.session)
	return s.clean(answer, err)
}

func (c *callbackCheck) ask(ctx context.Context, s *scene, via *session) (plumbline.Answer, error) {
	if s.clients.Callbacks == nil {
		return plumbline.Answer{}, errors.New("there is no receiver for callbacks: the configuration names none")
	}
	var secret, at string
	for name, value := range map[string]*string{c.signedWith(): &secret, c.at: &at} {
		if name == "" {
			continue
		}
		known, there := s.clients.Secret(name)
		if !there || known.Value == "" {
			return plumbline.Answer{}, fmt.Errorf("the configuration has no secret %s", name)
		}
		*value = known.Value
		s.hidden = append(s.hidden, known.Value)
	}
	address, err := s.clients.Callbacks(ctx, at)
	if err != nil {
		return plumbline.Answer{}, fmt.Errorf("no address for callbacks could be opened: %w", err)
	}
	defer address.Close()
	s.callback = address.URL
	s.hidden = append(s.hidden, address.URL)
	begun := s.clients.Now()
	answer, err := c.send.ask(ctx, s, via)
	if err != nil {
		return answer, stepError{"send: " + err.Error(), err}
	}
	s.keep(answer.Captures)
	return c.await(ctx, s, address, begun, secret, answer)
}

// signedWith is the name of the secret that signatures are made with.
func (c *callbackCheck) signedWith() string {
	if c.signature == nil {
		return ""
	}
	return c.signature.secret
}

// await takes what arrives until the one that is waited for, which is judged, or until the time is over.
func (c *callbackCheck) await(ctx context.Context, s *scene, address Callback, begun time.Time, secret string, answer plumbline.Answer) (plumbline.Answer, error) {
	sent := answer
	waiting, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	others, why := 0, ""
	for {
		got, err := address.Next(waiting)
		switch {
		case err != nil && waiting.Err() == nil:
			return sent, fmt.Errorf("waiting for the callback: %w", err)
		case err != nil:
			return sent, c.silent(ctx, others, why, round(s.clients.Now().Sub(begun)))
		}
		// It has no status of its own: 200 stands for having arrived.
		x := &exchange{status: http.StatusOK, headers: got.Header, body: got.Body, latency: max(0, got.At.Sub(begun))}
		wrong, err := c.match.wrong(x, s)
		if err != nil {
			return sent, err
		}
		if len(wrong) > 0 {
			others, why = others+1, wrong[0]
			continue
		}
		return c.judge(x, s, got, secret, sent)
	}
}

// silent says that nothing came, or not the right thing.
func (c *callbackCheck) silent(ctx context.Context, others int, why string, after time.Duration) error {
	if ctx.Err() != nil {
		return explain(ctx, ctx.Err(), "waiting for the callback", after)
	}
	switch others {
	case 0:
		return plumbline.Failf("no callback arrived within %s", c.within)
	case 1:
		return plumbline.Failf("no callback that matches arrived within %s, but another one: %s", c.within, why)
	}
	return plumbline.Failf("no callback that matches arrived within %s, but %d others, the last: %s", c.within, others, why)
}

func (c *callbackCheck) judge(x *exchange, s *scene, got Received, secret string, sent plumbline.Answer) (plumbline.Answer, error) {
	answer := plumbline.Answer{Latency: x.latency, Captures: sent.Captures}
	var wrong []string
	if c.signature != nil {
		if why := c.signature.wrong(got.Header, got.Body, got.At, secret); why != "" {
			wrong = append(wrong, why)
		}
	}
	more, err := c.expect.wrong(x, s)
	if err != nil {
		return answer, err
	}
	if wrong = append(wrong, more...); len(wrong) == 0 {
		var kept map[string]any
		kept, wrong = keep(c.captures, x, s)
		for name, value := range kept {
			if answer.Captures == nil {
				answer.Captures = map[string]any{}
			}
			answer.Captures[name] = value
		}
	}
	if len(wrong) == 0 {
		return answer, nil
	}
	answer.Captures, answer.Detail = nil, s.detail(x.body)
	return answer, plumbline.Failf("the callback: %s", strings.Join(wrong, "; "))
}
