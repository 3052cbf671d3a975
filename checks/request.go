package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
	"golang.org/x/net/http/httpguts"
)

// url reads a URL, and refuses what could be neither absolute nor beneath the environment's.
func (r *reader) url(n *yaml.Node) template {
	if n.Kind != yaml.ScalarNode {
		r.wrongHint(n, "write /healthz", "want a URL")
		return template{}
	}
	t := r.template(n, n.Value)
	if len(t.parts) == 0 || t.parts[0].variable != nil {
		return t
	}
	start := t.parts[0].literal
	if strings.HasPrefix(start, "/") {
		return t
	}
	u, err := url.Parse(start)
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https"):
		if u.User != nil {
			r.wrongHint(n, "name a connection with auth", "credentials in a URL")
		}
	case err == nil && u.Scheme != "":
		r.wrong(n, "a URL of scheme %q, want http or https", u.Scheme)
	default:
		r.wrongHint(n, "write /"+cut(start, 40), "a URL that is neither absolute nor begins with /")
	}
	return t
}

// request reads what is sent with the URL.
func (r *reader) request(c *httpCheck, p parameters) {
	c.headers = r.pairs("headers", p.Headers)
	for i, h := range c.headers {
		r.header(p.Headers, h.name)
		if slices.ContainsFunc(c.headers[:i], func(other pair) bool { return strings.EqualFold(other.name, h.name) }) {
			r.wrongHint(p.Headers, "write it once, with a list of values", "header %s is there twice", h.name)
		}
	}
	c.query = r.pairs("query", p.Query)
	c.form = r.pairs("form", p.Form)
	if p.JSON != nil {
		t := r.tree(p.JSON)
		c.json = &t
	}
	if p.Body != nil {
		if p.Body.Kind != yaml.ScalarNode {
			r.wrongHint(p.Body, "use json for a map or list", "body takes text")
		}
		t := leaf(r.template(p.Body, p.Body.Value))
		c.body = &t
	}
	r.onlyBody(c, p)
	c.auth = r.connection(p.Auth)
	if c.auth == NoAuth {
		c.auth = ""
	}
	c.through = r.connection(p.Through)
	if p.Follow != nil {
		c.follow = r.flag(p.Follow)
	}
	if p.Connection != nil {
		if p.Connection.Value != "fresh" {
			r.wrongHint(p.Connection, "want fresh, or leave it out", "unknown connection %q", p.Connection.Value)
		}
		c.fresh = true
	}
}

// onlyBody refuses two bodies, and a body where servers don't look for one.
func (r *reader) onlyBody(c *httpCheck, p parameters) {
	bodies := slices.DeleteFunc([]*yaml.Node{p.JSON, p.Form, p.Body}, func(n *yaml.Node) bool { return n == nil })
	switch {
	case len(bodies) > 1:
		r.wrong(bodies[1], "a request has one body: json, form or body")
	case len(bodies) == 1 && (c.method == http.MethodGet || c.method == http.MethodHead || c.method == http.MethodOptions):
		r.wrongHint(bodies[0], "use query, or post", "a %s has no body", c.method)
	}
}

// NoAuth, as the name of a connection, leaves out the one of the suite's defaults.
const NoAuth = "none"

// CheckConnection refuses an unknown connection, and warns while none is known.
func CheckConnection(file string, n *yaml.Node, names Names) strictyaml.Problems {
	r := &reader{file: file, names: names}
	r.connection(n)
	return r.problems
}

func (r *reader) connection(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	switch known := r.names.Connections; {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n, "want the name of a connection")
	case n.Value == NoAuth:
	case strings.Contains(n.Value, "$("):
		r.wrongHint(n, "write it out", "nothing is replaced in the name of a connection")
	case known == nil:
		p := strictyaml.At(r.file, n, "connection %q can't be looked up without a configuration", n.Value)
		p.Warning = true
		r.problems = append(r.problems, p)
	case !slices.Contains(known, n.Value):
		hint := strictyaml.DidYouMean(n.Value, known)
		if hint == "" {
			hint = "the configuration has no connections"
		}
		r.wrongHint(n, hint, "unknown connection %q", n.Value)
	}
	return n.Value
}

// pairs reads a map of names with one value or a list of them.
func (r *reader) pairs(what string, n *yaml.Node) []pair {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%s takes a map of names and values", what)
		return nil
	}
	var pairs []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		p, value := pair{name: n.Content[i].Value}, n.Content[i+1]
		if what != "headers" { // which have names of their own
			p.name = r.literal(n.Content[i], "a name in "+what)
		}
		switch value.Kind {
		case yaml.ScalarNode:
			p.values = []tree{r.tree(value)}
		case yaml.SequenceNode:
			for _, item := range value.Content {
				if item.Kind != yaml.ScalarNode {
					r.wrong(item, "%s: %s takes single values", what, p.name)
					continue
				}
				p.values = append(p.values, r.tree(item))
			}
		default:
			r.wrong(value, "%s: %s takes a value or a list of values", what, p.name)
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// header refuses what isn't a header's name, and headers that the transport owns.
func (r *reader) header(n *yaml.Node, name string) {
	owned := []string{"Content-Length", "Transfer-Encoding", "Connection", "Host", "Te", "Trailer", "Upgrade"}
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		r.wrong(n, "%q is no name of a header", name)
	case slices.Contains(owned, http.CanonicalHeaderKey(name)):
		r.wrong(n, "header %s is not for suites to set", http.CanonicalHeaderKey(name))
	}
}

// A request is what one attempt sends.
type request struct {
	method string
	target *url.URL
	header http.Header
	body   []byte
}

// render fills in the request, and refuses to send a secret to a host that it isn't for.
func (c *httpCheck) render(s *scene) (*request, error) {
	s.secrets = nil
	written, err := c.url.url(s)
	if err != nil {
		return nil, err
	}
	target, err := resolve(s.ask.Site.URL, written)
	if err != nil {
		return nil, err
	}
	q := &request{method: c.method, target: target, header: http.Header{}}
	query, err := values(c.query, s)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		target.RawQuery = strings.TrimPrefix(target.RawQuery+"&"+query.Encode(), "&")
	}
	headers, err := values(c.headers, s)
	if err != nil {
		return nil, err
	}
	for name, list := range headers {
		q.header[http.CanonicalHeaderKey(name)] = list
	}
	if err := c.renderBody(q, s); err != nil {
		return nil, err
	}
	return q, s.mayTell(target)
}

// mayTell refuses to send the secrets that were put in to a host that one of them isn't for.
func (s *scene) mayTell(target *url.URL) error {
	for _, secret := range s.secrets {
		if !slices.Contains(secret.Hosts, target.Host) && !slices.Contains(secret.Hosts, target.Hostname()) {
			return fmt.Errorf("a secret of this check is not for %s: the configuration names its hosts", target.Host)
		}
	}
	return nil
}

func (c *httpCheck) renderBody(q *request, s *scene) error {
	contentType := ""
	switch {
	case c.json != nil:
		value, err := c.json.value(s)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return errors.New("the body can't be written as JSON")
		}
		q.body, contentType = bytes.TrimSuffix(b.Bytes(), []byte("\n")), "application/json"
	case c.form != nil:
		form, err := values(c.form, s)
		if err != nil {
			return err
		}
		q.body, contentType = []byte(form.Encode()), "application/x-www-form-urlencoded"
	case c.body != nil:
		value, err := c.body.value(s)
		if err != nil {
			return err
		}
		q.body, contentType = []byte(plain(value)), "text/plain; charset=utf-8"
	default:
		return nil
	}
	if q.header.Get("Content-Type") == "" {
		q.header.Set("Content-Type", contentType)
	}
	return nil
}

func values(pairs []pair, s *scene) (url.Values, error) {
	all := make(url.Values, len(pairs))
	for _, p := range pairs {
		for _, t := range p.values {
			value, err := t.value(s)
			if err != nil {
				return nil, err
			}
			all.Add(p.name, plain(value))
		}
	}
	return all, nil
}

// resolve finds a URL beneath the environment's, or takes an absolute one.
func resolve(base, written string) (*url.URL, error) {
	if !strings.HasPrefix(written, "http://") && !strings.HasPrefix(written, "https://") {
		if written != "" && written[0] != '/' {
			return nil, errors.New("a URL that is neither absolute nor begins with /")
		}
		written = strings.TrimRight(base, "/") + written
	}
	u, err := url.Parse(written)
	switch {
	case err != nil:
		return nil, errors.New("a URL that can't be read") // the error has all of it
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("the environment has no URL")
	case u.User != nil:
		return nil, errors.New("a URL with credentials in it")
	}
	u.Fragment = ""
	return u, nil
}
