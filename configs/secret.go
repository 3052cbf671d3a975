package configs

import (
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// A Secret is written as {env: NAME} or {file: PATH}, and read when the configuration is loaded. However it is
// printed, logged or encoded, it is redact.Mark. The zero Secret is none.
type Secret struct {
	ref  *secretRef
	read func() string // a func prints as an address
	file string        // that it was read from
}

type secretRef struct {
	env, file string
	node      *yaml.Node
}

const maxSecret = 64 << 10

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Reveal is the secret itself: hand it to whom it is for and to nobody else.
func (s Secret) Reveal() string {
	if s.read == nil {
		return ""
	}
	return s.read()
}

// File is the file that the secret was read from, or nothing.
func (s Secret) File() string { return s.file }

// IsZero says whether nobody named a secret.
func (s Secret) IsZero() bool { return s.ref == nil && s.read == nil }

// String, GoString, MarshalText and LogValue hide the secret.
func (s Secret) String() string               { return redact.Mark }
func (s Secret) GoString() string             { return redact.Mark }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redact.Mark), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redact.Mark) }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redact.Mark)) }

// NewSecret is a secret that didn't come from a file of settings.
func NewSecret(value string) Secret { return Secret{read: func() string { return value }} }

const secretCure = "write {env: NAME} or {file: PATH}" // #nosec G101 -- how a reference is written, no credential

// UnmarshalYAML takes a reference and refuses a secret that is written out, without repeating it.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return strictyaml.At("", n, "a secret that is written out is refused").WithHint(secretCure)
	}
	var ref struct {
		Env  string `yaml:"env"`
		File string `yaml:"file"`
	}
	if err := strictyaml.Decode("", n, &ref); err != nil {
		return err
	}
	switch {
	case ref.Env != "" && ref.File != "":
		return strictyaml.At("", n, "a secret from both env and file, want one of them")
	case ref.Env == "" && ref.File == "":
		return strictyaml.At("", n, "a secret from nowhere").WithHint(secretCure)
	}
	s.ref = &secretRef{env: ref.Env, file: ref.File, node: n}
	return nil
}

// resolve reads the secret.
func (s *Secret) resolve(l *loader) {
	if s.ref == nil || l.source.WithoutSecrets {
		return
	}
	value, problem := l.fetch(*s.ref)
	switch {
	case problem != "":
		l.problem(s.ref.node, "%s", problem)
	case len(value) < redact.MinLength:
		l.problem(s.ref.node, "a secret of %d characters, want at least %d", len(value), redact.MinLength)
	default:
		s.read = func() string { return value }
		if s.ref.file != "" {
			s.file = l.path(s.ref.node, s.ref.file)
		}
		l.config.revealed = append(l.config.revealed, *s)
	}
}

func (l *loader) fetch(ref secretRef) (value, problem string) {
	if ref.env != "" {
		if !variableName.MatchString(ref.env) {
			return "", "env wants the name of an environment variable, not the secret"
		}
		value, set := l.environment(ref.env)
		if !set {
			return "", fmt.Sprintf("the environment variable %s isn't set (export %s=…, or write {file: PATH})", ref.env, ref.env)
		}
		return strings.TrimSpace(value), ""
	}
	path := l.path(ref.node, ref.file)
	data, problem := l.readSecret(path)
	return strings.TrimSpace(string(data)), problem
}

// readSecret reads a file that nobody else can read.
func (l *loader) readSecret(path string) ([]byte, string) {
	info, err := l.source.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("%s: %s", path, plainError(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Sprintf("%s is no regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Sprintf("%s has mode %#o: others can read it (chmod 600 %s)", path, info.Mode().Perm(), path)
	case info.Size() > maxSecret:
		return nil, fmt.Sprintf("%s is %d bytes, want at most %d", path, info.Size(), maxSecret)
	}
	data, err := l.source.ReadFile(path)
	if err != nil {
		return nil, fmt.Sprintf("%s: %s", path, plainError(err))
	}
	return data, ""
}

// plainError leaves out the path that an error of the file system repeats.
func plainError(err error) string {
	if e, ok := err.(*fs.PathError); ok {
		err = e.Err
	}
	return strings.ToLower(err.Error())
}
