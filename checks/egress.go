package checks

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// An Egress says where checks may connect to. Addresses are checked when they are connected to, whatever a name meant a
// moment before. The zero Egress reaches public addresses alone.
type Egress struct {
	Hosts    []string       // names or addresses without a port: they may be on private networks and on this machine
	Networks []netip.Prefix // that may be reached under every name
	Anywhere bool           // everything but what is never reached
}

// never are addresses that no check reaches, whoever allows them, nor through others that lead to them: they belong to the
// machine's provider, or to nobody.
var never = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local, with the metadata of most clouds
	netip.MustParsePrefix("fe80::/10"),          // link-local
	netip.MustParsePrefix("fd00:ec2::254/128"),  // metadata of AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // metadata of Google
	netip.MustParsePrefix("100.100.100.200/32"), // metadata of Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // the platform of Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // metadata of Oracle
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("ff00::/8"),
}

// A forbidden is an address that checks may not reach.
type forbidden struct{ text string }

func (f forbidden) Error() string { return f.text }

// Guard lets a transport, and what checks dial over it, reach only what the egress allows.
func Guard(t *http.Transport, e Egress) {
	public := e.public()
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		anywhere := e.Anywhere || e.knows(host) || ctx.Value(ownResolver{}) != nil
		dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive, Control: func(_, resolved string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return forbidden{fmt.Sprintf("%q is no address", resolved)}
			}
			return e.allowed(public, at.Addr().Unmap().WithZone(""), host, anywhere)
		}}
		return dialer.DialContext(ctx, network, address)
	}
}

// public knows which addresses are public, or in allowed networks.
func (e Egress) public() *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, network := range e.Networks {
		if network.Addr().Is4() {
			v4 = append(v4, network)
		} else {
			v6 = append(v6, network)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

func (e Egress) allowed(public *ssrf.Guardian, at netip.Addr, host string, anywhere bool) error {
	behind := embedded(at)
	for _, reached := range append([]netip.Addr{at}, behind...) {
		switch {
		case !within(never, reached):
		case reached == at:
			return forbidden{fmt.Sprintf("%s is at %s, which no check may reach", host, at)}
		default:
			return forbidden{fmt.Sprintf("%s is at %s, which leads to %s, which no check may reach", host, at, reached)}
		}
	}
	if anywhere || public.SafeAddr(at) == nil || e.allows(behind) {
		return nil
	}
	return forbidden{fmt.Sprintf("%s is at %s, on a private network: only hosts of environments and connections may be, and what allow of an environment names", host, at)}
}

// allows says whether all of these addresses are in allowed networks, whichever of them is meant.
func (e Egress) allows(all []netip.Addr) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(at netip.Addr) bool { return !within(e.Networks, at) })
}

func within(networks []netip.Prefix, at netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(at) })
}

func (e Egress) knows(host string) bool {
	return slices.ContainsFunc(e.Hosts, func(known string) bool { return strings.EqualFold(known, strings.TrimSuffix(host, ".")) })
}

// HostOf is the host in a URL or of host:port, for Egress.Hosts; nothing if there is none.
func HostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return ""
}

// ownResolver marks a context in which the resolvers of this machine are asked.
type ownResolver struct{}

const (
	dialTimeout = 10 * time.Second
	keepAlive   = 30 * time.Second
)
