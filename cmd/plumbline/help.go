package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plumbline-dev/plumbline/internal/term"
)

// help prints what a command is for, how it is called, and nothing twice.
func (a *app) help(cmd *cobra.Command, _ []string) {
	out, s, width := &strings.Builder{}, a.style(), min(term.Width(a.Out), helpWidth)
	section := func(title string) { fmt.Fprintf(out, "\n%s\n", s.Bold(title)) }
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintln(out, paragraphs(text, width))
	fmt.Fprintf(out, "\n  %s\n", usageOf(cmd))
	for _, group := range a.groupsOf(cmd) {
		section(group.Title)
		for _, c := range group.commands {
			fmt.Fprintf(out, "  %-*s  %s\n", group.width, c.Name(), c.Short)
		}
	}
	if cmd.Example != "" {
		section("Examples")
		fmt.Fprintln(out, cmd.Example)
	}
	if flags := flagsOf(cmd); flags.HasFlags() {
		section("Flags")
		fmt.Fprint(out, strings.ReplaceAll(flags.FlagUsagesWrapped(width), "m0s)", "m)"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\n%s\n", s.Dim(fmt.Sprintf("%s COMMAND --help says more of each", cmd.CommandPath())))
	}
	fmt.Fprint(a.Out, out.String())
}

// helpWidth is as wide as help gets: longer lines are hard to read.
const helpWidth = 100

// paragraphs fills the lines of each paragraph anew. One with lines that are indented is left as it is.
func paragraphs(text string, width int) string {
	all := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, one := range all {
		if !strings.HasPrefix(one, "\t") && !strings.Contains(one, "\n ") && !strings.Contains(one, "\n\t") {
			all[i] = strings.Join(wrap(one, width), "\n")
		}
	}
	return strings.Join(all, "\n\n")
}

func usageOf(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return strings.TrimSuffix(cmd.UseLine(), " [flags]")
}

// A helpGroup is commands under one title.
type helpGroup struct {
	cobra.Group
	commands []*cobra.Command
	width    int
}

// groupsOf lists the commands beneath a command, in groups where it has some, as they were added.
func (a *app) groupsOf(cmd *cobra.Command) []helpGroup {
	groups := []helpGroup{}
	for _, g := range cmd.Groups() {
		groups = append(groups, helpGroup{Group: *g})
	}
	groups = append(groups, helpGroup{Group: cobra.Group{Title: "Commands"}})
	width := 0
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		width = max(width, len(c.Name()))
		i := slices.IndexFunc(groups, func(g helpGroup) bool { return g.ID == c.GroupID })
		groups[i].commands = append(groups[i].commands, c)
	}
	groups = slices.DeleteFunc(groups, func(g helpGroup) bool { return len(g.commands) == 0 })
	for i := range groups {
		groups[i].width = width
		slices.SortStableFunc(groups[i].commands, func(x, y *cobra.Command) int {
			return slices.Index(a.order, x.Name()) - slices.Index(a.order, y.Name())
		})
	}
	return groups
}

// flagsOf lists every flag that a command takes, but --help.
func flagsOf(cmd *cobra.Command) *pflag.FlagSet {
	flags := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	add := func(f *pflag.Flag) {
		if f.Name != "help" && flags.Lookup(f.Name) == nil {
			flags.AddFlag(f)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return flags
}

// helpCommand is help for those who write `plumbline help gate`.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "what a command is for",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			return found.Help()
		},
	}
}

// completion words the command that cobra brings along as the others are.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.GroupID, c.Short = "more", "completion for bash, zsh, fish and powershell"
		c.Long, c.Example = "Prints a script that completes commands and flags in a shell.", "  source <(plumbline completion bash)"
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(cmd *cobra.Command, args []string) error { return helpOrUnknown(cmd, args) }
		for _, shell := range c.Commands() {
			shell.Short = "for " + shell.Name()
		}
	}
}

// helpOrUnknown is what a command does that only has others beneath it.
func helpOrUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknownCommand(cmd, args[0])
}
