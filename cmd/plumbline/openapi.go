package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// maxOpenAPI bounds a document, in bytes.
const maxOpenAPI = 16 << 20

// An importer turns an OpenAPI document into a suite.
type importer struct {
	*draft
	document *openapi3.T
	base     string // path of the first server
	schemas  string // directory of the schemas' files, relative to the suite
	dir      string // of the suite
	vars     map[string]string
	auth     string // the connection of all operations; "" if there is none
	names    map[string]bool
	written  int // schemas in files
	left     int // schemas that are left out
	safe     strings.Builder
	unsafe   strings.Builder
}

// readOpenAPI reads a document, and the files that it refers to in and beneath its directory; nothing from elsewhere.
func readOpenAPI(ctx context.Context, file string) (*openapi3.T, error) {
	dir := filepath.Dir(file)
	loader := openapi3.NewLoader()
	loader.Context = ctx
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, from *url.URL) ([]byte, error) {
		name, err := filepath.Rel(dir, filepath.FromSlash(from.Path))
		if err != nil || from.Host != "" || from.Scheme != "" && from.Scheme != "file" || !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%s is not beneath %s, and isn't read", from.Redacted(), dir)
		}
		f, err := os.OpenInRoot(dir, name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxOpenAPI+1))
		if len(data) > maxOpenAPI {
			return nil, fmt.Errorf("%s is larger than %d bytes", name, maxOpenAPI)
		}
		return data, err
	}
	document, err := loader.LoadFromURI(&url.URL{Path: filepath.ToSlash(file)})
	if err != nil {
		return nil, err
	}
	document.InternalizeRefs(ctx, nil)
	return document, nil
}

// fromOpenAPI drafts a suite of a document.
func (d *draft) fromOpenAPI(ctx context.Context, suite, file string) error {
	document, err := readOpenAPI(ctx, file)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", file, err)
	case !strings.HasPrefix(document.OpenAPI, "3."):
		return fmt.Errorf("%s says openapi %q, want 3.0 or 3.1", file, document.OpenAPI)
	case document.Paths.Len() == 0:
		return fmt.Errorf("%s has no paths", file)
	}
	im := &importer{draft: d, document: document, dir: filepath.Dir(suite), schemas: d.service + ".schemas", vars: map[string]string{}, names: map[string]bool{}}
	im.base = basePath(document.Servers)
	im.connection()
	for _, path := range slices.Sorted(maps.Keys(document.Paths.Map())) {
		item := document.Paths.Value(path)
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"} {
			if operation := item.GetOperation(method); operation != nil {
				im.operation(method, path, item, operation)
			}
		}
	}
	if im.checks == 0 {
		return errors.New("no operation of " + file + " only reads: GET, HEAD or OPTIONS")
	}
	if im.left > 0 {
		im.notes = append(im.notes, fmt.Sprintf("%s left out: a suite has at most %d files of them", count(im.left, "schema"), maxSchemaFiles))
	}
	d.files[suite] = im.suite(file)
	return nil
}

// basePath is the path of the first server: environments have addresses of their own.
func basePath(servers openapi3.Servers) string {
	if len(servers) == 0 {
		return ""
	}
	u, err := url.Parse(servers[0].URL)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.ContainsAny(u.Path, "{}") {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

func (im *importer) suite(file string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Made of %s: a first suite, to be edited. What it expects is what the document promises, no more.\n", filepath.Base(file))
	fmt.Fprintf(&out, "suite: %s\nservice: %[1]s\ntriggers: [release, switched, standby]\ntimeout: 5m\n", im.service)
	if len(im.vars) > 0 {
		out.WriteString("vars: # want values that exist in your environments\n")
		var names []string
		for name := range im.vars {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(&out, "  %s: %s\n", name, im.vars[name])
		}
		im.notes = append(im.notes, "give vars values that exist: "+strings.Join(names, ", "))
	}
	if im.auth != "" {
		fmt.Fprintf(&out, "defaults: {auth: %s}\n", im.auth)
	}
	out.WriteString("checks:\n" + strings.TrimRight(im.safe.String(), "\n") + "\n")
	if im.unsafe.Len() > 0 {
		out.WriteString("\n  # What writes is not asked by itself. Before you take a comment away, decide on its effect: none if it only reads, undone\n" +
			"  # with a teardown, or lasting in a suite of its own with trigger release; then put $(run.id) into the request.\n")
		out.WriteString(strings.TrimRight(im.unsafe.String(), "\n") + "\n")
	}
	return out.String()
}

// operation drafts one check.
func (im *importer) operation(method, path string, item *openapi3.PathItem, o *openapi3.Operation) {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, "    "+format+"\n", args...) }
	params := parameters(item, o)
	if name := im.name(method, path, o); name != "" {
		line("name: %s", yamlText(name))
	}
	line("%s: %s", strings.ToLower(method), yamlText(im.base+im.filled(path, params)))
	for _, in := range []struct{ in, key string }{{"query", "query"}, {"header", "headers"}} {
		if pairs := im.pairs(params, in.in); pairs != "" {
			line("%s: {%s}", in.key, pairs)
		}
	}
	if im.auth != "" && o.Security != nil && len(*o.Security) == 0 {
		line("auth: none")
	}
	if body := im.body(o); body != "" {
		line("json: %s", body)
	}
	im.expect(line, method, path, o)
	text := "  - " + strings.TrimPrefix(out.String(), "    ")
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions {
		im.checks++
		im.safe.WriteString(text)
		return
	}
	for l := range strings.Lines(text) {
		im.unsafe.WriteString("  # " + strings.TrimPrefix(l, "  "))
	}
}

// name is the operation's, if it is fit and new; "" leaves the check the name that it has by itself.
func (im *importer) name(method, path string, o *openapi3.Operation) string {
	for _, name := range []string{o.OperationID, o.Summary, method + " " + path} {
		name = strings.Join(strings.Fields(name), " ")
		if name != "" && len(name) <= 100 && !im.names[name] {
			im.names[name] = true
			return name
		}
	}
	return ""
}

// parameters are those of the operation, and those of its path that it doesn't override.
func parameters(item *openapi3.PathItem, o *openapi3.Operation) []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, refs := range []openapi3.Parameters{o.Parameters, item.Parameters} {
		for _, r := range refs {
			known := r.Value == nil || slices.ContainsFunc(all, func(p *openapi3.Parameter) bool { return p.Name == r.Value.Name && p.In == r.Value.In })
			if !known {
				all = append(all, r.Value)
			}
		}
	}
	return all
}

var inBraces = regexp.MustCompile(`\{([^}]+)\}`)

// filled puts variables where a path has parameters.
func (im *importer) filled(path string, params []*openapi3.Parameter) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		before := ""
		if i > 0 {
			before = segments[i-1]
		}
		segments[i] = inBraces.ReplaceAllStringFunc(segment, func(braced string) string {
			p := &openapi3.Parameter{Name: strings.Trim(braced, "{}")}
			if at := slices.IndexFunc(params, func(q *openapi3.Parameter) bool { return q.In == "path" && q.Name == p.Name }); at >= 0 {
				p = params[at]
			}
			return im.variable(p, before)
		})
	}
	return strings.Join(segments, "/")
}

// pairs are the parameters in query or headers that must be there.
func (im *importer) pairs(params []*openapi3.Parameter, in string) string {
	var pairs []string
	for _, p := range params {
		owned := slices.Contains([]string{"Accept", "Content-Type", "Authorization"}, http.CanonicalHeaderKey(p.Name))
		if p.In == in && p.Required && (in != "header" || !owned) {
			pairs = append(pairs, fmt.Sprintf("%s: %s", yamlText(p.Name), im.variable(p, "")))
		}
	}
	return strings.Join(pairs, ", ")
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// sayLittle are names of parameters that mean something else in every path.
var sayLittle = []string{"id", "uuid", "key", "name", "slug", "code"}

// variable makes a parameter a variable of the suite, with a value that the document suggests. Of a name that says
// little, the segment before it says more.
func (im *importer) variable(p *openapi3.Parameter, segment string) string {
	name := p.Name
	if slices.Contains(sayLittle, strings.ToLower(name)) && segment != "" && !strings.Contains(segment, "{") {
		name = segment + "_" + name
	}
	name = strings.Trim(notInName.ReplaceAllString(name, "_"), "_-")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "p_" + name
	}
	name = name[:min(len(name), 60)]
	if _, known := im.vars[name]; !known {
		im.vars[name] = suggested(p)
	}
	return "$(vars." + name + ")"
}

func suggested(p *openapi3.Parameter) string {
	candidates := []any{p.Example}
	for _, e := range p.Examples {
		if e != nil && e.Value != nil {
			candidates = append(candidates, e.Value.Value)
			break
		}
	}
	kind := ""
	if p.Schema != nil && p.Schema.Value != nil {
		s := p.Schema.Value
		candidates = append(candidates, s.Example, s.Default)
		candidates = append(append(candidates, s.Examples...), s.Enum...)
		if s.Type != nil && len(s.Type.Slice()) > 0 {
			kind = s.Type.Slice()[0]
		}
	}
	for _, c := range candidates {
		switch c.(type) {
		case string, float64, int, int64, uint64, bool:
			return compactJSON(c)
		}
	}
	switch kind {
	case "integer", "number":
		return "1"
	case "boolean":
		return "true"
	}
	return `"1"`
}
