package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set when a release is built: -ldflags "-X main.release=0.1.0".
var release = "0.1.0-dev"

// version is the program's version, with the commit it was built from where that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	if commit := setting(info, "vcs.revision"); len(commit) >= 12 {
		return release + "+" + commit[:12]
	}
	return release
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "the version of this program, and what is in it",
		Long: `In JSON it says which modules the program was made of, as the Go toolchain wrote it into the program itself; cyclonedx is
the same as a bill of materials (CycloneDX 1.6). Equal programs have equal bills.`,
		Example: "  plumbline version --format cyclonedx",
		Args:    arguments(),
		RunE:    func(*cobra.Command, []string) error { return a.sayVersion() },
	}
	a.formats(cmd, "pretty", "json", "cyclonedx")
	return cmd
}

func (a *app) sayVersion() error {
	if a.format == "pretty" {
		_, err := fmt.Fprintln(a.Out, "plumbline", version())
		return err
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknownf("%w", errors.New("this program doesn't say what it was made of: build it with modules"))
	}
	if a.format == "json" {
		return writeJSON(a.Out, newVersionDoc(info))
	}
	return writeJSON(a.Out, newBill(info))
}

// A versionDoc says what the program was made of.
type versionDoc struct {
	Schema  string      `json:"schema"`
	Version string      `json:"version"`
	Commit  string      `json:"commit,omitempty"`
	Go      string      `json:"go"`
	Modules []moduleDoc `json:"modules"`
}

// A moduleDoc is a module whose code is in the program.
type moduleDoc struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"` // as in go.sum
}

func newVersionDoc(info *debug.BuildInfo) versionDoc {
	return versionDoc{Schema: "plumbline.version/v1", Version: version(), Commit: setting(info, "vcs.revision"), Go: info.GoVersion, Modules: modules(info)}
}

// modules are those that are in the program, each as what it was replaced by; by a directory, it is of no version.
func modules(info *debug.BuildInfo) []moduleDoc {
	all := make([]moduleDoc, 0, len(info.Deps))
	for _, m := range info.Deps {
		doc := moduleDoc{m.Path, m.Version, m.Sum}
		if with := m.Replace; with != nil {
			doc = moduleDoc{with.Path, with.Version, with.Sum}
			if with.Version == "" {
				doc.Path = m.Path
			}
		}
		all = append(all, doc)
	}
	return all
}
