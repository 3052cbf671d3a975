package checks

import (
	"maps"
	"slices"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// A KindShape is what a kind takes, as JSON Schema.
type KindShape struct {
	Value  any            // beneath the kind's key
	Own    map[string]any // beside it, by key
	Places []string       // that its answers have to be matched, as the loader names them
}

// An object is a JSON Schema in the making.
type object = map[string]any

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

// described is a reference, with what an editor shows.
func described(name, text string) object {
	return object{"$ref": "#/$defs/" + name, "description": text}
}

// listed is a list of at least one.
func listed(of object, text string) object {
	return object{"type": "array", "minItems": 1, "items": of, "description": text}
}

// shaped describes a struct of parameters.
func shaped(kind string, parameters any) object {
	keys := map[string]any{}
	for _, key := range strictyaml.Keys(parameters) {
		if said, known := parameterKeys[kind+"."+key]; known {
			keys[key] = said
		} else if said, known := parameterKeys[key]; known {
			keys[key] = said
		}
	}
	return strictyaml.Shaper{Keys: keys}.Of(parameters)
}

// either is the main parameter alone, or a map of all.
func either(main object, kind string, parameters any) object {
	return object{"anyOf": []any{main, shaped(kind, parameters)}}
}

// Shapes describe every kind of Kinds. A kind that isn't described takes anything.
func Shapes() map[string]KindShape {
	siblings := shaped("http", parameters{})["properties"].(object)
	shapes := map[string]KindShape{
		"http":           {Value: either(ref("url"), "http", longParameters{}), Places: httpPlaces},
		"steps":          {Value: listed(ref("step"), "checks one after another, with captures and cookies shared"), Places: []string{}},
		"parity":         {Value: parityShape(siblings), Places: httpPlaces},
		"graphql":        {Value: either(ref("text"), "graphql", graphParameters{}), Places: httpPlaces},
		"tcp":            {Value: either(ref("text"), "tcp", tcpParameters{}), Places: tcpPlaces},
		"tls":            {Value: either(ref("text"), "tls", tlsParameters{}), Places: []string{"latency", "certificate"}},
		"dns":            {Value: either(ref("text"), "dns", dnsParameters{}), Places: []string{"latency", "code", "records", "ttl"}},
		"callback":       {Value: shaped("callback", callbackParameters{}), Places: callbackPlaces},
		"grpc":           {Value: either(ref("text"), "grpc", grpcParameters{}), Places: grpcPlaces},
		"darwinbox":      providerShape("darwinbox", darwinboxParameters{}),
		"slack":          providerShape("slack", slackParameters{}),
		"teams":          providerShape("teams", teamsParameters{}),
		"webhook":        providerShape("webhook", webhookParameters{}),
		"websocket":      {Value: either(ref("text"), "websocket", socketParameters{}), Places: socketPlaces},
		"successfactors": providerShape("successfactors", successFactorsParameters{}),
		"workday":        providerShape(KindWorkday, workdayParameters{}),
	}
	for _, key := range []string{"get", "post", "put", "patch", "delete", "head", "options"} {
		shapes[key] = KindShape{Value: ref("url"), Own: siblings, Places: httpPlaces}
	}
	return shapes
}

// providerShape is a kind that asks a provider: the connection alone, or a map.
func providerShape(kind string, parameters any) KindShape {
	shape := either(ref("name"), kind, parameters)
	shape["anyOf"].([]any)[1].(object)["required"] = []string{"connection"}
	return KindShape{Value: shape, Places: providerPlaces}
}

// parityShape is any request in its short form, with what may differ.
func parityShape(siblings object) object {
	rules := shaped("parity", parityParameters{})["properties"].(object)
	properties := maps.Clone(rules)
	maps.Copy(properties, siblings)
	var one []any
	for _, key := range []string{"get", "post", "put", "patch", "delete", "head", "options"} {
		properties[key] = ref("url")
		one = append(one, object{"required": []string{key}})
	}
	properties["http"] = either(ref("url"), "http", longParameters{})
	one = append(one, object{"required": []string{"http"}})
	return object{"anyOf": []any{ref("url"), object{"type": "object", "properties": properties, "additionalProperties": false, "oneOf": one}}}
}

// Defs are what shapes refer to: what stands in a value, in expect and in capture.
func Defs() map[string]any {
	scalar := []string{"string", "number", "boolean", "null"}
	return map[string]any{
		"text": object{"type": scalar},
		"name": object{"type": scalar},
		"url":  object{"type": "string", "pattern": `^($|/|https?://|\$\()`},
		"path": object{"type": "string", "pattern": `^\$`},
		"date": object{"type": "string"},
		"flag": object{"type": "boolean"},
		"pairs": object{"type": "object", "additionalProperties": object{
			"anyOf": []any{object{"type": scalar}, object{"type": "array", "items": object{"type": scalar}}}}},
		"duration": object{"type": []string{"string", "integer"}, "pattern": strictyaml.DurationPattern, "examples": []string{"300ms", "5s", "2m"}},
		"latency": object{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": object{
			"lt": ref("lapse"), "lte": ref("lapse"), "gt": ref("lapse"), "gte": ref("lapse")}},
		"lapse":       object{"type": []string{"string", "integer"}, "examples": []string{"300ms", "5s"}},
		"matcher":     matcherShape(false),
		"element":     matcherShape(true),
		"certificate": certificateShape(),
		"expect":      ExpectShape(httpPlaces),
		"capture": object{"type": "object", "minProperties": 1, "propertyNames": object{"pattern": nameRule.String()}, "additionalProperties": object{
			"anyOf": []any{ref("text"), object{"type": "object", "required": []string{"path"}, "additionalProperties": false, "properties": object{
				"path": ref("text"), "public": described("flag", "it may be shown")}}}}},
		"sent": CheckShape(map[string]any{}, requestKinds()),
		"step": CheckShape(stepKeysShape(), stepKinds()),
	}
}

// reportShape describes a report of Workday.
func reportShape() object {
	keys := map[string]any{"owner": described("text", "its owner's user name"), "name": described("text", "as in the URL of its web service"),
		"prompts": described("pairs", "its prompts, each with a value or a list of them")}
	shape := strictyaml.Shaper{Keys: keys}.Of(workdayReportParameters{})
	shape["description"], shape["required"] = "a custom report that must have a row", []string{"owner", "name"}
	return shape
}

// signatureShape describes how a callback is signed.
func signatureShape() object {
	keys := map[string]any{}
	for _, key := range strictyaml.Keys(signatureParameters{}) {
		keys[key] = ref("text")
	}
	shape := strictyaml.Shaper{Keys: keys}.Of(signatureParameters{})
	shape["properties"].(object)["kind"] = object{"enum": signatureKinds}
	shape["description"], shape["required"] = "how it is signed", []string{"kind"}
	return shape
}

// stepKeysShape describes the common keys of a step.
func stepKeysShape() map[string]any {
	keys := map[string]any{}
	for _, key := range stepKeys {
		keys[key] = ref("text")
	}
	keys["effect"] = object{"enum": []any{plumbline.EffectNone, plumbline.EffectLasting}}
	return keys
}

// requestKinds are the kinds of one HTTP request.
func requestKinds() map[string]KindShape {
	kinds := Shapes()
	maps.DeleteFunc(kinds, func(key string, shape KindShape) bool { return shape.Own == nil && key != "http" })
	return kinds
}

// stepKinds are the kinds of steps: what a scenario isn't itself.
func stepKinds() map[string]KindShape {
	kinds := Shapes()
	delete(kinds, "steps")
	return kinds
}

func matcherShape(element bool) object {
	properties := object{}
	for _, name := range matcherNames {
		properties[name] = object{}
		if said, known := matcherKeys[name]; known {
			properties[name] = said
		}
	}
	matchers := object{"type": "object", "minProperties": 1, "properties": properties, "additionalProperties": false}
	if element {
		matchers["patternProperties"] = object{`^[$/]`: ref("matcher")}
	}
	return object{"anyOf": []any{object{"not": object{"type": "object"}}, matchers}}
}

func certificateShape() object {
	properties := object{}
	for _, field := range certificateFields {
		properties[field] = ref("matcher")
	}
	return object{"type": "object", "minProperties": 1, "properties": properties, "additionalProperties": false}
}

// placeKeys describe the places of answers that aren't matched by any matcher.
var placeKeys = map[string]object{
	"status":      described("matcher", "of the answer; 2xx unless it is named"),
	"latency":     described("latency", "of the last attempt, body included"),
	"size":        described("matcher", "of the body in bytes"),
	"body":        described("matcher", "the text"),
	"certificate": described("certificate", "of the connection"),
}

// ExpectShape describes `expect` where these places can be matched.
func ExpectShape(places []string) map[string]any {
	properties, patterns := object{}, object{}
	for _, place := range places {
		switch place {
		case anyHeader:
			patterns[`^headers\..`] = ref("matcher")
		case anyPath:
			patterns[`^\$`] = ref("matcher")
		case anyXPath:
			patterns[`^/`] = ref("matcher")
		default:
			properties[place] = ref("matcher")
			if said, known := placeKeys[place]; known {
				properties[place] = said
			}
		}
	}
	return object{"type": "object", "minProperties": 1, "properties": properties, "patternProperties": patterns, "additionalProperties": false}
}

// CheckShape describes a check of exactly one of these kinds, with these common keys.
func CheckShape(common map[string]any, kinds map[string]KindShape) map[string]any {
	properties := maps.Clone(common)
	properties["expect"] = object{"type": "object", "minProperties": 1, "description": "what is wanted of the answer; a map is always matchers"}
	properties["capture"] = ref("capture")
	var one, rules []any
	owners := map[string][]any{}
	for _, key := range slices.Sorted(maps.Keys(kinds)) {
		kind := kinds[key]
		properties[key] = kind.Value
		if kind.Value == nil {
			properties[key] = object{}
		}
		one = append(one, object{"required": []string{key}})
		for own, shape := range kind.Own {
			properties[own] = shape
			owners[own] = append(owners[own], object{"required": []string{key}})
		}
		if kind.Places != nil {
			rules = append(rules, object{"if": object{"required": []string{key}}, "then": object{"properties": object{"expect": expectOf(kind.Places)}}})
		}
	}
	for _, own := range slices.Sorted(maps.Keys(owners)) {
		rules = append(rules, object{"dependentSchemas": object{own: object{"anyOf": owners[own]}}})
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false, "oneOf": one, "allOf": rules}
}

// expectOf is false where a kind has no answer of its own.
func expectOf(places []string) any {
	switch {
	case len(places) == 0:
		return false
	case slices.Equal(places, httpPlaces):
		return ref("expect")
	}
	return ExpectShape(places)
}
