package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

var errOtherSite = errors.New("a browser sent this from another site")

// fromHere refuses what pages of other sites make the browsers of their visitors send. What is open to all stays so.
func (g *Gate) fromHere(h http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection() // which knows of methods that change something
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusForbidden, errOtherSite)
	}))
	h = origin.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/livez", r.URL.Path == "/readyz":
		case g.Loopback && !g.named(r.Host):
			writeError(w, http.StatusForbidden, fmt.Errorf("%q is no name of this daemon: on loopback, where no token is needed, it answers to IP addresses, localhost and the host of public_url, which can be set", r.Host))
			return
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && !followed(r):
			writeError(w, http.StatusForbidden, errOtherSite)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// named says whether a Host is a name of this daemon, and none that a page let point here for a while.
func (g *Gate) named(host string) bool {
	name := hostname(&url.URL{Host: host})
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if name == "" || g.PublicURL == nil {
		return false
	}
	public, err := url.Parse(g.PublicURL())
	return err == nil && name == hostname(public)
}

func hostname(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }

// followed says whether a person follows a link, as those in messages: the page that has it can't read the answer.
func followed(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
