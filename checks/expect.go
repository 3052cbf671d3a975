package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// An exchange is an answer as matchers see it.
type exchange struct {
	status  int
	headers http.Header
	body    []byte
	latency time.Duration
	facts   map[string]any // of the certificate, by field
	given   map[string]any // what only one kind has, by place
	remark  string         // that a person reads beside what is wrong

	final bool // it met what makes it wrong for good

	parsed   bool
	document any
	parseErr error
	isJSON   bool // as far as was looked
	looks    int  // of simple paths

	markup *markup
}

// json is the body as JSON: numbers stay as they were written.
func (x *exchange) json() (any, error) {
	if x.parsed {
		return x.document, x.parseErr
	}
	x.parsed = true
	decoder := json.NewDecoder(bytes.NewReader(x.body))
	decoder.UseNumber()
	x.parseErr = decoder.Decode(&x.document)
	if x.parseErr == nil {
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			x.parseErr = errors.New("something behind the JSON document")
		}
	}
	if x.parseErr != nil {
		x.document = nil
	}
	return x.document, x.parseErr
}

// A selector picks what is matched or captured out of an answer.
type selector struct {
	key    string
	header string
	path   path
	xpath  *xpathQuery
	field  string // of the certificate
}

const headerPrefix = "headers."

// The places that kinds of their own can't name: they are patterns.
const (
	anyHeader = "headers.NAME"
	anyPath   = "$.PATH"
	anyXPath  = "/PATH"
)

// httpPlaces are what an answer over HTTP has to be matched.
var httpPlaces = []string{"status", "latency", "size", "body", "certificate", anyHeader, anyPath, anyXPath}

// uncaptured are places that are matched alone.
var uncaptured = []string{"latency", "size", "certificate"}

// selector reads a key of expect, or a value of capture. Some can't be captured.
func (r *reader) selector(n *yaml.Node, captured bool) (selector, bool) {
	known := httpPlaces
	if r.matchable != nil {
		known = r.matchable
	}
	if captured {
		known = slices.DeleteFunc(slices.Clone(known), func(place string) bool { return slices.Contains(uncaptured, place) })
	}
	key := n.Value
	header, isHeader := strings.CutPrefix(key, headerPrefix)
	before := len(r.problems)
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrongHint(n, strictyaml.DidYouMean("", known), "want a place in the answer")
		return selector{}, false
	case isHeader && strings.Contains(header, "$("):
		r.wrongHint(n, "write it out", "nothing is replaced in the name of a header")
		return selector{}, false
	case isHeader && header != "" && slices.Contains(known, anyHeader):
		return selector{key: key, header: header}, true
	case strings.HasPrefix(key, "$") && slices.Contains(known, anyPath):
		p := r.path(n, key)
		return selector{key: key, path: p}, len(r.problems) == before
	case strings.HasPrefix(key, "/") && slices.Contains(known, anyXPath):
		q := r.xpath(n, key)
		return selector{key: key, xpath: q}, len(r.problems) == before
	case slices.Contains(known, key):
		return selector{key: key}, true
	}
	r.wrongHint(n, strictyaml.DidYouMean(key, known), "unknown place %q in an answer", key)
	return selector{}, false
}

func (sel selector) isPath() bool { return sel.path.Path != nil }

// find picks the value. Only a path can err, with what is said of a body that it can't look into.
func (sel selector) find(x *exchange) (found, error) {
	switch {
	case sel.isPath():
		return x.at(sel.path)
	case sel.xpath != nil:
		return sel.xpath.find(x)
	case sel.field != "":
		value, there := x.facts[sel.field]
		return found{value, there}, nil
	case sel.header != "":
		values := x.headers.Values(sel.header)
		return found{text(strings.Join(values, ", ")), len(values) > 0}, nil
	case x.given[sel.key] != nil:
		return something(x.given[sel.key]), nil
	case sel.key == "status":
		return something(numberOf(x.status)), nil
	case sel.key == "latency":
		return something(x.latency), nil
	case sel.key == "size":
		return something(numberOf(len(x.body))), nil
	case sel.key == "body":
		return something(string(x.body)), nil
	}
	return found{}, nil
}

// An expectation is all that is expected of an answer.
type expectation struct {
	items       []expected
	statusNamed bool
	stop        *expectation // what makes an answer wrong for good, or nil
	certificate bool         // is looked at
}

type expected struct {
	selector
	matcher
}

// expectation reads `expect`. Without it, 2xx is expected.
func (r *reader) expectation(n *yaml.Node) expectation {
	var e expectation
	if n == nil {
		return e
	}
	if n.Kind != yaml.MappingNode {
		r.wrongHint(n, "write {status: 200}", "expect takes a map")
		return e
	}
	if len(n.Content) == 0 {
		r.wrongHint(n, "say what is wanted, or leave expect out for any 2xx", "an empty expect checks nothing")
	}
	r.noSecret = true
	defer func() { r.noSecret = false }()
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		sel, ok := r.selector(key, false)
		if !ok {
			continue
		}
		var m matcher
		switch sel.key {
		case "latency":
			m = r.lapses(value)
		case "certificate":
			e.certificate = true
			e.items = append(e.items, r.certificate(value)...)
			continue
		case "status":
			e.statusNamed = true
			m = r.status(value)
		default:
			m = r.matcher(value, false)
		}
		e.items = append(e.items, expected{sel, m})
	}
	return e
}

// status reads what is expected of a status, and catches what could never match one.
func (r *reader) status(n *yaml.Node) matcher {
	if r.matchable != nil {
		return r.matcher(n, false) // of gRPC: a word
	}
	if n.Kind == yaml.SequenceNode {
		r.wrongHint(n, "write {one_of: [200, 422]}", "a status is never a list")
		return nil
	}
	if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "$(") {
		if v, problem := strictyaml.Scalar(r.file, n); problem == nil {
			code, is := v.(json.Number)
			if i, err := code.Int64(); !is || err != nil || i < 100 || i > 599 {
				r.wrongHint(n, "write 200, {one_of: [200, 422]} or {gte: 200, lt: 300}", "status %q, want a number from 100 to 599", n.Value)
				return nil
			}
		}
	}
	return r.matcher(n, false)
}

// wrong is everything that is wrong with an answer. The error says that it could not be judged.
func (e expectation) wrong(x *exchange, s *scene) ([]string, error) {
	var all []string
	if !e.statusNamed && (x.status < 200 || x.status > 299) {
		all = append(all, "status: got "+show(numberOf(x.status))+", want 2xx")
	}
	for _, item := range e.items {
		value, err := item.find(x)
		if err != nil {
			if text := s.misread(x, err); !slices.Contains(all, text) {
				all = append(all, text)
			}
			continue
		}
		s.guard(item.key, value.value)
		problems, err := item.matcher.wrong(value, s)
		if err != nil {
			return nil, err
		}
		all = append(all, prefixed(item.key+": ", problems)...)
	}
	stopped, err := e.stopped(x, s)
	if stopped != "" {
		x.final, all = true, append([]string{stopped}, all...)
	}
	return all, err
}

// notJSON shows how the body begins.
func notJSON(x *exchange, s *scene) string { return notIn(x, s, "JSON") }

// A wrongForm is a body that isn't in the form that a path asks for.
type wrongForm string

func (f wrongForm) Error() string { return "the body is no " + string(f) }

// misread says why a part of an answer could not be found.
func (s *scene) misread(x *exchange, err error) string {
	var form wrongForm
	if errors.As(err, &form) {
		return notIn(x, s, string(form))
	}
	return s.hide(err.Error())
}

func notIn(x *exchange, s *scene, form string) string {
	const most = 80
	if len(x.body) == 0 {
		return "body: nothing is there, want " + form
	}
	return "body: got " + show(cut(s.hide(strings.ToValidUTF8(string(x.body), "?")), most)) + ", want " + form
}
