package checks

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// conforms is a value that a JSON Schema describes. It may be used by many at the same time.
type conforms struct {
	schema *jsonschema.Schema
	name   string // of its file, or nothing
}

// maxSchema bounds the file of a schema, in bytes.
const maxSchema = 1 << 20

// schema reads a JSON Schema, inline or from a file beside the suite. Formats are asserted; nothing is loaded from
// anywhere else.
func (r *reader) schema(n *yaml.Node) matcher {
	m := conforms{}
	var document any
	switch {
	case n.Kind == yaml.MappingNode:
		var ok bool
		if document, ok = r.inlineSchema(n); !ok {
			return nil
		}
	case n.Kind == yaml.ScalarNode && n.Value != "" && !strings.Contains(n.Value, "$("):
		m.name = n.Value
		var err error
		if document, err = r.schemaFile(n.Value); err != nil {
			r.wrong(n, "schema %s: %s", n.Value, err)
			return nil
		}
	default:
		r.wrongHint(n, "write {type: object, required: [id]}, or order.schema.json", "schema takes a JSON Schema or a file beside the suite")
		return nil
	}
	compiled, err := compileSchema(document)
	if err != nil {
		r.wrongHint(n, "the syntax is JSON Schema 2020-12", "bad JSON Schema: %s", err)
		return nil
	}
	m.schema = compiled
	return m
}

// inlineSchema refuses words that JSON Schema would take and ignore: a misspelt one asserts nothing.
func (r *reader) inlineSchema(n *yaml.Node) (document any, ok bool) {
	if len(n.Content) == 0 {
		r.wrongHint(n, "write {type: object, required: [id]}", "an empty schema expects nothing")
		return nil, false
	}
	document, err := strictyaml.JSON(r.file, n)
	var problems strictyaml.Problems
	if errors.As(err, &problems) {
		r.problems = append(r.problems, problems...)
	}
	before := len(r.problems)
	r.keywords(n)
	return document, err == nil && len(r.problems) == before
}

func (r *reader) schemaFile(name string) (any, error) {
	if r.read == nil {
		return nil, errors.New("files can't be read here")
	}
	data, err := r.read(name)
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxSchema:
		return nil, fmt.Errorf("got more than %s", bytesOf(maxSchema))
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("is no JSON: " + cut(err.Error(), 200))
	}
	if object, is := document.(map[string]any); !is || len(object) == 0 {
		return nil, errors.New("expects nothing, want an object with a schema in it")
	}
	return document, nil
}

// noLoader is where a schema finds what it refers to: in itself alone.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, errors.New("nothing is loaded from elsewhere: put it under $defs")
}

// schemaURL is what a schema without $id is called; it isn't looked up.
const schemaURL = "suite:///schema"

func compileSchema(document any) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(boundedPattern)
	c.AssertFormat()
	if err := c.AddResource(schemaURL, document); err != nil {
		return nil, err
	}
	compiled, err := c.Compile(schemaURL)
	if err == nil {
		return compiled, nil
	}
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		err = invalid.Err
	}
	var wrong *jsonschema.ValidationError
	if errors.As(err, &wrong) {
		return nil, errors.New(strings.Join(complaints(wrong, nil), "; "))
	}
	return nil, errors.New(cut(strings.ReplaceAll(err.Error(), schemaURL, ""), 300))
}

func boundedPattern(text string) (jsonschema.Regexp, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("a regular expression of %d bytes, want at most %d", len(text), maxPattern)
	}
	return regexp.Compile(text)
}

func (m conforms) wrong(f found, s *scene) ([]string, error) {
	if !f.there {
		return judge(m, f, s, false)
	}
	err := m.schema.Validate(bare(f.value))
	if err == nil {
		return nil, nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil, fmt.Errorf("the schema can't be held against the answer: %s", cut(err.Error(), 200))
	}
	return complaints(invalid, f.value), nil
}

func (m conforms) want(*scene) (string, error) {
	if m.name != "" {
		return "what the schema " + m.name + " describes", nil
	}
	return "what the schema describes", nil
}

// complaints are the leaves of what a schema says against a value, the first few of them, each with its place.
func complaints(e *jsonschema.ValidationError, in any) []string {
	const told = 5
	var all []string
	english := message.NewPrinter(language.English)
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) > 0 {
			return
		}
		text := cut(e.ErrorKind.LocalizedString(english), maxShown)
		if place := strings.Join(e.InstanceLocation, "/"); place != "" {
			text = cut("/"+place, 200) + ": " + text
		}
		all = append(all, text)
	}
	walk(e)
	if in == nil && len(all) == 0 {
		return []string{"it isn't valid"}
	}
	if len(all) > told {
		all = append(all[:told:told], fmt.Sprintf("and %d more", len(all)-told))
	}
	return prefixed("schema: ", all)
}

// Where JSON Schema 2020-12 has schemas, and the words that it knows besides.
var (
	schemaWords = []string{"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema"}
	schemaLists = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	schemaMaps  = []string{"properties", "patternProperties", "dependentSchemas", "$defs"}
	otherWords  = []string{"$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment", "type", "enum", "const",
		"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems",
		"minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required", "dependentRequired",
		"format", "contentEncoding", "contentMediaType", "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples"}
)

// keywords refuses unknown words of an inline schema, in every depth.
func (r *reader) keywords(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch word := key.Value; {
		case slices.Contains(schemaWords, word):
			r.keywords(value)
		case slices.Contains(schemaLists, word):
			for _, each := range value.Content {
				r.keywords(each)
			}
		case slices.Contains(schemaMaps, word):
			for j := 1; j < len(value.Content); j += 2 {
				r.keywords(value.Content[j])
			}
		case slices.Contains(otherWords, word) || strings.HasPrefix(word, "x-"):
		default:
			known := slices.Concat(schemaWords, schemaLists, schemaMaps, otherWords)
			r.wrongHint(key, strictyaml.DidYouMean(word, known), "unknown word %q in a JSON Schema", word)
		}
	}
}
