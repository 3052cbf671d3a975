package suites_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/suites"
)

// Each file of testdata/wrong ends in what is said of it: `# want: LINE:COL: how the line begins`, and nothing else is.
// What is said of a file beside it begins with that file's name: `# want: beside/rows.csv:LINE:COL: …`.
func TestWrongSuites(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d wrong suites, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(data)) {
				if text, is := strings.CutPrefix(line, "# want: "); is {
					want = append(want, said(file, strings.TrimSuffix(text, "\n")))
				}
			}
			loaded, err := suites.Load([]string{file}, suites.Options{Connections: []string{"plum-api"}, Secrets: []string{"key"}})
			var problems strictyaml.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if loaded != nil {
				t.Error("a suite was returned with its problems")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(want) {
				t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("got\n%s\nwant\n%s", got[i], want[i])
				}
			}
		})
	}
}

// said is the beginning of a problem, with the whole name of its file.
func said(file, text string) string {
	if strings.HasPrefix(text, "beside/") {
		return filepath.ToSlash(filepath.Dir(file)) + "/" + text
	}
	return file + ":" + text
}
