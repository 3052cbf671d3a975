package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/reporters"
	"github.com/plumbline-dev/plumbline/suites"
)

func (a *app) lintCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint PATH…",
		Short: "load suites and configurations strictly, and ask nothing",
		Long: `Says everything that is wrong with suites and configurations, each as FILE:LINE:COL with the line itself. Names of
connections and secrets are looked up in the configuration of --config, or the one among the paths, or the default one.
Without any that is a warning, and with --strict an error.`,
		Example: "  plumbline lint suites configs/plumbline.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("lint wants at least one path: %s", usageOf(cmd))
			}
			return a.lint(args, strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings are errors")
	a.formats(cmd, "pretty", "json", "github")
	return cmd
}

func (a *app) lint(paths []string, strict bool) error {
	files, settings, err := sortPaths(paths)
	if err != nil {
		return err
	}
	var config *configs.Config
	if a.config != "" || len(settings) != 1 {
		if config, err = a.lookups(); err != nil {
			return err
		}
	}
	var problems strictyaml.Problems
	for _, file := range settings {
		read, warnings, err := configs.Load(configs.Source{File: file, WithoutSecrets: true})
		problems = append(append(problems, warnings...), problemsOf(err)...)
		if a.config == "" && len(settings) == 1 {
			config = read
		}
	}
	options := suites.Options{}
	if config != nil {
		options = daemon.SuiteOptions(config, nil)
	}
	options.Strict = strict
	loaded := []suites.Suite{}
	if len(files) > 0 {
		loaded, err = suites.Load(files, options)
		problems = append(problems, problemsOf(err)...)
	}
	checks := 0
	for _, s := range loaded {
		problems = append(problems, s.Warnings...)
		checks += len(s.Checks)
	}
	return a.sayProblems(problems.Sorted(), len(loaded), checks, len(settings))
}

// lookups is the configuration in which names are looked up, nil if there is none: the one of --config, or the default one
// if it is there. One that nobody named may be broken.
func (a *app) lookups() (*configs.Config, error) {
	file := cmp.Or(a.config, configs.DefaultFile)
	if _, err := os.Stat(file); err != nil && a.config == "" {
		return nil, nil
	}
	config, _, err := configs.Load(configs.Source{File: file, Environ: a.Env, WithoutSecrets: true})
	switch {
	case err == nil:
		return config, nil
	case a.config == "":
		fmt.Fprintf(a.Err, "%s is left alone: %s\n", file, err)
		return nil, nil
	}
	return nil, &exit{exitUsage, err}
}

func problemsOf(err error) strictyaml.Problems {
	var problems strictyaml.Problems
	switch {
	case err == nil:
		return nil
	case errors.As(err, &problems):
		return problems
	}
	return strictyaml.Problems{{File: "lint", Text: err.Error()}}
}

// sortPaths parts configurations from suites: a configuration says `services` or `bus` at its top level, a suite `suite`.
func sortPaths(paths []string) (suitePaths, settings []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if strings.HasPrefix(path, suites.ShippedPrefix) {
			suitePaths = append(suitePaths, path)
			continue
		}
		if err != nil {
			return nil, nil, usagef("%s: no such file or directory", path)
		}
		if !info.IsDir() {
			if isConfiguration(path) {
				settings = append(settings, path)
			} else {
				suitePaths = append(suitePaths, path)
			}
			continue
		}
		err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(name) != ".yaml" && filepath.Ext(name) != ".yml" {
				return err
			}
			if isConfiguration(name) {
				settings = append(settings, name)
			} else {
				suitePaths = append(suitePaths, name)
			}
			return nil
		})
		if err != nil {
			return nil, nil, usagef("%w", err)
		}
	}
	if len(suitePaths)+len(settings) == 0 {
		return nil, nil, usagef("%s: no suite and no configuration in it", strings.Join(paths, ", "))
	}
	return suitePaths, settings, nil
}

func isConfiguration(path string) bool {
	data, err := strictyaml.ReadFile(path)
	if err != nil {
		return false
	}
	root, _ := strictyaml.Parse(path, data) // what is wrong is told when it is read
	return strictyaml.Value(root, "suite") == nil && strictyaml.Value(root, "checks") == nil &&
		(strictyaml.Value(root, "services") != nil || strictyaml.Value(root, "bus") != nil)
}

// A finding is a problem in JSON.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"` // error or warning
	Text     string `json:"text"`
	Hint     string `json:"hint,omitempty"`
}

// place is FILE:LINE:COLUMN, as far as it is known.
func (f finding) place() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

func (f finding) said() string {
	if f.Hint == "" {
		return f.Text
	}
	return f.Text + " (" + f.Hint + ")"
}

func (a *app) sayProblems(problems strictyaml.Problems, loaded, checks, settings int) error {
	findings, s := []finding{}, a.style()
	for _, p := range problems {
		f := finding{p.File, p.Line, p.Column, "error", p.Text, p.Hint}
		if p.Warning {
			f.Severity = "warning"
		}
		findings = append(findings, f)
		switch a.format {
		case "json":
		case "github":
			fmt.Fprint(a.Out, reporters.Annotation(f.Severity, f.place(), "plumbline lint", f.said()))
		default:
			printProblem(a.Out, s, p)
		}
	}
	wrong := len(problems.Errors())
	switch {
	case a.format == "json":
		if err := writeJSON(a.Out, findings); err != nil {
			return err
		}
	case wrong == 0:
		fmt.Fprintf(a.Out, "%s %s\n", s.Green("✓"), loadedText(loaded, checks, settings))
	default:
		fmt.Fprintf(a.Out, "%s %s\n", s.Red("✗"), count(wrong, "error"))
	}
	if wrong > 0 {
		return silent(exitUsage)
	}
	return nil
}

// loadedText counts what was read, and leaves out what there was none of.
func loadedText(loaded, checks, settings int) string {
	var parts []string
	if loaded > 0 {
		parts = append(parts, count(loaded, "suite")+" with "+count(checks, "check"))
	}
	if settings > 0 {
		parts = append(parts, count(settings, "configuration"))
	}
	return strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
