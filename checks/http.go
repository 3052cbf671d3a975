package checks

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// An engine is what all HTTP checks share.
type engine struct {
	clients Clients
	session *session
}

func newEngine(c Clients) *engine {
	c = c.withDefaults()
	return &engine{clients: c, session: newSession(c.Transport)}
}

// parameters are the keys of an HTTP request beside its URL.
type parameters struct {
	Headers    *yaml.Node `yaml:"headers"`
	Query      *yaml.Node `yaml:"query"`
	JSON       *yaml.Node `yaml:"json"`
	Form       *yaml.Node `yaml:"form"`
	Body       *yaml.Node `yaml:"body"`
	Auth       *yaml.Node `yaml:"auth"`
	Follow     *yaml.Node `yaml:"follow"`
	Connection *yaml.Node `yaml:"connection"`
	Through    *yaml.Node `yaml:"through"`
}

// longParameters are those of the long form.
type longParameters struct {
	Method *yaml.Node `yaml:"method"`
	URL    *yaml.Node `yaml:"url"`
	Rest   parameters `yaml:",inline"`
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions}

// short is a kind whose key is the method: {get: /healthz, headers: {…}}.
func (e *engine) short(method string) Kind {
	return Kind{Own: strictyaml.Keys(parameters{}), Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader()
		var p parameters
		r.decode(d.Own, &p)
		return e.compile(d, r, method, d.Value, p)
	}}
}

// long is the kind with the method inside: {http: {method: GET, url: /healthz}}, or {http: /healthz}.
func (e *engine) long() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader()
		if d.Value.Kind == yaml.ScalarNode {
			return e.compile(d, r, http.MethodGet, d.Value, parameters{})
		}
		var p longParameters
		r.decode(d.Value, &p)
		method := http.MethodGet
		if p.Method != nil {
			method = strings.ToUpper(p.Method.Value)
			if !slices.Contains(methods, method) {
				r.wrongHint(p.Method, strictyaml.DidYouMean(method, methods), "unknown method %q", p.Method.Value)
			}
		}
		if p.URL == nil {
			r.wrongHint(d.Value, "write url: /healthz", "http needs a url")
			return Compiled{}, r.problems
		}
		return e.compile(d, r, method, p.URL, p.Rest)
	}}
}

// decode adds what is wrong with the node to the reader's problems.
func (r *reader) decode(n *yaml.Node, into any) {
	var problems strictyaml.Problems
	if err := strictyaml.Decode(r.file, n, into); errors.As(err, &problems) {
		r.problems = append(r.problems, problems...)
	}
}

func (e *engine) compile(d Definition, r *reader, method string, url *yaml.Node, p parameters) (Compiled, strictyaml.Problems) {
	c := &httpCheck{engine: e, method: method, url: r.url(url)}
	r.request(c, p)
	if p.Auth == nil && d.Auth != "" {
		c.auth = d.Auth
	}
	c.expect = r.expectation(d.Expect)
	c.expect.stop = r.stop(d.StopIf)
	captures, names := r.captures(d.Capture)
	c.captures = captures
	effect := plumbline.EffectLasting
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions {
		effect = plumbline.EffectNone
	}
	return Compiled{Prober: c, Name: method + " " + url.Value, Effect: effect, Captures: names, Uses: r.uses,
		Public: publicOf(captures), Stops: true, Connection: c.through}, r.problems
}

// httpCheck is one HTTP request and what is expected of its answer. Many may ask it at the same time.
type httpCheck struct {
	engine *engine
	method string
	url    template

	headers []pair
	query   []pair
	form    []pair
	json    *tree
	body    *tree

	auth    string // a connection, or nothing
	issue   issuer // what the connection puts into this request; nil for what it puts into every other
	through string // a connection that the environment asks on its side, or nothing
	follow  bool
	fresh   bool

	expect   expectation
	captures []capture
}

// A pair is a name and its values.
type pair struct {
	name   string
	values []tree
}

// Probe sends the request and holds the answer against what is expected.
func (c *httpCheck) Probe(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	s := newScene(&c.engine.clients, ask)
	answer, err := c.ask(ctx, s, c.engine.session)
	return s.clean(answer, err)
}

// clean takes all secrets and captures out of what is told, those of this very exchange too.
func (s *scene) clean(answer plumbline.Answer, err error) (plumbline.Answer, error) {
	if err == nil && answer.Detail == "" && len(answer.Warnings) == 0 {
		return answer, nil // there is nothing to read
	}
	const longest = 4 << 10
	answer.Detail = cut(s.hide(answer.Detail), longest)
	for i, warning := range answer.Warnings {
		answer.Warnings[i] = cut(s.hide(warning), longest)
	}
	for i := range answer.Steps {
		answer.Steps[i].Reason = s.hide(answer.Steps[i].Reason)
	}
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, plumbline.ErrFailed):
		return answer, plumbline.Failf("%s", cut(s.hide(err.Error()), longest))
	}
	return answer, unasked{cut(s.hide(err.Error()), longest), err}
}
