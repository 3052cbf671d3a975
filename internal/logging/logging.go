// Package logging makes the one log of a process: colored for a person at a terminal, JSON for everything else, and
// without secrets for both.
package logging

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// Options say what is logged, and how it looks. The zero Options are fine.
type Options struct {
	Level  slog.Leveler // see Level; nil is info. A *slog.LevelVar lets it be changed
	Format string       // text, json, or what suits the writer

	Getenv func(name string) string // NO_COLOR, CLICOLOR_FORCE and TERM; nil knows no variables
	Redact func(text string) string // nil changes nothing
}

// Level is the level of a name: debug, info, warn or error; anything else is info.
func Level(name string) slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo
	}
	return level
}

// New makes a log that writes to w. Messages and attributes pass Redact, whatever their type.
func New(w io.Writer, o Options) *slog.Logger {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	handler := slog.Handler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: utc}))
	if o.Format == "text" || o.Format != "json" && isTerminal(w) {
		handler = tint.NewTextHandler(w, &tint.Options{Level: o.Level, TimeFormat: time.TimeOnly, NoColor: !colored(w, o.Getenv)})
		handler = redacting{handler, visible}
	}
	if o.Redact != nil {
		handler = redacting{handler, o.Redact}
	}
	return slog.New(handler)
}

// utc writes the time of a record as everything else in the house does.
func utc(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

func colored(w io.Writer, getenv func(string) string) bool {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) // #nosec G115 -- a file descriptor is a small number
}
