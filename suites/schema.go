package suites

import (
	"slices"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// SchemaID names the JSON Schema of suites.
const SchemaID = "https://plumbline.dev/schemas/suite.json"

type object = map[string]any

func ref(name, text string) object {
	return object{"$ref": "#/$defs/" + name, "description": text}
}

func listed(of, text string) object {
	return object{"type": "array", "minItems": 1, "items": object{"$ref": "#/$defs/" + of}, "description": text}
}

// Schema is the JSON Schema (2020-12) of a suite, made of what the loader reads it with. It refuses nothing that the
// loader takes; what only the loader knows (names of others, cycles, contradictions) it lets pass.
func Schema() map[string]any {
	defs := checks.Defs()
	kinds := checks.Shapes()
	for key := range checks.Kinds(checks.Clients{}) {
		if _, described := kinds[key]; !described {
			kinds[key] = checks.KindShape{}
		}
	}
	defs["check"] = checks.CheckShape(shaped(common{}), kinds)
	top := strictyaml.Shaper{Keys: topKeys()}.Of(file{})
	top["$schema"], top["$id"], top["title"], top["$defs"] = "https://json-schema.org/draft/2020-12/schema", SchemaID, "a suite of plumbline", defs
	top["anyOf"] = []any{object{"required": []string{"suite"}}, included()}
	return top
}

// included is a file without a name: it has the keys that may be included.
func included() object {
	others := []any{}
	for _, key := range strictyaml.Keys(file{}) {
		if !slices.Contains(strictyaml.Keys(part{}), key) {
			others = append(others, object{"required": []string{key}})
		}
	}
	return object{"not": object{"anyOf": others}}
}

func shaped(of any) map[string]any {
	return strictyaml.Shaper{Keys: commonShapes()}.Of(of)["properties"].(object)
}

// topKeys describe the keys of a file.
func topKeys() map[string]any {
	var triggers []string
	for _, t := range plumbline.SuiteTriggers() {
		triggers = append(triggers, string(t))
	}
	name := func(text string) object {
		return object{"type": []string{"string", "boolean", "null"}, "pattern": `^[a-z][a-z0-9-]{0,62}$`, "description": text}
	}
	return map[string]any{
		"suite":   name("the name of the suite"),
		"service": name("the service it is for; without it, every service that loads it"),
		"triggers": object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"enum": triggers},
			"description": "when it is asked: after a release (default), right after a switch, of the standby"},
		"always":   object{"type": "boolean", "description": "used as it is today, where a standby is otherwise asked what it was deployed with"},
		"timeout":  ref("duration", "for all its checks together"),
		"vars":     object{"type": "object", "propertyNames": object{"pattern": `^[A-Za-z_][A-Za-z0-9_-]{0,62}$`}, "description": "values of $(vars.name)"},
		"defaults": object{"type": "object", "properties": shaped(defaults{}), "additionalProperties": false, "description": "of checks that don't say themselves"},
		"include":  listed("text", "other files, relative to this one"),
		"setup":    listed("check", "asked before everything else"),
		"checks":   listed("check", "asked all at once"),
		"teardown": listed("check", "asked after everything else, whatever happened"),
	}
}

// commonShapes describe the keys that every check may have.
func commonShapes() map[string]any {
	text := func(about string) object { return ref("text", about) }
	return map[string]any{
		"name":            text("unique in the suite; default GET /healthz"),
		"severity":        object{"enum": []any{plumbline.Critical, plumbline.Advisory}, "description": "critical (default) decides the verdict, advisory is only told"},
		"timeout":         ref("duration", "for all attempts and the waits between them; default 10s"),
		"attempt_timeout": ref("duration", "for one attempt; default timeout/(retries+1)"),
		"retries":         object{"type": "integer", "minimum": 0, "maximum": 10, "description": "how often more"},
		"retry_on": object{"type": "array", "minItems": 1, "items": object{"anyOf": []any{object{"enum": []string{"errored", "failed", "throttled"}},
			object{"type": "integer", "minimum": 100, "maximum": 599}, object{"type": "string", "pattern": "^[1-5][0-9][0-9]$"}}}, "description": "after what"},
		"auth":     text("a connection of the configuration"),
		"effect":   object{"enum": []any{plumbline.EffectNone, plumbline.EffectUndone, plumbline.EffectLasting}, "description": "what it leaves behind"},
		"teardown": listed("step", "takes back what the check did, by $(run.id); of effect undone"),
		"poll": object{"type": "object", "required": []string{"for"}, "additionalProperties": false, "description": "ask until the answer is right", "properties": object{
			"every": ref("duration", "default 2s"), "for": ref("duration", "at most so long"),
			"stop_if": object{"type": "object", "minProperties": 1, "description": "a state in which waiting is vain"}}},
		"each": object{"anyOf": []any{object{"$ref": "#/$defs/text"}, object{"type": "array", "minItems": 1, "items": object{"type": "object", "minProperties": 1}},
			object{"type": "object", "minProperties": 1, "additionalProperties": object{"type": "object", "minProperties": 1}}}, "description": "a check for each row, $(row.x): rows, or a CSV or JSON file"},
		"needs": listed("text", "checks that must pass first"),
		"since": text("versions below skip it"),
		"skip": object{"type": "object", "required": []string{"reason", "owner", "until"}, "additionalProperties": false, "description": "not asked until that day", "properties": object{
			"reason": text("why"), "owner": text("who brings it back"), "until": ref("date", "such as 2026-12-31")}},
		"control":           object{"type": "boolean", "description": "ask the live color, too, when it fails; default true"},
		"on_shared_failure": object{"enum": plumbline.SharedPolicies(), "description": "what its failure does if the live color fails the same way; default the connection's, then the service's"},
		"wait_for":          ref("duration", "of on_shared_failure wait: how long it is asked again"),
		"max_age":           ref("duration", "how old an answer of another run may be that serves a standby"),
		"tags":              object{"type": "array", "items": object{"$ref": "#/$defs/name"}, "description": "for run --tag"},
		"owner":             text("who answers for it"),
		"impact":            text("what is broken for whom when it fails"),
		"cure":              text("what to do about it"),
	}
}
