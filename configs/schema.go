package configs

import (
	"maps"
	"reflect"
	"slices"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// SchemaID names the JSON Schema of a configuration.
const SchemaID = "https://plumbline.dev/schemas/config.json"

type object = map[string]any

// Schema is the JSON Schema (2020-12) of a configuration file, made of the structs that the loader fills. It refuses
// nothing that the loader takes.
func Schema() map[string]any {
	secret := object{"$ref": "#/$defs/secret"}
	shaper := strictyaml.Shaper{
		Types: map[reflect.Type]any{
			reflect.TypeFor[Secret]():      secret,
			reflect.TypeFor[Instant]():     object{"type": "string", "description": "2026-12-01, or a time of RFC 3339"},
			reflect.TypeFor[Size]():        object{"type": []string{"string", "integer"}, "examples": []string{"512KiB", "2MiB"}},
			reflect.TypeFor[Live]():        liveShape(),
			reflect.TypeFor[Connection]():  object{"$ref": "#/$defs/connection"},
			reflect.TypeFor[NamedSecret](): object{"$ref": "#/$defs/namedSecret"},
			reflect.TypeFor[Reporter]():    object{"$ref": "#/$defs/reporter"},
		},
	}
	type token Token // without the method that decodes it
	shaper.Types[reflect.TypeFor[Token]()] = shaper.Of(token{})
	top := shaper.Of(Config{})
	top["$schema"], top["$id"], top["title"] = "https://json-schema.org/draft/2020-12/schema", SchemaID, "the settings of plumbline"
	top["$defs"] = object{
		"secret":      secretShape(nil),
		"namedSecret": secretShape(object{"hosts": object{"type": "array", "minItems": 1, "items": text(""), "description": "who may have it"}}),
		"connection":  connectionShape(shaper),
		"reporter":    reporterShape(shaper),
	}
	restrict(top)
	return top
}

// restrict adds what the types of Go don't say: the words that a key takes.
func restrict(top object) {
	enum := func(words []string, way ...string) {
		at := top
		for _, key := range way {
			at = at["properties"].(object)[key].(object)
			if items, list := at["items"].(object); list {
				at = items
			}
			if values, mapped := at["additionalProperties"].(object); mapped {
				at = values
			}
		}
		clear(at)
		at["enum"] = words
	}
	enum([]string{RollbackWarn, RollbackEnforce}, "services", "gate", "rollback")
	enum([]string{ModeEnforce, ModeObserve}, "services", "gate", "mode")
	enum([]string{"block", "wait", "warn"}, "services", "on_shared_failure")
	enum([]string{"debug", "info", "warn", "error"}, "log", "level")
	enum([]string{"auto", "text", "json"}, "log", "format")
	enum(Roles(), "tokens", "roles")
}

// text is taken as it is written.
func text(about string) object {
	shape := object{"type": []string{"string", "number", "boolean"}}
	if about != "" {
		shape["description"] = about
	}
	return shape
}

// secretShape is a reference to a secret: a literal one is refused.
func secretShape(more object) object {
	properties := object{"env": text("the environment variable that has it"),
		"file": text("the file that has it, which nobody else may read")}
	maps.Copy(properties, more)
	return object{"type": "object", "properties": properties, "additionalProperties": false,
		"oneOf": []any{object{"required": []string{"env"}}, object{"required": []string{"file"}}}, "required": slices.AppendSeq([]string{}, maps.Keys(more))}
}

func liveShape() object {
	color := object{"enum": plumbline.Colors()}
	return object{"anyOf": []any{color, object{"type": "object", "required": []string{"color"}, "additionalProperties": false,
		"properties": object{"color": color, "version": text("")}}}}
}

// connectionShape takes the keys of the kind, and those of every kind.
func connectionShape(s strictyaml.Shaper) object {
	var kinds []any
	for _, kind := range ConnectionKinds() {
		shape := s.Of((&Connection{Kind: kind}).of())
		properties := shape["properties"].(object)
		properties["kind"] = object{"const": kind}
		properties["rate"] = s.Of(Rate{})
		properties["on_shared_failure"], properties["wait_for"] = object{"enum": plumbline.SharedPolicies()}, s.Of(Shared{})["properties"].(object)["wait_for"]
		kinds = append(kinds, object{"if": object{"properties": object{"kind": object{"const": kind}}, "required": []string{"kind"}}, "then": shape})
	}
	return object{"type": "object", "required": []string{"kind"}, "properties": object{"kind": object{"enum": ConnectionKinds()}}, "allOf": kinds}
}

func reporterShape(s strictyaml.Shaper) object {
	shape := s.Of(Slack{})
	properties := shape["properties"].(object)
	properties["kind"], properties["on"] = object{"enum": []string{KindSlack}}, s.Of(On{})
	shape["required"] = []string{"kind"}
	return shape
}
