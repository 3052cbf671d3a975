package daemon

import (
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/suites"
)

// SuiteOptions are how suites are read with the accounts, secrets and limits of a configuration, and whatever else with
// gives to checks, which reach what the configuration lets them. Who has them asked closes their Connections afterwards.
func SuiteOptions(config *configs.Config, redact func(string) string, with ...func(*checks.Clients)) suites.Options {
	transport := checks.NewTransport(config.Limits.Concurrency)
	checks.Guard(transport, egressOf(config))
	connections := checks.NewConnections(connectionsOf(config), transport, time.Now)
	clients := checks.Clients{Transport: transport, BodyLimit: int64(config.Limits.Body), Connections: connections,
		Redact: redact, Secret: secretsOf(config)}
	for _, more := range with {
		more(&clients)
	}
	return suites.Options{
		Kinds:       checks.Kinds(clients),
		Connections: connections.Names(),
		KindOf:      connections.KindOf,
		Secrets:     slices.AppendSeq([]string{}, maps.Keys(config.NamedSecrets)),
	}
}

// connectionsOf lists every account, and for the colors that have their own, that one under the common name.
func connectionsOf(config *configs.Config) []checks.Connection {
	var list []checks.Connection
	for name, c := range config.Connections {
		list = append(list, connectionOf(name, c))
	}
	for service, s := range config.Services {
		for color, environment := range s.Environments {
			for name, meant := range environment.Connections {
				own := connectionOf(meant, config.Connections[meant])
				own.Name, own.Service, own.Color = name, service, color
				list = append(list, own)
			}
		}
	}
	return list
}

// connectionOf is an account under its own name, whose budget is one however many names it has.
func connectionOf(name string, c *configs.Connection) checks.Connection {
	to := checks.Connection{Name: name, Account: name, Kind: c.Kind, Origins: originOf(c.URL())}
	if c.Rate != nil {
		to.Budget = checks.Budget{PerSecond: c.Rate.PerSecond, Burst: c.Rate.Burst}
	}
	if c.Provider != nil {
		providerOf(&to, c.Provider)
		return to
	}
	switch c.Kind {
	case configs.KindOAuth2:
		oauth2Of(&to, c.OAuth2)
	case configs.KindBearer:
		to.Secret = c.Bearer.Token.Reveal
	case configs.KindBasic:
		to.Username, to.Secret = c.Basic.Username, c.Basic.Password.Reveal
	case configs.KindHeader:
		to.Header, to.Secret = c.Header.Name, c.Header.Value.Reveal
	case configs.KindMTLS:
		to.Secret = c.MTLS.Key.Reveal
		to.Certificate = &checks.ClientCertificate{Chain: c.MTLS.Chain, Authorities: c.MTLS.Roots}
	case configs.KindSigV4:
		to.Secret = c.SigV4.SecretAccessKey.Reveal
		to.AWS = &checks.AWS{KeyID: c.SigV4.AccessKeyID.Reveal, SessionToken: c.SigV4.SessionToken.Reveal, Region: c.SigV4.Region, Service: c.SigV4.Service}
	}
	return to
}

func oauth2Of(to *checks.Connection, o *configs.OAuth2) {
	to.Grant, to.TokenURL, to.Scopes = o.Grant, o.TokenURL, o.Scopes
	to.ClientID, to.Secret, to.ClientAuth = o.ClientID, o.ClientSecret.Reveal, o.ClientAuth
	switch o.Grant {
	case configs.GrantRefreshToken:
		to.Refresh = &checks.RefreshGrant{File: o.RefreshToken.File(), Value: o.RefreshToken.Reveal}
	case configs.GrantJWTBearer:
		to.Assertion = &checks.Assertion{Key: o.Key.Reveal, KeyID: o.KeyID, Issuer: o.Issuer, Subject: o.Subject, Audience: o.Audience}
	}
}

func originOf(address string) []string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil // the environment's
	}
	return []string{u.Scheme + "://" + u.Host}
}

func secretsOf(config *configs.Config) func(string) (checks.Secret, bool) {
	return func(name string) (checks.Secret, bool) {
		s, known := config.NamedSecrets[name]
		if !known {
			return checks.Secret{}, false
		}
		return checks.Secret{Value: s.Reveal(), Hosts: s.Hosts}, true
	}
}
