package checks

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"go.yaml.in/yaml/v4"
)

type graphParameters struct {
	URL       *yaml.Node `yaml:"url"`
	Query     *yaml.Node `yaml:"query"`
	Variables *yaml.Node `yaml:"variables"`
	Operation *yaml.Node `yaml:"operation"`
	Headers   *yaml.Node `yaml:"headers"`
	Auth      *yaml.Node `yaml:"auth"`
	Through   *yaml.Node `yaml:"through"`
}

const (
	graphURL        = "/graphql" // unless the suite says otherwise
	maxGraphTokens  = 10_000
	graphMediaTypes = "application/graphql-response+json, application/json;q=0.9"
)

// graphql is the kind of a request in GraphQL: {graphql: "{ me { id } }"}, or {graphql: {url: …, query: …,
// variables: {…}}}. An answer with errors fails, and so does one without data, unless the suite expects them.
func (e *engine) graphql() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader()
		var p graphParameters
		r.main(d.Value, &p, &p.Query)
		if p.Query == nil {
			r.wrongHint(d.Value, `write query: "{ me { id } }"`, "graphql needs a query")
			return Compiled{}, r.problems
		}
		if p.URL == nil {
			p.URL = &yaml.Node{Kind: yaml.ScalarNode, Value: graphURL, Line: d.Value.Line, Column: d.Value.Column}
		}
		operation := r.operation(p)
		body := tree{fields: map[string]tree{"query": {fixed: p.Query.Value}}}
		fixed := map[string]any{"query": p.Query.Value}
		if p.Operation != nil {
			body.fields["operationName"], fixed["operationName"] = tree{fixed: p.Operation.Value}, p.Operation.Value
		}
		if p.Variables != nil {
			if p.Variables.Kind != yaml.MappingNode {
				r.wrongHint(p.Variables, "write {id: 1}", "variables takes a map")
			}
			variables := r.tree(p.Variables)
			body.fields["variables"], fixed["variables"], body.varies = variables, variables.fixed, variables.varies
		}
		body.fixed = fixed

		compiled, problems := e.compile(d, r, http.MethodPost, p.URL, parameters{Headers: p.Headers, Auth: p.Auth, Through: p.Through})
		c := compiled.Prober.(*httpCheck)
		c.json = &body
		if !slices.ContainsFunc(c.headers, func(h pair) bool { return strings.EqualFold(h.name, "Accept") }) {
			c.headers = append(c.headers, pair{"Accept", []tree{{fixed: graphMediaTypes}}})
		}
		c.expect.graph(r)
		compiled.Name, compiled.Effect = graphName(operation, p), plumbline.EffectLasting
		if operation == nil || operation.Operation == ast.Query {
			compiled.Effect = plumbline.EffectNone
		}
		return compiled, problems
	}}
}

// graphName is what a check is called that has no name of its own.
func graphName(operation *ast.OperationDefinition, p graphParameters) string {
	if operation == nil {
		return "graphql"
	}
	name := operation.Name
	if name == "" && len(operation.SelectionSet) > 0 {
		if field, is := operation.SelectionSet[0].(*ast.Field); is {
			name = field.Name
		}
	}
	return strings.TrimSpace(fmt.Sprintf("graphql %s %s", operation.Operation, name))
}

// operation reads the query, and finds the operation that is asked.
func (r *reader) operation(p graphParameters) *ast.OperationDefinition {
	n := p.Query
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		r.wrongHint(n, `write "{ me { id } }"`, "query takes text")
		return nil
	}
	if strings.Contains(n.Value, "$(") {
		r.wrongHint(n, "declare `query($id: ID!)`, and write variables: {id: $(…)}", "`$(…)` in a query")
		return nil
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: n.Value}, maxGraphTokens)
	var wrong *gqlerror.Error
	switch {
	case errors.As(err, &wrong):
		at := ""
		if len(wrong.Locations) > 0 {
			at = fmt.Sprintf(" on line %d of it", wrong.Locations[0].Line)
		}
		r.wrong(n, "bad GraphQL%s: %s", at, lowerFirst(wrong.Message))
		return nil
	case err != nil:
		r.wrong(n, "bad GraphQL: %s", err)
		return nil
	}
	var names []string
	for _, o := range document.Operations {
		names = append(names, o.Name)
	}
	wanted, at := "", n
	if p.Operation != nil && p.Operation.Kind != yaml.ScalarNode {
		r.wrong(p.Operation, "want the name of an operation")
	}
	if p.Operation != nil {
		wanted, at = p.Operation.Value, p.Operation
	}
	operation := document.Operations.ForName(wanted)
	switch {
	case len(names) == 0:
		r.wrong(n, "a query without an operation")
	case operation == nil && wanted == "":
		r.wrongHint(n, "write operation: "+names[0], "%d operations in one query", len(names))
	case operation == nil:
		r.wrongHint(at, strictyaml.DidYouMean(wanted, names), "unknown operation %q", wanted)
	case operation.Operation == ast.Subscription:
		r.wrongHint(n, "ask it with websocket", "a subscription can't be asked here")
	}
	return operation
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + strings.TrimSuffix(s[1:], ".")
}

// graph expects data and no errors, unless the suite looks at them itself.
func (e *expectation) graph(r *reader) {
	looks := func(at string) bool {
		for _, item := range e.items {
			if rest, is := strings.CutPrefix(item.key, at); is && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return true
			}
		}
		return false
	}
	if looks("$.errors") {
		return
	}
	errorsAt := expected{selector{key: "$.errors", path: r.path(nil, "$.errors")}, noGraphErrors{}}
	if looks("$.data") {
		e.items = append([]expected{errorsAt}, e.items...)
		return
	}
	data := expected{selector{key: "$.data", path: r.path(nil, "$.data")}, ofType{"object"}}
	e.items = append([]expected{errorsAt, data}, e.items...)
}

// noGraphErrors is right where no errors came. Otherwise it tells the first of them.
type noGraphErrors struct{}

func (noGraphErrors) wrong(f found, _ *scene) ([]string, error) {
	list, is := f.value.([]any)
	if !f.there || f.value == nil || is && len(list) == 0 {
		return nil, nil
	}
	const told = 3
	var all []string
	for i, each := range list {
		if i == told {
			all = append(all, fmt.Sprintf("and %d more", len(list)-told))
			break
		}
		all = append(all, "got "+graphError(each)+", want none")
	}
	if !is {
		all = []string{"got " + show(f.value) + ", want none"}
	}
	return all, nil
}

func (noGraphErrors) want(*scene) (string, error) { return "none", nil }

func graphError(v any) string {
	fields, _ := v.(map[string]any)
	message, is := fields["message"].(string)
	if !is {
		return show(v)
	}
	at := ""
	if path, has := fields["path"].([]any); has {
		for _, step := range path {
			at += "." + plain(step)
		}
		at = " at " + cut(strings.TrimPrefix(at, "."), 100)
	}
	return show(message) + at
}
