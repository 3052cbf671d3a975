package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// What the schema of CycloneDX 1.6 demands, and what its readers refuse: references that lead nowhere or come twice.
func TestBillIsCycloneDX(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: module, Version: "(devel)"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: strings.Repeat("a", 40)}},
		Deps: []*debug.Module{
			{Path: "github.com/spf13/cobra", Version: "v1.10.2", Sum: "h1:abc="},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v2.0.0+incompatible", Sum: "h1:def="}},
			{Path: "example.com/here", Version: "v1.0.0", Replace: &debug.Module{Path: "./here"}},
		}}
	text, err := json.Marshal(newBill(info))
	if err != nil {
		t.Fatal(err)
	}
	checkBill(t, text)
	for _, want := range []string{`"purl":"pkg:golang/std@1.26.8"`, `"purl":"pkg:golang/github.com/spf13/cobra@v1.10.2","properties":[{"name":"plumbline:go.sum","value":"h1:abc="}]`,
		`"purl":"pkg:golang/example.com/new@v2.0.0%2Bincompatible"`, `"purl":"pkg:golang/example.com/here"`, `{"name":"plumbline:commit","value":"aaaaaaaaaaaa`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if strings.Contains(string(text), "example.com/here@") || strings.Contains(string(text), "example.com/old") || strings.Contains(string(text), "(devel)") {
		t.Errorf("what isn't in the program is in its bill: %s", text)
	}
}

// The bill of a program has each module that the toolchain says is in it.
func TestBillIsComplete(t *testing.T) {
	var out bytes.Buffer
	if code := Run(t.Context(), []string{"version", "--format", "cyclonedx"}, Shell{Out: &out, Err: io.Discard}); code != 0 {
		t.Fatalf("exited %d", code)
	}
	checkBill(t, out.Bytes())
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", ".")
	modules, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(modules)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" || path == module {
			continue
		}
		count++
		if !strings.Contains(out.String(), `"`+packageURL(moduleDoc{Path: path, Version: version})+`"`) {
			t.Errorf("no %s %s in the bill", path, version)
		}
	}
	if count < 30 {
		t.Errorf("%d modules, want more", count)
	}
}

const module = "github.com/plumbline-dev/plumbline"

func checkBill(t *testing.T, text []byte) {
	t.Helper()
	var b struct {
		BomFormat    string
		SpecVersion  string
		Version      int
		Metadata     struct{ Component map[string]any }
		Components   []map[string]any
		Dependencies []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.BomFormat != "CycloneDX" || b.SpecVersion != "1.6" || b.Version < 1 {
		t.Errorf("%q %q %d", b.BomFormat, b.SpecVersion, b.Version)
	}
	types := []string{"application", "framework", "library"}
	purl := regexp.MustCompile(`^pkg:golang/[A-Za-z0-9.%~_-]+(/[A-Za-z0-9.%~_-]+)*(@[A-Za-z0-9.%~_-]+)?$`)
	var refs []string
	for _, c := range append(b.Components, b.Metadata.Component) {
		name, _ := c["name"].(string)
		kind, _ := c["type"].(string)
		ref, _ := c["bom-ref"].(string)
		if address, _ := c["purl"].(string); name == "" || !slices.Contains(types, kind) || ref == "" || slices.Contains(refs, ref) || !purl.MatchString(address) {
			t.Errorf("no component: %v", c)
		}
		refs = append(refs, ref)
	}
	for _, d := range b.Dependencies {
		for _, ref := range append(d.DependsOn, d.Ref) {
			if !slices.Contains(refs, ref) {
				t.Errorf("%s leads nowhere", ref)
			}
		}
	}
}
