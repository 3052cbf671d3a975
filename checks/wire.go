package checks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// A wireCheck is a check of a kind that isn't a request over HTTP: it converses, and what came is held against what
// is expected. Many may ask it at the same time.
type wireCheck struct {
	engine   *engine
	place    place
	converse func(ctx context.Context, s *scene, to endpoint) (*exchange, error)
	expect   expectation
	captures []capture
}

// A place is where a check converses, as far as the suite says it.
type place interface {
	resolve(s *scene) (endpoint, error)
}

// A wire is what compiling a wireCheck needs beside its converse.
type wire struct {
	engine *engine
	*reader
	definition Definition
}

// main decodes what stands beneath a kind's key: a scalar is its main parameter, a map has them all.
func (r *reader) main(n *yaml.Node, into any, main **yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		*main = n
		return
	}
	r.decode(n, into)
}

// compile reads what every kind has, and makes the check.
func (w wire) compile(at place, name string, effect plumbline.Effect, unless []expected, converse func(context.Context, *scene, endpoint) (*exchange, error)) (Compiled, strictyaml.Problems) {
	c := &wireCheck{engine: w.engine, place: at, converse: converse}
	c.expect = w.expectation(w.definition.Expect)
	c.expect.stop = w.stop(w.definition.StopIf)
	c.expect.statusNamed = true // a status of HTTP, which there is none of
	for _, u := range slices.Backward(unless) {
		c.expect.unless(u)
	}
	captures, names := w.captures(w.definition.Capture)
	c.captures = captures
	return Compiled{Prober: c, Name: name, Effect: effect, Captures: names, Uses: w.uses,
		Public: publicOf(captures), Stops: true}, w.problems
}

// unless expects something that the suite says nothing of.
func (e *expectation) unless(item expected) {
	if !e.names(item.key) {
		e.items = slices.Insert(e.items, 0, item)
	}
}

func (e *expectation) names(key string) bool {
	return slices.ContainsFunc(e.items, func(item expected) bool { return item.key == key })
}

// looksAt says whether any of places is matched or captured; anyPath and anyXPath stand for all paths.
func looksAt(e expectation, captures []capture, places ...string) bool {
	looked := func(sel selector) bool {
		return slices.Contains(places, sel.key) || sel.isPath() && slices.Contains(places, anyPath) || sel.xpath != nil && slices.Contains(places, anyXPath)
	}
	return slices.ContainsFunc(e.items, func(item expected) bool { return looked(item.selector) }) ||
		slices.ContainsFunc(captures, func(c capture) bool { return looked(c.from) })
}

// fixed is what a place must be.
func fixed(place, value string) expected {
	return expected{selector{key: place}, comparison{"", tree{fixed: value}, equal}}
}

// Probe converses once.
func (c *wireCheck) Probe(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	s := newScene(&c.engine.clients, ask)
	answer, err := c.ask(ctx, s, nil)
	return s.clean(answer, err)
}

func (c *wireCheck) ask(ctx context.Context, s *scene, _ *session) (plumbline.Answer, error) {
	s.secrets = nil
	to, err := c.place.resolve(s)
	if err != nil {
		return plumbline.Answer{}, err
	}
	x, err := c.converse(ctx, s, to)
	if x == nil {
		x = &exchange{}
	}
	answer := plumbline.Answer{Latency: x.latency, Status: x.status}
	if err != nil && !errors.Is(err, plumbline.ErrFailed) {
		return answer, unasked{to.String() + ": " + err.Error(), err}
	}
	if err != nil {
		return answer, err
	}
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
	if x.remark != "" {
		wrong = append(wrong, x.remark)
	}
	answer.Captures, answer.Detail = nil, s.detail(x.body)
	return answer, plumbline.Failf("%s", strings.Join(wrong, "; "))
}

// Host is whom the check asks, for the bound per host.
func (c *wireCheck) Host(site plumbline.Site) string {
	to, err := c.place.resolve(newScene(&c.engine.clients, plumbline.Ask{Site: site}))
	if err != nil {
		return site.URL
	}
	return to.String()
}

// Independent says whether two colors are two endpoints.
func (c *wireCheck) Independent(a, b plumbline.Site) bool {
	at := func(site plumbline.Site) (endpoint, error) {
		return c.place.resolve(newScene(&c.engine.clients, plumbline.Ask{Site: site}))
	}
	x, errX := at(a)
	y, errY := at(b)
	return errX == nil && errY == nil && x != y
}

// An address is host:port as a suite writes it: without a host it is the environment's, and a URL is taken for the
// host and port in it.
type address struct {
	text template
	port string // that goes without saying; nothing if it must be said
}

// An endpoint is where to converse.
type endpoint struct{ scheme, host, port string }

func (e endpoint) String() string {
	if e.port == "" {
		return e.host
	}
	return net.JoinHostPort(e.host, e.port)
}

// url is the endpoint as the origin that secrets are bound to.
func (e endpoint) url(scheme string) *url.URL {
	return &url.URL{Scheme: scheme, Host: e.String(), Path: "/"}
}

// address reads where a kind converses, and refuses what could be no address.
func (r *reader) address(n *yaml.Node, port string) address {
	if n.Kind != yaml.ScalarNode {
		r.wrongHint(n, "write host:port, :port or $(env.url)", "want an address")
		return address{}
	}
	a := address{text: r.template(n, n.Value), port: port}
	if len(a.text.parts) != 1 || a.text.parts[0].variable != nil {
		return a
	}
	if _, err := a.parse(n.Value, "environment.example"); err != nil {
		r.wrongHint(n, "write host:port, :port or $(env.url)", "%s", err)
	}
	return a
}

func (a address) resolve(s *scene) (endpoint, error) {
	written, err := a.text.text(s)
	if err != nil {
		return endpoint{}, err
	}
	host := ""
	if u, err := url.Parse(s.ask.Site.URL); err == nil {
		host = u.Hostname()
	}
	return a.parse(written, host)
}

var schemePorts = map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}

func (a address) parse(written, environment string) (endpoint, error) {
	if strings.Contains(written, "://") {
		u, err := url.Parse(written)
		if err != nil || u.Hostname() == "" || schemePorts[u.Scheme] == "" {
			return endpoint{}, errors.New("a URL without a host to ask")
		}
		if u.User != nil {
			return endpoint{}, errors.New("a URL with credentials in it")
		}
		port := u.Port()
		if port == "" {
			port = schemePorts[u.Scheme]
		}
		return endpoint{u.Scheme, u.Hostname(), port}, nil
	}
	host, port, err := net.SplitHostPort(written)
	if err != nil && a.port != "" { // without a port
		host, port, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(written, "[]"), a.port))
	}
	switch {
	case err != nil:
		return endpoint{}, fmt.Errorf("address %q, want host:port", cut(written, 100))
	case host == "" && environment == "":
		return endpoint{}, errors.New("the environment has no host")
	case host == "":
		host = environment
	case strings.ContainsAny(host, "/@? \t\r\n"):
		return endpoint{}, fmt.Errorf("address %q, want host:port", cut(written, 100))
	}
	if number, err := net.LookupPort("tcp", port); err != nil || number == 0 {
		return endpoint{}, fmt.Errorf("port %q, want 1 to 65535", cut(port, 20))
	}
	return endpoint{"", host, port}, nil
}

// allowed refuses to send secrets of the check to a host that they aren't for.
func (s *scene) allowed(to endpoint) error {
	for _, secret := range s.secrets {
		if !slices.Contains(secret.Hosts, to.String()) && !slices.Contains(secret.Hosts, to.host) {
			return fmt.Errorf("a secret of this check is not for %s: the configuration names its hosts", to)
		}
	}
	return nil
}

// A link is a connection that ends with its context.
type link struct {
	net.Conn
	at   *progress
	stop func() bool
}

// dial opens a connection over the transport's own network.
func (e *engine) dial(ctx context.Context, network string, to endpoint, at *progress) (*link, error) {
	dial := e.clients.Transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(at.follow(ctx), network, to.String())
	if err != nil {
		return nil, err
	}
	long := time.Unix(1, 0)
	return &link{conn, at, context.AfterFunc(ctx, func() { _ = conn.SetDeadline(long) })}, nil
}

// Close ends the connection, and the watch over its context.
func (l *link) Close() error {
	l.stop()
	return l.Conn.Close()
}

// secure speaks TLS over the link, which the caller closes still.
func (l *link) secure(ctx context.Context, config *tls.Config) (*tls.Conn, error) {
	l.at.is(shakingHands)
	conn := tls.Client(l.Conn, config)
	return conn, conn.HandshakeContext(ctx)
}

// tlsConfig is what connections are verified with, to a server of this name.
func tlsConfig(t *http.Transport, name string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone()
	}
	config.ServerName, config.NextProtos = name, nil
	return config
}
