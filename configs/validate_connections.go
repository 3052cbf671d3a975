package configs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/plumbline-dev/plumbline/internal/signingkey"
)

func (l *loader) connectionDefaults(name string, c *Connection) {
	if c.Rate != nil {
		setDefault(l, &c.Rate.Burst, max(1, int(math.Ceil(min(c.Rate.PerSecond, maxRate)))), "connections", name, "rate", "burst")
	}
	if c.Provider != nil {
		c.Provider.settle(l, []string{"connections", name})
		if c.Rate == nil {
			if documented := c.Provider.limit(); documented.PerSecond > 0 {
				c.Rate = &documented
			}
		}
	}
	if o := c.OAuth2; o != nil {
		setDefault(l, &o.Grant, GrantClientCredentials, "connections", name, "grant")
		setDefault(l, &o.ClientAuth, ClientAuthBody, "connections", name, "client_auth")
		if o.Grant == GrantJWTBearer {
			o.Issuer = cmp.Or(o.Issuer, o.ClientID)
			o.Subject = cmp.Or(o.Subject, o.Issuer)
		}
	}
}

func (l *loader) connection(name string, c *Connection) {
	path := []string{"connections", name}
	at := func(key string) []string { return append(slices.Clone(path), key) }
	switch {
	case c.Provider != nil:
		c.Provider.validate(l, path)
	case c.OAuth2 != nil:
		l.oauth2(c.OAuth2, path)
	case c.Bearer != nil:
		l.need(!c.Bearer.Token.IsZero(), "token", path)
	case c.Basic != nil:
		l.need(c.Basic.Username != "", "username", path)
		if strings.Contains(c.Basic.Username, ":") {
			l.problem(l.at(at("username")...), "a username with a colon, which would begin the password")
		}
		l.need(!c.Basic.Password.IsZero(), "password", path)
	case c.Header != nil:
		l.header(c.Header, path)
	case c.MTLS != nil:
		l.need(c.MTLS.Certificate != "", "certificate", path)
		l.need(!c.MTLS.Key.IsZero(), "key", path)
		if strings.HasPrefix(c.MTLS.URL, "http://") {
			l.hinted(l.at(at("url")...), "write https://", "a client certificate goes over https alone")
		}
	case c.SigV4 != nil:
		l.need(c.SigV4.Region != "", "region", path)
		l.need(c.SigV4.Service != "", "service", path)
		l.need(!c.SigV4.AccessKeyID.IsZero(), "access_key_id", path)
		l.need(!c.SigV4.SecretAccessKey.IsZero(), "secret_access_key", path)
	}
	l.secretURL(c.URL(), at("url")...)
	if c.Rate != nil {
		l.rate(*c.Rate, at("rate"))
	}
	l.shared(c.Shared, path)
}

func (l *loader) oauth2(o *OAuth2, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	l.need(o.TokenURL != "", "token_url", path)
	if u := o.TokenURL; u != "" && (!strings.HasPrefix(u, "/") || strings.HasPrefix(u, "//")) {
		l.secretURL(u, at("token_url")...)
	}
	l.oneOf(o.ClientAuth, []string{ClientAuthBody, ClientAuthHeader}, at("client_auth")...)
	l.oneOf(o.Grant, []string{GrantClientCredentials, GrantRefreshToken, GrantJWTBearer}, at("grant")...)
	switch o.Grant {
	case GrantClientCredentials:
		l.need(o.ClientID != "", "client_id", path)
		l.need(!o.ClientSecret.IsZero(), "client_secret", path)
	case GrantRefreshToken:
		l.need(o.ClientID != "", "client_id", path)
		l.need(!o.RefreshToken.IsZero(), "refresh_token", path)
	case GrantJWTBearer:
		l.need(!o.Key.IsZero(), "key", path)
		if o.Issuer == "" {
			l.hinted(l.at(path...), "add issuer, or client_id if that is the same", "%s has no issuer", path[len(path)-1])
		}
	default:
		return
	}
	l.onlyFor(GrantRefreshToken, o.Grant, path, "refresh_token")
	l.onlyFor(GrantJWTBearer, o.Grant, path, "key", "key_id", "issuer", "subject", "audience")
	if o.ClientAuth == ClientAuthHeader && (o.ClientID == "" || o.ClientSecret.IsZero()) {
		l.hinted(l.at(at("client_auth")...), "add client_id and client_secret", "client_auth header without both of them")
	}
}

// onlyFor refuses keys that mean nothing with another grant.
func (l *loader) onlyFor(grant, is string, path []string, keys ...string) {
	for _, key := range keys {
		if is != grant && l.has(append(slices.Clone(path), key)...) {
			l.hinted(l.at(append(slices.Clone(path), key)...), "remove it, or write grant: "+grant, "%s is not for grant %s", key, is)
		}
	}
}

// owned are headers that no connection may set.
var owned = []string{"Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func (l *loader) header(h *Header, path []string) {
	l.need(h.Name != "", "name", path)
	l.need(!h.Value.IsZero(), "value", path)
	at := l.at(append(slices.Clone(path), "name")...)
	switch {
	case h.Name == "":
	case !httpguts.ValidHeaderFieldName(h.Name):
		l.problem(at, "%q is no name of a header, want one such as X-Api-Key", h.Name)
	case slices.Contains(owned, http.CanonicalHeaderKey(h.Name)):
		l.problem(at, "header %s is not for connections to set", http.CanonicalHeaderKey(h.Name))
	}
}

// maxRate is how many requests a second can be told apart from no bounds at all.
const maxRate = 1e5

func (l *loader) rate(r Rate, path []string) {
	if r.PerSecond <= 0 || r.PerSecond > maxRate {
		l.hinted(l.at(append(slices.Clone(path), "per_second")...), "write rate: {per_second: 5}", "%v a second, want more than 0 and at most %v", r.PerSecond, maxRate)
	}
	if r.Burst < 1 {
		l.problem(l.at(append(slices.Clone(path), "burst")...), "%d at once, want 1 or more", r.Burst)
	}
}

// keysOf holds keys and certificates against what they are for, once they are read.
func (l *loader) keysOf(name string, c *Connection) {
	knows, _ := c.Provider.(knower)
	switch {
	case l.source.WithoutSecrets:
	case knows != nil:
		knows.revealed(l, []string{"connections", name})
	case c.Header != nil && !httpguts.ValidHeaderFieldValue(c.Header.Value.Reveal()):
		l.problem(l.at("connections", name, "value"), "a secret that no header can carry: it has a line break or another control character")
	case c.OAuth2 != nil:
		l.signingKey(c.OAuth2.Key, []string{"connections", name, "key"})
	case c.MTLS != nil:
		l.certificates(name, c.MTLS)
	}
}

// signingKey refuses a key that was read and can't sign.
func (l *loader) signingKey(key Secret, path []string) {
	if key.read == nil {
		return
	}
	if _, err := signingkey.Read(key.Reveal()); err != nil {
		l.hinted(l.at(path...), "make one: openssl ecparam -name prime256v1 -genkey -noout", "%s", err)
	}
}

func (l *loader) certificates(name string, m *MTLS) {
	at := func(key string) []string { return []string{"connections", name, key} }
	if m.Authorities != "" {
		m.Roots = l.certificate(m.Authorities, at("authorities"))
	}
	if m.Certificate == "" {
		return
	}
	m.Chain = l.certificate(m.Certificate, at("certificate"))
	if m.Chain == "" || m.Key.read == nil {
		return
	}
	if _, err := tls.X509KeyPair([]byte(m.Chain), []byte(m.Key.Reveal())); err != nil {
		l.problem(l.at(at("key")...), "certificate and key: %s", strings.TrimPrefix(err.Error(), "tls: "))
	}
}

// certificate reads a file of certificates, "" if there are none in it.
func (l *loader) certificate(file string, path []string) string {
	info, err := l.source.Stat(file)
	switch {
	case err != nil:
		l.problem(l.at(path...), "%s: %s", file, plainError(err))
		return ""
	case !info.Mode().IsRegular() || info.Size() > maxCertificates:
		l.problem(l.at(path...), "%s is no file of certificates", file)
		return ""
	}
	data, err := l.source.ReadFile(file)
	if err != nil {
		l.problem(l.at(path...), "%s: %s", file, plainError(err))
		return ""
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		l.hinted(l.at(path...), "want -----BEGIN CERTIFICATE-----", "%s has no certificate in PEM", file)
		return ""
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		l.problem(l.at(path...), "%s has a certificate that can't be read", file)
		return ""
	}
	return string(data)
}

const maxCertificates = 1 << 20
