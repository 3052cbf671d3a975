package sim_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocumentNamesTestsThatAreThere holds the tests that the documentation names, as `worker.TestName`, against the
// source.
func TestDocumentNamesTestsThatAreThere(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/.]+)\\.(Test[A-Za-z]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 10 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		dir, test := name[1], name[2]
		if dir == "plumbline" {
			dir = "."
		}
		files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !declared(t, files, "func "+test+"(") {
			t.Errorf("%s names %s.%s, and there is none", document, name[1], test)
		}
	}
}

func declared(t *testing.T, files []string, what string) bool {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(regexp.QuoteMeta(what)).Match(text) {
			return true
		}
	}
	return false
}
