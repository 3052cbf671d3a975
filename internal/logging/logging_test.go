package logging_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/logging"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

const secret = "hunter22-s3cr3t"

type account struct{ Name, Password string }

type url string

func (u url) String() string { return "https://" + string(u) }

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", secret)) }

type selfish struct{}

func (selfish) MarshalJSON() ([]byte, error) { return json.Marshal(secret) }

func TestNoSecretIsLogged(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			var out strings.Builder
			log := logging.New(&out, logging.Options{Format: format, Level: slog.LevelDebug, Redact: redact.New(secret).String})
			log.With("attr", secret).WithGroup("group").With("in", secret).Debug("message "+secret,
				"text", secret, "error", fmt.Errorf("wrapped: %w", errors.New(secret)), "stringer", url(secret),
				"struct", account{"me", secret}, "pointer", &account{"me", secret}, "list", []string{"a", secret}, "map", map[string]any{secret: 1},
				"bytes", []byte(secret), "lazy", lazy{}, "selfish", selfish{}, slog.Group("nested", "deep", secret), secret, "a key")
			if leak := redact.Leaks(out.String(), secret); leak != "" {
				t.Errorf("%s: %s", leak, out.String())
			}
			if n := strings.Count(out.String(), redact.Mark); n < 12 {
				t.Errorf("%d marks, want at least 12: %s", n, out.String())
			}
		})
	}
}

func TestWhatIsNoSecretKeepsItsShape(t *testing.T) {
	var out strings.Builder
	log := logging.New(&out, logging.Options{Redact: redact.New(secret).String})
	log.Info("said", "n", 7, "took", time.Second, "list", []int{1, 2}, "account", account{"me", "x"}, "none", nil, "error", errors.New("odd"))
	var got map[string]any
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	delete(got, "time")
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"account":{"Name":"me","Password":"x"},"error":"odd","level":"INFO","list":[1,2],"msg":"said","n":7,"none":null,"took":1000000000}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestFormats(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for _, pair := range pairs {
				if value, found := strings.CutPrefix(pair, name+"="); found {
					return value
				}
			}
			return ""
		}
	}
	tests := []struct {
		name          string
		options       logging.Options
		json, colored bool
	}{
		{"zero, to a pipe", logging.Options{}, true, false},
		{"auto, to a pipe", logging.Options{Format: "auto"}, true, false},
		{"json in spite of a wish for color", logging.Options{Format: "json", Getenv: env("CLICOLOR_FORCE=1")}, true, false},
		{"text, to a pipe", logging.Options{Format: "text"}, false, false},
		{"text with color", logging.Options{Format: "text", Getenv: env("CLICOLOR_FORCE=1")}, false, true},
		{"no color wins", logging.Options{Format: "text", Getenv: env("CLICOLOR_FORCE=1", "NO_COLOR=1")}, false, false},
		{"force 0 is none", logging.Options{Format: "text", Getenv: env("CLICOLOR_FORCE=0")}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			logging.New(&out, tt.options).Warn("careful")
			if got := json.Valid([]byte(out.String())); got != tt.json {
				t.Errorf("JSON %t, want %t: %q", got, tt.json, out.String())
			}
			if got := strings.Contains(out.String(), "\x1b["); got != tt.colored {
				t.Errorf("colored %t, want %t: %q", got, tt.colored, out.String())
			}
		})
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1, "": 3, "loud": 3} {
		var out strings.Builder
		log := logging.New(&out, logging.Options{Level: logging.Level(level)})
		log.Debug("x")
		log.Info("x")
		log.Warn("x")
		log.Error("x")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("%q logs %d of 4 lines, want %d", level, got, want)
		}
	}
}

func TestTerminalsObeyNothingThatIsLogged(t *testing.T) {
	colored := func(name string) string { return map[string]string{"CLICOLOR_FORCE": "1"}[name] }
	for _, said := range []string{"\x1b[2Jgone", `\x1b[2Jgone`, `id "\x1b[2J" isn't printable`, "\x9b2Jgone", "\u009b2Jgone"} {
		var out strings.Builder
		log := logging.New(&out, logging.Options{Format: "text", Getenv: colored})
		log.Info("plain")
		plain := strings.Count(out.String(), "\x1b")
		log.With("with", said).Info(said, "text", said, "error", errors.New(said), "list", []string{said})
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		got := lines[len(lines)-1]
		if strings.Contains(got, "\x1b[2J") || strings.ContainsAny(got, "\u009b") || strings.Contains(got, "\x9b2") {
			t.Errorf("%q is logged as %q", said, got)
		}
		if plain == 0 || !strings.Contains(got, "2J") {
			t.Errorf("%d colors, want some, and the text: %q", plain, got)
		}
	}
}
