package configs

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/signingkey"
)

// KindSuccessFactors is the kind of a user of a company in SAP SuccessFactors.
const KindSuccessFactors = "successfactors"

// A SuccessFactors logs in with an assertion that is signed with a key, or by Basic with a password.
type SuccessFactors struct {
	Host     Host   `yaml:",inline"` // the tenant's own API server
	Company  string `yaml:"company"`
	User     string `yaml:"user"`
	ClientID string `yaml:"client_id"` // the API key of the OAuth2 client application
	Key      Secret `yaml:"key"`       // private, RSA, in PEM
	Password Secret `yaml:"password"`  // instead of client_id and key

	Issuer       string `yaml:"issuer"`        // of the assertion; default www.successfactors.com
	Recipient    string `yaml:"recipient"`     // of the assertion; default the token endpoint
	UseUsername  bool   `yaml:"use_username"`  // user is a username
	ExternalUser bool   `yaml:"external_user"` // user is one of Learning alone
	Certificate  string `yaml:"certificate"`   // a PEM file: what SAP has of the key, told in the signature

	Registered *x509.Certificate `yaml:"-"` // what Certificate contains
}

// Origin is the API server's.
func (s *SuccessFactors) Origin() string { return s.Host.Origin() }

func (s *SuccessFactors) secrets() []*Secret { return []*Secret{&s.Key, &s.Password} }

func (s *SuccessFactors) settle(*loader, []string) {}

func (s *SuccessFactors) validate(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	s.Host.check(l, path, true)
	l.need(s.Company != "", "company", path)
	l.need(s.User != "", "user", path)
	if s.Company != "" && strings.HasSuffix(s.User, "@"+s.Company) {
		l.hinted(l.at(at("user")...), "write user: "+strings.TrimSuffix(s.User, "@"+s.Company), "a user with the company, which has a key of its own")
	}
	for _, said := range [][2]string{{"company", s.Company}, {"user", s.User}, {"client_id", s.ClientID}, {"issuer", s.Issuer}, {"recipient", s.Recipient}} {
		if strings.ContainsFunc(said[1], func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }) {
			l.problem(l.at(at(said[0])...), "%s has a control character, which no assertion can carry", said[0])
		}
	}
	if s.Recipient != "" {
		l.webURL(s.Recipient, at("recipient")...)
	}
	switch {
	case s.Key.IsZero() && s.Password.IsZero():
		l.hinted(l.at(path...), "add client_id and key: {file: PATH}", "%s has nothing to log in with", path[len(path)-1])
	case !s.Key.IsZero() && !s.Password.IsZero():
		l.problem(l.at(at("password")...), "both key and password, want one of them")
	case !s.Key.IsZero():
		l.need(s.ClientID != "", "client_id", path)
	default:
		s.basic(l, path)
	}
}

// basic refuses what an assertion alone has.
func (s *SuccessFactors) basic(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	l.warn(l.at(at("password")...), "SAP scheduled logins with a password for deletion on 20 November 2026: use client_id and key")
	if strings.Contains(s.User+s.Company, ":") {
		l.problem(l.at(at("user")...), "user and company with a colon, which would begin the password")
	}
	for _, key := range []string{"client_id", "issuer", "recipient", "use_username", "external_user", "certificate"} {
		if l.has(at(key)...) {
			l.hinted(l.at(at(key)...), "remove it, or write key instead of password", "%s is of logins with a key", key)
		}
	}
}

// revealed holds the key against what signs an assertion, and the certificate against the key.
func (s *SuccessFactors) revealed(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	var public *rsa.PublicKey
	if s.Key.read != nil {
		key, err := signingkey.Read(s.Key.Reveal())
		const cure = "make one: openssl genrsa 2048, or download it where SAP generates the certificate"
		if err != nil {
			l.hinted(l.at(at("key")...), cure, "%s", err)
			return
		}
		is := false
		if public, is = key.Signer.Public().(*rsa.PublicKey); !is {
			l.hinted(l.at(at("key")...), cure, "an ECDSA key, want RSA")
			return
		}
	}
	if s.Certificate == "" {
		return
	}
	place := l.at(at("certificate")...)
	block, _ := pem.Decode([]byte(l.certificate(l.path(place, s.Certificate), at("certificate"))))
	if block == nil {
		return // said already
	}
	s.Registered, _ = x509.ParseCertificate(block.Bytes)
	if of, is := s.Registered.PublicKey.(*rsa.PublicKey); public != nil && (!is || !of.Equal(public)) {
		l.problem(place, "the certificate is of another key")
	}
}

// limit is careful: SAP names no figure for OData, asks for few requests a second (KBA 3159263), and lets its Learning
// be asked each half second (KBA 2516640).
func (s *SuccessFactors) limit() Rate { return Rate{PerSecond: 2, Burst: 10} }
