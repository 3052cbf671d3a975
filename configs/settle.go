package configs

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// Default is the shipped configuration: the service plum in the sandbox.
//
//go:embed plumbline.yaml
var Default []byte

// DefaultFile is where the shipped configuration lies in the source, and where commands look for one.
const DefaultFile = "configs/plumbline.yaml"

// ShippedPrefix begins the names of suites that are part of the program: shipped:plum.
const ShippedPrefix = "shipped:"

func (l *loader) defaults() {
	c := l.config
	c.Bus.Prefix = cmp.Or(c.Bus.Prefix, DefaultPrefix)
	setDefault(l, &c.Bus.Keep, DefaultKeep, "bus", "keep")
	c.Listen = cmp.Or(c.Listen, DefaultListen)
	c.Log = Log{Level: cmp.Or(c.Log.Level, "info"), Format: cmp.Or(c.Log.Format, "auto")}
	if c.Bus.Embedded() {
		setDefault(l, &c.Bus.Listen, DefaultBusListen, "bus", "listen")
	}
	setDefault(l, &c.Limits.Concurrency, DefaultConcurrency, "limits", "concurrency")
	setDefault(l, &c.Limits.PerHost, DefaultPerHost, "limits", "per_host")
	setDefault(l, &c.Limits.Body, DefaultBody, "limits", "body")
	setDefault(l, &c.ShutdownGrace, DefaultGrace, "shutdown_grace")
	for name, connection := range c.Connections {
		l.connectionDefaults(name, connection)
	}
	for name, s := range c.Services {
		setDefault(l, &s.Deadline, DefaultDeadline, "services", name, "deadline")
		setDefault(l, &s.Standby.Retain, DefaultRetain, "services", name, "standby", "retain")
		setDefault(l, &s.Gate.ValidFor, DefaultValidFor, "services", name, "gate", "valid_for")
		s.Standby.TimeZone = cmp.Or(s.Standby.TimeZone, "UTC")
		s.Gate.Rollback = cmp.Or(s.Gate.Rollback, RollbackWarn)
		s.Gate.Mode = cmp.Or(s.Gate.Mode, ModeEnforce)
	}
}

// setDefault leaves what somebody wrote, be it 0, to validation.
func setDefault[T any](l *loader, value *T, to T, path ...string) {
	if !l.has(path...) {
		*value = to
	}
}

// resolvePaths makes every path independent of the file that named it.
func (l *loader) resolvePaths() {
	c := l.config
	l.busPaths(&c.Bus)
	for name, connection := range c.Connections {
		if m := connection.MTLS; m != nil {
			m.Certificate = l.path(l.at("connections", name, "certificate"), m.Certificate)
			if m.Authorities != "" {
				m.Authorities = l.path(l.at("connections", name, "authorities"), m.Authorities)
			}
		}
	}
	for name, s := range c.Services {
		at := l.at("services", name, "suites")
		for i, suite := range s.Suites {
			if !strings.HasPrefix(suite, ShippedPrefix) {
				s.Suites[i] = l.path(at, suite)
			}
		}
	}
}

// resolveSecrets reads every secret, in an order that doesn't change.
func (l *loader) resolveSecrets() {
	c := l.config
	for _, name := range slices.Sorted(maps.Keys(c.Connections)) {
		for _, secret := range c.Connections[name].secrets() {
			secret.resolve(l)
		}
		l.keysOf(name, c.Connections[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.NamedSecrets)) {
		c.NamedSecrets[name].resolve(l)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Reporters)) {
		c.Reporters[name].Slack.Webhook.resolve(l)
		c.Reporters[name].Slack.Token.resolve(l)
	}
	l.resolveTokens()
	l.busSecrets(c.Bus)
}

// MinToken is the least length of a token: a shorter one can be guessed.
const MinToken = 16

func (l *loader) resolveTokens() {
	named := make(map[string]string)
	for _, t := range l.config.Tokens {
		t.Token.resolve(l)
		value := t.Token.Reveal()
		if value == "" {
			continue
		}
		if len(value) < MinToken {
			l.hinted(t.Token.ref.node, "make one: openssl rand -hex 32", "token %s has %s, want at least %d", t.Name, plural(len(value), "character"), MinToken)
		}
		if other, twice := named[value]; twice {
			l.problem(t.Token.ref.node, "tokens %s and %s are the same", other, t.Name)
		}
		named[value] = t.Name
	}
}

// canonicalize keeps what was merged as JSON: references to secrets are in it, secrets never are.
func (l *loader) canonicalize() error {
	var err error
	l.config.canonical, err = json.Marshal(plain(l.root))
	return err
}

// plain is the value of a node. What JSON has no word for, such as a date, is text.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plain(item)
		}
		return list
	}
	if value, problem := strictyaml.Scalar("", n); problem == nil {
		return value
	}
	return n.Value
}

// Canonical are the merged settings as JSON, with sorted keys and without secrets: what evidence keeps.
func (c *Config) Canonical() []byte { return slices.Clone(c.canonical) }

// Digest names the settings: sha256:HEX of Canonical.
func (c *Config) Digest() string {
	sum := sha256.Sum256(c.canonical)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Secrets are all secrets in clear, for the redactor.
func (c *Config) Secrets() []string {
	values := make([]string, 0, len(c.revealed))
	for _, s := range c.revealed {
		values = append(values, s.Reveal())
	}
	return values
}

// Policy is what the rules need to know of a service; Suites are left to who loads them. The policy of an unknown
// service is the zero one, which opens nothing.
func (c *Config) Policy(service string) plumbline.Policy {
	s := c.Services[service]
	if s == nil {
		return plumbline.Policy{}
	}
	return plumbline.Policy{
		New: s.New, Live: s.Live.Color, LiveVersion: s.Live.Version, Retain: s.Standby.Retain, ValidFor: s.Gate.ValidFor,
		Enforce: s.Gate.Rollback == RollbackEnforce, ObserveUntil: s.Gate.Until.Time,
		RequireDigest: s.Gate.RequireDigest, RequireChange: s.Gate.RequireChange,
	}
}

// Site is where a color of a service answers; false if nobody configured it.
func (c *Config) Site(service string, color plumbline.Color) (plumbline.Site, bool) {
	s := c.Services[service]
	if s == nil || s.Environments[color] == nil {
		return plumbline.Site{}, false
	}
	e := s.Environments[color]
	return plumbline.Site{Service: service, Color: color, URL: e.URL, Vars: e.Vars}, true
}
