package main

import (
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// eventSchema describes what the stream of events takes: a CloudEvent in structured mode, or a bare CDEvent. It refuses
// nothing that a daemon serves.
func eventSchema() map[string]any {
	line := func(most int) object { return object{"type": "string", "minLength": 1, "maxLength": most} }
	maybe := func(most int) object { return object{"type": "string", "maxLength": most} }
	name := object{"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"}
	color := object{"enum": plumbline.Colors()}
	change := object{"type": "object", "additionalProperties": false, "properties": object{"id": maybe(256), "url": maybe(2048),
		"commit": maybe(256), "requested_by": maybe(256), "approved_by": maybe(256)}}
	data := func(properties object, required ...string) object {
		properties["service"] = name
		return object{"type": "object", "properties": properties, "required": append(required, "service"), "additionalProperties": false}
	}
	reasons := []any{"", plumbline.ReasonPromote, plumbline.ReasonRollback, plumbline.ReasonBreakGlass}
	types := map[string]object{
		bus.TypeDeploying: data(object{"color": color}, "color"),
		bus.TypeDeployed: data(object{"color": color, "version": line(128), "change": change,
			"digest": object{"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}}, "color", "version"),
		bus.TypeSwitched:  data(object{"to": color, "reason": object{"enum": reasons}, "by": maybe(256), "epoch": object{"type": []string{"integer", "null"}, "minimum": 0}}, "to"),
		bus.TypeRequested: data(object{"color": color, "reason": maybe(512)}, "color"),
	}
	const cdEvents = `^dev\.cdevents\.`
	kinds := []any{object{"properties": object{"type": object{"pattern": cdEvents}}}}
	for _, kind := range []string{bus.TypeDeploying, bus.TypeDeployed, bus.TypeSwitched, bus.TypeRequested} {
		kinds = append(kinds, object{"properties": object{"type": object{"const": kind}, "data": types[kind]}})
	}
	return headed(object{"anyOf": []any{
		object{"type": "object", "required": []string{"specversion", "id", "source", "type"}, "properties": object{
			"specversion": object{"const": "1.0"}, "id": line(256), "source": line(256), "type": line(256), "time": object{"type": "string", "format": "date-time"},
			"datacontenttype": object{"type": "string"}, "data": object{"type": "object"}, "data_base64": object{"type": "string"},
		}, "oneOf": []any{object{"required": []string{"data"}}, object{"required": []string{"data_base64"}}}, "anyOf": kinds},
		object{"type": "object", "required": []string{"context", "subject"}, "properties": object{"context": object{"type": "object", "required": []string{"type"},
			"properties": object{"type": object{"type": "string", "pattern": cdEvents}}}, "subject": object{"type": "object"}}},
	}}, "event", "an event of plumbline")
}
