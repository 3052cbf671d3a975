package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

type object = map[string]any

// words are what the types of documents take that are one of a few. Where nothing is known a document says "".
func words() map[reflect.Type][]any {
	of := func(all ...any) []any { return all }
	return map[reflect.Type][]any{
		reflect.TypeFor[plumbline.Color]():    of("", plumbline.Blue, plumbline.Green),
		reflect.TypeFor[plumbline.Role]():     of("", plumbline.RoleLive, plumbline.RoleIdle, plumbline.RoleStandby),
		reflect.TypeFor[plumbline.Trigger]():  of(plumbline.TriggerRelease, plumbline.TriggerSwitched, plumbline.TriggerStandby, plumbline.TriggerManual),
		reflect.TypeFor[plumbline.Severity](): of(plumbline.Critical, plumbline.Advisory),
		reflect.TypeFor[plumbline.Effect]():   of(plumbline.EffectNone, plumbline.EffectUndone, plumbline.EffectLasting),
		reflect.TypeFor[plumbline.Outcome]():  of(plumbline.Passed, plumbline.Failed, plumbline.Errored, plumbline.Skipped),
		reflect.TypeFor[plumbline.Cause](): of(plumbline.CauseChecks, plumbline.CauseSuperseded, plumbline.CauseDeadline, plumbline.CauseUnfinished,
			plumbline.CauseRefused),
		reflect.TypeFor[plumbline.Attribution](): of(plumbline.AttributedRelease, plumbline.AttributedShared, plumbline.AttributedUnknown),
		reflect.TypeFor[plumbline.Class]():       anyOf(plumbline.Classes()),
		reflect.TypeFor[plumbline.Tier]():        anyOf(plumbline.Tiers()),
		reflect.TypeFor[plumbline.GateState]():   of(plumbline.GateOpen, plumbline.GateClosed, plumbline.GateWaiting),
		reflect.TypeFor[plumbline.Purpose]():     of(plumbline.PurposePromote, plumbline.PurposeRollback),
	}
}

func anyOf[T any](words []T) []any {
	all := make([]any, len(words))
	for i, word := range words {
		all[i] = word
	}
	return all
}

// jsonShape is the JSON Schema of what encoding/json makes of a type. Keys that a later version adds are no mistake.
func jsonShape(t reflect.Type) object {
	if all, few := words()[t]; few {
		return object{"enum": all}
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[plumbline.Seconds]():
		return object{"type": "number", "minimum": 0, "description": "seconds"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonShape(t.Elem())
	case reflect.Struct:
		properties, required := object{}, []string{}
		jsonFields(t, properties, &required)
		return object{"type": "object", "properties": properties, "required": required}
	case reflect.Slice:
		return object{"type": "array", "items": jsonShape(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": jsonShape(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		return object{"type": "integer", "minimum": 0}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	}
	return object{}
}

// jsonFields adds the members of a struct; those that are never left out are required.
func jsonFields(t reflect.Type, properties object, required *[]string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case !field.IsExported() || name == "-":
			continue
		case field.Anonymous && name == "":
			jsonFields(field.Type, properties, required)
			continue
		case name == "":
			name = field.Name
		}
		properties[name] = jsonShape(field.Type)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
}
