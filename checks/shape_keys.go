package checks

import (
	"maps"
	"slices"
)

// parameterKeys describe the keys of all kinds' parameters, by kind and key, or by key where it means the same everywhere.
var parameterKeys = map[string]object{
	"headers":    described("pairs", "headers, each with a value or a list of them"),
	"query":      described("pairs", "the query, each name with a value or a list of them"),
	"form":       described("pairs", "the body as a form"),
	"json":       {"description": "the body as JSON"},
	"body":       described("text", "the body as text"),
	"auth":       described("name", "a connection of the configuration; none for no one's"),
	"through":    described("name", "the connection that this endpoint asks a provider with"),
	"follow":     {"type": "boolean", "description": "follow redirects, never to another host"},
	"connection": {"enum": []string{"fresh"}, "description": "open a new connection"},
	"mode":       {"enum": []string{"canary"}, "description": "leave something behind, to prove that it works"},
	"scopes":     listed(ref("text"), "that the account must have"),
	"method":     {"type": "string", "pattern": "^(?i:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)$", "description": "default GET"},
	"url":        described("url", "absolute, or beneath the environment's"),

	"ignore":    listed(ref("path"), "what may differ"),
	"unordered": {"type": "object", "minProperties": 1, "propertyNames": ref("path"), "additionalProperties": ref("text"), "description": "lists whose order means nothing, by path, each with the field that tells its elements apart"},
	"tolerance": {"type": "object", "minProperties": 1, "propertyNames": ref("path"), "additionalProperties": object{"type": "number", "exclusiveMinimum": 0}, "description": "how far numbers may be apart, by path"},
	"accept": listed(object{"type": "object", "required": []string{"path", "reason", "until"}, "additionalProperties": false, "properties": object{
		"path": ref("path"), "reason": ref("text"), "until": described("date", "from when it is told again"),
	}}, "differences that somebody agreed to, for a time"),

	"address":  described("text", "host:port"),
	"name":     described("text", "the name to ask for"),
	"type":     {"enum": slices.Sorted(maps.Keys(recordTypes)), "description": "of records; default A"},
	"resolver": described("text", "host:port of the resolver; default the system's"),
	"until":    described("text", "the text at the end of the answer; default a line's end"),
	"send":     described("text", "what is sent"),
	"tls":      {"type": "boolean", "description": "speak TLS"},

	"callback.send":      described("sent", "the request that makes the environment send, with $(callback.url) in it"),
	"callback.at":        described("name", "the secret that ends a standing address"),
	"callback.match":     described("expect", "which of the requests that arrive is meant"),
	"callback.within":    described("duration", "how long it is waited for; default 30s"),
	"callback.signature": signatureShape(),

	"service": described("text", "whose health is asked"),
	"call":    described("text", "package.Service/Method"),
	"request": {"description": "of the call, as JSON"},

	"websocket.send":            {"description": "a message, or a list of them: text as it is, everything else as JSON"},
	"websocket.receive":         {"type": "integer", "minimum": 0, "description": "how many messages are read"},
	"websocket.until":           {"type": "object", "minProperties": 1, "description": "of the message that is the answer"},
	"webhook.connection":        described("name", "of kind webhook"),
	"webhook.method":            {"enum": []string{"HEAD", "OPTIONS"}, "description": "default HEAD, then OPTIONS where that isn't taken"},
	"webhook.json":              {"description": "what a canary posts"},
	"darwinbox.connection":      described("name", "of kind darwinbox"),
	"darwinbox.employee":        described("text", "the id of an employee that there always is; default the connection's"),
	"teams.connection":          described("name", "of kind teams"),
	"teams.roles":               listed(ref("text"), "that the app must have at Graph"),
	"teams.team":                described("text", "the id of a team that Graph must know; default the connection's"),
	"teams.mode":                {"enum": []string{teamsAuth, teamsCanary, teamsReach}, "description": "of a workflow: that its host answers, that it refuses a post without a signature (default), or that it takes a card"},
	"slack.connection":          described("name", "of kind slack"),
	"slack.channel":             described("text", "that the app must be in, by its id"),
	"slack.data":                {"enum": sortedKeys(slackData), "description": "what must have a row"},
	"graphql.query":             described("text", "the document"),
	"variables":                 {"type": "object", "description": "of the document"},
	"operation":                 described("text", "of the document, where it has several"),
	"successfactors.connection": described("name", "of kind successfactors"),
	"successfactors.entities":   listed(object{"type": "string"}, "that the user must be able to read; default User"),
	"successfactors.data":       listed(object{"type": "string"}, "of the entities, those that must have a row; default all"),
	"successfactors.odata":      {"enum": sortedKeys(odataVersions), "description": "default v2"},

	"workday.connection": described("name", "of kind workday"),
	"workday.use":        {"enum": []string{useREST, useSOAP}, "description": "default rest, or soap if the connection has no API client"},
	"workday.resources":  listed(object{"$ref": "#/$defs/text", "pattern": resourceName.String()}, "collections of REST that must have a row; default workers"),
	"workday.report":     reportShape(),
}

// matcherKeys describe the matchers.
var matcherKeys = map[string]object{
	"eq":          {"description": "equals"},
	"not":         described("matcher", "doesn't equal, or doesn't match"),
	"lt":          {"type": []string{"string", "number"}, "description": "is less than"},
	"lte":         {"type": []string{"string", "number"}, "description": "is at most"},
	"gt":          {"type": []string{"string", "number"}, "description": "is more than"},
	"gte":         {"type": []string{"string", "number"}, "description": "is at least"},
	"one_of":      {"type": "array", "minItems": 1, "description": "is one of these"},
	"matches":     described("text", "matches a regular expression (RE2)"),
	"contains":    {"type": []string{"string", "number", "boolean", "null", "array"}, "description": "contains a text or an element"},
	"starts_with": {"type": "string", "description": "begins with"},
	"ends_with":   {"type": "string", "description": "ends with"},
	"length":      described("matcher", "has this many characters, elements or fields"),
	"type":        {"enum": append([]any{nil}, anys(typeNames)...), "description": "is of this type"},
	"exists":      described("flag", "is there, or not"),
	"empty":       described("flag", "is empty, or not"),
	"all":         described("element", "all elements match, of which there is one at least"),
	"any":         described("element", "an element matches"),
	"schema":      {"type": []string{"object", "string", "number", "boolean"}, "description": "a JSON Schema, or a file beside the suite"},
}

func anys(words []string) []any {
	all := make([]any, len(words))
	for i, word := range words {
		all[i] = word
	}
	return all
}
