package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// What of a schema is kept: what asserts something about an answer.
var (
	schemaIn    = []string{"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"}
	schemasIn   = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	schemaMapIn = []string{"properties", "patternProperties", "dependentSchemas"}
	assertions  = []string{"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength",
		"pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required",
		"dependentRequired", "format"}
)

// maxInline is how long a schema may be that stands in the suite itself, in bytes of JSON.
const maxInline = 240

// maxSchemaFiles is how many schemas have files of their own: a suite may have no more than 100 beside it.
const maxSchemaFiles = 90

// maxWrittenPattern bounds a pattern, in bytes: the loader takes no longer one.
const maxWrittenPattern = 1 << 10

// expect drafts what the document promises of the answer.
func (im *importer) expect(line func(string, ...any), method, path string, o *openapi3.Operation) {
	status, response := promised(o)
	var wants []string
	if status != "" {
		wants = append(wants, "status: "+status)
	}
	media, content := "", (*openapi3.MediaType)(nil)
	if response != nil && method != "HEAD" {
		media, content = jsonContent(response.Content)
	}
	if media != "" {
		wants = append(wants, "headers.Content-Type: {starts_with: "+yamlText(media)+"}")
		if content.Schema != nil {
			if schema := im.schema(content.Schema, cmp.Or(o.OperationID, method+path)); schema != "" {
				wants = append(wants, "$: {schema: "+schema+"}")
			}
		}
	}
	switch len(wants) {
	case 0:
	case 1:
		line("expect: {%s}", wants[0])
	default:
		line("expect:")
		for _, want := range wants {
			line("  %s", want)
		}
	}
}

// promised is the first success of an operation: its status, "" for any 2xx.
func promised(o *openapi3.Operation) (string, *openapi3.Response) {
	if o.Responses == nil {
		return "", nil
	}
	all := o.Responses.Map()
	for _, status := range slices.Sorted(maps.Keys(all)) {
		if len(status) == 3 && status[0] == '2' && all[status].Value != nil {
			if strings.ContainsAny(status, "xX") {
				status = ""
				return status, all["2XX"].Value
			}
			return status, all[status].Value
		}
	}
	return "", nil
}

func jsonContent(content openapi3.Content) (string, *openapi3.MediaType) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		base, _, _ := strings.Cut(media, ";")
		base = strings.TrimSpace(base)
		if content[media] != nil && (base == "application/json" || strings.HasSuffix(base, "+json")) && !strings.Contains(base, "*") {
			return base, content[media]
		}
	}
	return "", nil
}

// schema is a short schema itself, or the name of the file that has it; "" if it asserts nothing.
func (im *importer) schema(s *openapi3.SchemaRef, operation string) string {
	c := converter{document: im.document, defs: map[string]any{}}
	root, is := c.schema(decoded(s)).(map[string]any)
	if !is || len(root) == 0 {
		return ""
	}
	for len(c.wanted) > 0 {
		name := c.wanted[0]
		c.wanted = c.wanted[1:]
		c.defs[name] = map[string]any{}
		if component := im.document.Components.Schemas[name]; component != nil {
			c.defs[name] = c.schema(decoded(component))
		}
	}
	if len(c.defs) > 0 {
		root["$defs"] = c.defs
	}
	if text := compactJSON(root); len(text) <= maxInline {
		return text
	}
	if im.written == maxSchemaFiles {
		im.left++
		return ""
	}
	im.written++
	name := im.fileName(operation)
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return ""
	}
	im.files[filepath.Join(im.dir, filepath.FromSlash(name))] = string(text) + "\n"
	return name
}

var notInFile = regexp.MustCompile(`[^A-Za-z0-9]+`)

// fileName is one for the schema of an operation that no other has.
func (im *importer) fileName(operation string) string {
	slug := strings.ToLower(strings.Trim(notInFile.ReplaceAllString(operation, "-"), "-"))
	slug = slug[:min(len(slug), 60)]
	for n := 1; ; n++ {
		name := im.schemas + "/" + slug + ".json"
		if n > 1 {
			name = fmt.Sprintf("%s/%s-%d.json", im.schemas, slug, n)
		}
		if _, taken := im.files[filepath.Join(im.dir, filepath.FromSlash(name))]; !taken {
			return name
		}
	}
}

// decoded is a schema as JSON has it, with its references.
func decoded(s *openapi3.SchemaRef) any {
	data, err := s.MarshalJSON()
	if err != nil {
		return map[string]any{}
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return map[string]any{}
	}
	return v
}

// A converter turns schemas of OpenAPI into JSON Schema 2020-12: what 3.0 says in words of its own, it says in those.
type converter struct {
	document *openapi3.T
	defs     map[string]any
	wanted   []string
}

const componentPrefix = "#/components/schemas/"

func (c *converter) schema(v any) any {
	from, is := v.(map[string]any)
	if !is {
		return v // true or false
	}
	to := map[string]any{}
	if ref, is := from["$ref"].(string); is {
		name, component := strings.CutPrefix(ref, componentPrefix)
		if component && !strings.Contains(name, "/") {
			c.want(name)
			to["$ref"] = "#/$defs/" + name
		}
	}
	for _, key := range assertions {
		if value, has := from[key]; has {
			to[key] = value
		}
	}
	for _, key := range schemaIn {
		if value, has := from[key]; has {
			to[key] = c.schema(value)
		}
	}
	for _, key := range schemasIn {
		if list, has := from[key].([]any); has && len(list) > 0 {
			all := make([]any, len(list))
			for i, each := range list {
				all[i] = c.schema(each)
			}
			to[key] = all
		}
	}
	for _, key := range schemaMapIn {
		if fields, has := from[key].(map[string]any); has {
			all := map[string]any{}
			for name, each := range fields {
				all[name] = c.schema(each)
			}
			to[key] = all
		}
	}
	readable(from, to)
	asIn2020(from, to)
	return to
}

func (c *converter) want(name string) {
	if _, known := c.defs[name]; !known && !slices.Contains(c.wanted, name) {
		c.wanted = append(c.wanted, name)
	}
}

// readable leaves out what is only ever sent to the server.
func readable(from, to map[string]any) {
	fields, is := from["properties"].(map[string]any)
	if !is {
		return
	}
	kept, _ := to["properties"].(map[string]any)
	required, _ := to["required"].([]any)
	for name, field := range fields {
		if f, is := field.(map[string]any); is && f["writeOnly"] == true {
			delete(kept, name)
			required = slices.DeleteFunc(slices.Clone(required), func(r any) bool { return r == name })
		}
	}
	if len(required) > 0 {
		to["required"] = required
	} else {
		delete(to, "required")
	}
}

// asIn2020 says what OpenAPI 3.0 says otherwise, and leaves out patterns that aren't RE2.
func asIn2020(from, to map[string]any) {
	for _, bound := range [][2]string{{"exclusiveMinimum", "minimum"}, {"exclusiveMaximum", "maximum"}} {
		switch to[bound[0]] {
		case true:
			to[bound[0]] = to[bound[1]]
			delete(to, bound[1])
		case false:
			delete(to, bound[0])
		}
		if to[bound[0]] == nil {
			delete(to, bound[0])
		}
	}
	if pattern, is := to["pattern"].(string); is {
		if _, err := regexp.Compile(pattern); err != nil || len(pattern) > maxWrittenPattern {
			delete(to, "pattern")
		}
	}
	if from["nullable"] != true {
		return
	}
	switch kind := to["type"].(type) {
	case string:
		to["type"] = []any{kind, "null"}
	case []any:
		to["type"] = append(slices.Clone(kind), "null")
	}
	if all, is := to["enum"].([]any); is && !slices.Contains(all, nil) {
		to["enum"] = append(slices.Clone(all), nil)
	}
}
