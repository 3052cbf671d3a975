package configs

import (
	"crypto/tls"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// inboxPrefix has no wildcards: answers would go astray.
var inboxPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// leastKeep is as long as events are kept: a verdict says which of them was judged.
const leastKeep = 30 * 24 * time.Hour

func (l *loader) bus(b Bus) {
	if err := plumbline.CheckName(b.Prefix); err != nil {
		l.problem(l.at("bus", "prefix"), "%s", err)
	}
	if b.Keep < leastKeep {
		l.problem(l.at("bus", "keep"), "%s, want at least %s: events are kept as long", b.Keep, leastKeep)
	}
	if b.Embedded() {
		l.embeddedBus(b)
		return
	}
	for server := range strings.SplitSeq(b.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		switch {
		case err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
			l.problem(l.at("bus", "url"), "no URL of a bus, want nats://HOST:PORT, tls://, ws:// or wss://")
		case u.User != nil:
			l.hinted(l.at("bus", "url"), "use credentials: FILE", "a URL with a secret in it")
		}
	}
	if l.has("bus", "inbox_prefix") && !inboxPrefix.MatchString(b.InboxPrefix) {
		l.problem(l.at("bus", "inbox_prefix"), "%q is no prefix of subjects, want one such as _INBOX_validator", b.InboxPrefix)
	}
	if l.has("bus", "replicas") && !slices.Contains([]int{1, 3, 5}, b.Replicas) {
		l.problem(l.at("bus", "replicas"), "%d, want 1, 3 or 5: an even number outlives no more failures", b.Replicas)
	}
	switch {
	case b.TLS.Certificate != "" && b.TLS.Key == "":
		l.hinted(l.at("bus", "tls", "certificate"), "add key: FILE", "a certificate without its key")
	case b.TLS.Key != "" && b.TLS.Certificate == "":
		l.hinted(l.at("bus", "tls", "key"), "add certificate: FILE", "a key without its certificate")
	}
}

// embeddedBus is reached from this machine alone.
func (l *loader) embeddedBus(b Bus) {
	for _, key := range []string{"credentials", "tls", "inbox_prefix", "replicas"} {
		if l.has("bus", key) {
			l.problem(l.at("bus", key), "%s without url: the embedded bus takes none", key)
		}
	}
	if b.Store == "" && !l.has("bus", "credentials") {
		l.hinted(l.at("bus"), "name the bus: url: nats://HOST:4222, or embed one: store: ../data", "neither url nor store")
	}
	if b.Listen == "" {
		return // nobody but the daemon itself
	}
	if host := l.address(b.Listen, "bus", "listen"); host != "" && !isLoopback(host) {
		l.hinted(l.at("bus", "listen"), "listen on 127.0.0.1, or run nats-server and name it by url",
			"the embedded bus has no accounts, and %q is beyond loopback", b.Listen)
	}
}

func (l *loader) busPaths(b *Bus) {
	for _, file := range []struct {
		path *string
		at   []string
	}{
		{&b.Store, []string{"bus", "store"}}, {&b.Credentials, []string{"bus", "credentials"}},
		{&b.TLS.Authorities, []string{"bus", "tls", "authorities"}}, {&b.TLS.Certificate, []string{"bus", "tls", "certificate"}},
		{&b.TLS.Key, []string{"bus", "tls", "key"}},
	} {
		if *file.path != "" {
			*file.path = l.path(l.at(file.at...), *file.path)
		}
	}
}

// busSecrets reads what this client shows to the bus: to be sure that nobody else can, and to keep it out of everything
// that is written. The bus reads the files again, at each connection.
func (l *loader) busSecrets(b Bus) {
	if l.source.WithoutSecrets {
		return
	}
	for _, secret := range []struct {
		file string
		at   []string
	}{{b.Credentials, []string{"bus", "credentials"}}, {b.TLS.Key, []string{"bus", "tls", "key"}}} {
		if secret.file == "" {
			continue
		}
		data, problem := l.readSecret(secret.file)
		if problem != "" {
			l.problem(l.at(secret.at...), "%s", problem)
			continue
		}
		l.config.revealed = append(l.config.revealed, NewSecret(string(data)))
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); len(line) >= minSeed && line[0] != '-' {
				l.config.revealed = append(l.config.revealed, NewSecret(line)) // a seed among other lines
			}
		}
	}
	l.busCertificates(b.TLS)
}

// minSeed is the length from which a line of a file of secrets may be one.
const minSeed = 40

func (l *loader) busCertificates(t TLS) {
	if t.Authorities != "" {
		l.certificate(t.Authorities, []string{"bus", "tls", "authorities"})
	}
	if t.Certificate == "" || t.Key == "" {
		return
	}
	chain := l.certificate(t.Certificate, []string{"bus", "tls", "certificate"})
	key, problem := l.readSecret(t.Key)
	if chain == "" || problem != "" {
		return // said already
	}
	if _, err := tls.X509KeyPair([]byte(chain), key); err != nil {
		l.problem(l.at("bus", "tls", "key"), "certificate and key: %s", strings.TrimPrefix(err.Error(), "tls: "))
	}
}
