package configs_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

const clientSecret = "plum-client-s3cr3t"

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("p.yaml", valid+"connections: {a: {kind: bearer, token: {file: token}}}", 0o644)
	write("token", "hunter22\n", 0o600)
	if got := load(t, configs.Source{File: file}).Connections["a"].Bearer.Token.Reveal(); got != "hunter22" {
		t.Errorf("got %q, want the file beside the configuration, trimmed", got)
	}
	for _, tt := range []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"others can read it", "hunter22", 0o644, "token has mode 0644: others can read it (chmod 600 "},
		{"its group can read it", "hunter22", 0o640, "token has mode 0640: others can read it"},
		{"empty", "", 0o600, "a secret of 0 characters, want at least 4"},
		{"huge", strings.Repeat("x", 64<<10+1), 0o600, "token is 65537 bytes, want at most 65536"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write("token", tt.content, tt.mode)
			_, _, err := configs.Load(configs.Source{File: file})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if _, _, err := configs.Load(configs.Source{File: file, WithoutSecrets: true}); err != nil {
		t.Errorf("without secrets: %v", err)
	}
	if _, _, err := configs.Load(configs.Source{File: filepath.Join(dir, "none.yaml")}); err == nil || !strings.HasSuffix(err.Error(), "none.yaml: no such file or directory") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	c := load(t, shipped())
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", c, "secret", c.Connections["plum-api"].OAuth2.ClientSecret)
	texts := []string{string(encoded), logged.String(), string(c.Canonical())}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c), fmt.Sprintf(verb, c.Connections["plum-api"].OAuth2),
			fmt.Sprintf(verb, c.Connections["plum-api"].OAuth2.ClientSecret))
	}
	for _, text := range texts {
		if leak := redact.Leaks(text, clientSecret); leak != "" {
			t.Errorf("%s: %s", leak, text)
		}
	}
}
