package checks

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/antchfx/htmlquery"
	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"
	"go.yaml.in/yaml/v4"
)

// An xpathQuery is an XPath over XML or HTML. It may be used by many at the same time.
type xpathQuery struct {
	written  string
	compiled *xpath.Expr
}

// xpath reads an XPath that selects nodes.
func (r *reader) xpath(n *yaml.Node, text string) *xpathQuery {
	if len(text) > maxPattern {
		r.wrong(n, "an XPath of %d bytes, want at most %d", len(text), maxPattern)
		return nil
	}
	compiled, err := compileXPath(text)
	if err != nil {
		r.wrongHint(n, "the syntax is XPath 1.0", "bad XPath %q: %s", text, cut(err.Error(), 200))
		return nil
	}
	return &xpathQuery{text, compiled}
}

func compileXPath(text string) (compiled *xpath.Expr, err error) {
	defer func() {
		if odd := recover(); odd != nil { // the library panics at some mistakes
			compiled, err = nil, fmt.Errorf("%v", odd)
		}
	}()
	if compiled, err = xpath.Compile(text); err != nil {
		return nil, err
	}
	if _, selects := compiled.Evaluate(xmlquery.CreateXPathNavigator(&xmlquery.Node{Type: xmlquery.DocumentNode})).(*xpath.NodeIterator); !selects {
		return nil, errors.New("it selects no nodes")
	}
	return compiled, nil
}

const (
	maxElements = 100_000   // of a document: its tree is many times larger than its text
	maxNodes    = 10_000    // that one XPath may select
	maxMoves    = 5_000_000 // from node to node that one XPath may take
)

// markup is a body as a tree.
type markup struct {
	root xpath.NodeNavigator
	err  error
}

// tree is the body as XML, or as HTML where it says so.
func (x *exchange) tree() (xpath.NodeNavigator, error) {
	if x.markup == nil {
		x.markup = &markup{}
		x.markup.root, x.markup.err = x.parseMarkup()
	}
	if x.markup.err != nil {
		return nil, x.markup.err
	}
	return x.markup.root.Copy(), nil
}

func (x *exchange) parseMarkup() (xpath.NodeNavigator, error) {
	kind, isHTML := "XML", x.isHTML()
	if isHTML {
		kind = "HTML"
	}
	if len(bytes.TrimSpace(x.body)) == 0 {
		return nil, errors.New("body: nothing is there, want XML or HTML")
	}
	if bytes.Count(x.body, []byte("<")) > maxElements {
		return nil, fmt.Errorf("body: got more than %d tags", maxElements)
	}
	if isHTML {
		document, err := htmlquery.Parse(bytes.NewReader(x.body))
		if err == nil {
			return htmlquery.CreateXPathNavigator(document), nil
		}
	} else if document, err := xmlquery.Parse(bytes.NewReader(x.body)); err == nil && hasElement(document) {
		return xmlquery.CreateXPathNavigator(document), nil
	}
	return nil, wrongForm(kind)
}

// hasElement tells a document from text without a single tag, which the parser takes.
func hasElement(document *xmlquery.Node) bool {
	for n := document.FirstChild; n != nil; n = n.NextSibling {
		if n.Type == xmlquery.ElementNode {
			return true
		}
	}
	return false
}

func (x *exchange) isHTML() bool {
	if kind := x.headers.Get("Content-Type"); kind != "" {
		if kind, _, _ = strings.Cut(strings.ToLower(kind), ";"); strings.Contains(kind, "xml") {
			return false // XHTML is XML
		} else if strings.Contains(kind, "html") {
			return true
		}
	}
	start := strings.ToLower(string(bytes.TrimSpace(x.body[:min(len(x.body), 256)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// find is the texts of all nodes that the path selects.
func (q *xpathQuery) find(x *exchange) (f found, err error) {
	root, err := x.tree()
	if err != nil {
		return found{}, err
	}
	steps := maxMoves
	defer func() {
		switch odd := recover(); {
		case odd == nil:
		case steps < 0:
			f, err = found{}, fmt.Errorf("%s: the XPath takes more than %d steps through this body", q.written, maxMoves)
		default:
			f, err = found{}, fmt.Errorf("%s: can't be looked up in this body", q.written)
		}
	}()
	selected := nodes{}
	for each := q.compiled.Select(&walker{root, &steps}); each.MoveNext(); {
		if len(selected) == maxNodes {
			return found{}, fmt.Errorf("%s: got more than %d nodes", q.written, maxNodes)
		}
		selected = append(selected, text(strings.TrimSpace(each.Current().Value())))
	}
	return found{selected, len(selected) > 0}, nil
}

// A walker goes through a tree for an XPath, and panics when it has gone too far: paths that look everywhere from
// everywhere would take hours in a large document, and nothing else can stop them.
type walker struct {
	xpath.NodeNavigator
	left *int
}

func (w *walker) step(cost int) {
	if *w.left -= cost; *w.left < 0 {
		panic("too far")
	}
}

func (w *walker) Copy() xpath.NodeNavigator {
	w.step(1)
	return &walker{w.NodeNavigator.Copy(), w.left}
}

func (w *walker) Value() string {
	value := w.NodeNavigator.Value()
	w.step(1 + len(value)/16)
	return value
}

// NamespaceURL is what the function namespace-uri asks for.
func (w *walker) NamespaceURL() string {
	if named, is := w.NodeNavigator.(interface{ NamespaceURL() string }); is {
		return named.NamespaceURL()
	}
	return ""
}

func (w *walker) MoveToParent() bool        { w.step(1); return w.NodeNavigator.MoveToParent() }
func (w *walker) MoveToNextAttribute() bool { w.step(1); return w.NodeNavigator.MoveToNextAttribute() }
func (w *walker) MoveToChild() bool         { w.step(1); return w.NodeNavigator.MoveToChild() }
func (w *walker) MoveToFirst() bool         { w.step(1); return w.NodeNavigator.MoveToFirst() }
func (w *walker) MoveToNext() bool          { w.step(1); return w.NodeNavigator.MoveToNext() }
func (w *walker) MoveToPrevious() bool      { w.step(1); return w.NodeNavigator.MoveToPrevious() }

func (w *walker) MoveTo(other xpath.NodeNavigator) bool {
	w.step(1)
	if o, is := other.(*walker); is {
		other = o.NodeNavigator
	}
	return w.NodeNavigator.MoveTo(other)
}
