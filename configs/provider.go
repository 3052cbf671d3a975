package configs

import (
	"net/url"
	"slices"
	"strings"
)

// A Provider is an account at a provider that has a kind of check of its own.
type Provider interface {
	// Origin is what may have its credential: scheme, host and port.
	Origin() string
	// secrets are the account's, in an order that doesn't change.
	secrets() []*Secret
	// settle puts in what goes without saying.
	settle(l *loader, path []string)
	// validate refuses what can't be meant.
	validate(l *loader, path []string)
	// limit is how often the provider lets itself be asked; the zero Rate is as often as one likes.
	limit() Rate
}

// A knower is a Provider that knows what its secrets look like.
type knower interface {
	// revealed refuses secrets that can't be meant, once they are read.
	revealed(l *loader, path []string)
}

// A spread is a Provider that is asked at more addresses than its origin and those that are secrets.
type spread interface {
	others() []string
}

// providers make the account of each kind.
func providers() map[string]Provider {
	return map[string]Provider{
		KindDarwinbox:      &Darwinbox{},
		KindSlackAccount:   &SlackAccount{},
		KindTeams:          &Teams{},
		KindWebhook:        &Webhook{},
		KindSuccessFactors: &SuccessFactors{},
		KindWorkday:        &Workday{},
	}
}

// A Host is where a provider answers: a name over https, or a whole origin, as a proxy or a simulator has.
type Host struct {
	Host string `yaml:"host"` // acme.example.com, or acme.example.com:8443
	URL  string `yaml:"url"`  // instead of host
}

// Origin is the host's, "" if there is none.
func (h Host) Origin() string {
	if h.URL == "" && h.Host != "" {
		return "https://" + strings.ToLower(h.Host)
	}
	return h.URL
}

// check refuses a host that is none, and both or, if one is needed, none of host and url.
func (h Host) check(l *loader, path []string, needed bool) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	switch {
	case h.Host != "" && h.URL != "":
		l.problem(l.at(at("url")...), "both host and url, want one of them")
	case h.Host == "" && h.URL == "" && needed:
		l.need(false, "host", path)
	case h.Host != "":
		if u, err := url.Parse("https://" + h.Host); err != nil || u.Host != h.Host || u.Hostname() == "" {
			l.hinted(l.at(at("host")...), "write acme.example.com", "%q is no host", h.Host)
		}
	case h.URL != "":
		if u, err := url.Parse(h.URL); err == nil && strings.Trim(u.Path, "/") != "" {
			l.problem(l.at(at("url")...), "a URL with a path, want scheme, host and port")
		}
	}
}
