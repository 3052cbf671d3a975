package plumbline_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/plumbline-dev/plumbline"

// law says which rooms a room may know, besides the root and the leaves under internal/. A room that isn't named may
// know none.
var law = map[string][]string{
	"suites":         {"checks"},
	"worker":         {"runner"},
	"gate":           {"evidence"},
	"daemon":         {"bus", "checks", "configs", "evidence", "gate", "reporters", "runner", "suites", "worker", "console"},
	"sandbox":        {"daemon"},
	"internal/sim":   {"daemon", "bus", "worker", "runner", "gate"},
	"internal/chaos": {"daemon", "bus"},
	"cmd/plumbline":  {"*"},
}

// TestImportLaw holds the rooms to what each may know, over the imports of their non-test files.
func TestImportLaw(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports,DepOnly", "./...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	rooms := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		rooms++
		for _, imported := range pkg.Imports {
			if broken := breaks(pkg.ImportPath, imported); broken != "" {
				t.Errorf("%s imports %s: %s", pkg.ImportPath, imported, broken)
			}
		}
	}
	if rooms < 5 {
		t.Errorf("only %d packages were looked at", rooms)
	}
}

// breaks says which rule an import breaks.
func breaks(importer, imported string) string {
	room, outside := strings.TrimPrefix(strings.TrimPrefix(importer, module), "/"), !strings.HasPrefix(imported, module)
	known := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
	leaf := strings.HasPrefix(room, "internal/") && law[room] == nil
	switch {
	case room == "" && strings.Contains(strings.SplitN(imported, "/", 2)[0], "."):
		return "the root knows the standard library alone"
	case outside || known == "":
		return ""
	case room == "cmd/plumbline" || slices.Contains(law[room], strings.SplitN(known, "/", 2)[0]):
		return ""
	case strings.HasPrefix(known, "internal/") && law[known] == nil && !leaf:
		return ""
	case strings.HasPrefix(known, "internal/") && leaf:
		return "a leaf knows the root at most"
	case strings.HasPrefix(room, "bench"):
		return ""
	}
	return "a room that it may not know"
}

func TestImportLawBites(t *testing.T) {
	for _, test := range [][2]string{
		{module, "go.yaml.in/yaml/v4"}, {module, module + "/bus"}, {module + "/bus", module + "/worker"},
		{module + "/gate", module + "/bus"}, {module + "/checks", module + "/runner"}, {module + "/runner", module + "/checks"},
		{module + "/daemon", module + "/sandbox"}, {module + "/internal/redact", module + "/configs"},
		{module + "/internal/redact", module + "/internal/term"}, {module + "/reporters", module + "/gate"},
	} {
		if breaks(test[0], test[1]) == "" {
			t.Errorf("%s may import %s", test[0], test[1])
		}
	}
	for _, test := range [][2]string{
		{module, "fmt"}, {module + "/bus", module}, {module + "/bus", "github.com/nats-io/nats.go"}, {module + "/suites", module + "/checks"},
		{module + "/worker", module + "/internal/redact"}, {module + "/daemon", module + "/bus"}, {module + "/cmd/plumbline", module + "/sandbox"},
		{module + "/sandbox", module + "/daemon"},
	} {
		if broken := breaks(test[0], test[1]); broken != "" {
			t.Errorf("%s may not import %s: %s", test[0], test[1], broken)
		}
	}
}
