package strictyaml_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	many := strings.Repeat("k", 1)
	var wide strings.Builder
	for i := range 1001 {
		wide.WriteString(many + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/7) + ": 1\n")
	}
	tests := map[string]struct{ yaml, want string }{
		"empty":              {"", "f.yaml: is empty"},
		"comment only":       {"# nothing\n", "f.yaml: is empty"},
		"two documents":      {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document, want one a file (split the file at `---`)"},
		"tag":                {"a: !!str 1\n", "f.yaml:1:4: tags such as !!str are refused (leave it out, or quote the value if it is text)"},
		"bare tag":           {"a: ! bar\n", "f.yaml:1:4: tags such as ! are refused (leave it out, or quote the value if it is text)"},
		"bare tag of map":    {"a: ! {b: 1}\n", "f.yaml:1:4: tags such as ! are refused (leave it out, or quote the value if it is text)"},
		"bare tag of key":    {"! a: 1\n", "f.yaml:1:1: tags such as ! are refused (leave it out, or quote the value if it is text)"},
		"tag directive":      {"# x\n%TAG ! tag:foo\n---\na: 1\n", "f.yaml:2:1: directives such as %TAG are refused (take the line out)"},
		"version":            {"%YAML 1.1\na: 1\n", "f.yaml:1:1: directives such as %YAML are refused (take the line out)"},
		"unknown directive":  {"%FOO\n---\na: 1\n", "f.yaml:1:1: directives such as %FOO are refused (take the line out)"},
		"percent":            {"a: 1\n%foo\n", "f.yaml:2:1: a line that begins with `%` (take it out, or indent it if it is text)"},
		"late directive":     {"a: 1\n%YAML 1.1\n", "f.yaml:2:1: a line that begins with `%` (take it out, or indent it if it is text)"},
		"control":            {"a: 1\nb: é\x01y\n", "f.yaml:2:5: a control character (take it out)"},
		"control in comment": {"# \x1b[1m\na: 1\n", "f.yaml:1:3: a control character (take it out)"},
		"Latin-1":            {"a: 1\nb: caf\xe9\n", "f.yaml:2:7: bytes that are no text (save the file as UTF-8)"},
		"half a character":   {"a: \"\xe2\x82", "f.yaml:1:5: bytes that are no text (save the file as UTF-8)"},
		"comma":              {"a: ,\n", "f.yaml:1:4: no value where one is wanted (write it, or quote one that begins with `,`, `]` or `}`)"},
		"anchor":             {"a: &x 1\n", "f.yaml:1:4: anchors such as &x are refused (write the value out, or quote it if it is text)"},
		"alias":              {"a: &x 1\nb: *x\n", "f.yaml:2:4: aliases such as *x are refused (write the value out)"},
		"unknown alias":      {"a: *x\n", "f.yaml:1:4: aliases such as `*name` are refused (write the value out, or quote it if it is text)"},
		"merge key":          {"a: 1\n<<: {b: 1}\n", "f.yaml:2:1: merge keys are refused (write the keys out)"},
		"duplicate key":      {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key \"a\", first on line 1"},
		"comment as value":   {"a: #team\n", "f.yaml:1:1: a has no value (quote `#team` if it is the value)"},
		"no value":           {"a:\nb: 1\n", "f.yaml:1:1: a has no value (give it one or leave it out)"},
		"empty item":         {"a:\n  - 1\n  -\n", "f.yaml:3:4: a list item without a value (give it one or leave it out)"},
		"no value in flow":   {"a: {b: }\n", "f.yaml:1:5: b has no value (give it one or leave it out)"},
		"key is a map":       {"? {a: 1}\n: 2\n", "f.yaml:1:3: a key that isn't text"},
		"too deep":           {"a: " + deep, "f.yaml:1:35: is nested deeper than 32 levels"},
		"too wide":           {wide.String(), "f.yaml:1:1: a map of 1001 keys, want at most 1000"},
		"too large":          {strings.Repeat("# padding\n", 110_000), "f.yaml: is larger than 1048576 bytes"},
		"open list":          {"a: [1, 2\nb: 3\n", "f.yaml:1:4: a list `[` that isn't closed (write `]`)"},
		"open quote":         {"a: \"x\nb: 1\n", "f.yaml:1:4: a quote that isn't closed (write the closing quote)"},
		"tab":                {"a:\n\t- x\n", "f.yaml:2:1: a tab in the indent (indent with spaces)"},
		"at sign":            {"a: @x\n", "f.yaml:1:4: a character that can't begin a value (quote a value that begins with `@`)"},
		"colons":             {"a: b: c\n", "f.yaml:1:5: a second `: ` on a line, or an indent that doesn't fit the line above (quote a value that contains `: `, or align the key)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := strictyaml.Parse("f.yaml", []byte(test.yaml))
			if err == nil || !strings.Contains(err.Error()+"\n", test.want+"\n") {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestParseTellsEverything(t *testing.T) {
	_, err := strictyaml.Parse("f.yaml", []byte("b: &x 1\na:\nc: *x\na: 2\n"))
	var problems strictyaml.Problems
	if !errors.As(err, &problems) || len(problems) != 4 {
		t.Fatalf("got %v, want four problems", err)
	}
	for i := 1; i < len(problems); i++ {
		if problems[i].Line < problems[i-1].Line {
			t.Errorf("line %d after line %d", problems[i].Line, problems[i-1].Line)
		}
	}
}

func TestParseGoesOnAfterADuplicate(t *testing.T) {
	n, err := strictyaml.Parse("f.yaml", []byte("name: a\nname: [b]\ncount: ! x\nfoo: 1\n"))
	if err == nil || n == nil {
		t.Fatalf("got %v and %v, want both", n, err)
	}
	var into settings
	err = strictyaml.Decode("f.yaml", n, &into)
	if want := "f.yaml:3:8: \"x\", want a whole number\nf.yaml:4:1: unknown key \"foo\""; err == nil || !strings.HasPrefix(err.Error(), want) || into.Name != "a" {
		t.Errorf("got %q and\n%v\nwant\n%s", into.Name, err, want)
	}
	if n, err := strictyaml.Parse("f.yaml", []byte("a: 1\na: 2\nb:\n")); err == nil || n != nil {
		t.Errorf("got %v and %v, want an error alone", n, err)
	}
}

type upper string

func (u *upper) UnmarshalText(text []byte) error {
	if string(text) == "bad" {
		return errors.New("bad is refused")
	}
	*u = upper(strings.ToUpper(string(text)))
	return nil
}

type pair struct{ From, To string }

func (p *pair) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		p.From = n.Value
		return nil
	}
	type plain pair
	return strictyaml.Decode("", n, (*plain)(p))
}

type settings struct {
	Name   string            `yaml:"name"`
	Wait   time.Duration     `yaml:"wait"`
	Count  int               `yaml:"count"`
	Size   uint16            `yaml:"size"`
	Ratio  float64           `yaml:"ratio"`
	On     *bool             `yaml:"on"`
	Labels map[string]string `yaml:"labels"`
	Items  []int             `yaml:"items"`
	Vars   map[string]any    `yaml:"vars"`
	Raw    *yaml.Node        `yaml:"raw"`
	Upper  upper             `yaml:"upper"`
	Pair   pair              `yaml:"pair"`
	Inner  struct {
		Deep int `yaml:"deep"`
	} `yaml:"inner"`
	Shared  `yaml:",inline"`
	private int //lint:ignore U1000 a field that no document can name
}

type Shared struct {
	Owner string `yaml:"owner"`
}

func TestDecode(t *testing.T) {
	const text = `
name: 2026.10
wait: 1m30s
count: -3
size: 8
ratio: 0.5
on: true
labels: {a: b}
items: [1, 2]
vars: {x: 1, y: [a, null], z: {b: true}}
raw: {anything: goes}
upper: abc
pair: {from: a, to: b}
inner: {deep: 1}
owner: team
`
	n, err := strictyaml.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	if err := strictyaml.Decode("f.yaml", n, &got); err != nil {
		t.Fatal(err)
	}
	if got.Raw == nil || got.Raw.Kind != yaml.MappingNode {
		t.Errorf("raw is %v, want the node", got.Raw)
	}
	got.Raw = nil
	on := true
	want := settings{Name: "2026.10", Wait: 90 * time.Second, Count: -3, Size: 8, Ratio: 0.5, On: &on,
		Labels: map[string]string{"a": "b"}, Items: []int{1, 2},
		Vars:  map[string]any{"x": json.Number("1"), "y": []any{"a", nil}, "z": map[string]any{"b": true}},
		Upper: "ABC", Pair: pair{From: "a", To: "b"}, Shared: Shared{Owner: "team"}}
	want.Inner.Deep = 1
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]string{
		"nmae: x":            `f.yaml:1:1: unknown key "nmae" (did you mean "name"?)`,
		"inner: {dep: 1}":    `f.yaml:1:9: unknown key "dep" (did you mean "deep"?)`,
		"private: 1":         `f.yaml:1:1: unknown key "private"`,
		"name: [a]":          `f.yaml:1:7: a list, want text`,
		"name: null":         `f.yaml:1:7: "null", want text`,
		"wait: 5":            `f.yaml:1:7: "5", want a duration such as 300ms, 5s, 2m or 72h`,
		"wait: -5s":          `f.yaml:1:7: "-5s", want a duration such as 300ms, 5s, 2m or 72h`,
		"wait: {a: 1}":       `f.yaml:1:7: a map, want a duration such as 300ms, 5s, 2m or 72h`,
		"count: many":        `f.yaml:1:8: "many", want a whole number`,
		"count: 010":         `f.yaml:1:8: "010", want a whole number`,
		"count: 1.5":         `f.yaml:1:8: "1.5", want a whole number`,
		`count: "3"`:         `f.yaml:1:8: "3", want a whole number`,
		"size: -1":           `f.yaml:1:7: "-1", want a whole number, 0 or more`,
		"size: 70000":        `f.yaml:1:7: "70000", want a whole number, 0 or more`,
		"ratio: .inf":        `f.yaml:1:8: ".inf", want a number`,
		"on: yes":            `f.yaml:1:5: "yes", want true or false`,
		"labels: [a]":        `f.yaml:1:9: a list, want a map`,
		"labels: {a: [1]}":   `f.yaml:1:13: a list, want text`,
		"items: {a: 1}":      `f.yaml:1:8: a map, want a list`,
		"items: [1, x]":      `f.yaml:1:12: "x", want a whole number`,
		"vars: {x: 007}":     `f.yaml:1:11: 007 is no JSON value (quote it if it is text, or write the number as JSON does)`,
		"upper: bad":         `f.yaml:1:8: bad is refused`,
		"pair: {form: a}":    `f.yaml:1:8: unknown key "form" (did you mean "from"?)`,
		"inner: x":           `f.yaml:1:8: "x", want a map with deep`,
		"[a]":                `f.yaml:1:1: a list, want a map with`,
		"count: x\nsize: -1": "f.yaml:1:8: \"x\", want a whole number\nf.yaml:2:7:",
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			n, err := strictyaml.Parse("f.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var into settings
			err = strictyaml.Decode("f.yaml", n, &into)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func TestJSONScalars(t *testing.T) {
	good := map[string]any{
		"1": json.Number("1"), "-0.5e3": json.Number("-0.5e3"), "true": true, "null": nil, "text": "text", "yes": "yes",
		`"007"`: "007", `'2026-11-03'`: "2026-11-03", `""`: "", "1.2.3": "1.2.3", "12345678901234567890": json.Number("12345678901234567890"),
	}
	for text, want := range good {
		if got, err := parseJSON(t, text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"007", "0x1F", "0o7", "0b1", "1_000", "+1", ".5", "5.", ".inf", "-.inf", ".nan", "2026-11-03", "True", "FALSE", "~", "Null", "2026-11-03T10:00:00Z"} {
		if got, err := parseJSON(t, text); err == nil || !strings.Contains(err.Error(), "quote it") {
			t.Errorf("%s: got %v, %v, want a problem that says to quote it", text, got, err)
		}
	}
}

func parseJSON(t *testing.T, text string) (any, error) {
	t.Helper()
	n, err := strictyaml.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return strictyaml.JSON("f.yaml", n)
}

func TestSuggest(t *testing.T) {
	known := []string{"http", "get", "post", "timeout", "severity", "retries"}
	for word, want := range map[string]string{
		"htp": "http", "GET": "get", "timout": "timeout", "severty": "severity", "retrys": "retries", "xyz": "", "gte": "get", "a": "", "workday": "",
	} {
		if got := strictyaml.Suggest(word, known); got != want {
			t.Errorf("Suggest(%q) is %q, want %q", word, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	warned := strictyaml.Problems{{File: "f", Line: 1, Column: 1, Text: "odd", Warning: true}}
	if err := warned.Err(); err != nil {
		t.Errorf("warnings alone are an error: %v", err)
	}
	both := append(warned, strictyaml.Problem{File: "e", Line: 2, Column: 1, Text: "wrong"})
	if err := both.Err(); err == nil || err.Error() != "e:2:1: wrong\nf:1:1: warning: odd" {
		t.Errorf("got %v", err)
	}
}

func TestExcerpt(t *testing.T) {
	data := []byte("a: 1\n\tb: 2\n")
	got := strictyaml.Excerpt(data, strictyaml.Problem{Line: 2, Column: 2})
	if want := "   2 | \tb: 2\n     | \t^\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := strictyaml.Excerpt([]byte("a: \x1b\xff\n"), strictyaml.Problem{Line: 1, Column: 4}), "   1 | a: ��\n     |    ^\n"; got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if got := strictyaml.Excerpt(data, strictyaml.Problem{Line: 9}); got != "" {
		t.Errorf("got %q for a line that isn't there", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("name: x\nvars: {a: [1, 2]}\n")
	f.Add("a: &x [*x, *x]\n")
	f.Add("? {a: b}\n: c\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := strictyaml.Parse("f.yaml", []byte(text))
		if err != nil {
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("%T isn't Problems", err)
			}
			return
		}
		var into settings
		if err := strictyaml.Decode("f.yaml", n, &into); err != nil && err.Error() == "" {
			t.Fatal("a problem without text")
		}
	})
}

func TestReadFileTakesNoMoreThanItMust(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(name, make([]byte, 3*strictyaml.MaxBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := strictyaml.ReadFile(name)
	if err != nil || len(data) != strictyaml.MaxBytes+1 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if _, err := strictyaml.Parse("f.yaml", data); err == nil || err.Error() != "f.yaml: is larger than 1048576 bytes" {
		t.Errorf("got %v", err)
	}
}
