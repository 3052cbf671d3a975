package strictyaml

import (
	"encoding"
	"reflect"
	"time"

	"go.yaml.in/yaml/v4"
)

// A Shaper says as JSON Schema (2020-12) what Decode takes, so that editors complete what it reads. It refuses nothing
// that Decode takes.
type Shaper struct {
	Types map[reflect.Type]any // of types that decode themselves
	Keys  map[string]any       // of keys whose fields take a node, or for those that want to say more than their type does
}

// Undescribed stands for a node that no key describes: anything goes.
const Undescribed = "undescribed"

// DurationPattern is what Duration reads.
const DurationPattern = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`

// Of is the schema of a struct's type: of its keys, and no others.
func (s Shaper) Of(of any) map[string]any {
	return s.structure(reflect.Indirect(reflect.ValueOf(of)).Type())
}

func (s Shaper) structure(t reflect.Type) map[string]any {
	properties := map[string]any{}
	s.fields(t, properties)
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// fields goes through a struct as fieldsOf does.
func (s Shaper) fields(t reflect.Type, into map[string]any) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, inline, named := fieldName(field)
		switch {
		case !named:
		case inline:
			s.fields(field.Type, into)
		default:
			into[name] = s.field(name, field.Type)
		}
	}
}

func (s Shaper) field(key string, t reflect.Type) any {
	if said, known := s.Keys[key]; known {
		return said
	}
	return s.value(t)
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

func (s Shaper) value(t reflect.Type) any {
	if said, known := s.Types[t]; known {
		return said
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return s.value(t.Elem())
	case t == nodeType, reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()), reflect.PointerTo(t).Implements(textType):
		return map[string]any{"$comment": Undescribed}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": []string{"string", "integer"}, "pattern": DurationPattern}
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.structure(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.value(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.value(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": []string{"string", "number", "boolean"}} // text is taken as it is written
	case reflect.Interface:
		return map[string]any{}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}
