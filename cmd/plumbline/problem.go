package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// printProblem writes FILE:LINE:COL, what is wrong, and the line itself with a caret.
func printProblem(w io.Writer, s term.Style, p strictyaml.Problem) {
	text := term.Printable(p.Error())
	if place, rest, found := strings.Cut(text, ": "); found && strings.HasPrefix(place, p.File) {
		if what, warned := strings.CutPrefix(rest, "warning: "); warned {
			rest = s.Yellow("warning:") + " " + what
		}
		text = s.Bold(place+":") + " " + rest
	}
	fmt.Fprintln(w, text)
	if data, err := strictyaml.ReadFile(p.File); err == nil {
		if shown := excerpt(string(data), p); shown != "" {
			fmt.Fprintln(w, s.Dim(term.Printable(shown)))
		}
	}
}

// printError writes what ended a command. Of files that are wrong it shows the lines.
func (a *app) printError(err error) {
	style := term.StyleOf(a.Err, a.Getenv)
	var problems strictyaml.Problems
	if !errors.As(err, &problems) || len(problems) == 1 && problems[0].Line == 0 {
		fmt.Fprintf(a.Err, "%s %s\n", style.Red("plumbline:"), term.Printable(err.Error()))
		return
	}
	for _, p := range problems.Sorted() {
		printProblem(a.Err, style, p)
	}
	if n := len(problems.Errors()); n > 0 {
		fmt.Fprintf(a.Err, "%s %s\n", style.Red("plumbline:"), count(n, "error"))
	}
}
