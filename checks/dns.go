package checks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

type dnsParameters struct {
	Name     *yaml.Node `yaml:"name"`
	Type     *yaml.Node `yaml:"type"`
	Resolver *yaml.Node `yaml:"resolver"`
}

var recordTypes = map[string]uint16{"A": dns.TypeA, "AAAA": dns.TypeAAAA, "CNAME": dns.TypeCNAME, "TXT": dns.TypeTXT, "MX": dns.TypeMX,
	"NS": dns.TypeNS, "SRV": dns.TypeSRV, "CAA": dns.TypeCAA, "PTR": dns.TypePTR}

var dnsCodes = []string{"NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"}

// A lookup is one question to a resolver.
type lookup struct {
	engine *engine
	name   address
	kind   uint16
	named  bool // the suite says which code it wants
	system bool // the resolvers of this machine are asked
}

// dns is the kind of a look-up: {dns: plum.internal, expect: {records: {contains: 10.0.0.7}}}. Unless the suite says
// otherwise, there must be a record.
func (e *engine) dns() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		w := wire{e, d.reader("latency", "code", "records", "ttl"), d}
		var p dnsParameters
		w.main(d.Value, &p, &p.Name)
		if p.Name == nil {
			w.wrongHint(d.Value, "write name: plum.internal", "dns needs a name")
			return Compiled{}, w.problems
		}
		l := &lookup{engine: e, name: address{text: w.words(p.Name), port: "53"}, kind: dns.TypeA}
		if p.Type != nil {
			names := slices.Sorted(maps.Keys(recordTypes))
			if l.kind = recordTypes[p.Type.Value]; l.kind == 0 {
				w.wrongHint(p.Type, strictyaml.DidYouMean(p.Type.Value, names), "unknown type %q of records", p.Type.Value)
			}
		}
		var resolver place = system{}
		l.system = p.Resolver == nil
		if p.Resolver != nil {
			resolver = w.address(p.Resolver, "53")
		}
		if code := strictyaml.Value(d.Expect, "code"); code != nil {
			w.oneOfWords(code, "code", dnsCodes)
		}
		name := "dns " + p.Name.Value
		if p.Type != nil {
			name += " " + p.Type.Value
		}
		compiled, problems := w.compile(resolver, name, plumbline.EffectNone, nil, l.converse)
		expect := &compiled.Prober.(*wireCheck).expect
		if l.named = expect.names("code"); !l.named {
			expect.unless(expected{selector{key: "records"}, empty{false}})
			expect.unless(fixed("code", "NOERROR"))
		}
		return compiled, problems
	}}
}

// systemResolver stands for the resolvers of this machine.
const systemResolver = "the system's resolver"

type system struct{}

func (system) resolve(*scene) (endpoint, error) { return endpoint{host: systemResolver}, nil }

const (
	resolverPatience = 2 * time.Second // before a question is asked again: datagrams get lost
	udpSize          = 1232
)

func (l *lookup) converse(ctx context.Context, s *scene, to endpoint) (*exchange, error) {
	now, at := l.engine.clients.Now, &progress{}
	written, err := l.name.text.text(s)
	if err != nil {
		return nil, err
	}
	if strings.Contains(written, "://") {
		if asked, err := l.name.parse(written, ""); err == nil {
			written = asked.host
		}
	}
	if _, ok := dns.IsDomainName(written); !ok || written == "" {
		return nil, fmt.Errorf("%q is no name that can be looked up", cut(written, 100))
	}
	if err := s.allowed(to); err != nil {
		return nil, err
	}
	servers, err := l.servers(to)
	if err != nil {
		return nil, err
	}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(written), l.kind).SetEdns0(udpSize, false)
	started := now()
	var last error
	for try := 0; ctx.Err() == nil && (try < len(servers) || isTimeout(last)); try++ {
		server := servers[try%len(servers)]
		answer, err := l.ask(ctx, question, server, at)
		x := &exchange{latency: now().Sub(started)}
		if err == nil {
			x.answered(answer, l.kind)
			return x, l.unable(x)
		}
		last = err
	}
	return &exchange{latency: now().Sub(started)}, explain(ctx, last, at.String(), now().Sub(started))
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// unable tells a resolver that couldn't or wouldn't look from one that looked, unless the suite wants to see it.
func (l *lookup) unable(x *exchange) error {
	if code := x.given["code"]; !l.named && (code == "SERVFAIL" || code == "REFUSED") {
		return fmt.Errorf("the resolver answered %s", code)
	}
	return nil
}

func (l *lookup) servers(to endpoint) ([]endpoint, error) {
	if to.host != systemResolver {
		return []endpoint{to}, nil
	}
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(config.Servers) == 0 {
		return nil, errors.New("the system has no resolver: name one with resolver")
	}
	var servers []endpoint
	for _, host := range config.Servers {
		servers = append(servers, endpoint{"", host, config.Port})
	}
	return servers, nil
}

// ask puts one question over UDP, and over TCP if the answer is too long for a datagram.
func (l *lookup) ask(ctx context.Context, question *dns.Msg, server endpoint, at *progress) (*dns.Msg, error) {
	if l.system {
		ctx = context.WithValue(ctx, ownResolver{}, true)
	}
	short, cancel := context.WithTimeout(ctx, resolverPatience)
	defer cancel()
	answer, err := l.over(short, "udp", question, server, at)
	if err == nil && answer.Truncated {
		return l.over(ctx, "tcp", question, server, at)
	}
	return answer, err
}

func (l *lookup) over(ctx context.Context, network string, question *dns.Msg, server endpoint, at *progress) (*dns.Msg, error) {
	conn, err := l.engine.dial(ctx, network, server, at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	at.is("waiting for the resolver")
	co := &dns.Conn{Conn: conn.Conn, UDPSize: udpSize}
	if err := co.WriteMsg(question); err != nil {
		return nil, err
	}
	for {
		answer, err := co.ReadMsg()
		switch {
		case err == nil && answer.Id == question.Id && answer.Response && len(answer.Question) == 1 && answer.Question[0] == question.Question[0]:
			return answer, nil
		case err == nil || errors.Is(err, dns.ErrId):
			continue // to somebody else
		}
		return nil, err
	}
}

// answered notes what can be matched of an answer: records of the asked type, sorted.
func (x *exchange) answered(m *dns.Msg, kind uint16) {
	records, least := []string{}, uint32(0)
	for _, rr := range m.Answer {
		if rr.Header().Rrtype != kind {
			continue
		}
		records = append(records, recordText(rr))
		if least == 0 || rr.Header().Ttl < least {
			least = rr.Header().Ttl
		}
	}
	slices.Sort(records)
	list := make([]any, len(records))
	for i, r := range records {
		list[i] = r
	}
	x.given = map[string]any{"code": dns.RcodeToString[m.Rcode], "records": list}
	if len(records) > 0 {
		x.given["ttl"] = numberOf(int(least))
	}
}

// recordText is a record as people write it, names in small letters and without the last dot.
func recordText(rr dns.RR) string {
	name := func(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.AAAA:
		return rr.AAAA.String()
	case *dns.CNAME:
		return name(rr.Target)
	case *dns.NS:
		return name(rr.Ns)
	case *dns.PTR:
		return name(rr.Ptr)
	case *dns.TXT:
		return strings.Join(rr.Txt, "")
	case *dns.MX:
		return fmt.Sprintf("%d %s", rr.Preference, name(rr.Mx))
	case *dns.SRV:
		return fmt.Sprintf("%d %d %d %s", rr.Priority, rr.Weight, rr.Port, name(rr.Target))
	case *dns.CAA:
		return fmt.Sprintf("%d %s %s", rr.Flag, rr.Tag, rr.Value)
	}
	return rr.String()
}
