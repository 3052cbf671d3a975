package checks_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/plumbline-dev/plumbline/checks"
)

// rebinding is a resolver that says that every name is at these addresses, one after another.
func rebinding(t *testing.T, addresses ...string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	ready := make(chan struct{})
	server := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg)
		answer.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A: net.ParseIP(addresses[min(asked, len(addresses)-1)])}}
			asked++
		}
		_ = w.WriteMsg(answer)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	<-ready
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = old; _ = server.Shutdown(); <-ended })
}

func TestEgress(t *testing.T) {
	url := serve(t, answering(200, "text/plain", "here"))
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	here := netip.MustParsePrefix("127.0.0.0/8")
	for name, test := range map[string]struct {
		egress  checks.Egress
		target  string
		resolve []string
		reason  string
	}{
		"a configured host":                    {checks.Egress{Hosts: []string{"127.0.0.1"}}, url, nil, ""},
		"a configured name":                    {checks.Egress{Hosts: []string{"green.test"}}, "http://GREEN.test:" + port, []string{"127.0.0.1"}, ""},
		"an allowed network":                   {checks.Egress{Networks: []netip.Prefix{here}}, "http://db.test:" + port, []string{"127.0.0.1"}, ""},
		"anywhere":                             {checks.Egress{Anywhere: true}, url, nil, ""},
		"this machine":                         {checks.Egress{}, url, nil, "on a private network"},
		"this machine, under IPv6":             {checks.Egress{}, "http://[::1]:" + port, nil, "on a private network"},
		"this machine, mapped":                 {checks.Egress{}, "http://[::ffff:127.0.0.1]:" + port, nil, "on a private network"},
		"another host":                         {checks.Egress{Hosts: []string{"green.test"}}, url, nil, "on a private network"},
		"a private network":                    {checks.Egress{}, "http://10.1.2.3:" + port, nil, "10.1.2.3 is at 10.1.2.3, on a private network"},
		"a public name at a private address":   {checks.Egress{}, "http://public.test:" + port, []string{"10.1.2.3"}, "public.test is at 10.1.2.3"},
		"metadata":                             {checks.Egress{}, "http://169.254.169.254/latest", nil, "which no check may reach"},
		"metadata, though anywhere is allowed": {checks.Egress{Anywhere: true}, "http://169.254.169.254/latest", nil, "which no check may reach"},
		"metadata of a configured host":        {checks.Egress{Hosts: []string{"green.test"}}, "http://green.test:" + port, []string{"169.254.169.254"}, "which no check may reach"},
		"metadata in an allowed network":       {checks.Egress{Networks: []netip.Prefix{netip.MustParsePrefix("168.63.0.0/16")}}, "http://168.63.129.16", nil, "which no check may reach"},
		"metadata under IPv6":                  {checks.Egress{Anywhere: true}, "http://[fd00:ec2::254]", nil, "which no check may reach"},
		"link-local under IPv6":                {checks.Egress{Anywhere: true}, "http://[fe80::1]", nil, "which no check may reach"},
		"metadata under IPv6, through NAT64":   {checks.Egress{Anywhere: true}, "http://[64:ff9b::a9fe:a9fe]/latest", nil, "is at 64:ff9b::a9fe:a9fe, which leads to 169.254.169.254, which no check may reach"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "IPv6") {
				conn, err := net.ListenPacket("udp6", "[::]:0")
				if err != nil {
					t.Skip("this machine has no IPv6")
				}
				_ = conn.Close()
			}
			if test.resolve != nil {
				rebinding(t, test.resolve...)
			}
			clients := clientsOf(t)
			checks.Guard(clients.Transport, test.egress)
			_, err := probe(t, compile(t, clients, "get: "+test.target).Prober, askOf(url))
			if (err == nil) != (test.reason == "") || err != nil && !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %v, want %q", err, test.reason)
			}
		})
	}
}

// A name that was somewhere else a moment ago is looked at again when it is connected to.
func TestEgressOfANameThatMoves(t *testing.T) {
	rebinding(t, "10.9.9.9", "127.0.0.1")
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the private address was reached") })
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	clients := clientsOf(t)
	checks.Guard(clients.Transport, checks.Egress{})
	prober := compile(t, clients, "get: http://moving.test:"+port).Prober
	for _, where := range []string{"10.9.9.9", "127.0.0.1"} {
		if _, err := probe(t, prober, askOf(url)); err == nil || !strings.Contains(err.Error(), "moving.test is at "+where) {
			t.Errorf("got %v, want that it is at %s", err, where)
		}
	}
}

func TestEgressOfEveryKind(t *testing.T) {
	clients := clientsOf(t)
	checks.Guard(clients.Transport, checks.Egress{})
	for _, check := range []string{"tcp: 127.0.0.1:1", "tls: 127.0.0.1:1", "grpc: 127.0.0.1:1", "websocket: ws://127.0.0.1:1/", "dns: {name: a.test, resolver: 127.0.0.1:1}", "graphql: {url: http://127.0.0.1:1, query: '{ a }'}"} {
		if _, err := probe(t, compile(t, clients, check).Prober, askOf("http://127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "private network") {
			t.Errorf("%s: %v", check, err)
		}
	}
}
