package configs

import (
	"maps"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// KindDarwinbox is the kind of an API user of a company at Darwinbox.
const KindDarwinbox = "darwinbox"

// A Darwinbox account has a user with a password, or exchanges a code for a token.
type Darwinbox struct {
	Host         Host                       `yaml:",inline"` // acme.darwinbox.in
	Username     string                     `yaml:"username"`
	Password     Secret                     `yaml:"password"`
	ClientID     string                     `yaml:"client_id"` // of the OAuth variant
	ClientSecret Secret                     `yaml:"client_secret"`
	Code         Secret                     `yaml:"code"`
	APIKey       Secret                     `yaml:"api_key"`
	DatasetKey   Secret                     `yaml:"dataset_key"`
	Employee     string                     `yaml:"employee"` // the canary that checks ask for
	Messages     map[string]plumbline.Class `yaml:"messages"` // parts of messages, and the classes that they mean
}

// Origin is the company's.
func (d *Darwinbox) Origin() string { return d.Host.Origin() }

func (d *Darwinbox) secrets() []*Secret {
	return []*Secret{&d.Password, &d.ClientSecret, &d.Code, &d.APIKey, &d.DatasetKey}
}

func (d *Darwinbox) settle(*loader, []string) {}

// limit is our own: Darwinbox documents none, and a full dataset takes it half a minute.
func (d *Darwinbox) limit() Rate { return Rate{PerSecond: 2, Burst: 4} }

func (d *Darwinbox) validate(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	d.Host.check(l, path, true)
	l.need(!d.APIKey.IsZero(), "api_key", path)
	l.need(!d.DatasetKey.IsZero(), "dataset_key", path)
	switch oauth := d.ClientID != "" || !d.ClientSecret.IsZero() || !d.Code.IsZero(); {
	case oauth && (d.Username != "" || !d.Password.IsZero()):
		l.problem(l.at(path...), "both a user and a client of OAuth, want one of them")
	case oauth:
		l.need(d.ClientID != "", "client_id", path)
		l.need(!d.ClientSecret.IsZero(), "client_secret", path)
		l.need(!d.Code.IsZero(), "code", path)
	default:
		l.need(d.Username != "", "username", path)
		l.need(!d.Password.IsZero(), "password", path)
	}
	classes := make([]string, 0, len(plumbline.Classes()))
	for _, class := range plumbline.Classes() {
		classes = append(classes, string(class))
	}
	for _, part := range slices.Sorted(maps.Keys(d.Messages)) {
		if class := string(d.Messages[part]); !slices.Contains(classes, class) {
			l.hinted(l.at(append(at("messages"), part)...), strictyaml.DidYouMean(class, classes), "unknown class %q", class)
		}
		if strings.TrimSpace(part) == "" {
			l.problem(l.at(at("messages")...), "a part of a message that every message has")
		}
	}
}
