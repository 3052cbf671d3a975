package checks

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// A scene is what templates see in one attempt. It belongs to one goroutine.
type scene struct {
	clients  *Clients
	ask      plumbline.Ask
	captures map[string]any
	callback string   // $(callback.url)
	secrets  []Secret // that were put in since the request began
	hidden   []string // that must not come to light, beside the known secrets

	standIn func(v *variable) (string, bool) // for what must not be, or isn't, known; nil outside of Curl

	redactor *redact.Redactor
	redacts  [2]int // how many hidden values and captures the redactor knows
}

func newScene(clients *Clients, ask plumbline.Ask) *scene {
	return &scene{clients: clients, ask: ask, captures: maps.Clone(ask.Captures)}
}

// keep makes captures known to what is rendered later.
func (s *scene) keep(captures map[string]any) {
	if s.captures == nil {
		s.captures = make(map[string]any, len(captures))
	}
	maps.Copy(s.captures, captures)
}

func (s *scene) value(v *variable) (any, error) {
	value, err := s.lookup(v)
	if err != nil {
		return nil, err
	}
	if v.text {
		return plain(value), nil
	}
	return value, nil
}

func (s *scene) lookup(v *variable) (any, error) {
	if s.standIn != nil {
		if name, stands := s.standIn(v); stands {
			return name, nil
		}
	}
	switch v.String() {
	case "env.url":
		return strings.TrimRight(s.ask.Site.URL, "/"), nil
	case "env.color":
		return string(s.ask.Site.Color), nil
	case "release.version":
		return s.known(v, s.ask.Release.Version)
	case "release.digest":
		return s.known(v, s.ask.Release.Digest)
	case callbackURL:
		return s.known(v, s.callback)
	case "run.id":
		return s.known(v, s.ask.Run)
	case "now":
		return s.clients.Now().UTC().Format(time.RFC3339), nil
	case "uuid":
		id, err := uuid.NewRandomFromReader(s.clients.Random)
		return id.String(), err
	}
	switch v.group {
	case "vars":
		if value, set := s.ask.Site.Vars[v.name]; set {
			return Normal(value), nil
		}
		return v.fallback, nil
	case "row":
		return Normal(v.fallback), nil
	case "captures":
		value, captured := s.captures[v.name]
		if !captured {
			return nil, fmt.Errorf("$(%s) has no value: the check that captures it gave none", v)
		}
		s.guard(v.name, value)
		return Normal(value), nil
	case "secrets":
		secret, known := s.clients.Secret(v.name)
		if !known || secret.Value == "" {
			return nil, fmt.Errorf("$(%s) has no value: the configuration has no such secret", v)
		}
		s.secrets = append(s.secrets, secret)
		s.hidden = append(s.hidden, secret.Value)
		return secret.Value, nil
	}
	return nil, fmt.Errorf("$(%s) is no variable", v)
}

// known refuses to compare with, or to send, nothing: an empty version equals what a broken build says of itself.
func (s *scene) known(v *variable, value string) (any, error) {
	if value == "" {
		return nil, fmt.Errorf("$(%s) has no value: the run doesn't know it", v)
	}
	return value, nil
}

// Normal brings values of Go to the forms that JSON has here: numbers are json.Number.
func Normal(v any) any {
	switch v := v.(type) {
	case nil, bool, string, json.Number, map[string]any, []any:
		return v
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return json.Number(fmt.Sprint(v))
	}
	return fmt.Sprint(v)
}

// A tree is a JSON value whose texts may be templates.
type tree struct {
	fixed  any // when nothing in it varies
	varies bool
	text   template
	list   []tree
	fields map[string]tree
}

// tree reads a node as JSON with templates in it.
func (r *reader) tree(n *yaml.Node) tree {
	switch n.Kind {
	case yaml.SequenceNode:
		t, fixed := tree{list: make([]tree, len(n.Content))}, make([]any, len(n.Content))
		for i, item := range n.Content {
			t.list[i] = r.tree(item)
			fixed[i] = t.list[i].fixed
			t.varies = t.varies || t.list[i].varies
		}
		t.fixed = fixed
		return t
	case yaml.MappingNode:
		t, fixed := tree{fields: make(map[string]tree, len(n.Content)/2)}, make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, field := r.literal(n.Content[i], "a key"), r.tree(n.Content[i+1])
			t.fields[key], fixed[key] = field, field.fixed
			t.varies = t.varies || field.varies
		}
		t.fixed = fixed
		return t
	}
	value, problem := strictyaml.Scalar(r.file, n)
	if problem != nil {
		r.problems = append(r.problems, *problem)
	}
	text, isText := value.(string)
	if !isText {
		return tree{fixed: value}
	}
	return leaf(r.template(n, text))
}

// leaf folds a template without variables.
func leaf(t template) tree {
	for _, p := range t.parts {
		if p.variable != nil {
			return tree{varies: true, text: t}
		}
	}
	text := ""
	for _, p := range t.parts {
		text += p.literal
	}
	return tree{fixed: text}
}

// value renders the tree.
func (t tree) value(s *scene) (any, error) {
	switch {
	case !t.varies:
		return t.fixed, nil
	case t.list != nil:
		list := make([]any, len(t.list))
		for i, item := range t.list {
			var err error
			if list[i], err = item.value(s); err != nil {
				return nil, err
			}
		}
		return list, nil
	case t.fields != nil:
		fields := make(map[string]any, len(t.fields))
		for key, item := range t.fields {
			value, err := item.value(s)
			if err != nil {
				return nil, err
			}
			fields[key] = value
		}
		return fields, nil
	}
	return t.text.value(s)
}
