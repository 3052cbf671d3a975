package configs

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// A Connection is a named account. Exactly the field of its kind is set.
type Connection struct {
	Kind   string // of ConnectionKinds
	Rate   *Rate  // nil: no bounds
	Shared Shared
	OAuth2 *OAuth2
	Bearer *Bearer
	Basic  *Basic
	Header *Header
	MTLS   *MTLS
	SigV4  *SigV4

	Provider Provider // of the kinds that have checks of their own
}

// The kinds of connections.
const (
	KindOAuth2 = "oauth2"
	KindBearer = "bearer"
	KindBasic  = "basic"
	KindHeader = "header"
	KindMTLS   = "mtls"
	KindSigV4  = "sigv4"
)

// ConnectionKinds are all kinds of connections.
func ConnectionKinds() []string {
	kinds := []string{KindOAuth2, KindBearer, KindBasic, KindHeader, KindMTLS, KindSigV4}
	return append(kinds, slices.Sorted(maps.Keys(providers()))...)
}

// OAuth2 gets tokens, by one of three grants.
type OAuth2 struct {
	Grant        string   `yaml:"grant"`     // GrantClientCredentials (default), GrantRefreshToken or GrantJWTBearer
	TokenURL     string   `yaml:"token_url"` // absolute, or a path of URL if there is one, else of the environment that is asked
	ClientID     string   `yaml:"client_id"`
	ClientSecret Secret   `yaml:"client_secret"`
	ClientAuth   string   `yaml:"client_auth"` // where id and secret go: ClientAuthBody (default) or ClientAuthHeader
	Scopes       []string `yaml:"scopes"`
	URL          string   `yaml:"url"` // the origin that may have the token; "" is the environment that is asked

	RefreshToken Secret `yaml:"refresh_token"` // from a file, a new one is written back to it

	Key      Secret `yaml:"key"` // private, in PEM
	KeyID    string `yaml:"key_id"`
	Issuer   string `yaml:"issuer"`   // default client_id
	Subject  string `yaml:"subject"`  // default issuer
	Audience string `yaml:"audience"` // default token_url
}

// The grants of OAuth2, and where its client says who it is.
const (
	GrantClientCredentials = "client_credentials"
	GrantRefreshToken      = "refresh_token"
	GrantJWTBearer         = "jwt_bearer"
	ClientAuthBody         = "body"
	ClientAuthHeader       = "header"
)

// Bearer sends a fixed token.
type Bearer struct {
	Token Secret `yaml:"token"`
	URL   string `yaml:"url"` // the origin that may have it; "" is the environment that is asked
}

// Basic sends user and password.
type Basic struct {
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
	URL      string `yaml:"url"` // the origin that may have it; "" is the environment that is asked
}

// Header sends a fixed header, such as X-Api-Key.
type Header struct {
	Name  string `yaml:"name"`
	Value Secret `yaml:"value"`
	URL   string `yaml:"url"` // the origin that may have it; "" is the environment that is asked
}

// MTLS shows a client certificate.
type MTLS struct {
	Certificate string `yaml:"certificate"` // a PEM file: the certificate, then those between it and its authority
	Key         Secret `yaml:"key"`         // in PEM
	Authorities string `yaml:"authorities"` // a PEM file: who signs the server's certificate; "" is whom the system trusts
	URL         string `yaml:"url"`         // the origin it is for; "" is the environment that is asked

	Chain string `yaml:"-"` // what Certificate contains
	Roots string `yaml:"-"` // what Authorities contains
}

// SigV4 signs with AWS Signature Version 4.
type SigV4 struct {
	Region          string `yaml:"region"`
	Service         string `yaml:"service"` // execute-api, s3, …
	AccessKeyID     Secret `yaml:"access_key_id"`
	SecretAccessKey Secret `yaml:"secret_access_key"`
	SessionToken    Secret `yaml:"session_token"`
	URL             string `yaml:"url"` // the origin it is for; "" is the environment that is asked
}

// A Rate bounds the requests that this process makes in the name of a connection.
type Rate struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst"` // at once; default as many as a second has
}

// Shared is what a failure does that the live color shares, where the provider of a connection is asked.
type Shared struct {
	OnSharedFailure plumbline.OnShared `yaml:"on_shared_failure"` // "" leaves it to the service
	WaitFor         time.Duration      `yaml:"wait_for"`
}

// UnmarshalYAML takes the keys of the kind, and those of every kind.
func (c *Connection) UnmarshalYAML(n *yaml.Node) error {
	rest, kind, err := split(n, "kind", ConnectionKinds())
	if err != nil {
		return err
	}
	c.Kind = kind
	var problems strictyaml.Problems
	decode := func(n *yaml.Node, into any) {
		var more strictyaml.Problems
		errors.As(strictyaml.Decode("", n, into), &more)
		problems = append(problems, more...)
	}
	rest, rate := without(rest, "rate")
	if rate != nil {
		c.Rate = &Rate{}
		decode(rate, c.Rate)
	}
	shared := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
	for _, key := range strictyaml.Keys(Shared{}) {
		var value *yaml.Node
		if rest, value = without(rest, key); value != nil {
			shared.Content = append(shared.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: value.Line, Column: value.Column}, value)
		}
	}
	decode(shared, &c.Shared)
	decode(rest, c.of())
	return problems.Err()
}

// of makes the field of the kind.
func (c *Connection) of() any {
	if provider, is := providers()[c.Kind]; is {
		c.Provider = provider
		return provider
	}
	switch c.Kind {
	case KindOAuth2:
		c.OAuth2 = &OAuth2{}
		return c.OAuth2
	case KindBearer:
		c.Bearer = &Bearer{}
		return c.Bearer
	case KindBasic:
		c.Basic = &Basic{}
		return c.Basic
	case KindHeader:
		c.Header = &Header{}
		return c.Header
	case KindMTLS:
		c.MTLS = &MTLS{}
		return c.MTLS
	}
	c.SigV4 = &SigV4{}
	return c.SigV4
}

// URL is the origin that may have the connection's credential; "" is the environment that is asked.
func (c *Connection) URL() string {
	if c.Provider != nil {
		return c.Provider.Origin()
	}
	switch c.Kind {
	case KindOAuth2:
		return c.OAuth2.URL
	case KindBearer:
		return c.Bearer.URL
	case KindBasic:
		return c.Basic.URL
	case KindHeader:
		return c.Header.URL
	case KindMTLS:
		return c.MTLS.URL
	}
	return c.SigV4.URL
}

// Addresses are the URLs that the connection is asked at, those of its secrets that are one among them.
func (c *Connection) Addresses() []string {
	all := []string{c.URL()}
	if c.OAuth2 != nil {
		all = append(all, c.OAuth2.TokenURL)
	}
	if s, is := c.Provider.(spread); is {
		all = append(all, s.others()...)
	}
	for _, secret := range c.secrets() {
		if value := secret.Reveal(); strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://") {
			all = append(all, value)
		}
	}
	return all
}

// secrets are the connection's, in an order that doesn't change.
func (c *Connection) secrets() []*Secret {
	if c.Provider != nil {
		return c.Provider.secrets()
	}
	switch c.Kind {
	case KindOAuth2:
		return []*Secret{&c.OAuth2.ClientSecret, &c.OAuth2.RefreshToken, &c.OAuth2.Key}
	case KindBearer:
		return []*Secret{&c.Bearer.Token}
	case KindBasic:
		return []*Secret{&c.Basic.Password}
	case KindHeader:
		return []*Secret{&c.Header.Value}
	case KindMTLS:
		return []*Secret{&c.MTLS.Key}
	}
	return []*Secret{&c.SigV4.AccessKeyID, &c.SigV4.SecretAccessKey, &c.SigV4.SessionToken}
}
