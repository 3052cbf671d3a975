package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// A Shell is what a command may read and write.
type Shell struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string // NAME=value
}

// Getenv looks a variable up in the shell's environment.
func (s Shell) Getenv(name string) string {
	for _, entry := range s.Env {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// style is how standard output is colored.
func (s Shell) style() term.Style { return term.StyleOf(s.Out, s.Getenv) }

// An app is one invocation.
type app struct {
	Shell
	config string   // --config
	format string   // --format
	order  []string // of the commands in help
	warned bool     // of the configuration
}

// Run carries out a command line and returns its exit code.
func Run(ctx context.Context, args []string, shell Shell) int {
	a := &app{Shell: shell}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(shell.In)
	root.SetOut(shell.Out)
	root.SetErr(shell.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code, quiet := codeOf(ctx, err)
	if !quiet {
		a.printError(err)
	}
	return code
}

const about = `plumbline tells whether the idle color of a blue/green deployment is true before anyone puts weight on it:
it asks the environment what its suites say, in parallel, and opens the gate only on a fresh pass.

Exit codes: 0 pass or open, 1 fail or closed, 2 usage or configuration, 3 could not be determined, 4 --timeout ran out,
5 superseded, 130 interrupted.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "plumbline",
		Short:         "the gate of a blue/green deployment",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		Version:       version(),
		RunE:          helpOrUnknown,
	}
	root.SetHelpFunc(a.help)
	root.SetHelpCommand(a.helpCommand())
	root.SetVersionTemplate("plumbline {{.Version}}\n")
	root.PersistentFlags().StringVar(&a.config, "config", "", "settings `FILE` (default configs/plumbline.yaml, if it is there)")
	root.Flags().Bool("version", false, "print the version of this program")
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.AddGroup(&cobra.Group{ID: "start", Title: "Start"}, &cobra.Group{ID: "release", Title: "Releases and gates"},
		&cobra.Group{ID: "suites", Title: "Suites"}, &cobra.Group{ID: "look", Title: "Look"}, &cobra.Group{ID: "more", Title: "More"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
			a.order = append(a.order, c.Name())
		}
	}
	add("start", a.devCommand(), a.serveCommand(), a.sandboxCommand())
	add("release", a.releaseCommand(), a.switchedCommand(), a.validateCommand(), a.gateCommand(), a.adoptCommand())
	add("suites", a.runCommand(), a.lintCommand(), a.initCommand(), a.schemaCommand())
	add("look", a.statusCommand(), a.runsCommand(), a.showCommand(), a.diffCommand(), a.deadLettersCommand(), a.doctorCommand())
	add("more", a.busCommand(), a.versionCommand())
	completion(root)
	return root
}

// formats lets a command answer in JSON, too.
func (a *app) formats(cmd *cobra.Command, names ...string) {
	cmd.Flags().StringVar(&a.format, "format", names[0], "`FORMAT` of the answer: "+strictyaml.List(names))
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range names {
			if a.format == name {
				if before != nil {
					return before(cmd, args)
				}
				return nil
			}
		}
		return usagef("--format %q: want %s%s", a.format, strictyaml.List(names), didYouMean(a.format, names))
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return usagef("unknown command %q%s; %s --help lists them", name, didYouMean(name, known), cmd.CommandPath())
}

func flagError(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	var missing *pflag.NotExistError
	switch {
	case errors.As(err, &wrong):
		want := map[string]string{"duration": "a duration such as 30s or 5m", "int": "a number from 1", "uint64": "a number", "float64": "a number"}[wrong.GetFlag().Value.Type()]
		if want != "" {
			return usagef("--%s %q: want %s", wrong.GetFlag().Name, wrong.GetValue(), want)
		}
	case errors.As(err, &missing):
		name := "--" + missing.GetSpecifiedName()
		if short := missing.GetSpecifiedShortnames(); short != "" {
			name = "-" + short
		}
		return usagef("unknown flag %s%s; %s --help lists them", name, nearestFlag(cmd, missing.GetSpecifiedName()), cmd.CommandPath())
	}
	return usagef("%w", err)
}

func nearestFlag(cmd *cobra.Command, name string) string {
	var known []string
	flagsOf(cmd).VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near := strictyaml.Suggest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean --%s?)", near)
	}
	return ""
}

func didYouMean(name string, known []string) string {
	if near := strictyaml.Suggest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// arguments wants exactly these, by name.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(names) == 0:
			return usagef("%s takes no arguments, got %q", nameOf(cmd), args[0])
		case len(args) > len(names):
			return usagef("%s wants %s alone, got %q, too: %s", nameOf(cmd), strings.Join(names, " and "), args[len(names)], usageOf(cmd))
		}
		return usagef("%s wants %s: %s", nameOf(cmd), strings.Join(names, " and "), usageOf(cmd))
	}
}

// atMostOne wants one argument or none.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%s wants one %s or none, got %q, too: %s", nameOf(cmd), name, args[1], usageOf(cmd))
		}
		return nil
	}
}

// nameOf is a command without the program's name, which stands before every error.
func nameOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}
