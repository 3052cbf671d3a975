package main

import (
	"net/url"
	"runtime/debug"
	"strings"
)

// A bill is a bill of materials in the form of CycloneDX 1.6. It has no time and no serial number, so that two of the same
// program are the same.
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     billMetadata `json:"metadata"`
	Components   []material   `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type billMetadata struct {
	Component material `json:"component"`
}

// A material is what the program is, or is made of. A module's sum isn't among the hashes of the format, which are those of
// a file's bytes: it is one of the names and sums of all files, and so a property.
type material struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A dependency says what the program is made of. Which module needs which isn't written into it.
type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

func newBill(info *debug.BuildInfo) bill {
	program := newMaterial("application", moduleDoc{Path: info.Main.Path, Version: version()})
	if commit := setting(info, "vcs.revision"); commit != "" {
		program.Properties = append(program.Properties, property{"plumbline:commit", commit})
	}
	parts := []material{newMaterial("library", moduleDoc{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")})}
	for _, m := range modules(info) {
		parts = append(parts, newMaterial("library", m))
	}
	needs := dependency{Ref: program.Ref}
	for _, part := range parts {
		needs.DependsOn = append(needs.DependsOn, part.Ref)
	}
	return bill{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: billMetadata{program}, Components: parts, Dependencies: []dependency{needs}}
}

func newMaterial(kind string, m moduleDoc) material {
	purl := packageURL(m)
	part := material{Type: kind, Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
	if m.Sum != "" {
		part.Properties = []property{{"plumbline:go.sum", m.Sum}}
	}
	return part
}

// packageURL names a module as others do: pkg:golang/github.com/spf13/cobra@v1.10.2.
func packageURL(m moduleDoc) string {
	path := strings.Split(m.Path, "/")
	for i, segment := range path {
		path[i] = url.PathEscape(segment)
	}
	name := "pkg:golang/" + strings.Join(path, "/")
	if m.Version == "" {
		return name
	}
	return name + "@" + url.QueryEscape(m.Version)
}
