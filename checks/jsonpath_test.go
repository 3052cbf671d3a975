package checks_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/theory/jsonpath"
)

// A pathCase has the form of the JSONPath compliance test suite.
type pathCase struct {
	Name, Selector string
	Document       json.RawMessage
	Result         []any
	Results        [][]any // any of them
	Unordered      bool    // the RFC leaves the order of an object's members open
	Invalid        bool    `json:"invalid_selector"`
}

// TestJSONPath holds what RFC 9535 says of its examples against what checks find. PLUMBLINE_CTS names the file cts.json
// of the compliance test suite, to hold all of it against them as well.
func TestJSONPath(t *testing.T) {
	files := []string{"testdata/rfc9535.json"}
	if whole := os.Getenv("PLUMBLINE_CTS"); whole != "" {
		files = append(files, whole)
	}
	var document atomic.Value
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document.Load().(json.RawMessage)) })
	clients := clientsOf(t)
	for _, file := range files {
		for _, c := range pathCases(t, file) {
			t.Run(c.Name, func(t *testing.T) {
				key, err := json.Marshal(c.Selector)
				if err != nil {
					t.Fatal(err)
				}
				check, problems := tryCompile(t, clients, "get: /\ncapture: {v: "+string(unescapeHTML(key))+"}\n")
				if c.Invalid {
					if len(problems) == 0 {
						t.Errorf("%q is taken", c.Selector)
					}
					return
				}
				path, err := jsonpath.Parse(c.Selector)
				if err != nil {
					t.Fatalf("%q is refused: %v", c.Selector, err)
				}
				if len(problems) > 0 {
					if !strings.Contains(problems.Error(), "want at most once") { // a limit of our own
						t.Fatal(problems)
					}
					return
				}
				document.Store(c.Document)
				answer, err := probe(t, check, askOf(url))
				got, singular := []any{}, path.Query().Singular() != nil
				switch value, there := answer.Captures["v"]; {
				case there && singular:
					got = []any{value}
				case there:
					got = value.([]any)
				case !strings.Contains(err.Error(), "nothing is at"):
					t.Fatal(err)
				}
				if !c.accepts(got) {
					t.Errorf("%s of %s\ngot  %v\nwant %v%v", c.Selector, c.Document, got, c.Result, c.Results)
				}
			})
		}
	}
}

func (c pathCase) accepts(got []any) bool {
	if len(c.Results) > 0 {
		return slices.ContainsFunc(c.Results, func(want []any) bool { return same(got, want, false) })
	}
	return same(got, c.Result, c.Unordered)
}

// same compares values by what they mean: numbers are floats here.
func same(got, want []any, unordered bool) bool {
	texts := func(list []any) []string {
		all := make([]string, len(list))
		for i, v := range list {
			encoded, _ := json.Marshal(v)
			var plain any
			_ = json.Unmarshal(encoded, &plain)
			encoded, _ = json.Marshal(plain)
			all[i] = string(encoded)
		}
		if unordered {
			slices.Sort(all)
		}
		return all
	}
	return reflect.DeepEqual(texts(got), texts(want))
}

func unescapeHTML(encoded []byte) []byte {
	for escaped, plain := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		encoded = bytes.ReplaceAll(encoded, []byte(escaped), []byte(plain))
	}
	return encoded
}

func pathCases(t *testing.T, file string) []pathCase {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Tests []pathCase }
	if err := json.Unmarshal(data, &suite); err != nil || len(suite.Tests) < 100 {
		t.Fatalf("%s: %d cases, %v", file, len(suite.Tests), err)
	}
	return suite.Tests
}
