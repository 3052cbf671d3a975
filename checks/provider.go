package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// A Provider is what a connection knows of its provider beside what every connection has. There is one for each kind of
// check that asks a provider.
type Provider interface {
	// credential makes requests those of the account.
	credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error)
}

// An addressed Provider may be asked at an address that is a secret as a whole, "" if it isn't.
type addressed interface {
	address() string
}

// A careful Provider has endpoints that no check may ask, whatever its kind.
type careful interface {
	mayAsk(target *url.URL) error
}

// providerPlaces are what an answer of a provider has to be matched: what it proved is JSON.
var providerPlaces = []string{"latency", anyPath}

// A providerCheck asks a provider in the name of a connection, tier by tier. Many may ask it at the same time.
type providerCheck struct {
	engine     *engine
	kind       string
	connection string
	inquire    func(ctx context.Context, q *inquiry) error
	expect     expectation
	captures   []capture
}

// provider compiles what every kind of a provider has; inquire asks, and puts the run's id into what it leaves behind.
func (e *engine) provider(r *reader, d Definition, connection *yaml.Node, effect plumbline.Effect, inquire func(context.Context, *inquiry) error) (Compiled, strictyaml.Problems) {
	if connection == nil {
		r.wrongHint(d.Value, "write connection: NAME", "%s needs a connection", d.Key)
		return Compiled{Name: d.Key}, r.problems
	}
	c := &providerCheck{engine: e, kind: d.Key, connection: r.providersConnection(connection, d.Key), inquire: inquire}
	if d.Expect != nil {
		c.expect = r.expectation(d.Expect)
	}
	c.expect.stop = r.stop(d.StopIf)
	c.expect.statusNamed = true // what went over the wire is the kind's to judge
	captures, names := r.captures(d.Capture)
	c.captures = captures
	return Compiled{Prober: c, Name: d.Key + " " + connection.Value, Effect: effect, Captures: names, Uses: r.uses,
		Public: publicOf(captures), Stops: true, Connection: c.connection, Marked: effect == plumbline.EffectLasting}, r.problems
}

// providersConnection reads the name of a connection of the kind.
func (r *reader) providersConnection(n *yaml.Node, kind string) string {
	before := len(r.problems)
	name := r.connection(n)
	if len(r.problems) > before || r.names.KindOf == nil {
		return name
	}
	if is := r.names.KindOf(name); is != kind {
		r.wrongHint(n, "name one of kind "+kind, "connection %q is of kind %q", name, is)
	}
	return name
}

// Probe asks the provider.
func (c *providerCheck) Probe(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	s := newScene(&c.engine.clients, ask)
	answer, err := c.ask(ctx, s, c.engine.session)
	return s.clean(answer, err)
}

func (c *providerCheck) ask(ctx context.Context, s *scene, via *session) (plumbline.Answer, error) {
	s.secrets = nil
	a, err := c.engine.clients.Connections.find(c.connection, s.ask.Site)
	if err != nil {
		return plumbline.Answer{Class: plumbline.ClassMisconfig}, fmt.Errorf("%s: %w", c.connection, err)
	}
	if a.Kind != c.kind {
		return plumbline.Answer{Class: plumbline.ClassMisconfig}, fmt.Errorf("%s: a connection of kind %q, want %s", c.connection, a.Kind, c.kind)
	}
	q := &inquiry{engine: c.engine, scene: s, via: via, account: a, proof: map[string]any{}}
	began := s.clients.Now()
	err = c.inquire(ctx, q)
	return c.judge(q, s.clients.Now().Sub(began), err)
}

// judge makes an answer of what was found out, and holds it against what the suite expects.
func (c *providerCheck) judge(q *inquiry, took time.Duration, err error) (plumbline.Answer, error) {
	answer := plumbline.Answer{Latency: took, Status: q.status, Tier: q.tier, Warnings: q.warnings}
	if err != nil {
		var t *trouble
		if errors.As(err, &t) {
			answer.RetryAfter = t.retryAfter
		}
		answer.Class, answer.Detail = classIn(err), q.scene.detail(q.said)
		return answer, err
	}
	q.proof["tier"] = string(q.tier)
	body, err := json.Marshal(q.proof)
	if err != nil {
		return answer, errors.New("what was proven can't be written as JSON")
	}
	x := &exchange{body: body, latency: took}
	wrong, err := c.expect.wrong(x, q.scene)
	if err != nil {
		return answer, err
	}
	if answer.Final = x.final; len(wrong) == 0 {
		answer.Captures, wrong = keep(c.captures, x, q.scene)
	}
	if len(wrong) == 0 {
		return answer, nil
	}
	answer.Captures, answer.Class, answer.Detail = nil, plumbline.ClassProtocol, q.scene.detail(body)
	return answer, plumbline.Failf("%s", strings.Join(wrong, "; "))
}

// Host is whom the check asks, for the bound per host.
func (c *providerCheck) Host(site plumbline.Site) string {
	a, err := c.engine.clients.Connections.find(c.connection, site)
	if err != nil {
		return site.URL
	}
	where := ""
	if len(a.Origins) > 0 {
		where = a.Origins[0]
	}
	if at, is := a.Provider.(addressed); is && at.address() != "" {
		where = at.address()
	}
	if u, err := url.Parse(where); err == nil && u.Host != "" {
		return u.Host
	}
	return site.URL
}

// Independent says whether two colors have accounts of their own.
func (c *providerCheck) Independent(a, b plumbline.Site) bool {
	return c.engine.clients.Connections.apart(c.connection, a, b)
}

// An inquiry is one time that a provider is asked, and how far it got. It belongs to one goroutine.
type inquiry struct {
	engine  *engine
	scene   *scene
	via     *session
	account *account

	tier     plumbline.Tier
	status   int            // of the last answer
	said     []byte         // the last answer
	proof    map[string]any // what was proven, as JSON has it
	warnings []string
}

// reached notes how far the inquiry got; it never goes back.
func (q *inquiry) reached(t plumbline.Tier) {
	order := plumbline.Tiers()
	if slices.Index(order, t) > slices.Index(order, q.tier) {
		q.tier = t
	}
}

func (q *inquiry) warn(format string, args ...any) {
	q.warnings = append(q.warnings, fmt.Sprintf(format, args...))
}

// quote is what a provider said, cut, without secrets: they go first, because half of one would not be known.
func (q *inquiry) quote(said string, most int) string {
	return show(cut(q.scene.hide(strings.ToValidUTF8(said, "\uFFFD")), most))
}

// A trouble is a wrong answer of a provider, with the kind of failure it is.
type trouble struct {
	class      plumbline.Class
	reason     string
	retryAfter time.Duration
}

// classIn is the class of a trouble, "" of any other error.
func classIn(err error) plumbline.Class {
	var t *trouble
	if errors.As(err, &t) {
		return t.class
	}
	return ""
}

func (t *trouble) Error() string        { return t.reason }
func (t *trouble) Is(target error) bool { return target == plumbline.ErrFailed }

func troublef(class plumbline.Class, format string, args ...any) error {
	return &trouble{class: class, reason: fmt.Sprintf(format, args...)}
}

// A demand is one request to a provider.
type demand struct {
	method string
	path   string // beneath the account's origin, or an absolute URL of it
	query  url.Values
	header http.Header
	body   []byte
	bare   bool   // without the account's credential, within its budget all the same
	as     issuer // with another credential of the account; nil: with the one that its kind issues
}

// ask sends a demand and returns the whole answer: any answer but a refused login is one. Redirects aren't followed.
func (q *inquiry) ask(ctx context.Context, d demand) (*exchange, error) {
	base := ""
	if len(q.account.Origins) > 0 {
		base = q.account.Origins[0]
	}
	target, err := resolve(base, d.path)
	if err != nil {
		return nil, err
	}
	if err := q.scene.mayTell(target); err != nil {
		return nil, err
	}
	if d.query != nil {
		target.RawQuery = d.query.Encode()
	}
	sender := &httpCheck{engine: q.engine, method: d.method, issue: d.as}
	if !d.bare {
		sender.auth = q.account.Name
	} else if err := q.account.wait(ctx); err != nil {
		return nil, err
	}
	x, err := sender.deliver(ctx, q.scene, q.via, func() (*request, error) {
		header := d.header.Clone()
		if header == nil {
			header = http.Header{}
		}
		return &request{method: d.method, target: cloneURL(target), header: header, body: d.body}, nil
	})
	q.status = x.status
	var refused refusal
	switch {
	case errors.As(err, &refused):
		q.reached(plumbline.TierReach)
		return x, q.refused(refused)
	case errors.Is(err, plumbline.ErrFailed):
		q.reached(plumbline.TierReach)
		return x, unlikeHTTP{&trouble{class: plumbline.ClassProtocol, reason: err.Error()}, err}
	case err != nil:
		return x, err
	}
	q.said = x.body
	q.reached(plumbline.TierReach)
	return x, nil
}

// conceal reads a URL that is a secret as a whole, and hides whatever of it an error or an answer could repeat.
func (q *inquiry) conceal(address string) (*url.URL, error) {
	q.scene.hidden = append(q.scene.hidden, address)
	u, err := url.Parse(address)
	if err != nil {
		return nil, troublef(plumbline.ClassMisconfig, "the secret URL can't be read")
	}
	q.scene.hidden = append(q.scene.hidden, u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery)
	for _, values := range u.Query() {
		for _, value := range values {
			if len(value) >= leastDelicate {
				q.scene.hidden = append(q.scene.hidden, value)
			}
		}
	}
	return u, nil
}

// A gatekeeper is a Provider whose token endpoint says in words of its own why it gives no token.
type gatekeeper interface {
	turnedAway(q *inquiry, x *exchange) error
}

// refused says what it means that there is no token.
func (q *inquiry) refused(r refusal) error {
	knows, is := q.account.Provider.(gatekeeper)
	if !is {
		return &trouble{class: r.class(), reason: r.text, retryAfter: r.answer.retryAfter(q.scene.clients.Now())}
	}
	q.said = r.answer.body
	return knows.turnedAway(q, r.answer)
}

// unlikeHTTP is an answer that isn't one, or a longer one than is read.
type unlikeHTTP struct {
	*trouble
	cause error
}

func (u unlikeHTTP) Unwrap() []error { return []error{u.trouble, u.cause} }

func cloneURL(u *url.URL) *url.URL {
	copied := *u
	return &copied
}
