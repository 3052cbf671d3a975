package configs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/configs"
)

func TestWhatCannotBeDecodedHidesNothingElse(t *testing.T) {
	service := func(lines string) string { return valid + "    " + lines + "\n" }
	tests := []struct {
		name, yaml string
		env        []string
		want       []string // how each problem begins, and nothing else
	}{
		{"a color, a key and a limit", service("live: {color: red}") + "foo: 1\nlimits: {concurrency: 0}\n", nil,
			[]string{`unknown color "red"`, `unknown key "foo"`, "0, want 1 or more"}},
		{"a service", service("standby: {schedule: \"61 * * * *\", time_zone: Mars/X, retain: -1h}\n    gate: {valid_for: 0s, rollback: foo, mode: observe}\n    deadline: 5x"), nil,
			[]string{`"61 * * * *"`, `unknown time zone "Mars/X"`, `"-1h", want a duration`, "0s, want more than 0s", `unknown rollback "foo"`, "mode observe without an end", `"5x", want a duration`}},
		{"a key twice", valid + "listen: 127.0.0.1:1\nlisten: x\nfoo: 1\nlog: {level: loud}", nil,
			[]string{`duplicate key "listen", first on line 6`, `unknown key "foo"`, `unknown level "loud"`}},
		{"a date that isn't one", service("gate: {mode: observe, until: tomorrow}"), nil, []string{`"tomorrow", want a date`}},
		{"a mode that isn't one", service("gate: {mode: [observe], until: 2026-12-01}"), nil, []string{"a list, want text"}},
		{"new with a color that isn't one", service("new: true\n    live: red"), nil, []string{`unknown color "red"`}},
		{"suites that are none, and a limit", strings.Replace(valid, "[s]", "[[s], 's']", 1) + "limits: {per_host: 0}", nil,
			[]string{"a list, want text", "0, want 1 or more"}},
		{"a service that is none", "bus: {store: x}\nservices: {plum: 5}\nlog: {level: loud}", nil, []string{`"5", want a map`, `unknown level "loud"`}},
		{"no services in a list", "bus: {store: x}\nservices: []\nlog: {level: loud}", nil, []string{"a list, want a map", `unknown level "loud"`}},
		{"a bus that is none", "bus: 5\nservices: 7\nlimits: {per_host: 0}", nil, []string{`"5", want a map`, `"7", want a map`, "0, want 1 or more"}},
		{"a slip in a section", strings.Replace(valid, "bus:", "buss:", 1) + "log: {level: loud}", nil, []string{`unknown key "buss"`, `unknown level "loud"`}},
		{"accounts without kind", valid + "connections: {a: 5, b: {kind: bearer}, c: {kind: x}}\nreporters: {r: {kind: x}, s: 7}", nil,
			[]string{"no map, want one with kind", "b has no token", `unknown kind "x"`, `unknown kind "x"`, "no map, want one with kind"}},
		{"a token that is written out", valid + "connections: {a: {kind: bearer, token: hunter22, url: x}}", nil,
			[]string{"a secret that is written out is refused", "no absolute URL"}},
		{"a token of a list", valid + "connections: {a: {kind: bearer, token: {env: [X]}}}", nil, []string{"a list, want text"}},
		{"a slip in an account", valid + "connections: {a: {kind: bearer, tokne: {env: X}}}", nil, []string{`unknown key "tokne"`}},
		{"a color's account in what is none", strings.Replace(valid, `b.test"}`, `b.test", connections: {a: b}}`, 1) + "connections: 5", nil, []string{`"5", want a map`}},
		{"tokens that are none", valid + "tokens: 5\nlisten: 0.0.0.0:80", nil, []string{"\"5\", want a list"}},
		{"tokens in part", valid + "tokens: [{name: a, roles: [raed], token: x}, 7]", nil, []string{`unknown role "raed"`, "a secret that is written out", "no token, want a map"}},
		{"a secret that isn't there", valid + "connections: {a: {kind: bearer, token: {env: NONE}}}\nfoo: 1", nil, []string{"the environment variable NONE isn't set", `unknown key "foo"`}},
		{"a variable", valid + "foo: 1", []string{"PLUMBLINE_LIMITS__PER_HOST=0", "PLUMBLINE_LOG__LEVEL=loud"}, []string{"0, want 1 or more", `unknown level "loud"`, `unknown key "foo"`}},
	}
	place := regexp.MustCompile(`^[\w.]+(:\d+:\d+)?: `)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := configs.Load(configs.Source{File: "p.yaml", Data: []byte(tt.yaml), Environ: tt.env})
			if err == nil {
				t.Fatal("want an error")
			}
			var got []string
			for i, line := range strings.Split(err.Error(), "\n") {
				text := place.ReplaceAllString(line, "")
				if i < len(tt.want) && strings.HasPrefix(text, tt.want[i]) {
					text = tt.want[i]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s\n%s", diff, err)
			}
		})
	}
}

// Whatever is half decoded, the rest is looked at.
func TestNothingHalfDecodedPanics(t *testing.T) {
	text := valid + "    standby: {schedule: \"* * * * *\"}\n    gate: {mode: observe, until: 2026-12-01}\n    live: {color: blue}\n    wait_for: 5m\n" +
		"secrets: {s: {env: X, hosts: [h.test]}}\nreporters: {r: {kind: slack, webhook: {env: X}, on: {service: [plum]}}}\n" +
		"tokens: [{name: a, roles: [read], token: {env: X}}]\nlimits: {body: 1MiB}\nreceiver: {listen: \"127.0.0.1:1\"}\nconnections:\n"
	for _, kind := range configs.ConnectionKinds() {
		text += "  " + kind + ": {kind: " + kind + ", rate: {per_second: 1}, wait_for: 5m, url: \"http://x.test\", token: {env: X}, key: {env: X}, messages: {a: b}}\n"
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		was := *n
		for _, instead := range []yaml.Node{
			{Kind: yaml.ScalarNode, Value: "5"}, {Kind: yaml.ScalarNode, Value: "null"}, {Kind: yaml.MappingNode},
			{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.SequenceNode}}},
		} {
			*n = instead
			data, err := yaml.Marshal(&document)
			if err != nil {
				t.Fatal(err)
			}
			_, _, _ = configs.Load(configs.Source{File: "p.yaml", Data: data, Environ: []string{"X=hunter22"}})
		}
		*n = was
		for _, inner := range n.Content {
			visit(inner)
		}
	}
	visit(document.Content[0])
}
