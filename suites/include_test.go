package suites_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/suites"
)

func including() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"plum/smoke.yaml": file(`suite: smoke
include: [parts/login.yaml]
vars: {user: bob}
defaults: {timeout: 3s}
checks:
  - get: /user/$(captures.token)
`),
		"plum/parts/login.yaml": file(`include: [more/health.yaml]
vars: {user: ann, page: 10}
setup:
  - {name: log in, get: /login/$(vars.user), capture: {token: $.token}}
checks:
  - get: /page/$(vars.page)/$(row.n)
    each: ../rows.csv
`),
		"plum/parts/more/health.yaml": file("checks: [{get: /healthz}]\nteardown: [{get: /logout}]\n"),
		"plum/rows.csv":               file("n\n1\n2\n"),
	}
}

func TestInclude(t *testing.T) {
	all, err := suites.LoadFS(including(), ".", suites.Options{})
	if err != nil || len(all) != 1 {
		t.Fatalf("%d suites, %v", len(all), err)
	}
	var got []string
	for _, c := range all[0].Checks {
		got = append(got, c.Name+" "+c.Place+" "+c.Timeout.String())
	}
	want := []string{"log in plum/parts/login.yaml:4 3s", "GET /healthz plum/parts/more/health.yaml:1 3s",
		"GET /page/$(vars.page)/$(row.n) [row 1] plum/parts/login.yaml:6 3s", "GET /page/$(vars.page)/$(row.n) [row 2] plum/parts/login.yaml:6 3s",
		"GET /user/$(captures.token) plum/smoke.yaml:6 3s", "GET /logout plum/parts/more/health.yaml:2 3s"}
	if !slices.Equal(got, want) || !slices.Equal(all[0].Vars, []string{"page", "user"}) {
		t.Errorf("got  %q\nwant %q, vars %q", got, want, all[0].Vars)
	}
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		_, _ = io.WriteString(w, `{"token":"t-1"}`)
	}))
	defer server.Close()
	answer, err := all[0].Checks[0].Probe(t.Context(), plumbline.Ask{Site: plumbline.Site{URL: server.URL}})
	if err != nil || asked != "/login/bob" || answer.Captures["token"] != "t-1" {
		t.Errorf("asked %s, %v: the suite's own variables come before", asked, err)
	}
}

// The bytes that are pinned make the same suite again, wherever they are read.
func TestPinnedBytesMakeTheSameSuite(t *testing.T) {
	load := func(fsys fstest.MapFS) suites.Suite {
		t.Helper()
		all, err := suites.LoadFS(fsys, ".", suites.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	first := load(including())
	for name := range including() {
		changed := including()
		changed[name] = &fstest.MapFile{Data: append(slices.Clone(changed[name].Data), '\n', '\n')}
		if strings.HasSuffix(name, ".csv") {
			changed[name].Data = append(changed[name].Data, "3\n"...)
		}
		if other := load(changed); other.Digest == first.Digest {
			t.Errorf("another %s has the same digest", name)
		}
	}
	again, err := suites.Parse("smoke.yaml", first.Source, suites.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest != first.Digest || string(again.Source) != string(first.Source) || len(again.Checks) != len(first.Checks) {
		t.Errorf("%s, want %s; %d checks, want %d", again.Digest, first.Digest, len(again.Checks), len(first.Checks))
	}
	for i, c := range again.Checks {
		was := first.Checks[i]
		was.Prober, c.Prober, was.Place = nil, nil, strings.TrimPrefix(was.Place, "plum/")
		if !reflect.DeepEqual(c, was) {
			t.Errorf("got  %+v\nwant %+v", c, was)
		}
	}
	for _, broken := range []string{`{"schema":"plumbline.suite.archive/v1",`, `{"schema":"plumbline.suite.archive/v1","suite":"suite: s\ninclude: [../x.yaml]\nchecks: [{get: /}]","files":[{"name":"../x.yaml","text":"checks: [{get: /x}]"}]}`} {
		if s, err := suites.Parse("s.yaml", []byte(broken), suites.Options{}); err == nil {
			t.Errorf("%s was read as %+v", broken, s)
		}
	}
}

func TestFilesStayInTheSuitesDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("secret.yaml", "checks: [{get: /secret}]\n")
	suite := write("suites/smoke.yaml", "suite: s\ninclude: [inside.yaml]\nchecks: [{get: /a}]\n")
	write("suites/..data/inside.yaml", "checks: [{get: /b}]\n")
	if err := os.Symlink(filepath.Join("..data", "inside.yaml"), filepath.Join(dir, "suites", "inside.yaml")); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{suite, filepath.Dir(suite)} {
		if all, err := suites.Load([]string{path}, suites.Options{}); err != nil || len(all) != 1 || len(all[0].Checks) != 2 {
			t.Errorf("%s: %v, %v", path, all, err)
		}
	}
	_ = os.Remove(filepath.Join(dir, "suites", "inside.yaml"))
	if err := os.Symlink(filepath.Join("..", "secret.yaml"), filepath.Join(dir, "suites", "inside.yaml")); err != nil {
		t.Skip(err)
	}
	if all, err := suites.Load([]string{suite}, suites.Options{}); err == nil || !strings.Contains(err.Error(), "include inside.yaml: can't be read: path escapes from parent") {
		t.Errorf("%v, %v", all, err)
	}
}

func TestWhatIsIncludedByNobodyIsASuite(t *testing.T) {
	fsys := including()
	fsys["plum/parts/lost.yaml"] = &fstest.MapFile{Data: []byte("checks: [{get: /a}]\n")}
	_, err := suites.LoadFS(fsys, ".", suites.Options{})
	if want := "plum/parts/lost.yaml:1:1: a suite without a name (write suite: plum-smoke, or include the file in a suite)"; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An included file that is wrong is told once: it is no suite as well.
func TestWhatIsIncludedIsToldOnce(t *testing.T) {
	for text, want := range map[string]string{
		"checks: [\n": "p.yaml:2:1: ", "- get: /a\n": "p.yaml:1:1: a list, want a map with checks, include, setup, teardown or vars",
		"checks: [{gett: /a}]\n": `p.yaml:1:11: unknown kind "gett"`, "vars: {a: 1}\n": "p.yaml:1:1: an included file without checks",
	} {
		fsys := fstest.MapFS{"s.yaml": {Data: []byte("suite: s\ninclude: [p.yaml]\nchecks: [{get: /}]\n")}, "p.yaml": {Data: []byte(text)}}
		_, err := suites.LoadFS(fsys, ".", suites.Options{})
		if got := fmt.Sprint(err); !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestIncludesAreBounded(t *testing.T) {
	fsys := fstest.MapFS{"s.yaml": {Data: []byte("suite: s\ninclude: [1.yaml]\nchecks: [{get: /a}]\n")}}
	for i := range 6 {
		fsys[fmt.Sprintf("%d.yaml", i+1)] = &fstest.MapFile{Data: fmt.Appendf(nil, "include: [%d.yaml]\n", i+2)}
	}
	_, err := suites.LoadFS(fsys, ".", suites.Options{})
	if want := "5.yaml:1:11: include 6.yaml: files include each other more than 5 deep"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	bells := strings.Repeat("\a", 1<<19)
	fsys = fstest.MapFS{"s.yaml": {Data: []byte("suite: s\nchecks:\n")}}
	for i := range 8 {
		fsys["s.yaml"].Data = fmt.Appendf(fsys["s.yaml"].Data, "  - {name: c%d, get: /, each: %d.csv}\n", i, i)
		fsys[fmt.Sprintf("%d.csv", i)] = &fstest.MapFile{Data: []byte("id\n" + bells + "\n")}
	}
	if _, err := suites.LoadFS(fsys, ".", suites.Options{}); err == nil || !strings.Contains(err.Error(), "bytes with its files, want at most 12582912") {
		t.Errorf("got %v", err)
	}
	fsys = fstest.MapFS{}
	text := "suite: s\ninclude:\n"
	for i := range 101 {
		text += fmt.Sprintf("  - %d.yaml\n", i)
		fsys[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "checks: [{get: /%d}]\n", i)}
	}
	fsys["s.yaml"] = &fstest.MapFile{Data: []byte(text)}
	if _, err := suites.LoadFS(fsys, ".", suites.Options{}); err == nil || !strings.Contains(err.Error(), "include 100.yaml: is one too many") {
		t.Errorf("got %v", err)
	}
}
