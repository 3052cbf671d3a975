package configs

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// KindWorkday is the kind of a tenant of Workday.
const KindWorkday = "workday"

// A Workday account has an API client, an integration system user, or both. The client gets its tokens for a refresh token
// or for assertions that it signs; the user logs in to web services and reports by password.
type Workday struct {
	Host   Host   `yaml:",inline"` // wd5-services1.workday.com
	Tenant string `yaml:"tenant"`

	ClientID     string `yaml:"client_id"`
	ClientSecret Secret `yaml:"client_secret"`
	ClientAuth   string `yaml:"client_auth"`   // where id and secret go: ClientAuthBody (default) or ClientAuthHeader
	RefreshToken Secret `yaml:"refresh_token"` // from a file, a new one is written back to it
	Key          Secret `yaml:"key"`           // private, in PEM: its certificate is registered with the client
	KeyID        string `yaml:"key_id"`
	Subject      string `yaml:"subject"`  // of assertions; default the user's name without its tenant
	Audience     string `yaml:"audience"` // of assertions; default wd

	User     string `yaml:"user"` // ISU_PLUM@acme
	Password Secret `yaml:"password"`
	Version  string `yaml:"version"` // of the web services; default v44.2
}

const (
	workdayVersion  = "v44.2"
	workdayAudience = "wd"
)

// Origin is that of the tenant's services.
func (w *Workday) Origin() string { return w.Host.Origin() }

func (w *Workday) secrets() []*Secret {
	return []*Secret{&w.ClientSecret, &w.RefreshToken, &w.Key, &w.Password}
}

func (w *Workday) revealed(l *loader, path []string) {
	l.signingKey(w.Key, append(slices.Clone(path), "key"))
}

// Grant is how the client gets tokens, "" if there is no client.
func (w *Workday) Grant() string {
	switch {
	case !w.RefreshToken.IsZero():
		return GrantRefreshToken
	case !w.Key.IsZero():
		return GrantJWTBearer
	}
	return ""
}

func (w *Workday) settle(*loader, []string) {
	w.Version, w.ClientAuth = cmp.Or(w.Version, workdayVersion), cmp.Or(w.ClientAuth, ClientAuthBody)
	if !w.Key.IsZero() {
		name, _, _ := strings.Cut(w.User, "@")
		w.Subject, w.Audience = cmp.Or(w.Subject, name), cmp.Or(w.Audience, workdayAudience)
	}
}

// limit is what public integrations have seen a tenant let through, about 10 a second. Workday documents none.
func (w *Workday) limit() Rate { return Rate{PerSecond: 10, Burst: 10} }

var (
	tenantName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	wsVersion  = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]$`)
)

func (w *Workday) validate(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	w.Host.check(l, path, true)
	l.need(w.Tenant != "", "tenant", path)
	if w.Tenant != "" && !tenantName.MatchString(w.Tenant) {
		l.hinted(l.at(at("tenant")...), "write acme, as in the address of Workday", "%q is no tenant", w.Tenant)
	}
	if !wsVersion.MatchString(w.Version) {
		l.hinted(l.at(at("version")...), "write "+workdayVersion, "%q is no version of the web services", w.Version)
	}
	if w.Grant() == "" && w.Password.IsZero() {
		l.hinted(l.at(path...), "add client_id and refresh_token or key, or user and password", "%s has nothing to ask with", path[len(path)-1])
	}
	w.client(l, path)
	w.user(l, path)
}

// client refuses an API client that can't get tokens.
func (w *Workday) client(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	l.oneOf(w.ClientAuth, []string{ClientAuthBody, ClientAuthHeader}, at("client_auth")...)
	switch {
	case !w.RefreshToken.IsZero() && !w.Key.IsZero():
		l.problem(l.at(at("key")...), "both refresh_token and key, want one of them")
	case !w.Key.IsZero():
		l.need(w.ClientID != "", "client_id", path)
		l.need(w.Subject != "", "user", path)
	case !w.RefreshToken.IsZero() && w.ClientID == "":
		l.warn(l.at(path...), "%s has no client_id: Workday gives tokens to the API client that a refresh token is of", path[len(path)-1])
	case w.Grant() == "" && w.ClientID != "":
		l.hinted(l.at(at("client_id")...), "add refresh_token or key", "an API client without anything to get tokens for")
	}
	for _, key := range []string{"key_id", "subject", "audience"} {
		if w.Key.IsZero() && l.has(at(key)...) {
			l.hinted(l.at(at(key)...), "add key, or remove it", "%s is of assertions, which nothing signs", key)
		}
	}
	for _, key := range []string{"client_secret", "client_auth"} {
		if w.ClientID == "" && l.has(at(key)...) {
			l.hinted(l.at(at(key)...), "add client_id", "%s of no client", key)
		}
	}
	if w.ClientAuth == ClientAuthHeader && w.ClientSecret.IsZero() {
		l.hinted(l.at(at("client_auth")...), "add client_secret", "client_auth header without a secret")
	}
}

// user refuses one whose password Workday would call wrong, because it looks for the user in no tenant or in another.
func (w *Workday) user(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	switch name, tenant, _ := strings.Cut(w.User, "@"); {
	case w.User == "" && !w.Password.IsZero():
		l.need(false, "user", path)
	case w.User == "":
	case name == "" || tenant != w.Tenant || strings.Contains(name, ":"):
		l.hinted(l.at(at("user")...), "write ISU_PLUM@"+w.Tenant, "%q is no user of the tenant %s", w.User, w.Tenant)
	case w.Password.IsZero() && w.Key.IsZero():
		l.need(false, "password", path)
	}
}
