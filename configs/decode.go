package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// UnmarshalYAML takes `live: blue` and `live: {color: blue, version: 2026.11.2}`.
func (l *Live) UnmarshalYAML(n *yaml.Node) error {
	var long struct {
		Color   plumbline.Color `yaml:"color"`
		Version string          `yaml:"version"`
	}
	into := any(&long)
	if n.Kind == yaml.ScalarNode {
		into = &long.Color
	}
	if err := strictyaml.Decode("", n, into); err != nil {
		return err
	}
	if _, err := plumbline.ParseColor(string(long.Color)); err != nil {
		if at := strictyaml.Value(n, "color"); at != nil {
			n = at
		}
		return strictyaml.At("", n, "%s", err)
	}
	*l = Live{Color: long.Color, Version: long.Version}
	return nil
}

// UnmarshalYAML takes the keys of the kind, and `on`.
func (r *Reporter) UnmarshalYAML(n *yaml.Node) error {
	rest, kind, err := split(n, "kind", []string{KindSlack})
	if err != nil {
		return err
	}
	var of struct {
		On    On `yaml:"on"`
		Slack `yaml:",inline"`
	}
	err = strictyaml.Decode("", rest, &of)
	r.Kind, r.On, r.Slack = kind, of.On, &of.Slack
	return err
}

// UnmarshalYAML takes `{file: …, hosts: […]}` or `{env: …, hosts: […]}`.
func (s *NamedSecret) UnmarshalYAML(n *yaml.Node) error {
	rest, hosts := without(n, "hosts")
	if hosts == nil && n.Kind == yaml.MappingNode {
		return strictyaml.At("", n, "a secret without hosts").WithHint("name who may have it: hosts: [api.example.com]")
	}
	if hosts != nil {
		if err := strictyaml.Decode("", hosts, &s.Hosts); err != nil {
			return err
		}
	}
	return s.Secret.UnmarshalYAML(rest)
}

// UnmarshalYAML is a map; what else was written may be a secret, and isn't repeated.
func (t *Token) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return strictyaml.At("", n, "no token, want a map with name, roles and token")
	}
	type plain Token
	return strictyaml.Decode("", n, (*plain)(t))
}

// split takes the key that decides what the others mean out of a map.
func split(n *yaml.Node, key string, known []string) (rest *yaml.Node, value string, err error) {
	if n.Kind != yaml.MappingNode {
		return nil, "", strictyaml.At("", n, "no map, want one with %s", key)
	}
	rest, at := without(n, key)
	if at == nil {
		return nil, "", strictyaml.At("", n, "no %s", key).WithHint("want %s: %s", key, strings.Join(known, "|"))
	}
	if err := strictyaml.Decode("", at, &value); err != nil {
		return nil, "", err
	}
	for _, k := range known {
		if value == k {
			return rest, value, nil
		}
	}
	return nil, "", strictyaml.At("", at, "unknown %s %q", key, value).WithHint("%s", strictyaml.DidYouMean(value, known))
}

// without is a copy of a map that lacks a key, and the value of that key.
func without(n *yaml.Node, key string) (rest, value *yaml.Node) {
	copied := *n
	copied.Content = nil
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == key {
			value = n.Content[i+1]
			continue
		}
		copied.Content = append(copied.Content, n.Content[i], n.Content[i+1])
	}
	return &copied, value
}

// UnmarshalText reads 2026-12-01 or 2026-12-01T08:00:00+01:00.
func (i *Instant) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			i.Time = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q, want a date such as 2026-12-01 or a time such as 2026-12-01T08:00:00Z", text)
}

// A Size is a number of bytes.
type Size int64

// UnmarshalText reads 2MiB, 512KiB, 1GiB or a number of bytes.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), int64(1)
	for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if before, found := strings.CutSuffix(digits, suffix); found {
			digits, unit = strings.TrimSpace(before), bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q, want a size such as 512KiB or 2MiB", text)
	}
	*s = Size(n * unit)
	return nil
}
