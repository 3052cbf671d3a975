package suites_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/suites"
)

// suiteSchema is the schema as an editor reads it: from its JSON.
func suiteSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	data, err := json.Marshal(suites.Schema())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(suites.SchemaID, document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(suites.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// plain is a node as a validator of JSON sees it: what JSON has no word for is text.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, plain(item))
		}
		return list
	}
	if value, problem := strictyaml.Scalar("", n); problem == nil {
		return value
	}
	return n.Value
}

// shippedFiles are all shipped suites, by name.
func shippedFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(suites.Shipped, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".yaml" {
			return err
		}
		files[name], err = suites.Shipped.ReadFile(name)
		return err
	})
	if err != nil || len(files) < 3 {
		t.Fatal(len(files), err)
	}
	return files
}

func TestShippedSuitesFitTheSchema(t *testing.T) {
	schema := suiteSchema(t)
	for name, data := range shippedFiles(t) {
		root, err := strictyaml.Parse(name, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(plain(root)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaCatchesWrongSuites counts: what the schema lets pass of the corpus, only a loader can know.
func TestSchemaCatchesWrongSuites(t *testing.T) {
	schema := suiteSchema(t)
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var passed []string
	caught := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root, err := strictyaml.Parse(file, data)
		if err != nil {
			continue // no YAML that an editor would take
		}
		if schema.Validate(plain(root)) != nil {
			caught++
			continue
		}
		passed = append(passed, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	if caught < 25 {
		t.Errorf("the schema catches %d of %d, and lets pass %v", caught, len(files), passed)
	}
	for _, name := range []string{"unknown-kind", "misspelt-key", "unknown-matcher", "empty-expect", "empty-checks", "two-kinds", "key-of-another-kind"} {
		if slices.Contains(passed, name) {
			t.Errorf("the schema lets %s pass", name)
		}
	}
}

// TestSchemaRefusesOnlyWhatTheLoaderRefuses changes shipped suites in many small ways: a suite that the schema refuses,
// the loader must refuse, too.
func TestSchemaRefusesOnlyWhatTheLoaderRefuses(t *testing.T) {
	schema := suiteSchema(t)
	options := suites.Options{Kinds: checks.Kinds(checks.Clients{})}
	refused, all := 0, 0
	try := func(name, what string, root *yaml.Node) {
		all++
		problem := schema.Validate(plain(root))
		if problem == nil {
			return
		}
		refused++
		text, err := yaml.Marshal(root)
		if err != nil {
			return
		}
		if _, err := suites.Parse(name, text, options); err == nil {
			t.Errorf("%s, %s: the loader takes it, but not the schema: %v", name, what, problem)
		}
	}
	for name, data := range examples(t) {
		if _, err := suites.Parse(name, data, options); err != nil {
			t.Fatal(err)
		}
		root, err := strictyaml.Parse(name, data)
		if err != nil {
			t.Fatal(err)
		}
		list := strictyaml.Value(root, "checks")
		mutateBeside(root, list, func(what string) { try(name, what, root) })
		for _, check := range list.Content { // one at a time, which is faster
			alone := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{word("suite"), word("alone"), word("checks"),
				{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{check}}}}
			mutate(check, func(what string) { try(name, what, alone) })
		}
	}
	if refused < 500 || refused == all {
		t.Errorf("%d of %d were refused: too few to prove anything", refused, all)
	}
}

// examples are a shipped suite, and one that has everything.
func examples(t *testing.T) map[string][]byte {
	files := map[string][]byte{"plum/orders.yaml": shippedFiles(t)["plum/orders.yaml"]}
	more, err := filepath.Glob("testdata/right/*.yaml")
	if err != nil || len(more) == 0 {
		t.Fatal(len(more), err)
	}
	for _, file := range more {
		if files[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func word(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

// mutateBeside changes everything of a suite but one list.
func mutateBeside(root, list *yaml.Node, try func(what string)) {
	was := list.Content
	list.Content = was[:1]
	for i := 1; i < len(root.Content); i += 2 {
		if root.Content[i] != list {
			mutate(&yaml.Node{Kind: yaml.SequenceNode, Content: root.Content[i : i+1 : i+1]}, try)
		}
	}
	list.Content = was
}

// mutate changes one thing after another, and puts it back.
func mutate(n *yaml.Node, try func(what string)) {
	values := []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!int", Value: "7"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "text"}, {Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: "7", Style: yaml.DoubleQuotedStyle}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "/path"},
		{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, {Kind: yaml.ScalarNode, Tag: "!!float", Value: "1.5"},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: "5s"}, {Kind: yaml.SequenceNode, Tag: "!!seq"},
		{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "text"}}},
		{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "eq"}, {Kind: yaml.ScalarNode, Tag: "!!int", Value: "1"}}},
	}
	for i, child := range n.Content {
		isKey := n.Kind == yaml.MappingNode && i%2 == 0
		if isKey {
			for _, key := range []string{child.Value + "x", "name", "status", "get"} {
				was := child.Value
				if !hasKey(n, key) {
					child.Value = key
					try("key " + was + " as " + key)
					child.Value = was
				}
			}
			was := n.Content
			n.Content = slices.Delete(slices.Clone(was), i, i+2)
			try("without " + child.Value)
			n.Content = was
			continue
		}
		for _, value := range values {
			n.Content[i] = value
			try("line " + yamlLine(child) + ": " + value.Tag + " " + value.Value)
		}
		n.Content[i] = child
		mutate(child, try)
	}
}

func hasKey(n *yaml.Node, key string) bool { return strictyaml.Value(n, key) != nil }

func yamlLine(n *yaml.Node) string {
	data, _ := json.Marshal(n.Line)
	return string(data)
}

// TestSchemaDescribesEveryKey finds keys of the loader, kinds and matchers that nobody described.
func TestSchemaDescribesEveryKey(t *testing.T) {
	shapes := checks.Shapes()
	for _, kind := range slices.Sorted(maps.Keys(checks.Kinds(checks.Clients{}))) {
		if shapes[kind].Value == nil || shapes[kind].Places == nil {
			t.Errorf("kind %s isn't described", kind)
		}
	}
	data, err := json.Marshal(suites.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), strictyaml.Undescribed) {
		var find func(way string, v any)
		find = func(way string, v any) {
			switch v := v.(type) {
			case map[string]any:
				if v["$comment"] == strictyaml.Undescribed {
					t.Errorf("%s isn't described", way)
				}
				for key, value := range v {
					find(way+"/"+key, value)
				}
			case []any:
				for _, value := range v {
					find(way, value)
				}
			}
		}
		var document any
		if err := json.Unmarshal(data, &document); err != nil {
			t.Fatal(err)
		}
		find("", document)
	}
}
