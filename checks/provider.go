package checks

import (
	"bytes"
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

// provider compiles what every kind of a provider has; inquire asks.
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
		Public: publicOf(captures), Stops: true, Connection: c.connection}, r.problems
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
		answer.Class, answer.Detail = classIn(err), q.detail
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
	if err != nil || len(a.Origins) == 0 {
		return site.URL
	}
	if u, err := url.Parse(a.Origins[0]); err == nil {
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
	detail   string         // of the last answer, redacted
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
	bare   bool // without the account's credential
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
	target.RawQuery = d.query.Encode()
	sender := &httpCheck{engine: q.engine, method: d.method}
	if !d.bare {
		sender.auth = q.account.Name
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
		return x, &trouble{class: refused.class(), reason: refused.text}
	case err != nil:
		return x, err
	}
	q.detail = q.scene.detail(x.body)
	q.reached(plumbline.TierReach)
	return x, nil
}

func cloneURL(u *url.URL) *url.URL {
	copied := *u
	return &copied
}

// A ruling is a row of a provider's catalogue: what an answer means. Rulings are data; the first that fits counts.
type ruling struct {
	status      int             // of HTTP; 0: any
	code        string          // the provider's own; "": any
	text        string          // in what the provider says, in lower case; "": any
	class       plumbline.Class // what kind of failure it is
	tier        plumbline.Tier  // what the answer proves all the same
	cure        string          // what to do about it
	unconfirmed bool            // no document of the vendor says so
}

// rule finds what an answer means. It is false where the catalogue has nothing of it.
func rule(catalogue []ruling, status int, code, text string) (ruling, bool) {
	text = strings.ToLower(text)
	for _, r := range catalogue {
		if (r.status == 0 || r.status == status) && (r.code == "" || r.code == code) && (r.text == "" || strings.Contains(text, r.text)) {
			return r, true
		}
	}
	return ruling{}, false
}

// troubled makes an error of a ruling: what was answered, and the cure.
func (q *inquiry) troubled(r ruling, x *exchange, format string, args ...any) error {
	q.reached(r.tier)
	reason := fmt.Sprintf(format, args...)
	if r.cure != "" {
		reason += ": " + r.cure
	}
	return &trouble{class: r.class, reason: reason, retryAfter: x.retryAfter(q.scene.clients.Now())}
}

// machine refuses an answer that is a page for people where data was expected: it is a proxy's, a maintenance page, or a
// login that was redirected to.
func (q *inquiry) machine(x *exchange, who string) error {
	location := x.headers.Get("Location")
	switch page := isPage(x); {
	case x.status >= 300 && x.status < 400:
		where := "elsewhere"
		if u, err := url.Parse(location); err == nil && u.Host != "" {
			where = "to " + u.Host
		}
		return troublef(plumbline.ClassMisconfig, "%s answered %d and redirects %s: the host or tenant of the connection is another one", who, x.status, where)
	case !page:
		return nil
	case bytes.Contains(bytes.ToLower(x.body), []byte("maintenance")):
		return troublef(plumbline.ClassMaintenance, "%s answered %d with a page about maintenance: wait until it is over; nothing is wrong with the release", who, x.status)
	case bytes.Contains(bytes.ToLower(x.body), []byte("password")) && x.status < 400:
		return troublef(plumbline.ClassMisconfig, "%s answered %d with a page to log in: the host of the connection is no API", who, x.status)
	}
	return troublef(plumbline.ClassOutage, "%s answered %d with a page instead of data", who, x.status)
}

// isPage says whether a body is HTML.
func isPage(x *exchange) bool {
	if strings.Contains(strings.ToLower(x.headers.Get("Content-Type")), "text/html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(x.body[:min(len(x.body), 512)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// amiss is what a status means that the catalogue has nothing of.
func (q *inquiry) amiss(x *exchange, who string) error {
	class := classOfStatus(x.status)
	cure := ""
	if class == plumbline.ClassOutage {
		cure = "; the provider is not well"
	}
	return &trouble{class: class, reason: fmt.Sprintf("%s answered %d%s", who, x.status, cure), retryAfter: x.retryAfter(q.scene.clients.Now())}
}
