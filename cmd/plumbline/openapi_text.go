package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// body is an example of what an operation takes, for a check that somebody will complete.
func (im *importer) body(o *openapi3.Operation) string {
	if o.RequestBody == nil || o.RequestBody.Value == nil {
		return ""
	}
	_, content := jsonContent(o.RequestBody.Value.Content)
	if content == nil {
		return ""
	}
	if content.Example != nil {
		return compactJSON(content.Example)
	}
	for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
		if e := content.Examples[name]; e != nil && e.Value != nil && e.Value.Value != nil {
			return compactJSON(e.Value.Value)
		}
	}
	if content.Schema != nil && content.Schema.Value != nil && content.Schema.Value.Example != nil {
		return compactJSON(content.Schema.Value.Example)
	}
	return "{}"
}

func compactJSON(v any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "{}"
	}
	return strings.ReplaceAll(strings.TrimSpace(out.String()), "$(", "$$(")
}

var plainYAML = regexp.MustCompile(`^[A-Za-z/$][A-Za-z0-9_/.()$-]*( [A-Za-z0-9_/.()-]+)*$`)

// yamlText is text as a value of YAML.
func yamlText(text string) string {
	if plainYAML.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(text)) {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(quoted)
}
