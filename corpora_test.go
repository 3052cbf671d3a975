package plumbline_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

// TestFuzzTargetsHaveCorpora wants the inputs of each fuzz target beside it, few and small enough for every test.
func TestFuzzTargetsHaveCorpora(t *testing.T) {
	targets := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range fuzzTarget.FindAllSubmatch(text, -1) {
			targets++
			wantCorpus(t, filepath.Join(filepath.Dir(path), "testdata", "fuzz", string(m[1])))
		}
		return err
	})
	if err != nil || targets < 12 {
		t.Errorf("%d targets, %v", targets, err)
	}
}

func wantCorpus(t *testing.T, dir string) {
	t.Helper()
	inputs, err := os.ReadDir(dir)
	if err != nil || len(inputs) < 10 || len(inputs) > 50 {
		t.Errorf("%s has %d inputs, want 10 to 50 (%v)", dir, len(inputs), err)
	}
	size := int64(0)
	for _, input := range inputs {
		if info, err := input.Info(); err == nil {
			size += info.Size()
		}
	}
	if size > 200<<10 {
		t.Errorf("%s has %d bytes, want at most %d", dir, size, 200<<10)
	}
}
