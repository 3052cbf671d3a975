package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/suites"
)

// complete wants a word about every key of a check, every kind and every matcher, and of kinds and matchers an example
// that is run. Kinds of providers are of the document about connections.
func complete(t *testing.T) {
	t.Helper()
	text, run := "", ""
	for _, b := range blocks(t) {
		if b.info == "yaml suite" || b.info == "yaml elsewhere" {
			run += b.text
		}
	}
	for _, file := range []string{"docs/suites.md", "docs/connections.md"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(data)
	}
	definitions := suites.Schema()["$defs"].(map[string]any)
	checkKeys := definitions["check"].(map[string]any)["properties"].(map[string]any)
	matchers := definitions["matcher"].(map[string]any)["anyOf"].([]any)[1].(map[string]any)["properties"].(map[string]any)
	kinds := checks.Kinds(checks.Clients{})
	if len(checkKeys) < 30 || len(matchers) < 15 || len(kinds) < 15 {
		t.Fatalf("%d keys, %d matchers, %d kinds", len(checkKeys), len(matchers), len(kinds))
	}
	for _, names := range []map[string]any{checkKeys, matchers} {
		for name := range names {
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("no word about %s", name)
			}
		}
	}
	for name := range matchers {
		exemplified(t, run, name)
	}
	for name := range kinds {
		if !slices.Contains(configs.ConnectionKinds(), name) {
			exemplified(t, run, name)
		}
	}
}

func exemplified(t *testing.T, examples, key string) {
	t.Helper()
	if !regexp.MustCompile(`(?m)(^ *|[{ ])` + key + `:\s`).MatchString(examples) {
		t.Errorf("no example of %s is run", key)
	}
}
