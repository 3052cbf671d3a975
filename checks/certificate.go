package checks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// What `certificate` has to be matched.
const (
	certDays     = "days"     // until the first certificate of the chain ends, below 0 when it has ended
	certNames    = "names"    // DNS names and addresses that it is for
	certIssuer   = "issuer"   // such as CN=R11,O=Let's Encrypt,C=US
	certSubject  = "subject"  // such as CN=plum.internal
	certProtocol = "protocol" // TLS 1.3
	certChain    = "chain"    // one of the chain's states
)

var certificateFields = []string{certDays, certNames, certIssuer, certSubject, certProtocol, certChain}

// The states of a chain.
const (
	chainVerified  = "verified"
	chainExpired   = "expired" // or not valid yet
	chainUnknown   = "unknown authority"
	chainSelf      = "self-signed"
	chainWrongName = "wrong name"
	chainInvalid   = "invalid"
)

var chainStates = []string{chainVerified, chainExpired, chainUnknown, chainSelf, chainWrongName, chainInvalid}

// certificate reads what is expected of a certificate: a map of its fields, each with matchers.
func (r *reader) certificate(n *yaml.Node) []expected {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.wrongHint(n, "write {days: {gt: 14}}", "certificate takes a map of its fields")
		return nil
	}
	var items []expected
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !slices.Contains(certificateFields, key.Value) {
			r.wrongHint(key, strictyaml.DidYouMean(key.Value, certificateFields), "unknown field %q of a certificate", key.Value)
			continue
		}
		if key.Value == certChain {
			r.oneOfWords(value, "state of a chain", chainStates)
		}
		items = append(items, expected{selector{key: "certificate." + key.Value, field: key.Value}, r.matcher(value, false)})
	}
	return items
}

// oneOfWords refuses a single word that could never be right.
func (r *reader) oneOfWords(n *yaml.Node, what string, words []string) {
	if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "$(") || slices.Contains(words, n.Value) {
		return
	}
	r.wrongHint(n, strictyaml.DidYouMean(n.Value, words), "unknown %s %q", what, n.Value)
}

// certified notes what can be matched of a connection, whose chain is in a state that the caller knows.
func (x *exchange) certified(state *tls.ConnectionState, chain string, now time.Time) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	leaf := state.PeerCertificates[0]
	names := make([]any, 0, len(leaf.DNSNames)+len(leaf.IPAddresses))
	for _, name := range leaf.DNSNames {
		names = append(names, name)
	}
	for _, address := range leaf.IPAddresses {
		names = append(names, address.String())
	}
	days := math.Floor(endOf(state).Sub(now).Hours() / 24)
	x.facts = map[string]any{
		certDays: numberOf(int(days)), certNames: names, certIssuer: leaf.Issuer.String(), certSubject: leaf.Subject.String(),
		certProtocol: tls.VersionName(state.Version), certChain: chain,
	}
}

// endOf is when the connection's chain ends: the first end in the chain that holds longest. Roots don't count, the
// systems that trust them look after them.
func endOf(state *tls.ConnectionState) time.Time {
	end := state.PeerCertificates[0].NotAfter
	longest := time.Time{}
	for _, chain := range state.VerifiedChains {
		first := end
		for i, c := range chain {
			if (i == 0 || i < len(chain)-1) && c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(longest) {
			longest = first
		}
	}
	if longest.IsZero() {
		return end
	}
	return longest
}

// verify says in which state the chain of a connection is, with the trust and the clock of config, and keeps the
// chains that it found in the state.
func verify(state *tls.ConnectionState, config *tls.Config, name string) string {
	options := x509.VerifyOptions{Roots: config.RootCAs, DNSName: name, Intermediates: x509.NewCertPool()}
	if config.Time != nil {
		options.CurrentTime = config.Time()
	}
	if len(state.PeerCertificates) == 0 {
		return chainInvalid
	}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	chains, err := state.PeerCertificates[0].Verify(options)
	state.VerifiedChains = chains
	return chainState(err)
}

// chainOf is the state of a chain that was, or wasn't, verified in the handshake.
func chainOf(state *tls.ConnectionState) string {
	if state != nil && len(state.VerifiedChains) > 0 {
		return chainVerified
	}
	return chainInvalid
}

func chainState(err error) string {
	var (
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
	)
	switch {
	case err == nil:
		return chainVerified
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return chainExpired
	case errors.As(err, &hostname):
		return chainWrongName
	case errors.As(err, &authority) && selfSigned(authority.Cert):
		return chainSelf
	case errors.As(err, &authority):
		return chainUnknown
	}
	return chainInvalid
}

// selfSigned says whether a certificate vouches for itself alone.
func selfSigned(c *x509.Certificate) bool {
	return c != nil && c.Subject.String() == c.Issuer.String() && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
