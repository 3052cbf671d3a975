package configs

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

func (l *loader) need(there bool, key string, path []string) {
	if !there {
		l.hinted(l.at(path...), "add "+key, "%s has no %s", path[len(path)-1], key)
	}
}

func (l *loader) positive(d time.Duration, path ...string) {
	if d <= 0 {
		l.problem(l.at(path...), "%s, want more than 0s", d)
	}
}

func (l *loader) oneOf(value string, known []string, path ...string) {
	if !slices.Contains(known, value) {
		l.hinted(l.at(path...), strictyaml.DidYouMean(value, known), "unknown %s %q", path[len(path)-1], value)
	}
}

// webURL refuses what isn't an absolute URL of the web, and secrets in it, which it doesn't repeat.
func (l *loader) webURL(text string, path ...string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.problem(l.at(path...), "no absolute URL, want https://HOST or http://HOST:PORT")
	case u.User != nil:
		l.hinted(l.at(path...), "make a connection of kind basic", "a URL with a secret in it")
	case u.RawQuery != "" || u.Fragment != "":
		l.problem(l.at(path...), "a URL with a query or fragment, want one that others can be relative to")
	default:
		return u
	}
	return nil
}

// isWebURL says whether a secret is a URL as a whole, of which nothing is told.
func isWebURL(secret string) bool {
	u, err := url.Parse(secret)
	return secret == "" || err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil
}

// secretURL is a URL that gets a secret, if there is one.
func (l *loader) secretURL(text string, path ...string) {
	if text == "" {
		return
	}
	if u := l.webURL(text, path...); u != nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		l.warn(l.at(path...), "the secret travels to %s in clear, want https", u.Host)
	}
}

// address is the host of host:port, "" if that isn't one. Without a host it is all interfaces.
func (l *loader) address(text string, path ...string) string {
	host, port, err := net.SplitHostPort(text)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		l.problem(l.at(path...), "%q, want HOST:PORT", text)
		return ""
	}
	if host == "" {
		return "0.0.0.0"
	}
	return host
}

// allow refuses what is neither a host nor a network.
func (l *loader) allow(list []string, path []string) {
	for i, allowed := range list {
		_, err := netip.ParsePrefix(allowed)
		host := allowed != "" && !strings.ContainsAny(allowed, "*?@/ ") && (!strings.Contains(allowed, ":") || net.ParseIP(allowed) != nil)
		if err != nil && !host {
			l.hinted(l.at(path...).Content[i], "write db.plum.internal or 10.2.0.0/16", "%q is no host and no network", allowed)
		}
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
