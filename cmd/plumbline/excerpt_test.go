package main

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

func TestExcerptCoversWhatMayBeASecret(t *testing.T) {
	const settings = `bus: {url: "nats://me:hunter2@bus:4222", prefix: plumbline}
services:
  plum: {live: purple}
connections:
  api: {kind: oauth, client_id: plumbline, client_secret: hunter2}
  key:
    token: hunter2
    toekn: hunter2
secrets: {webhook: hunter2}
`
	for name, c := range map[string]struct {
		data         string
		line, column int
		want         string
	}{
		"address with an account":  {settings, 1, 46, "   1 | bus: {url: ••••••••••••••••••••••••••••, prefix: plumbline}\n     |                                              ^"},
		"a harmless section":       {settings, 3, 16, "   3 |   plum: {live: purple}\n     |                ^"},
		"a value before the caret": {settings, 5, 44, "   5 |   api: {kind: oauth, client_id: plumbline, client_secret: •••}\n     |                                            ^"},
		"the value itself":         {settings, 7, 12, "   7 |     token: •••\n     |            ^"},
		"a misspelt key":           {settings, 8, 5, "   8 |     toekn: •••\n     |     ^"},
		"on the line of a section": {settings, 9, 11, "   9 | secrets: {webhook: •••}\n     |           ^"},
		"everything on one line":   {`{connections: {a: {tokn: hunter2}}}`, 1, 20, "   1 | {connections: {a: {tokn: •••}}}\n     |                    ^"},
		"a header of a suite":      {"checks:\n  - get: /x\n    headers: {Authorization: Bearer hunter2}\n", 3, 5, "   3 |     headers: {Authorization: •••}\n     |     ^"},
		"a value of a setup":       {"setup:\n  - {get: /x, tags: {a: b}}\n", 2, 21, "   2 |   - {get: /x, tags: {a: b}}\n     |                     ^"},
		"a secret of a teardown":   {"teardown:\n  - {get: /x, headers: {x-api-key: hunter2}}\n", 2, 5, "   2 |   - {get: /x, headers: {x-api-key: •••}}\n     |     ^"},
		"a file that is included":  {"include: [a.yaml, {b: c}]\n", 1, 20, "   1 | include: [a.yaml, {b: c}]\n     |                    ^"},
		"always or not":            {"always: yes\n", 1, 9, "   1 | always: yes\n     |         ^"},
		"a name of a secret":       {"checks:\n  - form: {client_secret: $(secrets.plum)}\n", 2, 5, "   2 |   - form: {client_secret: $(secrets.plum)}\n     |     ^"},
		"beyond the file":          {"a: 1", 9, 1, ""},
		"the file as a whole":      {"a: 1", 0, 0, ""},
	} {
		got := excerpt(c.data, strictyaml.Problem{Line: c.line, Column: c.column})
		if got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: repeats the secret", name)
		}
	}
}
