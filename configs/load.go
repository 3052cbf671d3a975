package configs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// A Source is where settings come from; later ones win: the file, the environment, the overrides.
type Source struct {
	File string // "" if there is none; paths in it are relative to its directory
	Data []byte // the content of File, if it isn't to be read from disk

	// Environ are NAME=VALUE pairs. PLUMBLINE_A__B sets b of a, PLUMBLINE__LISTEN sets listen. A value in [] or {} is
	// YAML, everything else is text. Secrets of the form {env: NAME} come from here as well.
	Environ []string

	// Overrides are what flags say: dotted keys such as "bus.store". Text is taken as the environment's; other values
	// as YAML would write them. Paths are relative to the working directory.
	Overrides map[string]any

	// WithoutSecrets leaves secrets unread and empty: for commands that need none, where they may not be at hand.
	WithoutSecrets bool

	ReadFile func(name string) ([]byte, error)      // default strictyaml.ReadFile
	Stat     func(name string) (fs.FileInfo, error) // default os.Stat
}

// A Warning is something that is probably not meant, but possible.
type Warning = strictyaml.Problem

// separator joins keys for koanf; no key can contain it.
const separator = "\x1f"

// Load reads, merges and validates settings. The error is strictyaml.Problems and has everything that is wrong: at
// FILE:LINE:COL, or at the environment variable or flag that said it. The configuration is nil unless it is valid.
func Load(source Source) (*Config, []Warning, error) {
	if source.ReadFile == nil {
		source.ReadFile = strictyaml.ReadFile
	}
	if source.Stat == nil {
		source.Stat = os.Stat
	}
	l := &loader{source: source, config: &Config{}}
	l.load()
	problems := l.relocated()
	if err := problems.Err(); err != nil {
		return nil, problems.Warnings(), err
	}
	return l.config, problems.Warnings(), nil
}

// A loader carries one Load from the sources to the configuration.
//
// koanf merges maps of references to YAML nodes, so that every value keeps the place it came from through the merge:
// a line above zero is a line of the file; a line below, the number of the variable or flag in places.
type loader struct {
	source   Source
	config   *Config
	nodes    []*yaml.Node          // what the leaves of merged maps refer to
	keys     map[string]*yaml.Node // the places of keys, by path
	places   []string
	root     *yaml.Node // the merged settings
	told     int        // problems of a file that can be decoded nevertheless
	unread   unread
	problems strictyaml.Problems
}

func (l *loader) load() {
	l.keys = make(map[string]*yaml.Node)
	merged := koanf.New(separator)
	for _, read := range []func(*koanf.Koanf) map[string]any{l.file, l.environ, l.overrides} {
		if err := merged.Load(confmap.Provider(read(merged), ""), nil); err != nil {
			l.problem(nil, "%s", err)
		}
	}
	if len(l.problems) > l.told {
		return // what follows would only complain of the same
	}
	l.root = l.node(merged.Raw(), "")
	l.add(strictyaml.Decode(l.source.File, l.root, l.config))
	l.unread = unreadable(l.root, l.problems)
	if err := l.canonicalize(); err != nil {
		l.add(err)
		return
	}
	l.defaults()
	l.validate()
	l.leaveOut()
	l.resolvePaths()
	l.resolveSecrets()
}

// file reads the file into a map whose leaves refer to nodes.
func (l *loader) file(*koanf.Koanf) map[string]any {
	data := l.source.Data
	if l.source.File == "" && data == nil {
		return nil
	}
	if data == nil {
		var err error
		if data, err = l.source.ReadFile(l.source.File); err != nil {
			l.problem(nil, "%s", plainError(err))
			return nil
		}
	}
	root, err := strictyaml.Parse(l.source.File, data)
	l.add(err)
	if root == nil {
		return nil
	}
	l.told = len(l.problems)
	if root.Kind != yaml.MappingNode {
		l.add(strictyaml.Decode(l.source.File, root, &Config{}))
		return nil
	}
	return l.mapping(root, "")
}

// mapping turns a YAML map into one for koanf.
func (l *loader) mapping(n *yaml.Node, path string) map[string]any {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		l.keys[at] = key
		if value.Kind == yaml.MappingNode && !isReference(value) {
			m[key.Value] = l.mapping(value, at)
			continue
		}
		m[key.Value] = l.refer(value)
	}
	return m
}

// isReference says whether a map is {env: …} or {file: …}, which is replaced as a whole: never merged to both.
func isReference(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; key != "env" && key != "file" {
			return false
		}
	}
	return len(n.Content) > 0
}

func (l *loader) refer(n *yaml.Node) int {
	l.nodes = append(l.nodes, n)
	return len(l.nodes) - 1
}

// node turns what koanf merged back into YAML, every piece at the place it came from.
func (l *loader) node(value any, path string) *yaml.Node {
	if i, isLeaf := value.(int); isLeaf {
		return l.nodes[i]
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if key := l.keys[path]; key != nil {
		n.Line, n.Column = key.Line, key.Column
	}
	m, _ := value.(map[string]any)
	for _, key := range l.inOrder(m, path) {
		n.Content = append(n.Content, l.keys[join(path, key)], l.node(m[key], join(path, key)))
	}
	return n
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + separator + key
}

// at is the node of a path of keys, or the nearest there is.
func (l *loader) at(path ...string) *yaml.Node {
	n := l.root
	for _, key := range path {
		next := strictyaml.Value(n, key)
		if next == nil {
			break
		}
		n = next
	}
	return n
}

// has says whether somebody set this.
func (l *loader) has(path ...string) bool {
	n := l.root
	for _, key := range path {
		if n = strictyaml.Value(n, key); n == nil {
			return false
		}
	}
	return true
}

// path makes a path relative to the file that names it.
func (l *loader) path(n *yaml.Node, path string) string {
	if filepath.IsAbs(path) || n == nil || n.Line < 0 {
		return path
	}
	return filepath.Join(filepath.Dir(l.source.File), path)
}

func (l *loader) problem(at *yaml.Node, format string, args ...any) {
	l.tell(at, strictyaml.At(l.source.File, at, format, args...))
}

func (l *loader) hinted(at *yaml.Node, hint, format string, args ...any) {
	l.tell(at, strictyaml.At(l.source.File, at, format, args...).WithHint("%s", hint))
}

func (l *loader) warn(at *yaml.Node, format string, args ...any) {
	p := strictyaml.At(l.source.File, at, format, args...)
	p.Warning = true
	l.tell(at, p)
}

func (l *loader) tell(at *yaml.Node, p strictyaml.Problem) {
	if !l.unread.follows(at, p.Text+" "+p.Hint) {
		l.problems = append(l.problems, p)
	}
}

func (l *loader) add(err error) {
	if several, ok := err.(strictyaml.Problems); ok {
		l.problems = append(l.problems, several...)
	} else if err != nil {
		l.problem(nil, "%s", err)
	}
}

// relocated names the variable or flag of everything that didn't come from the file.
func (l *loader) relocated() strictyaml.Problems {
	for i, p := range l.problems {
		if p.File == "" {
			p.File = "configuration"
		}
		if p.Line < 0 {
			p.File, p.Line, p.Column = l.places[-p.Line-1], 0, 0
			if p.Hint == "" && strings.HasSuffix(p.Text, "want a list") {
				p.Hint = "write [one, two]"
			}
		}
		l.problems[i] = p
	}
	return l.problems.Sorted()
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
