package checks

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

type tlsParameters struct {
	Address *yaml.Node `yaml:"address"`
	Name    *yaml.Node `yaml:"name"`
}

// tls is the kind of a handshake: {tls: host, expect: {certificate: {days: {gt: 14}}}}. Unless the suite says
// otherwise, the chain must be verified and the protocol TLS 1.2 or later.
func (e *engine) tls() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		w := wire{e, d.reader("latency", "certificate"), d}
		var p tlsParameters
		w.main(d.Value, &p, &p.Address)
		if p.Address == nil {
			w.wrongHint(d.Value, "write address: host:port", "tls needs an address")
			return Compiled{}, w.problems
		}
		var name template
		if p.Name != nil {
			name = w.words(p.Name)
		}
		modern := tree{fixed: []any{"TLS 1.2", "TLS 1.3"}}
		unless := []expected{
			{selector{key: "certificate." + certChain, field: certChain}, comparison{"", tree{fixed: chainVerified}, equal}},
			{selector{key: "certificate." + certProtocol, field: certProtocol}, comparison{"one of ", modern, oneOf}},
		}
		return w.compile(w.address(p.Address, "443"), "tls "+p.Address.Value, plumbline.EffectNone, unless, func(ctx context.Context, s *scene, to endpoint) (*exchange, error) {
			server, err := name.text(s)
			if err != nil {
				return nil, err
			}
			if server == "" {
				server = to.host
			}
			return e.shake(ctx, s, to, server)
		})
	}}
}

// shake takes any certificate, so that all of it can be told, and sends nothing over the connection.
func (e *engine) shake(ctx context.Context, s *scene, to endpoint, server string) (*exchange, error) {
	now, at := e.clients.Now, &progress{}
	x, started := &exchange{}, now()
	if err := s.allowed(to); err != nil {
		return nil, err
	}
	l, err := e.dial(ctx, "tcp", to, at)
	if err != nil {
		return x, explain(ctx, err, at.String(), now().Sub(started))
	}
	defer l.Close()
	config := tlsConfig(e.clients.Transport, server)
	trusted := config.Clone()
	config.InsecureSkipVerify, config.VerifyConnection, config.MinVersion = true, nil, tls.VersionTLS10 //nolint:gosec // verify follows
	secure, err := l.secure(ctx, config)
	x.latency = now().Sub(started)
	if err != nil {
		return x, explain(ctx, err, at.String(), x.latency)
	}
	state := secure.ConnectionState()
	chain := verify(&state, trusted, server)
	x.certified(&state, chain, now())
	leaf := state.PeerCertificates[0]
	x.body = fmt.Appendf(nil, "%s\nissued by %s\nvalid from %s to %s\nfor %v\n", leaf.Subject, leaf.Issuer, day(leaf.NotBefore), day(leaf.NotAfter), x.facts[certNames])
	return x, nil
}
