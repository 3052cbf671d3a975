package checks

import (
	"maps"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// Split parts the mapping of a check into the one kind it names, that kind's own keys, the common ones, and what is
// expected and captured.
func Split(file string, n *yaml.Node, kinds map[string]Kind, common []string) (Definition, strictyaml.Problems) {
	d := Definition{File: file, Check: n, Own: mappingAt(n), Common: mappingAt(n)}
	if n.Kind != yaml.MappingNode {
		return d, strictyaml.Problems{strictyaml.At(file, n, "a check is a map, such as {get: /healthz}")}
	}
	var problems strictyaml.Problems
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if _, known := kinds[key.Value]; !known {
			continue
		}
		if d.Key != "" {
			problems = append(problems, strictyaml.At(file, key, "a second kind, %s beside %s, want one", key.Value, d.Key))
			continue
		}
		d.Key, d.Value = key.Value, n.Content[i+1]
	}
	var unknown []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		_, isKind := kinds[key.Value]
		switch {
		case isKind:
		case key.Value == "expect":
			d.Expect = value
		case key.Value == "capture":
			d.Capture = value
		case slices.Contains(common, key.Value):
			d.Common.Content = append(d.Common.Content, key, value)
		case slices.Contains(kinds[d.Key].Own, key.Value):
			d.Own.Content = append(d.Own.Content, key, value)
		default:
			unknown = append(unknown, key)
		}
	}
	return d, append(problems, refuseUnknown(file, d, unknown, kinds, common)...)
}

func mappingAt(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
}

// refuseUnknown tells a misspelt kind from a misspelt key.
func refuseUnknown(file string, d Definition, unknown []*yaml.Node, kinds map[string]Kind, common []string) strictyaml.Problems {
	if len(unknown) == 0 && d.Key != "" {
		return nil
	}
	known := append([]string{"expect", "capture"}, common...)
	names := slices.Sorted(maps.Keys(kinds))
	if d.Key != "" {
		known = append(known, kinds[d.Key].Own...)
	} else {
		for _, kind := range kinds {
			known = append(known, kind.Own...)
		}
	}
	var problems strictyaml.Problems
	kindFound := d.Key != ""
	for _, key := range unknown {
		elsewhere := ""
		for _, name := range names {
			if slices.Contains(kinds[name].Own, key.Value) {
				elsewhere += ", " + name
			}
		}
		elsewhere = strings.TrimPrefix(elsewhere, ", ")
		switch {
		case !kindFound && (strictyaml.Suggest(key.Value, names) != "" || strictyaml.Suggest(key.Value, known) == "" && elsewhere == ""):
			kindFound = true
			problems = append(problems, strictyaml.At(file, key, "unknown kind %q", key.Value).WithHint("%s", strictyaml.DidYouMean(key.Value, names)))
		case d.Key != "" && elsewhere != "":
			problems = append(problems, strictyaml.At(file, key, "%s has no key %q", d.Key, key.Value).WithHint("it belongs to %s", elsewhere))
		case elsewhere != "": // of a kind that isn't named
		default:
			problems = append(problems, strictyaml.At(file, key, "unknown key %q", key.Value).WithHint("%s", strictyaml.DidYouMean(key.Value, known)))
		}
	}
	if !kindFound {
		problems = append(problems, strictyaml.At(file, d.Check, "a check without a kind").WithHint("%s", strictyaml.DidYouMean("", names)))
	}
	return problems
}
