package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Help fits into a terminal of 100 columns.
func TestHelpFitsIntoATerminal(t *testing.T) {
	a := &app{Shell: Shell{}}
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		var out bytes.Buffer
		a.Out = &out
		a.help(cmd, nil)
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
		if !strings.Contains(out.String(), "\n  "+usageOf(cmd)+"\n") || !strings.Contains(out.String(), cmd.Example) {
			t.Errorf("%s: the usage or the examples are missing:\n%s", cmd.CommandPath(), &out)
		}
		for _, c := range cmd.Commands() {
			look(c)
		}
	}
	look(a.root())
}

func TestParagraphsAreFilledAnew(t *testing.T) {
	got := paragraphs("One\nthat goes on.\n\nTwo:\n\n\tas it\n\tis\n", 10)
	if want := "One that\ngoes on.\n\nTwo:\n\n\tas it\n\tis"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
