package strictyaml

import (
	"encoding"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Decode fills a struct, map or list from a node of Parse. Fields are named by their `yaml` tag (`yaml:"name"`, inline
// structs by `yaml:",inline"`), unknown keys and values of the wrong type are problems, and absent keys leave what is
// there. Text is taken as it is written; booleans are true and false alone; time.Duration is written 5s; `any` takes
// what JSON does (see JSON); yaml.Node takes the node. A type may decode itself by UnmarshalYAML(*yaml.Node) error,
// which may return Problems, or by encoding.TextUnmarshaler. The error is Problems and has all of them.
//
// It is our own because go-yaml takes yes, 010 and 0x10 for values, and names Go's types to people who write YAML.
func Decode(file string, n *yaml.Node, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return errors.New("strictyaml: want a pointer to decode into")
	}
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	d := decoder{file: file}
	d.value(n, v.Elem(), 0)
	return d.problems.Sorted().Err()
}

type decoder struct {
	file     string
	problems Problems
}

func (d *decoder) add(p Problem) { d.problems = append(d.problems, p) }

func (d *decoder) want(n *yaml.Node, what string) {
	d.add(At(d.file, n, "%s, want %s", describe(n), what))
}

var (
	nodeType     = reflect.TypeFor[yaml.Node]()
	durationType = reflect.TypeFor[time.Duration]()
)

func (d *decoder) value(n *yaml.Node, v reflect.Value, depth int) {
	if depth > MaxDepth {
		d.add(At(d.file, n, "is nested deeper than %d levels", MaxDepth))
		return
	}
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(*n))
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.Type().Elem() == nodeType {
			v.Set(reflect.ValueOf(n))
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), depth)
		return
	}
	if d.custom(n, v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, depth)
	case reflect.Map:
		d.mapping(n, v, depth)
	case reflect.Slice:
		d.sequence(n, v, depth)
	case reflect.Interface:
		value := jsonValue(d.file, n, &d.problems)
		if value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		d.scalar(n, v)
	}
}

// custom lets a type decode itself.
func (d *decoder) custom(n *yaml.Node, v reflect.Value) bool {
	if !v.CanAddr() || v.Type() == durationType {
		return false
	}
	var err error
	switch u := v.Addr().Interface().(type) {
	case yaml.Unmarshaler:
		err = u.UnmarshalYAML(n)
	case encoding.TextUnmarshaler:
		if n.Kind != yaml.ScalarNode {
			d.want(n, "text")
			return true
		}
		err = u.UnmarshalText([]byte(n.Value))
	default:
		return false
	}
	var several Problems
	var one Problem
	switch {
	case err == nil:
	case errors.As(err, &several):
		for _, p := range several {
			d.add(d.placed(p, n))
		}
	case errors.As(err, &one):
		d.add(d.placed(one, n))
	default:
		d.add(At(d.file, n, "%s", err))
	}
	return true
}

// placed gives a problem that knows no place the one of its node.
func (d *decoder) placed(p Problem, n *yaml.Node) Problem {
	p.File = d.file
	if p.Line == 0 {
		p.Line, p.Column = n.Line, n.Column
	}
	return p
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, depth int) {
	if n.Kind != yaml.MappingNode {
		d.want(n, "a map with "+List(Keys(v.Interface())))
		return
	}
	if len(n.Content) == 0 {
		return
	}
	fields := fieldsOf(v)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, known := fields[key.Value]
		if !known {
			d.add(At(d.file, key, "unknown key %q", short(key.Value)).WithHint("%s", DidYouMean(key.Value, keys(fields))))
			continue
		}
		d.value(value, field, depth+1)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, depth int) {
	if n.Kind != yaml.MappingNode || v.Type().Key().Kind() != reflect.String {
		d.want(n, "a map")
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Content[i+1], item, depth+1)
		v.SetMapIndex(reflect.ValueOf(n.Content[i].Value).Convert(v.Type().Key()), item)
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.want(n, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), depth+1)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	if v.Type() == durationType {
		d.duration(n, v)
		return
	}
	plain := n.Kind == yaml.ScalarNode && !IsQuoted(n)
	switch v.Kind() {
	case reflect.String:
		if n.Kind != yaml.ScalarNode || plain && n.ShortTag() == "!!null" {
			d.want(n, "text")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if !plain || n.Value != "true" && n.Value != "false" {
			d.want(n, "true or false")
			return
		}
		v.SetBool(n.Value == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if !plain || err != nil || !jsonNumber.MatchString(n.Value) {
			d.want(n, "a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(n.Value, 10, v.Type().Bits())
		if !plain || err != nil || !jsonNumber.MatchString(n.Value) {
			d.want(n, "a whole number, 0 or more")
			return
		}
		v.SetUint(u)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
		if !plain || err != nil || !jsonNumber.MatchString(n.Value) {
			d.want(n, "a number")
			return
		}
		v.SetFloat(f)
	default:
		d.add(At(d.file, n, "takes no value here"))
	}
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.want(n, "a duration such as 300ms, 5s, 2m or 72h")
		return
	}
	parsed, err := Duration(n.Value)
	if err != nil {
		d.add(At(d.file, n, "%s", err))
		return
	}
	v.SetInt(int64(parsed))
}

// Keys are the keys that a struct takes.
func Keys(of any) []string {
	v := reflect.New(reflect.Indirect(reflect.ValueOf(of)).Type()).Elem()
	return keys(fieldsOf(v))
}

func keys(fields map[string]reflect.Value) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fieldsOf are the fields of a struct by the keys that fill them.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		name, inline, named := fieldName(v.Type().Field(i))
		switch {
		case !named:
		case inline:
			for name, inner := range fieldsOf(v.Field(i)) {
				fields[name] = inner
			}
		default:
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// fieldName is the key that fills a field, if there is one; the keys of an inline struct stand for themselves.
func fieldName(field reflect.StructField) (name string, inline, named bool) {
	name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	switch {
	case !field.IsExported() || name == "-":
		return "", false, false
	case strings.Contains(options, "inline"):
		return "", true, true
	case name == "":
		return strings.ToLower(field.Name), false, true
	}
	return name, false, true
}
